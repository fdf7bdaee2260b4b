"""The room of the cluster: builds the watch from settings, starts and stops it, offers what is read on demand."""

from __future__ import annotations

from pathlib import Path

from jarvis_daemon.bus import Bus, Feed
from jarvis_daemon.clock import Clock
from jarvis_daemon.cluster.boot_order import BootOrders
from jarvis_daemon.cluster.conditions import Judge
from jarvis_daemon.cluster.history import History
from jarvis_daemon.cluster.inventory import Inventory
from jarvis_daemon.cluster.monitor import Monitor
from jarvis_daemon.cluster.proxmox import Proxmox
from jarvis_daemon.cluster.quorum import Opinion
from jarvis_daemon.cluster.reads import Reads
from jarvis_daemon.cluster.scene import Scene
from jarvis_daemon.cluster.second_look import second_look
from jarvis_daemon.cluster.sources import Sources
from jarvis_daemon.cluster.ssh import SshNodes
from jarvis_daemon.cluster.tools import register
from jarvis_daemon.cluster.tools.hands import Hands
from jarvis_daemon.incidents import Incidents
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import Places
from jarvis_daemon.settings import Settings
from jarvis_daemon.store import Store
from jarvis_daemon.tools import Registry


class ClusterRoom:
    """Watches one cluster from ``start`` to ``stop``; publishes the topics ``cluster`` and ``tasks``."""

    def __init__(
        self, settings: Settings, places: Places, bus: Bus, store: Store, feed: Feed, incidents: Incidents,
        clock: Clock,
    ) -> None:  # fmt: skip
        """Raises ``config_invalid`` for endpoints, certificates or keys that cannot be used."""
        cluster = settings.cluster
        if cluster is None:
            raise JarvisError("config_invalid", "No cluster is configured", next="Run `jarvis setup`.")
        px = Proxmox(cluster, clock=clock, config_dir=places.config_dir)
        pinned = cluster.ssh.known_hosts_file
        known_hosts = places.config_dir / Path(pinned).expanduser() if pinned else places.known_hosts
        ssh = SshNodes(cluster, known_hosts=known_hosts, clock=clock)
        inventory, sources = Inventory(cluster.name), Sources(cluster.name, clock)
        self.scene = Scene(settings, cluster, clock, px, ssh, inventory, sources)
        self._judge, self._incidents = Judge(settings.conditions), incidents
        self._history = History(
            cluster.name, store, clock, poll_s=cluster.poll_interval_s, retention_days=settings.feed.retention_days
        )
        self.scene.past = self._history
        self.monitor = Monitor(self.scene, bus, store, feed, incidents, self._judge, self._history)
        self._orders = BootOrders(self.scene)
        Reads(self.scene).offer(bus)
        bus.offer("metrics.history", self._history.metrics_history)

    def register_tools(self, registry: Registry) -> None:
        """Before ``start`` of the gate: what the cluster's room can do."""
        register(registry, Hands(self.scene))
        registry.add_sentences("cluster", Path(__file__).parent / "intents")

    async def start(self) -> None:
        """Begin to watch; returns at once, the first picture comes as soon as the cluster answers."""
        self._judge.seed(self._incidents.open_incidents("cluster"))
        await self.monitor.start()

    async def stop(self) -> None:
        await self.monitor.stop()
        await self.scene.px.close()
        await self.scene.ssh.close()

    async def second_look(self, target: str) -> tuple[Opinion, str]:
        """Whether another endpoint sees quorum and ``target`` as we do, with one sentence; nothing is raised for an
        endpoint that fails."""
        return await second_look(self.scene, target)

    async def boot_orders(self, guest_ids: list[str]) -> dict[str, float]:
        """Guest id -> its place in PVE's boot order, infinity without one; guests not read yet are left out.

        At most 20 configurations are read a call; they are kept for 10 minutes.
        """
        return await self._orders.of(guest_ids)

    def containers(self) -> list[tuple[str, str]]:
        """Host and name of every Docker container that was seen."""
        return [(host, name) for host, names in self.scene.container_names.items() for name in names]

    def figures(self) -> dict[str, float | None]:
        """For ``health:daemon``."""
        return {
            "api_calls_per_min": float(self.scene.px.calls_per_minute),
            "poll_cpu_ms": self.monitor.poll_cpu_ms,
        }
