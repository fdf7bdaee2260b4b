"""Nodes under load: memory, CPU, heat."""

from __future__ import annotations

from collections.abc import Iterator

from jarvis_daemon.cluster.conditions.picture import Picture
from jarvis_daemon.cluster.conditions.round import Round
from jarvis_daemon.protocol.state import Node, Severity
from jarvis_daemon.settings import ConditionSettings

GIB = 1 << 30


def memory(picture: Picture, found: Round, settings: ConditionSettings) -> None:
    for node in _loaded(picture, found, "memory-high"):
        if node.memory_used_bytes is None or not node.memory_total_bytes:
            found.skip("memory-high", node.id)
            continue
        percent = 100 * node.memory_used_bytes / node.memory_total_bytes
        steps: list[tuple[float, Severity]] = [
            (settings.memory_warning_pct, "warning"), (settings.memory_critical_pct, "critical"),
        ]  # fmt: skip
        severity = found.level(("memory-high", node.id), percent, steps, settings.hysteresis_pct)
        if severity is not None:
            used, total = node.memory_used_bytes / GIB, node.memory_total_bytes / GIB
            found.report(
                "memory-high", node.id, severity, f"The memory of {node.name} runs short",
                f"{percent:.0f} % in use: {used:.1f} of {total:.1f} GiB.",
                evidence={"node": node.name, "percent": round(percent, 1), "used_bytes": node.memory_used_bytes},
                settled=f"{node.name} has memory to spare again", seen_at=node.last_seen_at,
            )  # fmt: skip


def cpu(picture: Picture, found: Round, settings: ConditionSettings) -> None:
    """Sustained: a busy moment is what a CPU is for."""
    dumping = nodes_with_backup(picture)
    for node in _loaded(picture, found, "cpu-high"):
        key = ("cpu-high", node.id)
        if node.cpu is None or node.name in dumping:
            found.skip(*key)
            found.memory.since.pop(key, None)
            continue
        percent = 100 * node.cpu
        high = found.level(key, percent, [(settings.cpu_warning_pct, "warning")], settings.hysteresis_pct)
        if found.lasting(key, high is not None, settings.cpu_sustained_s, picture.mono):
            found.report(
                "cpu-high", node.id, "warning", f"The CPU of {node.name} is busy without a pause",
                f"{percent:.0f} % now.", evidence={"node": node.name, "percent": round(percent, 1)},
                settled=f"The CPU of {node.name} has calmed down",
            )  # fmt: skip


def temperature(picture: Picture, found: Round, settings: ConditionSettings) -> None:
    """From the node's own sensors; a reading counts once however often it is looked at."""
    for node in _loaded(picture, found, "temperature-high"):
        if node.temperature_c is None or not picture.is_fresh("sensors", node.name):
            found.skip("temperature-high", node.id)
            continue
        steps: list[tuple[float, Severity]] = [
            (settings.temperature_warning_c, "warning"), (settings.temperature_critical_c, "critical"),
        ]  # fmt: skip
        key = ("temperature-high", node.id)
        severity = found.level(key, node.temperature_c, steps, settings.hysteresis_pct)
        if severity is not None:
            found.report(
                "temperature-high", node.id, severity, f"{node.name} runs hot", f"{node.temperature_c:.0f} °C.",
                evidence={"node": node.name, "celsius": round(node.temperature_c, 1)},
                settled=f"{node.name} has cooled down", seen_at=node.temperature_at,
            )  # fmt: skip


def nodes_with_backup(picture: Picture) -> set[str]:
    """Nodes on which a backup runs now."""
    return {t.node for t in picture.tasks.values() if t.type == "vzdump" and t.status == "running"}


def _loaded(picture: Picture, found: Round, condition: str) -> Iterator[Node]:
    """Nodes whose load may be judged; a backup window explains load, so nothing is judged within it."""
    if not picture.is_fresh("resources") or picture.in_window:
        return
    found.cover(condition)
    for node in picture.nodes.values():
        if node.status == "online" and node.freshness is None:
            yield node
        else:
            found.skip(condition, node.id)
