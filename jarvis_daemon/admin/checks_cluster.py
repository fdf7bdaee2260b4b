"""Checks of the cluster: each endpoint's certificate, the token and its privileges, SSH, clocks."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from jarvis_daemon.admin.certificate import certificate
from jarvis_daemon.admin.check import Check, failed, ok, warned
from jarvis_daemon.admin.hostkeys import read_one
from jarvis_daemon.admin.probe import ask_endpoint
from jarvis_daemon.clock import SystemClock
from jarvis_daemon.cluster.ssh import SshNodes
from jarvis_daemon.cluster.tls import normal_fingerprint
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import Places
from jarvis_daemon.settings import ClusterSettings

CERTIFICATE_WARNING_S: Final = 21 * 86400.0
ACTING_LEVEL: Final = 3
"""From this autonomy level on something is done without asking."""
REPAIR_PRIVILEGES: Final = frozenset({"VM.PowerMgmt", "VM.Migrate", "Sys.PowerMgmt"})
"""What the shipped runbooks do at the API: start guests, move them, wake nodes."""


async def run(cluster: ClusterSettings, where: Places, *, level: int = 2) -> list[Check]:
    """All checks of the cluster; one endpoint's failure hides nothing of the others. ``level``: of autonomy, which
    tells how much the token has to be able to do."""
    found: list[Check] = []
    known: dict[str, Any] = {}
    for url in cluster.endpoints:
        reached, answer = await _endpoint(cluster, url)
        found += reached
        known = known or answer
    if known:
        found += _privileges(known)
        found += _acting(known, level)
        found += await _ssh(cluster, where, known)
    return found


async def _endpoint(cluster: ClusterSettings, url: str) -> tuple[list[Check], dict[str, Any]]:
    """TCP and TLS, then the token."""
    title = f"Endpoint {url}"
    try:
        shown = await asyncio.to_thread(certificate, url, cluster.call_timeout_s)
    except JarvisError as error:
        return [failed("endpoint", title, error.sentence(), error.next)], {}
    found = [_trust(cluster, title, shown)]
    if found[0]["status"] == "fail":
        return found, {}
    try:
        answer = await ask_endpoint(cluster, url)
    except JarvisError as error:
        return [*found, failed("token", f"Token at {url}", error.sentence(), error.next)], {}
    found.append(ok("token", f"Token at {url}", f"accepted by Proxmox VE {answer['version']}"))
    return found, answer


def _trust(cluster: ClusterSettings, title: str, shown: dict[str, Any]) -> Check:
    seen = str(shown["fingerprint"])
    if cluster.tls == "fingerprint":
        pinned = [normal_fingerprint(one) for one in cluster.fingerprints]
        if seen not in pinned:
            return failed(
                "endpoint", title, f"its certificate has changed: seen {seen}, pinned {', '.join(pinned)}",
                "Compare with `pvenode cert info` on the node, then `jarvis setup`.",
            )  # fmt: skip
    elif cluster.tls == "verify" and not cluster.ca_file and not shown["trusted"]:
        return failed(
            "endpoint", title, f"its certificate is not trusted: {shown['why']}",
            "Name PVE's CA by cluster.ca_file, or pin the fingerprint with `jarvis setup`.",
        )  # fmt: skip
    elif cluster.tls == "insecure":
        return warned(
            "endpoint", title, "reached, its certificate is not checked", 'Set cluster.tls to "fingerprint".'
        )
    left_s = float(shown["expires_at"]) - SystemClock().now()
    if left_s < CERTIFICATE_WARNING_S:
        days = max(0, round(left_s / 86400))
        return warned(
            "endpoint", title, f"its certificate expires in {days} days", "`pvecm updatecerts` on the node."
        )
    return ok("endpoint", title, "reached, certificate as trusted")


def _privileges(known: dict[str, Any]) -> list[Check]:
    missing, optional = ", ".join(known["missing"]), ", ".join(known["missing_optional"])
    title = "Privileges"
    if missing:
        fix = "`jarvis setup` shows the commands; token and user both need the role."
        return [failed("privileges", title, f"the token lacks {missing}: what they show is unknown", fix)]
    if optional:
        fix = "Only the addresses of VMs stay unknown; `jarvis setup` shows the command."
        return [warned("privileges", title, f"the token lacks {optional}", fix)]
    return [ok("privileges", title, "the token has all it needs")]


def _acting(known: dict[str, Any], level: int) -> list[Check]:
    """What the token may do. One that may only look is as it should be, as long as nobody counts on repairs."""
    title, missing = "Acting", ", ".join(known["missing_act"])
    fix = "`jarvis setup` shows the commands of the role for it; token and user both need it."
    if not missing:
        return [ok("acting", title, "the token may do all that Jarvis can")]
    repairs = [item for item in known["missing_act"] if item.split(" ")[0] in REPAIR_PRIVILEGES]
    if level >= ACTING_LEVEL and repairs:
        text = f"autonomy is L{level}, but the token lacks {', '.join(repairs)}: such repairs fail"
        return [warned("acting", title, text, fix)]
    if not known["acts"]:
        return [ok("acting", title, "the token may only look: Jarvis recommends, and you do it")]
    return [warned("acting", title, f"the token lacks {missing}: what needs them is refused by Proxmox VE", fix)]


async def _ssh(cluster: ClusterSettings, where: Places, known: dict[str, Any]) -> list[Check]:
    """One reading a node; the clocks are told by it."""
    if not cluster.ssh.enabled:
        return [ok("ssh", "SSH", "off by cluster.ssh.enabled, so temperatures stay unknown")]
    pinned = cluster.ssh.known_hosts_file
    known_hosts = where.config_dir / pinned if pinned else where.known_hosts
    ssh = SshNodes(cluster, known_hosts=known_hosts, clock=SystemClock())
    try:
        rows = await asyncio.gather(*(read_one(ssh, node["name"], node["ip"]) for node in known["nodes"]))
    finally:
        await ssh.close()
    return [check for row in rows for check in _reading(row)]


def _reading(row: dict[str, Any]) -> list[Check]:
    title = f"SSH to {row['node']}"
    if row["error"]:
        return [warned("ssh", title, row["error"], row["next"])]
    told = "reading taken" if row["temperature"] else "reached, but it tells no temperature"
    found = [
        ok("ssh", title, told)
        if row["temperature"]
        else warned("ssh", title, told, f"Install lm-sensors on {row['node']}.")
    ]
    skew = row["skew_s"]
    if skew is not None:
        text = f"{row['node']} differs by {skew:+.1f} s"
        found.append(
            ok("clock", "Clock", text)
            if abs(skew) < 5
            else warned("clock", "Clock", text, "Have both follow NTP (`timedatectl`).")
        )
    return found
