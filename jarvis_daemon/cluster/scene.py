"""What all watchers of one cluster share: the client, the inventory, the ages, and the picture made of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from jarvis_daemon.clock import Clock
from jarvis_daemon.cluster.conditions import Backups, Muteness, Picture, Stop
from jarvis_daemon.cluster.conditions.picture import IllContainer
from jarvis_daemon.cluster.conditions.windows import in_window
from jarvis_daemon.cluster.history import History
from jarvis_daemon.cluster.inventory import Inventory
from jarvis_daemon.cluster.proxmox import Proxmox
from jarvis_daemon.cluster.quorum import Quorum
from jarvis_daemon.cluster.shapes import DiskRow, ReplicationJob
from jarvis_daemon.cluster.sources import Polled, Sources
from jarvis_daemon.cluster.ssh import SshNodes
from jarvis_daemon.cluster.task_book import TaskBook
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.state import Cluster
from jarvis_daemon.settings import ClusterSettings, Settings

T = TypeVar("T")
_log = logging.getLogger("jarvis.cluster")
PROBLEM_AFTER: Final = 2
"""Polls in a row that nobody answers before the whole cluster counts as unwatchable."""


@dataclass
class Scene:
    """One cluster as it is watched."""

    settings: Settings
    cluster: ClusterSettings
    clock: Clock
    px: Proxmox
    ssh: SshNodes
    inventory: Inventory
    sources: Sources
    tasks: TaskBook = field(default_factory=TaskBook)
    quorum: Quorum = field(default_factory=Quorum)
    mute: dict[str, Muteness] = field(default_factory=dict)
    units: dict[str, dict[str, str]] = field(default_factory=dict)
    endpoint_nodes: dict[str, str] = field(default_factory=dict)
    backups: Backups | None = None
    replications: dict[str, list[ReplicationJob]] | None = None
    """Node -> the jobs that it is the source of, with their state; None before the first list."""
    containers: dict[str, list[IllContainer]] = field(default_factory=dict)
    """Docker host -> its containers that are not well."""
    container_names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Docker host -> all of its containers, as they were seen last."""
    disks: dict[str, list[DiskRow]] = field(default_factory=dict)
    """Node -> its disks."""
    past: History | None = None
    """What was measured; None where nothing is kept."""
    missing_privileges: list[str] = field(default_factory=list)
    permissions_wanted: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when something is hidden or refused: permissions are then read at once."""

    backups_wanted: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when backups that were hidden may be seen again."""

    @property
    def beat_s(self) -> float:
        """The rhythm of the cluster-wide calls; all others are multiples of it."""
        return self.cluster.poll_interval_s

    async def poll(self, polled: Polled, ask: Callable[[], Awaitable[T]]) -> T | None:
        """Ask, and keep the source's age and error. None when it failed; nothing is raised."""
        began = self.clock.monotonic()
        try:
            answer = await ask()
        except JarvisError as error:
            if error.code == "cluster_denied" and polled.failures == 0:
                self.permissions_wanted.set()
            self.sources.failed(polled, error, began)
            return None
        except Exception as error:
            _log.exception("%s failed", polled.id)
            broken = JarvisError("internal", f"The answer about {polled.what} could not be used", why=repr(error))
            self.sources.failed(polled, broken, began)
            return None
        self.sources.succeeded(polled, began)
        return answer

    def problem(self) -> tuple[str | None, str | None]:
        """One sentence, and what to do, when the cluster as a whole cannot be watched."""
        resources = self.sources.of("resources")
        if resources is None or resources.error is None:
            return None, None
        if resources.code in {"cluster_denied", "cluster_untrusted"} or resources.failures >= PROBLEM_AFTER:
            return resources.error, resources.next_step
        return None, None

    def cluster_entity(self) -> Cluster:
        nodes = self.inventory.nodes.entities.values()
        problem, next_step = self.problem()
        known = bool(nodes) and self.sources.of("resources") is not None
        return Cluster(
            id=f"cluster:{self.cluster.name}", cluster=self.cluster.name, name=self.cluster.name,
            standalone=self.quorum.standalone, simulated=self.cluster.simulated, quorate=self.quorum.quorate,
            votes_expected=self.quorum.expected, quorum_needed=self.quorum.needed,
            nodes_online=sum(n.status == "online" for n in nodes) if known else None,
            nodes_total=len(nodes) if known else None,
            pve_version=self.px.version.text if self.px.version else None, endpoint=self.px.last_endpoint,
            endpoints_total=len(self.px.endpoints), endpoints_failed=self.px.endpoints_failed,
            missing_privileges=self.missing_privileges, problem=problem, problem_next=next_step,
        )  # fmt: skip

    def picture(self, cluster: Cluster, stops: list[Stop]) -> Picture:
        """What the conditions look at."""
        now = self.clock.now()
        failed = self.px.errors
        untrusted = [url for url, error in failed.items() if error.code == "cluster_untrusted"]
        return Picture(
            now=now, mono=self.clock.monotonic(), cluster=cluster, nodes=self.inventory.nodes.entities,
            guests=self.inventory.guests.entities, storages=self.inventory.storages,
            sources=self.sources.entities(), tasks=self.tasks.tasks, fresh=self.sources.fresh(), stops=stops,
            mute=self.mute, endpoints_untrusted=frozenset(untrusted),
            endpoints_next={url: error.next for url, error in failed.items()}, endpoint_nodes=self.endpoint_nodes,
            units=self.units, backups=self.backups, replications=self.replications,
            containers={host: self.containers.get(host, []) for host in self.settings.docker.hosts},
            disks=self.disks, in_window=in_window(self.settings.conditions.backup_windows, now),
            tasks_since_at=self.tasks.oldest_known_at,
        )  # fmt: skip


async def rhythm(
    clock: Clock, interval_s: float, step: Callable[[], Awaitable[None]], wake: asyncio.Event | None = None
) -> None:
    """Call ``step`` at once and every ``interval_s`` of the monotonic clock, without drift; ``wake`` is a
    call before its time. A step that takes longer than the interval is followed by the next at once."""
    due = clock.monotonic()
    while True:
        try:
            await step()
        except Exception:
            _log.exception("a watch failed")
        due = max(due + interval_s, clock.monotonic())
        await pause(clock, due - clock.monotonic(), wake)


async def pause(clock: Clock, seconds: float, wake: asyncio.Event | None = None) -> None:
    """Wait; ``wake`` ends it early and is taken back."""
    if wake is None:
        await clock.sleep(seconds)
        return
    sleeping = asyncio.ensure_future(clock.sleep(seconds))
    waking = asyncio.ensure_future(wake.wait())
    try:
        await asyncio.wait({sleeping, waking}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        sleeping.cancel()
        waking.cancel()
    wake.clear()
