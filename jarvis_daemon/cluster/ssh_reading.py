"""What is asked of a node by SSH: one portable line of shell, and how its answer reads.

The command is ``sh -c SCRIPT jarvis-reading [SERVICE …]``; the answer is sections, each begun by a line
``#jarvis NAME``::

    #jarvis date
    1800000000.123456789
    #jarvis sensors-json            or sensors-text, hwmon, thermal-zone; absent when nothing is readable
    {"coretemp-isa-0000": …}
    #jarvis services                only when services were named
    smbd active
    filebrowser failed
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Final

import msgspec

from jarvis_daemon.cluster.sensors import Temperatures, parse_sensors
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.text import clean

SCRIPT: Final = (
    "LC_ALL=C; export LC_ALL; "
    "echo '#jarvis date'; date +%s.%N; "
    "if o=$(sensors -j 2>/dev/null); [ -n \"$o\" ]; then echo '#jarvis sensors-json'; printf '%s\\n' \"$o\"; "
    "elif o=$(sensors 2>/dev/null); [ -n \"$o\" ]; then echo '#jarvis sensors-text'; printf '%s\\n' \"$o\"; "
    "else o=$(for f in /sys/class/hwmon/hwmon*/name /sys/class/hwmon/hwmon*/temp*_input "
    "/sys/class/hwmon/hwmon*/temp*_label; do "
    '[ -r "$f" ] && printf \'%s:%s\\n\' "$f" "$(cat "$f" 2>/dev/null)"; done); '
    "case $o in *_input:*) echo '#jarvis hwmon'; printf '%s\\n' \"$o\";; "
    "*) for f in /sys/class/thermal/thermal_zone0/temp; do "
    '[ -r "$f" ] && echo \'#jarvis thermal-zone\' && cat "$f"; done;; esac; fi; '
    "if [ $# -gt 0 ]; then echo '#jarvis services'; "
    'for s in "$@"; do printf \'%s %s\\n\' "$s" "$(systemctl is-active "$s" 2>/dev/null)"; done; fi; exit 0'
)
"""Tries ``sensors -j``, ``sensors``, a hwmon dump, thermal zone 0. stderr never mixes into the JSON."""

MARK: Final = "jarvis-reading"
_UNIT: Final = re.compile(r"[A-Za-z0-9:_.@\\-]{1,200}")


def reading_command(services: Sequence[str] = ()) -> str:
    """The command line. Raises ``invalid_params`` for a name that cannot be a systemd unit."""
    for service in services:
        if not _UNIT.fullmatch(service) or service.startswith("-"):
            raise JarvisError("invalid_params", f"{service!r} cannot be the name of a systemd unit")
    return shlex.join(["sh", "-c", SCRIPT, MARK, *services])


class Reading(msgspec.Struct, kw_only=True):
    """What a node told by SSH."""

    temperatures: Temperatures | None = None
    """None when nothing on the node tells a temperature."""
    services: dict[str, str] = {}
    """Unit to ``active`` ``inactive`` ``failed`` ``activating`` … or ``unknown``."""
    node_time: float | None = None
    clock_skew_s: float | None = None
    """The node's clock minus ours, half the round trip taken off."""
    clock_uncertainty_s: float | None = None
    """Half the round trip: the skew may be that much off."""


def parse_reading(output: str) -> Reading:
    """Never raises: sections that are missing or odd leave their fields unknown."""
    sections = _sections(output)
    reading = Reading(node_time=parse_date(sections.get("date", "")), services={})
    for kind in ("sensors-json", "sensors-text", "hwmon", "thermal-zone"):
        if kind in sections:
            reading.temperatures = parse_sensors(sections[kind])
    for line in sections.get("services", "").splitlines():
        unit, _, state = line.strip().partition(" ")
        if unit:
            reading.services[clean(unit)] = clean(state, limit=40) or "unknown"
    return reading


def parse_date(text: str) -> float | None:
    """``1800000000.123`` in Unix seconds; busybox prints no nanoseconds (``1800000000.`` or ``….N``)."""
    match = re.match(r"\s*(\d{9,11})(?:\.(\d*))?", text)
    return float(f"{match[1]}.{match[2] or 0}") if match else None


def _sections(output: str) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in output.splitlines():
        if line.startswith("#jarvis "):
            lines = found.setdefault(line.removeprefix("#jarvis ").strip(), [])
        else:
            lines.append(line)
    return {name: "\n".join(lines) for name, lines in found.items()}
