"""The homelab itself: pure, seeded, without I/O and without a clock of its own.

``World.advance(dt)`` lets time pass; everything else reads or changes what is. The shells (HTTPS, SSH, control
socket) look at it and never keep state of their own.
"""

from __future__ import annotations

from typing import Final

from jarvis_daemon.simulator import files, past
from jarvis_daemon.simulator.access import Access
from jarvis_daemon.simulator.backups import Backups
from jarvis_daemon.simulator.docker import DockerHost
from jarvis_daemon.simulator.faults import Faults
from jarvis_daemon.simulator.guests import Guest
from jarvis_daemon.simulator.ha import HighAvailability
from jarvis_daemon.simulator.inventory import Inventory
from jarvis_daemon.simulator.nodes import BOOT_S, Node
from jarvis_daemon.simulator.replication import Replication
from jarvis_daemon.simulator.sampling import Replicas, take
from jarvis_daemon.simulator.storages import Disk, disk_of, make_disks
from jarvis_daemon.simulator.tasks import Script, TaskTable
from jarvis_daemon.simulator.timeline import Timeline
from jarvis_daemon.simulator.wire import Wire

BACKUP_CPU: Final = 0.12
"""Share of a node that one running vzdump takes."""
SYSTEM_USER: Final = "root@pam"


class World:
    """Nodes, guests, disks, tasks and what goes on between them.

    ``now``: Unix seconds at the start. ``stat_interval_s``: how often pvestatd publishes (real seconds).
    ``max_age_s``: when pmxcfs drops what a silent node published.
    """

    def __init__(
        self, inventory: Inventory, now: float, *, seed: int = 1, speed: float = 1.0,
        stat_interval_s: float = 10.0, max_age_s: float = 300.0,
    ) -> None:  # fmt: skip
        self.inventory = inventory
        self.seed = seed
        self.timeline = Timeline(now, speed)
        self.stat_interval_s = stat_interval_s
        self.nodes = {spec.name: Node(spec, self.timeline, seed) for spec in inventory.nodes}
        self.guests = {spec.vmid: Guest(spec, self.timeline, seed) for spec in inventory.guests}
        self.docker = {
            guest.spec.name: DockerHost(guest, inventory.docker[guest.spec.name], self.timeline)
            for guest in self.guests.values() if guest.spec.name in inventory.docker
        }  # fmt: skip
        self.disks = make_disks(inventory.storages, self.timeline)
        self.tasks = TaskTable(self.timeline)
        self.replicas = Replicas(max_age_s)
        self.wire = Wire()
        self.access = Access()
        self.config_version = 0
        """Changes with every change that ``/cluster/resources`` shows at once (lock, HA state, place)."""
        self.samples_taken = 0
        self._on_node: dict[str, list[Guest]] = {}
        self.index_guests()
        for guest in self.guests.values():
            if guest.spec.status == "running":
                guest.start(now - (0.05 + 0.9 * (guest.seed % 997) / 997) * self.nodes[guest.node].uptime())
                guest.history.clear()
                guest.count(guest.uptime())
        for node in self.nodes.values():
            node.temperature_c = node.heat_target(self.node_cpu(node.name))
        self.ha = HighAvailability(self)
        self.backups = Backups(self)
        self.replication = Replication(self)
        self.faults = Faults(self)
        past.write(self)
        self._publish()

    # time

    @property
    def now(self) -> float:
        return self.timeline.now

    def advance(self, seconds: float) -> None:
        """Let real ``seconds`` pass."""
        self.timeline.advance(seconds)

    def set_speed(self, speed: float) -> None:
        """How much faster tasks, loads and fault growth go. Raises ValueError outside 0 … 1000."""
        if not 0 < speed <= 1000:
            raise ValueError("a speed above 0 and up to 1000")
        self.timeline.speed = speed

    # places

    def index_guests(self) -> None:
        """Sort the guests by node again, after one moved."""
        self._on_node = {name: [] for name in self.nodes}
        for guest in self.guests.values():
            self._on_node[guest.node].append(guest)
        self.config_version += 1

    def guests_on(self, node: str) -> list[Guest]:
        return self._on_node[node]

    def guest_named(self, name: str) -> Guest | None:
        """By vmid or by name."""
        if name.isdigit():
            return self.guests.get(int(name))
        return next((guest for guest in self.guests.values() if guest.spec.name == name), None)

    def disk(self, storage: str, node: str) -> Disk | None:
        return disk_of(self.disks, storage, node)

    def files_on(self, node: str) -> list[files.Seen]:
        """Every file that a command on ``node`` comes across; made when somebody looks for the first time."""
        root = self.disk("local", node)
        if root is not None and not root.furnished:
            root.furnished = True
            files.furnish(root, node, self.seed, self.timeline.started_at)
        return list(files.seen_on(self.disks, tuple(spec.name for spec in self.inventory.storages), node))

    # corosync

    def members(self, view: str) -> set[str]:
        """Who is online, as ``view`` hears it over corosync (itself included)."""
        partition = self.nodes[view].partition
        return {name for name, node in self.nodes.items() if node.online and node.partition == partition}

    def quorate(self, view: str) -> bool:
        return len(self.members(view)) >= self.inventory.votes_needed

    # loads

    def node_cpu(self, name: str) -> float:
        """Share of the node's CPUs in use, guests, host and running tasks together."""
        if not self.nodes[name].online:
            return 0.0
        return self.cpu_of(name, sum(guest.cpu() * guest.spec.cores for guest in self.guests_on(name)))

    def cpu_of(self, name: str, guest_cores: float) -> float:
        """The same, when the cores that guests use are known."""
        node = self.nodes[name]
        backing_up = sum(task.type == "vzdump" for task in self.tasks.running(name))
        return min(1.0, guest_cores / node.spec.cpus + node.host_cpu() + BACKUP_CPU * backing_up)

    def node_memory(self, name: str) -> int:
        """Bytes of the node's memory in use: host, services and guests."""
        node = self.nodes[name]
        if not node.online:
            return 0
        used = sum(guest.host_memory() for guest in self.guests_on(name))
        return min(node.spec.memory_bytes, node.host_memory() + used)

    # pvestatd

    def _publish(self) -> None:
        """Every node that lives publishes a sample to those that hear it."""
        for node in self.nodes.values():
            if node.power == "on" and not node.frozen and node.services["pvestatd"] == "active":
                sample = take(self, node)
                self.replicas.deliver(sample, node.name, self.members(node.name))
        self.samples_taken += 1
        self.timeline.after_real(self.stat_interval_s, self._publish)

    # power of nodes

    def power_off(self, name: str) -> None:
        """The power is gone: the node, its guests and its tasks with it."""
        node = self.nodes[name]
        if node.power == "off":
            return
        for guest in self.guests_on(name):
            if guest.running:
                node.ran_before.add(guest.vmid)
                guest.stop()
        self.tasks.forget_running(name)
        if node.boot is not None:
            node.boot.cancel()
        node.frozen = False
        node.set_power("off")
        self.replicas.forget(name)
        self.config_version += 1

    def power_on(self, name: str, *, restore: bool = False) -> None:
        """Boot a node that is off. It starts its onboot guests; with ``restore`` all that ran before."""
        node = self.nodes[name]
        if node.power != "off":
            return
        node.set_power("booting")

        def up() -> None:
            node.set_power("on")
            self.config_version += 1
            self.replicas.deliver(take(self, node), name, self.members(name))
            for other in self.members(name) - {name}:
                sample = self.replicas.of(other, other, self.timeline.elapsed)
                if sample is not None:
                    self.replicas.deliver(sample, other, {name})
            self.tasks.start(name, "startall", "", SYSTEM_USER, self._start_all(name, restore))

        node.boot = self.timeline.after(BOOT_S, up)

    def _start_all(self, name: str, restore: bool) -> Script:
        for _ in range(600):
            if self.quorate(name):
                break
            yield 1.0, None
        for guest in sorted(self.guests_on(name), key=lambda guest: (guest.spec.startup_order, guest.vmid)):
            wanted = guest.spec.onboot or (restore and guest.vmid in self.nodes[name].ran_before)
            if not wanted or guest.running or guest.spec.template:
                continue
            if guest.ha_sid in self.ha.resources:
                continue
            yield 0.2, f"Starting {guest.label}"
            self.begin_start(guest, SYSTEM_USER)
            yield 0.8, None
        self.nodes[name].ran_before.clear()
        return None

    def begin_start(self, guest: Guest, user: str) -> str:
        """The task that starts ``guest`` on its node; its UPID."""

        def script() -> Script:
            yield (2.4 if guest.spec.kind == "vm" else 1.6), None
            if not guest.running:
                guest.start()
            return None

        kind = "qmstart" if guest.spec.kind == "vm" else "vzstart"
        vmids = frozenset({guest.vmid})
        return self.tasks.start(guest.node, kind, str(guest.vmid), user, script(), vmids).upid
