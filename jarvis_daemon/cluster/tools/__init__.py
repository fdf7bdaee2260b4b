"""The tools of the cluster's room: one file a kind of act. ``register`` puts all of them into the registry."""

from __future__ import annotations

from jarvis_daemon.cluster.tools import (
    backups,
    birth,
    cleanup,
    containers,
    drain,
    guest_reads,
    health,
    looks,
    migrate,
    node_power,
    pause,
    power,
    resize,
    restore_plan,
    services,
    shell,
    snapshots,
    tags,
    updates,
    usage,
    wake,
)
from jarvis_daemon.cluster.tools.endings import with_endings
from jarvis_daemon.cluster.tools.hands import Hands
from jarvis_daemon.tools import Registry

FILES = (
    looks,
    guest_reads,
    power,
    snapshots,
    pause,
    migrate,
    backups,
    tags,
    resize,
    birth,
    services,
    wake,
    shell,
    containers,
    node_power,
    drain,
    health,
    updates,
    usage,
    cleanup,
    restore_plan,
)
"""Each has ``specs(hands) -> list[ToolSpec]``."""


def register(registry: Registry, hands: Hands) -> None:
    for file in FILES:
        registry.add(*(with_endings(spec) for spec in file.specs(hands)))
