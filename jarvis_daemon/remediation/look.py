"""From the bus to ``Facts``: live views of the topics, nothing copied, nothing asked."""

from __future__ import annotations

from collections.abc import Callable

from jarvis_daemon.bus import Bus
from jarvis_daemon.clock import Clock
from jarvis_daemon.protocol.state import (
    Cluster,
    Guest,
    Incident,
    KillSwitchState,
    Node,
    Silence,
    Source,
    Storage,
    Task,
)
from jarvis_daemon.remediation.facts import Facts, Limits
from jarvis_daemon.settings import RemediationSettings, Settings

NOT_READ = KillSwitchState(id="killswitch:main", reason="it has not been read")


def looker(
    bus: Bus, clock: Clock, settings: Settings, killed: Callable[[], KillSwitchState],
    in_window: Callable[[float], bool],
) -> Callable[[], Facts]:  # fmt: skip
    """What the engine looks with. ``in_window``: whether a moment lies in a backup window."""
    cluster_topic, tasks, incidents = bus.state("cluster"), bus.state("tasks"), bus.state("incidents")
    name = settings.cluster.name if settings.cluster else ""
    token = (settings.cluster.token_id if settings.cluster else "") or ""
    runs_on = (settings.cluster.runs_on if settings.cluster else "") or ""
    limits = limits_of(settings.remediation)

    def look() -> Facts:
        now, kill = clock.now(), killed()
        unseen = Cluster(id=f"cluster:{name}", cluster=name, name=name)
        shown = incidents.view("incidents", Incident)
        return Facts(
            now=now, mono=clock.monotonic(),
            cluster=cluster_topic.get("clusters", f"cluster:{name}", Cluster) or unseen,
            nodes=cluster_topic.view("nodes", Node), guests=cluster_topic.view("guests", Guest),
            storages=cluster_topic.view("storages", Storage), sources=cluster_topic.view("sources", Source),
            tasks=tasks.view("tasks", Task),
            incidents={i.id: i for i in shown.values() if i.status == "open" and i.cluster == name},
            silences=incidents.view("silences", Silence), killed=kill.engaged, kill_reason=kill.reason,
            protected=tuple(settings.tools.protected), runs_on=runs_on, in_window=in_window(now),
            our_user=token, limits=limits,
        )  # fmt: skip

    return look


def limits_of(settings: RemediationSettings) -> Limits:
    """The settings' bounds; they can only be tighter than the defaults."""
    return Limits(
        attempts=settings.attempts, cool_down_factor=settings.cool_down_factor,
        acts_per_hour=settings.acts_per_hour, acts_per_day=settings.acts_per_day,
        guests_at_once=settings.guests_at_once, ha_patience_s=settings.ha_patience_s,
        person_quiet_s=settings.person_quiet_s,
    )  # fmt: skip
