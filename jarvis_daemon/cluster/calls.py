"""Every call to the Proxmox VE API that this client can make, in one table.

``tests/contracts/test_pve_calls.py`` holds path, method, each parameter and each privilege against the
published schemas of 8.4 and 9.1.3. What is not listed here cannot be called. The writes stand in ``calls_write.py``
and go out through ``Proxmox.write`` only, with the gate's permit.
"""

from __future__ import annotations

import re
from typing import Any, Final

from jarvis_daemon.cluster.call_kinds import Call, Parameter, Privilege
from jarvis_daemon.cluster.calls_nodes import NODE_READS
from jarvis_daemon.cluster.calls_write import WRITES
from jarvis_daemon.cluster.shapes import Version
from jarvis_daemon.protocol.errors import JarvisError

_SYS = (Privilege("Sys.Audit", "/"),)
_NODE = (Privilege("Sys.Audit", "/nodes/{node}"),)
_VM = (Privilege("VM.Audit", "/vms/{vmid}"),)
_STORAGE = (Privilege("Datastore.Audit", "/storage/{storage}"),)
_AGENT = (
    Privilege("VM.Monitor", "/vms/{vmid}", until="9.0"),
    Privilege("VM.GuestAgent.Audit", "/vms/{vmid}", since="9.0"),
)
_EVERYTHING = (
    Privilege("Sys.Audit", "/nodes"),
    Privilege("VM.Audit", "/vms"),
    Privilege("Datastore.Audit", "/storage"),
)
_RRD = (Parameter("timeframe", optional=False), Parameter("cf"))
_LOG = (Parameter("start"), Parameter("limit"))
_TASKS = (
    Parameter("limit"), Parameter("start"), Parameter("since"), Parameter("until"), Parameter("source"),
    Parameter("typefilter"), Parameter("vmid"), Parameter("errors"),
)  # fmt: skip

_TABLE: Final = (
    Call("version", "/version", "object"),
    Call("cluster_status", "/cluster/status", "list", privileges=_SYS),
    Call("cluster_resources", "/cluster/resources", "list", (Parameter("type"),), reveals=_EVERYTHING),
    Call("cluster_tasks", "/cluster/tasks", "list", reveals=_SYS),
    Call("ha_status", "/cluster/ha/status/current", "list", privileges=_SYS),
    Call("backup_jobs", "/cluster/backup", "list", privileges=_SYS),
    Call("replication_jobs", "/cluster/replication", "list", reveals=(Privilege("VM.Audit", "/vms"),)),
    Call(
        "metrics_export",
        "/cluster/metrics/export",
        "object",
        (Parameter("start-time"), Parameter("history"), Parameter("local-only")),
        privileges=_SYS,
        since="8.4",
    ),
    Call("next_vmid", "/cluster/nextid", "number", (Parameter("vmid"),)),
    Call("permissions", "/access/permissions", "object", (Parameter("path"),)),
    Call("node_status", "/nodes/{node}/status", "object", privileges=_NODE),
    Call("node_time", "/nodes/{node}/time", "object", privileges=_NODE),
    Call("node_certificates", "/nodes/{node}/certificates/info", "list"),
    Call("node_services", "/nodes/{node}/services", "list", privileges=_NODE),
    Call("node_rrd", "/nodes/{node}/rrddata", "list", _RRD, privileges=_NODE),
    Call("node_tasks", "/nodes/{node}/tasks", "list", _TASKS, reveals=_NODE),
    Call("node_replication", "/nodes/{node}/replication", "list", (Parameter("guest"),), reveals=_VM),
    Call("node_storages", "/nodes/{node}/storage", "list", (Parameter("content"),), reveals=_STORAGE),
    Call("task_status", "/nodes/{node}/tasks/{upid}/status", "object", reveals=_NODE),
    Call(
        "task_log",
        "/nodes/{node}/tasks/{upid}/log",
        "list",
        (Parameter("start"), Parameter("limit")),
        reveals=_NODE,
    ),
    Call("vm_status", "/nodes/{node}/qemu/{vmid}/status/current", "object", privileges=_VM),
    Call("ct_status", "/nodes/{node}/lxc/{vmid}/status/current", "object", privileges=_VM),
    Call("vm_config", "/nodes/{node}/qemu/{vmid}/config", "object", (Parameter("current"),), privileges=_VM),
    Call("ct_config", "/nodes/{node}/lxc/{vmid}/config", "object", (Parameter("current"),), privileges=_VM),
    Call("vm_rrd", "/nodes/{node}/qemu/{vmid}/rrddata", "list", _RRD, privileges=_VM),
    Call("ct_rrd", "/nodes/{node}/lxc/{vmid}/rrddata", "list", _RRD, privileges=_VM),
    Call("vm_snapshots", "/nodes/{node}/qemu/{vmid}/snapshot", "list", privileges=_VM),
    Call("ct_snapshots", "/nodes/{node}/lxc/{vmid}/snapshot", "list", privileges=_VM),
    Call("vm_addresses", "/nodes/{node}/qemu/{vmid}/agent/network-get-interfaces", "object", privileges=_AGENT),
    Call("ct_addresses", "/nodes/{node}/lxc/{vmid}/interfaces", "list", privileges=_VM),
    Call(
        "storage_content",
        "/nodes/{node}/storage/{storage}/content",
        "list",
        (Parameter("content"), Parameter("vmid")),
        privileges=_STORAGE,
        reveals=_VM,
    ),
)

CALLS: Final[dict[str, Call]] = {call.name: call for call in (*_TABLE, *NODE_READS, *WRITES)}

TOKEN_PRIVILEGES: Final = (
    Privilege("Sys.Audit", "/"),
    Privilege("VM.Audit", "/vms"),
    Privilege("Datastore.Audit", "/storage"),
    Privilege("VM.Monitor", "/vms", until="9.0"),
    Privilege("VM.GuestAgent.Audit", "/vms", since="9.0"),
)
"""What the daemon's token needs, each with propagation; shown by ``jarvis setup``. The last two only for the
addresses of VMs."""

OPTIONAL_PRIVILEGES: Final = frozenset({"VM.Monitor", "VM.GuestAgent.Audit"})
"""Without these everything but the addresses of VMs is seen."""


def needed_privileges(version: Version, *, optional: bool = True) -> list[tuple[str, str]]:
    """(privilege, path) that a token needs on a cluster of ``version``."""
    return [
        (privilege.name, privilege.path)
        for privilege in TOKEN_PRIVILEGES
        if privilege.asked_by(version) and (optional or privilege.name not in OPTIONAL_PRIVILEGES)
    ]


_PART: Final = r"[A-Za-z0-9_+=@-][A-Za-z0-9_.:+=@-]*"
_SEGMENTS: Final = {
    "node": re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"),
    "vmid": re.compile(r"[1-9][0-9]{2,8}"),
    "storage": re.compile(r"[A-Za-z][A-Za-z0-9_.-]*"),
    "upid": re.compile(r"UPID:[A-Za-z0-9:_.@!+=-]+"),
    "snapname": re.compile(r"[A-Za-z][A-Za-z0-9_-]{1,39}"),
    "volume": re.compile(rf"[A-Za-z][A-Za-z0-9_.-]*:(?:{_PART}/)*{_PART}"),
}


def fill(call: Call, arguments: dict[str, Any], version: Version | None = None) -> tuple[str, dict[str, str]]:
    """The path and the parameters of a call, as they go out.

    Names are given as in Python (``start_time`` for ``start-time``); None is left out; booleans become 0/1,
    since PVE refuses true and false. Raises ``invalid_params`` for a missing, unknown or unusable argument
    (an empty node would ask for another path) and ``unavailable`` where ``version`` is too old.
    """
    if call.since is not None and version is not None and not version.at_least(call.since):
        raise _too_old(f"The call {call.name}", call.since, version)
    given = {key: value for key, value in arguments.items() if value is not None}
    path = call.path
    for key in call.arguments:
        text = str(given.pop(key, ""))
        if not _SEGMENTS[key].fullmatch(text):
            raise JarvisError("invalid_params", f"{text!r} cannot be a {key}", why=f"asked for {call.name}")
        path = path.replace(f"{{{key}}}", text)
    parameters: dict[str, str] = {}
    for parameter in call.parameters:
        key = parameter.name.replace("-", "_")
        if key not in given:
            if not parameter.optional:
                raise JarvisError("invalid_params", f"{call.name} needs {parameter.name}")
            continue
        if parameter.since is not None and version is not None and not version.at_least(parameter.since):
            raise _too_old(f"The parameter {parameter.name} of {call.name}", parameter.since, version)
        value = given.pop(key)
        parameters[parameter.name] = str(int(value)) if isinstance(value, bool) else str(value)
    if given:
        raise JarvisError("invalid_params", f"{call.name} takes no {', '.join(sorted(given))}")
    return path, parameters


def _too_old(what: str, since: str, version: Version) -> JarvisError:
    return JarvisError(
        "unavailable",
        f"{what} needs Proxmox VE {since}",
        why=f"the cluster runs {version.text}",
        next="Update the nodes.",
    )
