"""GREEN reads that ask the nodes: disks and pools, updates, firewall, network mounts, watchers of uptime."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from jarvis_daemon.cluster.shapes import parse_disks
from jarvis_daemon.cluster.ssh_run import Ran
from jarvis_daemon.cluster.tools.hands import Hands, NodeRef
from jarvis_daemon.cluster.tools.nodes_common import online, require_success
from jarvis_daemon.cluster.uptime import Check, uptime_checks
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.text import clean
from jarvis_daemon.tools import Act, Target, Tier, ToolSpec
from jarvis_daemon.tools.spec import Args, NoArgs, Output

RULES_MAX: Final = 500
MOUNTS_MAX: Final = 50
_INSTALL: Final = re.compile(r"Inst (\S+)(?: \[([^\]]*)\])? \((\S+) ([^)]*)\)")


class NodeArgs(Args):
    node: NodeRef


class Disk(msgspec.Struct):
    """``health`` in SMART's word (PASSED, FAILED, UNKNOWN); ``wearout_pct`` is what is left of an SSD's life."""

    device: str
    model: str
    serial: str
    size_bytes: int | None
    health: str
    wearout_pct: float | None
    used: str


class Pool(msgspec.Struct):
    name: str
    health: str
    size_bytes: int | None
    allocated_bytes: int | None
    fragmentation_pct: float | None


class DiskHealth(Output):
    disks: list[Disk]
    pools: list[Pool]
    worrying: list[str]
    """What a person should look at, a sentence each."""


class Update(msgspec.Struct):
    package: str
    installed: str
    available: str
    origin: str


class Updates(Output):
    """As the node's own package lists have it; they are not refreshed for the question."""

    updates: list[Update]
    security: int
    reboot_after: bool
    """A new kernel is among them."""


class Rule(msgspec.Struct):
    position: int
    direction: str
    action: str
    enabled: bool
    text: str


class Firewall(Output):
    """``active`` only when both cluster and node have it switched on."""

    cluster_enabled: bool
    node_enabled: bool
    active: bool
    rules: list[Rule]


class Mount(msgspec.Struct):
    path: str
    source: str
    type: str
    answers: bool | None
    """None where it could not be asked."""
    why: str
    used: float | None
    """Share of its blocks, 0..1."""


class Mounts(Output):
    mounts: list[Mount]


class UptimeArgs(NoArgs):
    """Nothing: what the settings name is asked."""


class Uptime(Output):
    checks: list[Check]
    unreachable: dict[str, str]
    """Watchers that do not answer, each with one sentence."""


def specs(hands: Hands) -> list[ToolSpec]:
    health = _Health(hands)
    table: tuple[tuple[str, str, type[Args], type[Output], Any], ...] = (
        ("get_disk_health", "Disks of a node by SMART, and its ZFS pools.", NodeArgs, DiskHealth, health.disks),
        ("get_updates_available", "Packages of a node that have a newer version.", NodeArgs, Updates,
         health.updates),
        ("get_firewall_status", "Whether a node's firewall is active, and its rules.", NodeArgs, Firewall,
         health.firewall),
        ("get_mount_health", "Whether the NFS and SMB mounts of a node answer.", NodeArgs, Mounts, health.mounts),
        ("get_uptime_checks", "What Uptime Kuma and Prometheus say of the house's services.", UptimeArgs, Uptime,
         health.uptime),
    )  # fmt: skip
    return [
        ToolSpec(
            name=name, room="cluster", tier=Tier.GREEN, description=text, args=args, output=output, run=run,
            idempotent=True, tainted=True, concurrency=4, timeout_s=60.0,
        )
        for name, text, args, output, run in table
    ]  # fmt: skip


class _Health:
    def __init__(self, hands: Hands) -> None:
        self._hands, self._scene = hands, hands.scene

    async def disks(self, args: NodeArgs, target: Target, act: Act) -> DiskHealth:
        node = online(self._hands, args.node)
        rows = await self._scene.px.call("node_disks", node=node.name, timeout_s=30.0)
        disks = [
            Disk(d.device, d.model, d.serial, d.size_bytes, d.health, d.wearout_pct, d.used)
            for d in parse_disks(rows)
        ]
        pools = [
            Pool(
                _text(row, "name"), _text(row, "health"), _whole(row.get("size")), _whole(row.get("alloc")),
                _share(row.get("frag")),
            )
            for row in await self._scene.px.call("node_zfs", node=node.name) if isinstance(row, dict)
        ]  # fmt: skip
        well = {"PASSED", "OK", "UNKNOWN"}
        worrying = [f"{d.device} ({d.model}) says {d.health}" for d in disks if d.health not in well]
        worrying += [
            f"{d.device} has {d.wearout_pct:g} % of its life left"
            for d in disks
            if d.wearout_pct is not None and d.wearout_pct < 10
        ]
        worrying += [f"the pool {p.name} is {p.health}" for p in pools if p.health != "ONLINE"]
        return DiskHealth(disks=disks, pools=pools, worrying=worrying)

    async def updates(self, args: NodeArgs, target: Target, act: Act) -> Updates:
        """By apt's own simulation: the API's call for it would need a token that may change the node."""
        node = online(self._hands, args.node)
        ran = await self._scene.ssh.ask("updates", node.name, node.ip, timeout_s=40.0)
        require_success(ran, f"Asking {node.name} for updates")
        return parse_updates(ran)

    async def firewall(self, args: NodeArgs, target: Target, act: Act) -> Firewall:
        node = online(self._hands, args.node)
        of_cluster = await self._scene.px.call("cluster_firewall")
        of_node = await self._scene.px.call("node_firewall", node=node.name)
        rows = await self._scene.px.call("node_firewall_rules", node=node.name)
        rules = [
            Rule(_whole(row.get("pos")) or 0, _text(row, "type"), _text(row, "action"), _on(row.get("enable")),
                 _rule(row))
            for row in rows[:RULES_MAX] if isinstance(row, dict)
        ]  # fmt: skip
        cluster_on, node_on = _on(of_cluster.get("enable")), _on(of_node.get("enable", 1))
        return Firewall(
            cluster_enabled=cluster_on, node_enabled=node_on, active=cluster_on and node_on, rules=rules
        )

    async def mounts(self, args: NodeArgs, target: Target, act: Act) -> Mounts:
        """Each mount is asked apart with a deadline of its own: one that hangs does not hide the others."""
        node = online(self._hands, args.node)
        ran = await self._scene.ssh.ask("mounts", node.name, node.ip)
        found: list[Mount] = []
        for path, source, kind in parse_mounts(ran)[:MOUNTS_MAX]:
            try:
                alive = await self._scene.ssh.ask("mount_alive", node.name, node.ip, timeout_s=8.0, path=path)
                answers = alive.exit_code == 0
                said = clean(alive.stderr, limit=200) or "it does not answer within 3 s"
                found.append(Mount(path, source, kind, answers, "" if answers else said, _used(alive.stdout)))
            except JarvisError as error:
                answered = False if error.code == "timed_out" else None
                found.append(Mount(path, source, kind, answered, error.sentence(), None))
        return Mounts(mounts=found)

    async def uptime(self, args: UptimeArgs, target: Target, act: Act) -> Uptime:
        cluster = self._scene.cluster
        checks, unreachable = await uptime_checks(self._scene.settings.uptime, loopback_only=cluster.simulated)
        return Uptime(checks=checks, unreachable=unreachable)


def parse_updates(ran: Ran) -> Updates:
    """``apt-get --simulate dist-upgrade``: a line ``Inst NAME [OLD] (NEW ORIGIN [ARCH])`` a package."""
    rows = [
        Update(clean(name), clean(old or ""), clean(new), clean(origin, limit=200))
        for name, old, new, origin in _INSTALL.findall(ran.stdout)
    ]
    kernels = ("proxmox-kernel", "pve-kernel", "linux-image")
    return Updates(
        updates=rows, security=sum("security" in row.origin.casefold() for row in rows),
        reboot_after=any(row.package.startswith(kernels) for row in rows),
    )  # fmt: skip


def parse_mounts(ran: Ran) -> list[tuple[str, str, str]]:
    """``findmnt --json --list``: (path, source, type). findmnt answers 1 where there is none."""
    if ran.exit_code == 1 and not ran.stdout.strip():
        return []
    require_success(ran, "Listing the mounts")
    try:
        rows = msgspec.json.decode(ran.stdout)["filesystems"]
        return [(str(r["target"]), clean(str(r["source"])), clean(str(r["fstype"]))) for r in rows]
    except (msgspec.DecodeError, KeyError, TypeError) as error:
        raise JarvisError("cluster_refused", "The list of mounts cannot be read", why=str(error)) from None


def _used(text: str) -> float | None:
    """``TOTAL FREE BLOCKSIZE`` of ``stat --file-system``."""
    match = re.match(r"(\d+) (\d+) (\d+)", text)
    return 1 - int(match[2]) / int(match[1]) if match and int(match[1]) else None


def _rule(row: dict[str, Any]) -> str:
    keys = ("macro", "proto", "source", "sport", "dest", "dport", "iface", "comment")
    return clean(" ".join(f"{key}={row[key]}" for key in keys if row.get(key)), limit=300)


def _text(row: dict[str, Any], key: str) -> str:
    return clean(str(row.get(key) or ""), limit=120)


def _on(value: Any) -> bool:
    return str(value) in {"1", "True", "true"}


def _whole(value: Any) -> int | None:
    return int(value) if isinstance(value, int | float) or (isinstance(value, str) and value.isdigit()) else None


def _share(value: Any) -> float | None:
    """PVE tells "N/A" where it does not know."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
