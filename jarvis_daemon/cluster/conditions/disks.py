"""Disks that fail, by what they say of themselves."""

from __future__ import annotations

from typing import Final

from jarvis_daemon.cluster.conditions.picture import Picture
from jarvis_daemon.cluster.conditions.round import Round
from jarvis_daemon.protocol.state import Severity
from jarvis_daemon.settings import ConditionSettings

CONDITION: Final = "disk-failing"
WELL: Final = frozenset({"PASSED", "OK"})
UNTOLD: Final = frozenset({"", "UNKNOWN"})


def disks(picture: Picture, found: Round, settings: ConditionSettings) -> None:
    """SMART's own verdict, and what is left of an SSD's life. Read seldom: a reading holds for hours."""
    found.cover(CONDITION)
    names = {node.name for node in picture.nodes.values()}
    for target in found.active(CONDITION):
        name = target.removeprefix("disk:").partition("/")[0]
        if name in names and not picture.is_fresh("disks", name):
            found.skip(CONDITION, target)
    for name in sorted(names & picture.disks.keys()):
        if not picture.is_fresh("disks", name):
            continue
        for disk in picture.disks[name]:
            target = f"disk:{name}/{disk.device.removeprefix('/dev/')}"
            bad = disk.health.upper() not in WELL | UNTOLD
            worn = disk.wearout_pct is not None and disk.wearout_pct <= settings.disk_life_warning_pct
            if disk.health.upper() in UNTOLD and not worn and target in found.active(CONDITION):
                found.skip(CONDITION, target)  # it told before that it fails, and tells nothing now
            if not bad and not worn:
                continue
            severity: Severity = "error" if bad else "warning"
            what = f"The disk {disk.device} of {name}"
            says = [f"SMART says {disk.health.rstrip('!.')}."] if bad else []
            if worn:
                says.append(f"{disk.wearout_pct:g} % of its life is left.")
            found.report(
                CONDITION, target, severity, f"{what} {'fails' if bad else 'is worn out'}",
                f"{disk.model} {disk.serial}: {' '.join(says)} See to its backups, and replace it.",
                evidence={
                    "node": name, "disk": disk.device, "model": disk.model, "serial": disk.serial,
                    "health": disk.health, "wearout_pct": disk.wearout_pct, "size_bytes": disk.size_bytes,
                },
                settled=f"{what} calls itself well, or is gone",
            )  # fmt: skip
