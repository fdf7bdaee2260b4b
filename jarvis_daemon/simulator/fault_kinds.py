"""What can be broken: one class a fault, with what it aims at, its parameters, and how it is mended.

A ``target`` is the kind that ``targets`` names: node, guest, storage (``local``: on its first node, ``pve/local``,
``externalhdd``), service (``Home/llama-server``), container (``management/grafana``, ``grafana``), privilege,
endpoint (a node's name, or ``*``), token, job, cluster. ``over`` tells that the world has mended it by itself
(somebody started the guest). Further kinds: ``fault_upkeep.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from jarvis_daemon.simulator.access import DAEMON_PRIVILEGES, DAEMON_TOKEN
from jarvis_daemon.simulator.backups import Order
from jarvis_daemon.simulator.nodes import BOOT_S
from jarvis_daemon.simulator.ramp import Ramp

if TYPE_CHECKING:
    from jarvis_daemon.simulator.guests import Guest
    from jarvis_daemon.simulator.nodes import Node
    from jarvis_daemon.simulator.storages import Disk
    from jarvis_daemon.simulator.world import World

KINDS: Final[dict[str, type[Fault]]] = {}

Mend = Callable[[], None]


@dataclass
class Fault:
    """One fault that is in force. Subclasses fill the class variables, ``begin`` and ``over``."""

    name: ClassVar[str] = ""
    targets: ClassVar[str] = ""
    default_target: ClassVar[str] = ""
    params: ClassVar[dict[str, float | str | bool]] = {}

    world: World
    target: str
    given: dict[str, Any]
    mend: Mend = lambda: None

    def __init_subclass__(cls) -> None:
        KINDS[cls.name] = cls

    def begin(self) -> Mend:
        """Break it; the answer mends it."""
        raise NotImplementedError

    def unfit(self) -> str | None:
        """Why the target cannot be broken so now, None when it can."""
        return None

    def over(self) -> bool:
        """True once the world has mended it without ``heal``."""
        return False

    @property
    def node(self) -> Node:
        return self.world.nodes[self.target]

    @property
    def guest(self) -> Guest:
        found = self.world.guest_named(self.target)
        assert found is not None
        return found

    @property
    def disk(self) -> Disk:
        return self.world.disks[self.target]

    def ramp(self, start: float, end: float) -> Ramp:
        return Ramp(self.world.timeline.sim, float(self.given["seconds"]), start, end)


class NodeDown(Fault):
    """The node loses its power: ports closed, guests dead. Healed, it boots and starts all that ran."""

    name = "node-down"
    targets = "node"
    default_target = "pve"
    params: ClassVar = {"wakes": True}

    def unfit(self) -> str | None:
        return f"{self.target} is off already" if self.node.power == "off" else None

    def begin(self) -> Mend:
        node = self.node
        node.wakes = bool(self.given["wakes"])
        self.world.power_off(self.target)

        def mend() -> None:
            node.wakes = True
            self.world.power_on(self.target, restore=True)

        return mend

    def over(self) -> bool:
        return self.node.power != "off"


class NodeFrozen(Fault):
    """The node accepts connections and never answers; corosync still hears it, its numbers stand still."""

    name = "node-frozen"
    targets = "node"
    default_target = "agent1"

    def unfit(self) -> str | None:
        return None if self.node.online else f"{self.target} is not online"

    def begin(self) -> Mend:
        node = self.node
        node.frozen = True

        def mend() -> None:
            node.frozen = False

        return mend

    def over(self) -> bool:
        return not self.node.frozen


class GuestCrash(Fault):
    """The guest's process is gone, with no task that explains it. Healed, it is started again."""

    name = "guest-crash"
    targets = "guest"
    default_target = "plex"

    def unfit(self) -> str | None:
        return None if self.guest.running else f"{self.target} does not run"

    def begin(self) -> Mend:
        guest = self.guest
        guest.stop()
        self.world.config_version += 1

        def mend() -> None:
            if guest.running:
                return
            if self.world.nodes[guest.node].online:
                guest.start()
            else:  # its node is down too: once that is back
                self.world.timeline.after(BOOT_S * 1.5, mend)

        return mend

    def over(self) -> bool:
        return self.guest.running


class GuestLeak(Fault):
    """The guest's memory grows to ``percent`` of what it was given, over ``seconds`` of simulated time."""

    name = "guest-leak"
    targets = "guest"
    default_target = "immich"
    params: ClassVar = {"percent": 99.0, "seconds": 120.0}

    def unfit(self) -> str | None:
        return None if self.guest.running else f"{self.target} does not run"

    def begin(self) -> Mend:
        guest = self.guest
        guest.leak = self.ramp(guest.memory() / guest.spec.memory_bytes, float(self.given["percent"]) / 100)

        def mend() -> None:
            guest.leak = None

        return mend

    def over(self) -> bool:
        return self.guest.leak is None


class DiskFill(Fault):
    """The storage fills up to ``percent`` and stays so; backups to a full one fail. Healed, the space is freed."""

    name = "disk-fill"
    targets = "storage"
    default_target = "local"
    params: ClassVar = {"percent": 97.0, "seconds": 60.0}

    def begin(self) -> Mend:
        disk = self.disk
        disk.fill = self.ramp(disk.used() / disk.spec.size_bytes, float(self.given["percent"]) / 100)

        def mend() -> None:
            disk.fill = None

        return mend


class Overheat(Fault):
    """The cooler fails: the CPU heats up to ``celsius`` over ``seconds``."""

    name = "overheat"
    targets = "node"
    default_target = "agent1"
    params: ClassVar = {"celsius": 97.0, "seconds": 45.0}

    def begin(self) -> Mend:
        node = self.node
        node.overheat = self.ramp(node.temperature_c, float(self.given["celsius"]))

        def mend() -> None:
            node.overheat = None

        return mend


class QuorumLoss(Fault):
    """The last ``nodes`` nodes (a share that leaves no majority) lose corosync: each hears only itself."""

    name = "quorum-loss"
    targets = "cluster"
    params: ClassVar = {"nodes": 0.0}

    def begin(self) -> Mend:
        others = [name for name in self.world.nodes if name != self.world.inventory.runs_on]
        enough = len(self.world.nodes) - self.world.inventory.votes_needed + 1
        lost = [self.world.nodes[name] for name in others[-(int(self.given["nodes"]) or enough) :]]
        for number, node in enumerate(lost, start=1):
            node.partition = number
            node.services["corosync"] = "failed"
        self.world.config_version += 1

        def mend() -> None:
            for node in lost:
                node.partition = 0
                node.services["corosync"] = "active"
            self.world.config_version += 1

        return mend


class Api403(Fault):
    """A privilege is withdrawn from the token, at and below ``path``."""

    name = "api-403"
    targets = "privilege"
    default_target = "Sys.Audit"
    params: ClassVar = {"path": "/"}

    def begin(self) -> Mend:
        access, pair = self.world.access, (self.target, str(self.given["path"]))
        access.withdrawn.add(pair)
        access.version += 1

        def mend() -> None:
            access.withdrawn.discard(pair)
            access.version += 1

        return mend


class Api595(Fault):
    """Other nodes cannot reach this node's API: what they pass on to it ends in 595, empty."""

    name = "api-595"
    targets = "node"
    default_target = "agent"

    def begin(self) -> Mend:
        node = self.node
        node.peers_refused = True

        def mend() -> None:
            node.peers_refused = False

        return mend


class ApiSlow(Fault):
    """Every answer of the endpoint comes ``seconds`` later."""

    name = "api-slow"
    targets = "endpoint"
    default_target = "*"
    params: ClassVar = {"seconds": 8.0}

    def begin(self) -> Mend:
        wire = self.world.wire
        wire.slow_s[self.target] = float(self.given["seconds"])

        def mend() -> None:
            wire.slow_s.pop(self.target, None)

        return mend


class ApiTruncated(Fault):
    """The endpoint answers 200 with half a JSON document."""

    name = "api-truncated"
    targets = "endpoint"
    default_target = "*"

    def begin(self) -> Mend:
        wire = self.world.wire
        wire.truncated.add(self.target)

        def mend() -> None:
            wire.truncated.discard(self.target)

        return mend


class TlsChange(Fault):
    """The endpoint shows another certificate; healed, the first one again."""

    name = "tls-change"
    targets = "endpoint"
    default_target = "*"

    def begin(self) -> Mend:
        names = list(self.world.nodes) if self.target == "*" else [self.target]
        for name in names:
            self.world.nodes[name].certificate += 1

        def mend() -> None:
            for name in names:
                self.world.nodes[name].certificate = 0

        return mend


class TokenRevoked(Fault):
    """The daemon's token is deleted on the cluster: 401 "no such token"."""

    name = "token-revoked"
    targets = "token"
    default_target = DAEMON_TOKEN

    def begin(self) -> Mend:
        revoked = self.world.access.revoked
        revoked.add(self.target)

        def mend() -> None:
            revoked.discard(self.target)

        return mend


class BackupFail(Fault):
    """Backups of the guest fail with ``reason``; one is started at once, so that there is a failed task to see.
    Healed, it is backed up again and succeeds."""

    name = "backup-fail"
    targets = "guest"
    default_target = "nextcloud"
    params: ClassVar = {"reason": "job failed with err -5 - Input/output error"}

    def begin(self) -> Mend:
        failing, vmid = self.world.backups.failing, self.guest.vmid
        failing[vmid] = str(self.given["reason"])
        self._back_up(vmid)

        def mend() -> None:
            failing.pop(vmid, None)
            self._back_up(vmid)

        return mend

    def _back_up(self, vmid: int) -> None:
        storages = [spec for spec in self.world.inventory.storages if "backup" in spec.content]
        if self.world.nodes[self.guest.node].online and storages:
            best = next((spec for spec in storages if spec.shared), storages[0])
            self.world.backups.start(Order(self.guest.node, (vmid,), best.name, duration_s=15.0))


class ReplicationFail(Fault):
    """The replication job fails with ``reason``, at once and at each retry. Healed, it runs and succeeds."""

    name = "replication-fail"
    targets = "job"
    params: ClassVar = {"reason": "command 'zfs send' failed: got signal 13"}

    def begin(self) -> Mend:
        replication = self.world.replication
        job = replication.jobs[self.target]
        replication.failing[job.id] = str(self.given["reason"])
        replication.run(job)

        def mend() -> None:
            replication.failing.pop(job.id, None)
            replication.run(job)

        return mend


class ServiceCrash(Fault):
    """A service of a node fails and stays so. Healed, it is started."""

    name = "service-crash"
    targets = "service"
    default_target = "Home/llama-server"

    def begin(self) -> Mend:
        name, _, service = self.target.partition("/")
        services = self.world.nodes[name].services
        services[service] = "failed"

        def mend() -> None:
            services[service] = "active"

        return mend

    def over(self) -> bool:
        name, _, service = self.target.partition("/")
        return self.world.nodes[name].services[service] == "active"


class ClockSkew(Fault):
    """The node's own clock is ``seconds`` ahead (or behind, when negative)."""

    name = "clock-skew"
    targets = "node"
    default_target = "agent"
    params: ClassVar = {"seconds": 90.0}

    def begin(self) -> Mend:
        node = self.node
        node.clock_skew_s = float(self.given["seconds"])

        def mend() -> None:
            node.clock_skew_s = 0.0

        return mend


class SshRefused(Fault):
    """The node's SSH port is closed."""

    name = "ssh-refused"
    targets = "node"
    default_target = "agent1"

    def begin(self) -> Mend:
        node = self.node
        node.ssh_refused = True

        def mend() -> None:
            node.ssh_refused = False

        return mend


def candidates(world: World, kind: str) -> list[str]:
    """What a fault that aims at ``kind`` may be given, guests by name and by vmid."""
    if kind == "node":
        return list(world.nodes)
    if kind == "endpoint":
        return ["*", *world.nodes]
    if kind == "guest":
        guests = [guest for guest in world.guests.values() if not guest.spec.template]
        return [guest.spec.name for guest in guests] + [str(guest.vmid) for guest in guests]
    if kind == "storage":
        return [*world.disks, *(spec.name for spec in world.inventory.storages if not spec.shared)]
    if kind == "service":
        return [f"{name}/{service}" for name, node in world.nodes.items() for service in node.services]
    if kind == "container":
        found = [(host, name) for host, docker in world.docker.items() for name in docker.containers]
        return [f"{host}/{name}" for host, name in found] + [name for _, name in found]
    if kind == "job":
        return list(world.replication.jobs)
    if kind == "token":
        return list(world.access.tokens)
    return sorted(DAEMON_PRIVILEGES) if kind == "privilege" else ["cluster"]
