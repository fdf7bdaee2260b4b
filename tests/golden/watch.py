"""A fixed night: one guest put back, one left alone, one handed over; the runbooks and the level behind it."""

from __future__ import annotations

from jarvis_daemon.protocol.messages import RunbookInfo
from jarvis_daemon.protocol.state import Autonomy, Check, Repair, RepairStep
from tests.golden.homelab import NOW

HOUR = 3600.0


def check(guardrail: str, text: str, verdict: str = "pass") -> Check:
    return Check(guardrail=guardrail, verdict=verdict, text=text)  # type: ignore[arg-type]


PASSED = [
    check("kill switch", "The kill switch is not engaged."),
    check("quorum", "The cluster is quorate, and a second endpoint agrees."),
    check("nodes", "Every node answers."),
]
CRASH = NOW - 6 * HOUR

REPAIRED = Repair(
    id="7", cluster="homelab", incident="31", condition="guest-crashed", target="guest:105", target_name="pihole",
    runbook="guest-crashed", level=3, attempt=1, status="repaired", seen="pihole stopped, and no task explains it",
    seen_at=CRASH, decided="Start it: nothing stands against it", decided_at=CRASH + 1, checks=PASSED,
    steps=[
        RepairStep(tool="start_container", text="Start pihole.", outcome="verified", call_id="c7",
                   began_at=CRASH + 2, ended_at=CRASH + 5),
    ],
    samples=[CRASH + 12, CRASH + 22], ended_at=CRASH + 22, text="pihole stopped by itself and runs again.",
)  # fmt: skip
REFUSED = Repair(
    id="8", cluster="homelab", incident="32", condition="guest-crashed", target="guest:116",
    target_name="dev-sandbox", runbook="guest-crashed", level=3, status="refused",
    seen="dev-sandbox stopped, and no task explains it", seen_at=CRASH + HOUR,
    checks=[
        *PASSED, check("lock", "dev-sandbox is locked (backup).", "refuse"),
        check("backup", "A backup of it runs.", "hold"),
    ],
    text="dev-sandbox stopped, and no task explains it. I leave it alone: dev-sandbox is locked (backup).",
)  # fmt: skip
ESCALATED = Repair(
    id="9", cluster="homelab", incident="1", condition="node-unreachable", target="node:pve", target_name="pve",
    runbook="node-unreachable", level=3, attempt=2, status="escalated", severity="critical",
    seen="pve does not answer", seen_at=NOW - 600, decided="Wake it: nothing stands against it",
    decided_at=NOW - 590, checks=PASSED,
    steps=[
        RepairStep(tool="get_journal", text="Read the last lines of agent's journal", outcome="done", call_id="c8",
                   began_at=NOW - 589, ended_at=NOW - 588,
                   result={"lines": ["link is \x1b[31mdown", "no carrier"]}),
        RepairStep(tool="wake_node", text="Wake pve", outcome="contradicted", call_id="c9", began_at=NOW - 588,
                   ended_at=NOW - 400),
    ],
    ended_at=NOW - 400, text="pve was woken twice and does not answer: look at its power and its network.",
)  # fmt: skip
ASKING = Repair(
    id="10", cluster="homelab", incident="33", condition="temperature-high", target="node:agent1",
    target_name="agent1", runbook="high-temperature-migrate", level=3, status="asking", seen="agent1 is at 93 °C",
    seen_at=NOW - 120, decided="move the guests of agent1 (runbook high-temperature-migrate, L3)",
    decided_at=NOW - 110, checks=PASSED, approval_id="4f2a1c",
    text="agent1 is at 93 °C. May I move the guests of agent1?",
)  # fmt: skip
OLD = Repair(
    id="2", cluster="homelab", condition="guest-crashed", target="guest:103", target_name="plex",
    runbook="guest-crashed", level=2, status="recommended", seen="plex stopped", seen_at=NOW - 50 * HOUR,
    text="plex stopped. I would start plex. `jarvis runbook run guest-crashed plex` does it.", checks=PASSED,
)  # fmt: skip
REPAIRS = [OLD, REPAIRED, REFUSED, ESCALATED, ASKING]
"""Oldest first."""

AUTONOMY = Autonomy(
    id="autonomy:main", cluster="homelab", level=3, effective=2, since_at=NOW - 5 * 24 * HOUR,
    by="operator:jarvis-cli:1000",
    why="only one endpoint of the cluster can be reached, so nobody can confirm what it says",
    conditions={"storage-high": 2}, targets={"guest:103": 1, "node:agent1": 4},
)  # fmt: skip

YAML = """\
name: guest-crashed
about: Starts a guest that stopped by itself.
condition: guest-crashed
scope: guest
steps:
  - tool: {by: guest.kind, tools: {vm: start_vm, ct: start_container}}
    args: {guest: "{guest.vmid}"}
escalate:
  say: "{target.name} does not stay up."
"""
RUNBOOKS = [
    RunbookInfo(name="guest-crashed", about="Starts a guest that stopped by itself.", condition="guest-crashed",
                scope="guest", shipped=True, trusted=True, sha256="a" * 64, path="guest-crashed.yaml",
                steps=["start_vm | start_container guest={guest.vmid}"]),
    RunbookInfo(name="disk-failing", about="Gathers what is known of a failing disk.", condition="disk-failing",
                scope="report", shipped=True, trusted=True, sha256="b" * 64, path="disk-failing.yaml",
                steps=["get_disk_health node={node.name}"]),
    RunbookInfo(name="zigbee", about="Restarts the Zigbee bridge.", condition="service-down", scope="guest",
                sha256="c" * 64, path="/etc/jarvis/runbooks/zigbee.yaml",
                steps=["restart_service node={target.host} service={target.unit}"]),
    RunbookInfo(name="typo", path="/etc/jarvis/runbooks/typo.yaml", sha256="d" * 64,
                problem="typo.yaml, line 4: there is no key `cooldown_min`; did you mean `cool_down_min`?"),
]  # fmt: skip
