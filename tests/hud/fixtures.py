"""The homelab as a daemon would tell of it, at one fixed moment, and a link that stands still."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import yaml

from jarvis_cli.hud.app import HudApp
from jarvis_cli.hud.cost import Cost
from jarvis_cli.hud.options import Options
from jarvis_daemon.clock import ManualClock
from jarvis_daemon.protocol.client import Link
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.state import (
    Approval,
    Autonomy,
    Check,
    Cluster,
    Entity,
    FeedEvent,
    Guest,
    Incident,
    KillSwitchState,
    Node,
    Repair,
    RepairStep,
    Source,
    Storage,
    Task,
)
from tests.hud.script import Script

NOW = 1_795_211_223.0
"""Fri 20 Nov 2026 21:47:03 UTC."""
HOMELAB = Path(__file__).parents[2] / "jarvis_daemon" / "data" / "homelab.yaml"
GIB = 1 << 30
LOADS = {
    "Home": (0.31, 0.74, 58.0, 41),
    "pve": (0.12, 0.52, 49.0, 12),
    "agent1": (0.57, 0.81, 66.0, 41),
    "agent": (0.22, 0.78, 79.0, 88),
}
SOURCE = "source:homelab/resources"

State = dict[str, dict[str, dict[str, Any]]]


def by_id(entities: list[Entity]) -> dict[str, dict[str, Any]]:
    return {entity.id: msgspec.to_builtins(entity) for entity in entities}


def homelab() -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(HOMELAB.read_text())
    return data


def node(spec: dict[str, Any]) -> Node:
    cpu, memory, warmth, days = LOADS[spec["name"]]
    total = spec["memory_gb"] * GIB
    return Node(
        id=f"node:{spec['name']}",
        cluster="homelab",
        name=spec["name"],
        source=SOURCE,
        status="online",
        ip=spec["ip"],
        local=spec["name"] == "Home",
        cpu=cpu,
        cpu_count=spec["cpus"],
        cpu_model=spec["cpu_model"],
        iowait=0.01,
        loadavg=[cpu * spec["cpus"], cpu * spec["cpus"] * 0.9, cpu * spec["cpus"] * 0.8],
        memory_used_bytes=int(total * memory),
        memory_total_bytes=total,
        rootfs_used_bytes=int(94 * GIB * 0.38),
        rootfs_total_bytes=94 * GIB,
        started_at=NOW - days * 86400,
        kernel="6.14.11-4-pve",
        pve_version="9.1.3",
        temperature_c=warmth,
        temperature_at=NOW - 20,
        last_seen_at=NOW - 4,
    )


def guest(spec: dict[str, Any]) -> Guest:
    running = spec.get("status", "running") == "running" and not spec.get("template")
    seed = spec["vmid"] * 37 % 100 / 100
    total = int(spec["memory_gb"] * GIB)
    disk = int(spec["disk_gb"] * GIB)
    return Guest(
        id=f"guest:{spec['vmid']}",
        cluster="homelab",
        vmid=spec["vmid"],
        name=spec["name"],
        kind=spec["kind"],
        node=spec["node"],
        source=SOURCE,
        status="running" if running else "stopped",
        template=bool(spec.get("template")),
        lock=spec.get("lock"),
        ha_state=spec.get("ha"),
        tags=spec.get("tags", []),
        cpu=seed * 0.2 if running else 0.0,
        cpu_count=spec["cores"],
        memory_used_bytes=int(total * (0.2 + seed * 0.6)) if running else 0,
        memory_total_bytes=total,
        disk_used_bytes=int(disk * (0.2 + seed * 0.5)) if spec["kind"] == "ct" else None,
        disk_total_bytes=disk,
        net_in_bytes=int(seed * 40 * GIB),
        net_out_bytes=int(seed * 9 * GIB),
        started_at=NOW - 86400 * (2 + seed * 38) if running else None,
        last_seen_at=NOW - 4,
    )


def storages(data: dict[str, Any]) -> list[Entity]:
    out: list[Entity] = []
    names = [n["name"] for n in data["nodes"]]
    for spec in data["storages"]:
        total = spec["size_gb"] * GIB
        nodes = names if spec["nodes"] == "all" else spec["nodes"]
        for place in [None] if spec["shared"] else nodes:
            key = spec["name"] if place is None else f"{place}/{spec['name']}"
            out.append(
                Storage(
                    id=f"storage:{key}",
                    cluster="homelab",
                    name=spec["name"],
                    node=place,
                    nodes=nodes,
                    source=SOURCE,
                    type=spec["type"],
                    shared=spec["shared"],
                    content=spec.get("content", ["images", "rootdir"]),
                    status="available",
                    used_bytes=int(total * spec["used_pct"] / 100),
                    total_bytes=total,
                )
            )
    return out


def upid(place: str, at: float, kind: str, target: str) -> str:
    return f"UPID:{place}:0000A1B2:0001C3D4:{int(at):08X}:{kind}:{target}:root@pam:"


def task(place: str, kind: str, target: str, ago: float, took: float | None, status: str, **more: Any) -> Task:
    at = NOW - ago
    return Task(
        id=upid(place, at, kind, target),
        cluster="homelab",
        node=place,
        type=kind,
        target=target,
        user="root@pam",
        started_at=at,
        ended_at=None if took is None else at + took,
        status=status,
        **more,  # type: ignore[arg-type]
    )


def cluster_state() -> State:
    data = homelab()
    cluster = Cluster(
        id="cluster:homelab",
        cluster="homelab",
        name="homelab",
        simulated=True,
        quorate=True,
        votes_expected=4,
        quorum_needed=3,
        nodes_online=4,
        nodes_total=4,
        pve_version="9.1.3",
        endpoint="https://192.168.1.50:8006",
    )
    source = Source(
        id=SOURCE,
        cluster="homelab",
        what="resources",
        interval_s=10.0,
        stale_after_s=30.0,
        polled_at=NOW - 4,
        ok_at=NOW - 4,
        duration_s=0.08,
        freshness="fresh",
    )
    return {
        "clusters": by_id([cluster]),
        "nodes": by_id([node(spec) for spec in data["nodes"]]),
        "guests": by_id([guest(spec) for spec in data["guests"]]),
        "storages": by_id(storages(data)),
        "sources": by_id([source]),
    }


def tasks_state() -> State:
    return {
        "tasks": by_id(
            [
                task("agent1", "vzdump", "113", 130, None, "running", progress=0.71),
                task("agent", "vzstart", "105", 200, 3, "ok", exit_text="OK"),
                task("pve", "vzdump", "101", 68_000, 412, "ok", exit_text="OK"),
                task("pve", "vzdump", "110", 67_000, 1_540, "warnings", exit_text="WARNINGS: 1"),
                task("Home", "qmreboot", "111", 90_000, 41, "ok", exit_text="OK"),
                task(
                    "Home", "vzdump", "108", 66_000, 12, "failed", exit_text="job errors: no space left on device"
                ),
            ]
        )
    }


def incident(
    number: int, condition: str, target: str, severity: str, title: str, ago: float, **more: Any
) -> Incident:
    at = NOW - ago
    return Incident(
        id=str(number),
        cluster="homelab",
        condition=condition,
        target=target,
        severity=severity,  # type: ignore[arg-type]
        title=title,
        observed_at=at - 10,
        opened_at=at,
        updated_at=NOW - 4,
        **more,
    )


def warm() -> Incident:
    return incident(
        3,
        "temperature-high",
        "node:agent",
        "warning",
        "agent is running warm: 79 °C",
        1_380,
        detail="The CPU has been above 75 °C for 23 minutes.",
        evidence={"temperature_c": 79.0, "threshold_c": 75.0},
        announced_at=NOW - 1_320,
        acked_at=NOW - 600,
        acked_by="john",
    )


Told = tuple[float, str, str, str]
"""Seconds ago, severity, kind, text."""


def feed(*more: Told) -> list[dict[str, Any]]:
    lines: list[Told] = [
        (62_000, "ok", "backup.finished", "Backup nightly: 7 of 7 guests are saved on externalhdd"),
        (11_200, "info", "guest.started", "minecraft was started by john@pam"),
        (7_300, "info", "storage.check", "Storage check: externalhdd 71 %, tank 64 %, local-lvm 55 %"),
        (1_380, "warning", "incident.opened", "agent is running warm: 79 °C"),
        (1_023, "info", "heartbeat", "Heartbeat: 4 nodes online, 14 guests run"),
        (240, "warning", "guest.stopped", "pihole stopped, and no task explains it"),
        (197, "ok", "guest.started", "pihole runs again; it was away for 43 s"),
        (130, "info", "task.started", "Backup of paperless began on agent1"),
        (20, "info", "heartbeat", "Heartbeat: 4 nodes online, 14 guests run"),
    ]
    lines = sorted([*lines, *more], reverse=True)
    return [
        msgspec.to_builtins(
            FeedEvent(seq=i, at=NOW - ago, cluster="homelab", kind=kind, severity=severity, text=text)  # type: ignore[arg-type]
        )
        for i, (ago, severity, kind, text) in enumerate(lines, start=1)
    ]


def series(seed: int, mean: float, swing: float) -> list[float]:
    """A quiet wave with a little unrest, the same every time."""
    return [
        mean + swing * (math.sin(i / 5 + seed) * 0.6 + math.sin(i * (1.3 + seed % 3) + seed * 7) * 0.4)
        for i in range(60)
    ]


def history() -> dict[str, Any]:
    """What ``metrics.history`` answers for the four nodes."""
    out: dict[str, Any] = {}
    for seed, (name, (cpu, memory, warmth, _)) in enumerate(LOADS.items()):
        means = {"cpu": (cpu, cpu * 0.45), "memory": (memory, 0.03), "temperature": (warmth, 4.0)}
        out[f"node:{name}"] = {
            metric: {"start_at": NOW - 3600, "step_s": 60.0, "values": series(seed * 3 + i, mean, swing)}
            for i, (metric, (mean, swing)) in enumerate(means.items())
        }
    return {"series": out}


def break_pve(state: dict[str, State]) -> None:
    """The node pve dies twelve seconds ago: its guests become unknown, an incident opens."""
    cluster = state["cluster"]
    cluster["nodes"]["node:pve"] |= {"status": "offline", "last_seen_at": NOW - 12, "cpu": None}
    cluster["clusters"]["cluster:homelab"] |= {"nodes_online": 3}
    for entity in cluster["guests"].values():
        if entity["node"] == "pve":
            entity |= {
                "status": "template" if entity["template"] else "unknown",
                "freshness": "unknown",
                "last_seen_at": NOW - 12,
            }
            if entity["template"]:
                entity["status"] = "unknown"
    for entity in cluster["storages"].values():
        if entity["node"] == "pve":
            entity |= {"status": "unknown", "freshness": "unknown"}
    down = incident(
        4,
        "node-unreachable",
        "node:pve",
        "critical",
        "pve does not answer",
        2,
        detail="The cluster calls pve offline; a second endpoint agrees. 7 guests are unknown.",
        evidence={"endpoints": "Home, agent1", "last_seen": "21:46:51"},
    )
    state["incidents"]["incidents"] |= by_id([down])


def strange_names(state: dict[str, State]) -> None:
    """Guests that were named by somebody with a sense of humour."""
    names = {
        "guest:101": "云盘🚀nextcloud",
        "guest:103": "plex\x1b[31mred\x1b[0m",
        "guest:105": "ｆｕｌｌ－ｗｉｄｔｈ",
        "guest:107": "a" * 80,
        "guest:113": "рабочий стол",
        "guest:108": "👨‍👩‍👧 family",
        "guest:111": "\u202eevil",
    }
    for key, name in names.items():
        state["cluster"]["guests"][key]["name"] = name


def approval(number: int, tier: str, summary: str, ago: float, **more: Any) -> Approval:
    at = NOW - ago
    return Approval(
        id=f"a{number}", cluster="homelab", tier=tier, summary=summary, asked_at=at, expires_at=at + 300, **more
    )


def two_wait(state: dict[str, State]) -> None:
    """An MCP client and a package want something; a third was answered."""
    state["approvals"]["approvals"] = by_id([
        approval(1, "red", "Reboot management", 48, tool="reboot_vm", args={"guest": "100"}, target="guest:100",
                 target_name="management", asked_by="agent:mcp-desk",
                 effects=["16 containers run on it", "it is protected"]),
        approval(2, "yellow", "Snapshot nextcloud as before-upgrade", 262, tool="create_snapshot",
                 args={"guest": "101", "name": "before-upgrade"}, target="guest:101", target_name="nextcloud",
                 asked_by="agent:upgrader"),
        approval(3, "red", "Stop minecraft", 900, tool="stop_container", target="guest:115",
                 target_name="minecraft", asked_by="agent:mcp-desk", status="denied", answered_at=NOW - 880,
                 answered_by="operator:jarvis-cli"),
    ])  # fmt: skip


def killed(state: dict[str, State]) -> None:
    """The kill switch was engaged sixteen minutes ago."""
    state["approvals"]["killswitch"] = by_id([
        KillSwitchState(id="killswitch:main", engaged=True, since_at=NOW - 960, by="operator:jarvis-cli:1000",
                        reason="something smells of smoke"),
    ])  # fmt: skip


def levels(level: int = 3, effective: int | None = None, why: str = "") -> State:
    held = level if effective is None else effective
    return {"autonomy": by_id([Autonomy(id="autonomy:main", level=level, effective=held, why=why)])}


def one_endpoint(state: dict[str, State]) -> None:
    """All endpoints but one are gone: less is done alone than was chosen."""
    why = "only one endpoint of the cluster can be reached, so nobody can confirm what it says"
    state["approvals"] |= levels(3, 2, why)


def repair(number: int, about: Incident, status: str, **more: Any) -> Repair:
    return Repair(
        id=str(number), cluster="homelab", incident=about.id, condition=about.condition, target=about.target,
        runbook=about.condition, level=3, status=status,  # type: ignore[arg-type]
        seen=about.title, seen_at=about.opened_at, decided_at=about.opened_at + 2, **more,
    )  # fmt: skip


def night(state: dict[str, State]) -> None:
    """The watchman at work: one guest is being put back, one is left alone, a node is handed over."""
    fell = incident(5, "guest-crashed", "guest:105", "error", "pihole stopped, and no task explains it", 40)
    locked = incident(6, "guest-crashed", "guest:116", "error", "dev-sandbox stopped, and no task explains it", 300)
    gone = incident(7, "service-down", "service:Home/smbd", "error", "smbd on Home is down", 1_900)
    state["incidents"]["incidents"] |= by_id([fell, locked, gone])
    state["incidents"]["repairs"] = by_id([
        repair(1, fell, "verifying", target_name="pihole", attempt=1, decided="Start it: nothing stands against it",
               steps=[RepairStep(tool="start_container", text="Start pihole", outcome="verified",
                                 began_at=NOW - 37, ended_at=NOW - 33)], samples=[NOW - 8]),
        repair(2, locked, "refused", target_name="dev-sandbox",
               text="I leave it alone: dev-sandbox is locked (backup).",
               checks=[Check(guardrail="kill switch", verdict="pass", text="The kill switch is not engaged."),
                       Check(guardrail="lock", verdict="refuse", text="dev-sandbox is locked (backup).")]),
        repair(3, gone, "failed", target_name="smbd", attempt=2, decided="Restart it: nothing stands against it",
               steps=[RepairStep(tool="restart_service", text="Restart smbd on Home", outcome="verified",
                                 began_at=NOW - 1_890, ended_at=NOW - 1_886)],
               ended_at=NOW - 1_700, text="smbd ran for 40 s and failed again.", next_at=NOW - 1_100),
        repair(4, gone, "escalated", target_name="smbd", attempt=3, decided="Restart it: nothing stands against it",
               severity="error", ended_at=NOW - 900, steps=[
                   RepairStep(tool="restart_service", text="Restart smbd on Home", outcome="contradicted",
                              began_at=NOW - 1_090, ended_at=NOW - 1_060)],
               text="Three attempts did not help: smbd on Home is yours. Its journal says: no space left."),
    ])  # fmt: skip


NIGHT: list[Told] = [
    (900, "error", "repair.escalated", "Three attempts did not help: smbd on Home is yours. 21:15:23 saw: smbd on "
     "Home is down. 21:15:25 decided: Restart it. 21:28:53 did: Restart smbd on Home (contradicted)."),
    (298, "warning", "repair.refused", "I leave dev-sandbox alone. dev-sandbox is locked (backup)."),
    (38, "info", "repair.begun", "pihole stopped by itself; I start it."),
    (5, "ok", "repair.repaired", "plex is back after 34 s. 21:46:24 saw: plex stopped, and no task explains it. "
     "21:46:26 decided: Start it. 21:46:32 did: Start plex. 21:46:48 and 21:46:58 verified by fresh readings."),
]  # fmt: skip


class StillLink(Link):
    """A link on a clock that stands, filled by hand; calls answer what the homelab would."""

    def __init__(self, on_change: Callable[[str], None]) -> None:
        super().__init__(Path("/nowhere"), client="test", on_change=on_change, clock=ManualClock(NOW))
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.refusal: JarvisError | None = None
        self.script = Script()
        self.conversation: dict[str, Any] | None = None
        """What ``chat.show`` answers."""

    def fill(self, state: dict[str, State], events: list[dict[str, Any]]) -> None:
        for topic, collections in state.items():
            self.mirror.snapshot(topic, 1, collections)
        self.events["feed"] = deque(events, maxlen=1024)
        self.welcome = {
            "simulated": True,
            "boot_id": "b1",
            "daemon_version": "0.1.0",
            "now": NOW,
            "role": "operator",
        }
        self.latency_s = 0.002

    def set_link(self, status: str) -> None:
        self._set_status(status)  # type: ignore[arg-type]

    def tell(self, topic: str) -> None:
        self._tell(topic)

    async def run(self) -> None:
        for topic in list(self.mirror.state):
            self._tell(topic)
        self._set_status("up")
        await asyncio.Event().wait()

    async def call(self, method: str, params: dict[str, Any] | None = None, *, timeout_s: float = 30.0) -> Any:
        self.calls.append((method, params or {}))
        if self.refusal is not None:
            raise self.refusal
        if method == "metrics.history":
            return history()
        if method == "chat.show":
            if self.conversation is None:
                raise JarvisError("not_found", "There is no conversation yet")
            return self.conversation
        if method in {"tool.list", "tool.call"}:
            return self.script.answer(method, params or {})
        if method == "guest.describe":
            return {
                "id": (params or {})["id"],
                "addresses": ["192.168.1.80", "fe80::be24:11ff:fe2a:1"],
                "config": {
                    "cores": 4,
                    "memory": 4096,
                    "ostype": "debian",
                    "onboot": 1,
                    "rootfs": "local-lvm:64G",
                    "net0": "name=eth0,bridge=vmbr0,ip=dhcp",
                    "digest": "abc",
                },
                "snapshots": [
                    {"name": "before-upgrade", "snaptime": int(NOW - 864_000), "description": "9.0 to 9.1"}
                ],
            }
        return {"ok": True}

    async def stream(self, method: str, params: dict[str, Any] | None = None) -> AsyncIterator[Any]:
        self.calls.append((method, params or {}))
        if self.refusal is not None:
            raise self.refusal
        if method.startswith("chat."):
            await asyncio.Event().wait()
        if method == "tool.call":
            for part in self.script.course(params or {}):
                yield part
            if self.script.outcome is not None:
                return
            await asyncio.Event().wait()
        yield {
            "lines": [
                "INFO: starting new backup job: vzdump 113 --storage externalhdd",
                "INFO: Starting Backup of VM 113 (lxc)",
                "INFO: status = running",
            ]
        }
        yield {"lines": ["INFO: creating vzdump archive", "INFO: 71% (21.3 GiB of 30.0 GiB) in 2m 10s"]}
        await asyncio.Event().wait()


class FixedCost(Cost):
    def text(self) -> str:
        return "HUD 1.1% 9.0 KB/s"


def make_app(*, change: Callable[[dict[str, State]], None] | None = None, options: Options | None = None) -> HudApp:
    """The HUD over the homelab, motion and boot off; ``change`` bends the state before it is shown."""
    state = {
        "cluster": cluster_state(),
        "tasks": tasks_state(),
        "incidents": {"incidents": by_id([warm()]), "silences": {}},
        "approvals": {"approvals": {}, "killswitch": by_id([KillSwitchState(id="killswitch:main", engaged=False)]),
                      **levels()},
    }  # fmt: skip
    if change is not None:
        change(state)
    events = feed()
    if change is break_pve:
        events.append(
            msgspec.to_builtins(
                FeedEvent(
                    seq=len(events) + 1,
                    at=NOW - 2,
                    cluster="homelab",
                    kind="incident.opened",
                    severity="critical",
                    text="pve does not answer; a second endpoint agrees",
                    target="node:pve",
                )
            )
        )

    if change is night:
        events = feed(*NIGHT)

    def connect(on_change: Callable[[str], None]) -> Link:
        link = StillLink(on_change)
        link.fill(state, events)
        return link

    return HudApp(connect, options or Options(boot=False, motion=False), cost=FixedCost())


def link_of(app: HudApp) -> StillLink:
    assert isinstance(app.link, StillLink)
    return app.link
