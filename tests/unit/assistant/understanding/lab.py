"""The homelab of ``data/homelab.yaml`` as state of a bus, and the tools of all rooms as in the daemon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from jarvis_daemon.assistant.memory import tools as memory_tools
from jarvis_daemon.assistant.memory.memory import Memory
from jarvis_daemon.assistant.understanding import tools as alias_tools
from jarvis_daemon.assistant.understanding.understanding import Understanding
from jarvis_daemon.bus import Bus, Feed
from jarvis_daemon.clock import ManualClock
from jarvis_daemon.cluster.room import ClusterRoom
from jarvis_daemon.incidents import Incidents
from jarvis_daemon.incidents.tools import register as register_incident_tools
from jarvis_daemon.notify.room import NotifyRoom
from jarvis_daemon.protocol.locate import Places
from jarvis_daemon.protocol.state import Guest, Incident, Node, Silence, Storage
from jarvis_daemon.redact import redact
from jarvis_daemon.remediation.room import Remediation
from jarvis_daemon.settings import ClusterSettings, Settings
from jarvis_daemon.store import Store
from jarvis_daemon.tools.room import ToolsRoom

ROOT: Final = Path(__file__).parents[4]
HOMELAB: Final[dict[str, Any]] = yaml.safe_load((ROOT / "jarvis_daemon/data/homelab.yaml").read_text("utf-8"))
RUNBOOKS: Final = {
    "guest-crashed": "guest-crashed", "node-unreachable": "node-unreachable", "service-down": "service-down",
    "storage-high": "storage-high", "docker-container-unhealthy": "docker-container-unhealthy",
}  # fmt: skip
NOW: Final = 1_790_000_000.0


@dataclass
class Lab:
    """``understanding`` is built as the daemon builds it; ``bus`` has the state."""

    understanding: Understanding
    bus: Bus
    store: Store
    tools: ToolsRoom

    def guest(self, vmid: int, name: str, kind: Any = "ct", node: str = "pve") -> None:
        """One more guest, or a change of one."""
        entry = Guest(id=f"guest:{vmid}", vmid=vmid, name=name, kind=kind, node=node, status="running")
        self.bus.state("cluster").apply({"guests": {entry.id: entry}})


async def lab(tmp_path: Path, *, aliases: Mapping[str, str] | None = None) -> Lab:
    """Nothing is started but the store, nothing is connected."""
    cluster = ClusterSettings(name="homelab", endpoints=["https://127.0.0.1:1"], token_id="a@pve!b", tls="insecure")
    settings, clock, bus = Settings(cluster=cluster), ManualClock(), Bus()
    store = Store(tmp_path / "jarvis.db")
    await store.open()
    feed = Feed(store, bus, clock)
    incidents = Incidents(store, bus, feed, clock, settings)
    places = Places(tmp_path, tmp_path, tmp_path, tmp_path)
    tools = ToolsRoom(settings, places, bus, store, feed, clock)
    room = ClusterRoom(settings, places, bus, store, feed, incidents, clock)
    room.register_tools(tools.registry)
    register_incident_tools(tools.registry, incidents)
    NotifyRoom(settings, places, bus, store, feed, clock, audit_head=no_head).register_tools(tools.registry)
    Remediation(
        settings, places, bus, store, feed, clock, tools, ask_second=room.second_look, ask_orders=room.boot_orders,
        in_window=lambda now: False,
    )  # fmt: skip
    memory = Memory(store, bus, feed, clock, settings.assistant.memory, redact)
    memory_tools.register(tools.registry, memory)
    understanding = Understanding(
        tools.registry, bus, aliases=aliases, services=HOMELAB["services"], docker=docker,
        runbooks=lambda: RUNBOOKS, now=lambda: NOW,
    )  # fmt: skip
    alias_tools.register(tools.registry, understanding.aliases)
    tools.registry.add_sentences("assistant", ROOT / "jarvis_daemon/assistant/intents")
    understanding.reload()
    await understanding.start(store)
    fill(bus)
    await room.scene.px.close()
    return Lab(understanding, bus, store, tools)


def again(made: Lab, *, aliases: Mapping[str, str] | None = None) -> Lab:
    """The same homelab on a bus of its own, to be changed; tools and sentence files are those of ``made``."""
    bus = Bus()
    understanding = Understanding(
        made.tools.registry, bus, aliases=aliases, services=HOMELAB["services"], docker=docker,
        runbooks=lambda: RUNBOOKS, now=lambda: NOW,
    )  # fmt: skip
    understanding._read = made.understanding._read
    fill(bus)
    return Lab(understanding, bus, made.store, made.tools)


async def no_head() -> str:
    return ""


def docker() -> Sequence[tuple[str, str]]:
    return [("management", name) for name in HOMELAB["docker_on_management"]]


def fill(bus: Bus) -> None:
    """Nodes, guests and storages of the homelab; incidents 3 (plex) and 7 (local on pve), silence 2 (agent)."""
    nodes = [Node(id=f"node:{n['name']}", name=n["name"], status="online") for n in HOMELAB["nodes"]]
    guests = [
        Guest(
            id=f"guest:{g['vmid']}", vmid=g["vmid"], name=g["name"], kind=g["kind"], node=g["node"],
            status=g.get("status", "running"), template=g.get("template", False),
        )
        for g in HOMELAB["guests"]
    ]  # fmt: skip
    storages = []
    for s in HOMELAB["storages"]:
        places = [n.name for n in nodes] if s["nodes"] == "all" else s["nodes"]
        if s["shared"]:
            storages.append(Storage(id=f"storage:{s['name']}", name=s["name"], shared=True, nodes=places))
        else:
            storages += [Storage(id=f"storage:{p}/{s['name']}", name=s["name"], node=p) for p in places]
    bus.state("cluster").apply(
        {
            "nodes": {one.id: one for one in nodes},
            "guests": {one.id: one for one in guests},
            "storages": {one.id: one for one in storages},
        }
    )
    found = [
        Incident(id="3", condition="guest-crashed", target="guest:103", title="plex crashed"),
        Incident(id="7", condition="storage-high", target="storage:pve/local", title="local is full"),
    ]
    silence = Silence(id="2", condition="node-unreachable", target="node:agent", ends_at=NOW + 60)
    bus.state("incidents").apply({"incidents": {one.id: one for one in found}, "silences": {"2": silence}})
