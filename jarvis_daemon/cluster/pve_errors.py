"""Every way a call can fail, as one sentence for a person with its reason and the next command.

Sources: PVE's HTTP server (status codes, reason phrases, 3 s delay of a 401, 595/596/599 of its proxy) and
replies seen; PVE 9 sends a ``message`` in the body, up to 8 it is the reason phrase.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from jarvis_daemon.cluster.breaker import Condition
from jarvis_daemon.cluster.call_kinds import Call
from jarvis_daemon.cluster.calls_write import ACT_PRIVILEGES, ACT_ROLE
from jarvis_daemon.cluster.transport import Malformed, Refused, TimedOut, TransportError, Untrusted
from jarvis_daemon.protocol.errors import JarvisError

_MISSING: Final = re.compile(r"does not exist|\bno such |not found|hostname lookup '", re.IGNORECASE)
_CONFIG_DOWN: Final = re.compile(r"ipcc_send_rec|Connection refused\b")
_PERMISSION: Final = re.compile(r"\((?P<path>/[^,()]*),\s*(?P<privileges>[\w.|, ]+)\)")
_ROLE: Final = "PVEAuditor"


@dataclass(frozen=True, slots=True)
class Asked:
    """Who was asked for what."""

    endpoint: str
    call: Call
    arguments: dict[str, Any]
    token_id: str
    trusted: str
    """What certificate is trusted, in words: fingerprints or the CA."""

    @property
    def node(self) -> str | None:
        return str(self.arguments["node"]) if self.call.node_scoped else None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a failure means: the error, whether another endpoint may do better, how this one is."""

    error: JarvisError
    elsewhere: bool
    endpoint: Condition


def judge(failure: TransportError, asked: Asked) -> Verdict:
    if isinstance(failure, Refused):
        return _refused(failure, asked)
    if isinstance(failure, Untrusted):
        return Verdict(_untrusted(failure, asked), elsewhere=True, endpoint="failed")
    if isinstance(failure, TimedOut) and failure.connected and asked.node is not None:
        return Verdict(_node_unreachable(asked, "no answer in time"), elsewhere=True, endpoint="unclear")
    what = f"The endpoint {asked.endpoint} gave no usable answer" if isinstance(failure, Malformed) else (
        f"The endpoint {asked.endpoint} cannot be reached"
    )  # fmt: skip
    error = JarvisError("cluster_unreachable", what, why=failure.why, data={"endpoint": asked.endpoint})
    return Verdict(error, elsewhere=True, endpoint="failed")


def _refused(failure: Refused, asked: Asked) -> Verdict:
    status, text = failure.status, failure.text or f"HTTP {failure.status}"
    if status == 401:
        return Verdict(_bad_token(asked, text), elsewhere=True, endpoint="failed")
    if status == 403:
        return Verdict(_forbidden(asked, text), elsewhere=False, endpoint="well")
    if 595 <= status <= 599:
        return Verdict(_node_unreachable(asked, text), elsewhere=True, endpoint="well")
    if status in (502, 503, 504) or (status == 500 and _CONFIG_DOWN.search(text)):
        error = JarvisError(
            "cluster_unreachable", f"The endpoint {asked.endpoint} cannot serve the cluster", why=text,
            data={"endpoint": asked.endpoint},
        )  # fmt: skip
        return Verdict(error, elsewhere=True, endpoint="failed")
    return Verdict(_answered(failure, asked, text), elsewhere=False, endpoint="well")


def _answered(failure: Refused, asked: Asked, text: str) -> JarvisError:
    """The endpoint is well and said no."""
    data: dict[str, Any] = {"status": failure.status, "endpoint": asked.endpoint}
    if failure.status == 400:
        details = "; ".join(f"{name}: {said}" for name, said in failure.errors.items())
        return JarvisError(
            "cluster_refused", f"Proxmox VE refused the parameters of {asked.call.name}", why=details or text,
            next="`jarvis doctor` compares the versions of daemon and cluster.",
            data=data | {"errors": failure.errors},
        )  # fmt: skip
    if failure.status == 501:
        return JarvisError(
            "cluster_refused", f"Proxmox VE at {asked.endpoint} does not know the call {asked.call.name}", why=text,
            next="`jarvis doctor` compares the versions of daemon and cluster.", data=data,
        )  # fmt: skip
    if failure.status == 404 or _MISSING.search(text):
        return JarvisError("not_found", f"{_subject(asked)} is not there", why=text, data=data)
    return JarvisError("cluster_refused", f"Proxmox VE refused {asked.call.name}", why=text, data=data)


def _subject(asked: Asked) -> str:
    given = asked.arguments
    if "upid" in given:
        return f"The task {given['upid']}"
    if "vmid" in given:
        return f"The guest {given['vmid']} on node {given['node']}"
    if "storage" in given:
        return f"The storage {given['storage']} on node {given['node']}"
    return f"The node {given['node']}" if "node" in given else f"What {asked.call.name} asks for"


def _node_unreachable(asked: Asked, why: str) -> JarvisError:
    """A fault of reachability, never of the token: PVE's proxy could not get through (595, 596, 599)."""
    whom = f"The node {asked.node} is" if asked.node else "A node is"
    return JarvisError(
        "cluster_unreachable",
        f"{whom} unreachable through the endpoint {asked.endpoint}",
        why=why,
        next="`jarvis node list` shows which nodes answer.",
        data={"endpoint": asked.endpoint, "node": asked.node},
    )


def _bad_token(asked: Asked, text: str) -> JarvisError:
    return JarvisError(
        "cluster_denied",
        f"Proxmox VE does not accept the API token {asked.token_id}",
        why=text,
        next="Check its secret and expiry on the cluster, then run `jarvis setup`.",
        data={"token_id": asked.token_id, "endpoint": asked.endpoint},
    )


def _forbidden(asked: Asked, text: str) -> JarvisError:
    match = _PERMISSION.search(text)
    if match:
        path, privileges = match["path"], [one for one in re.split(r"[|,\s]+", match["privileges"]) if one]
    else:
        path = asked.call.privileges[0].path.format_map(asked.arguments) if asked.call.privileges else "/"
        privileges = list(
            dict.fromkeys(privilege.name for privilege in (*asked.call.privileges, *asked.call.inside))
        )
    wanted = " or ".join(privileges) or "a privilege"
    user = asked.token_id.partition("!")[0]
    at, role, make = path, _ROLE, ""
    if asked.call.writes:  # at /, beside what lets it read: a role on a deeper path would take that away there
        at, role = "/", ACT_ROLE
        make = f"`pveum role add {role} --privs {','.join(p.name for p in ACT_PRIVILEGES)}` (once) and "
    return JarvisError(
        "cluster_denied",
        f"The API token {asked.token_id} lacks {wanted} on {path}",
        why=f"{text}; a token with privilege separation needs it on the user {user} too",
        next=f"Run {make}`pveum acl modify {at} --roles {role} --tokens '{asked.token_id}'` on a node, "
        f"and the same with `--users {user}`.",
        data={"token_id": asked.token_id, "privileges": privileges, "path": path, "endpoint": asked.endpoint},
    )


def _untrusted(failure: Untrusted, asked: Asked) -> JarvisError:
    seen = failure.seen or "none"
    return JarvisError(
        "cluster_untrusted",
        f"The certificate of {asked.endpoint} is not the one that is trusted",
        why=f"seen {seen}, expected {asked.trusted} ({failure.why})",
        next="Run `pvenode cert info` on the node; only if it shows the value seen, run `jarvis setup`.",
        data={"endpoint": asked.endpoint, "expected": asked.trusted, "seen": seen},
    )
