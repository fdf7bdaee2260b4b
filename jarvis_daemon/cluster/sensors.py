"""Temperatures out of whatever a node prints: ``sensors -j``, plain ``sensors``, a hwmon dump, a thermal zone.

The rules come from machines seen: which value is the CPU's
(``_CPU_RANKS``), which values are no temperatures (``_plausible``), that broken JSON of lm-sensors 3.5 is
mended. Pure: text in, numbers out; missing is None, never 0 °C.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, Literal

import msgspec

from jarvis_daemon.protocol.text import clean

Origin = Literal["sensors-json", "sensors-text", "hwmon", "thermal-zone", "none"]


class Temperatures(msgspec.Struct, kw_only=True):
    """All temperatures of one node, in °C."""

    cpu_c: float | None = None
    """The CPU's, by the best sensor there is; None when no sensor tells it."""
    cpu_label: str | None = None
    """Which one: ``coretemp Package id 0``."""
    by_label: dict[str, float] = {}
    """``chip label`` to °C; a second chip of the same kind has ``#2`` behind its name."""
    origin: Origin = "none"


class _Value(msgspec.Struct):
    chip: str
    label: str
    celsius: float


def parse_sensors(text: str) -> Temperatures:
    """Whatever form ``text`` has; nothing readable gives an empty result, never an exception."""
    stripped = text.strip()
    origin: Origin
    if "{" in stripped:
        origin, values = "sensors-json", _from_json(stripped)
    elif "/hwmon" in stripped:
        origin, values = "hwmon", _from_hwmon(stripped)
    elif re.fullmatch(r"-?\d{3,7}", stripped):
        origin, values = "thermal-zone", [_Value("thermal_zone", "temp1", int(stripped) / 1000)]
    else:
        origin, values = "sensors-text", _from_text(stripped)
    values = [value for value in values if _plausible(value.celsius)]
    if not values:
        return Temperatures(origin="none", by_label={})
    cpu = _cpu(values)
    return Temperatures(
        cpu_c=None if cpu is None else round(cpu.celsius, 3),
        cpu_label=None if cpu is None else _name(cpu),
        by_label={_name(value): round(value.celsius, 3) for value in values},
        origin=origin,
    )


def _plausible(celsius: float) -> bool:
    """Seen where no sensor is: exactly 0.0, -128, -273.15, 65261.85 (an nvme without the register)."""
    return celsius != 0.0 and -100.0 < celsius < 200.0


def _name(value: _Value) -> str:
    return f"{value.chip} {value.label}"


# --- which one is the CPU's ---------------------------------------------------------------------------

_CPU_RANKS: Final = (
    ("coretemp", re.compile(r"Package id \d+")),
    ("k10temp", re.compile(r"Tdie")),
    ("k10temp", re.compile(r"Tctl")),
    ("k10temp", re.compile(r"Tccd\d+")),
    ("coretemp", re.compile(r"Core \d+")),
    ("", re.compile(r"CPU|CPUTIN|CPU Temp(?:erature)?|PECI Agent \d+(?: Calibration)?", re.IGNORECASE)),
    ("cpu_thermal", re.compile(r"temp1")),
    ("k10temp", re.compile(r"temp1")),
    ("coretemp", re.compile(r"temp\d+")),
    ("thermal_zone", re.compile(r"temp1")),
    ("acpitz", re.compile(r"temp\d+")),
)
"""Best first: (kind of chip or any, label). The hottest of one rank counts (several sockets)."""


def _cpu(values: list[_Value]) -> _Value | None:
    for chip, label in _CPU_RANKS:
        found = [value for value in values if _kind(value.chip, chip) and label.fullmatch(value.label)]
        if found:
            return max(found, key=lambda value: value.celsius)
    return None


def _kind(chip: str, wanted: str) -> bool:
    kind = chip.split("-")[0].split("#")[0]
    if not wanted:  # a SuperIO chip: any that is not some other part of the machine
        return kind not in {"iwlwifi_1", "iwlwifi", "nvme", "drivetemp", "amdgpu", "acpitz"}
    if wanted == "k10temp":
        return kind in {"k10temp", "zenpower"}
    if wanted == "cpu_thermal":
        return kind in {"cpu_thermal", "cpu"}
    return kind == wanted


# --- sensors -j -----------------------------------------------------------------------------------------

_INPUT: Final = re.compile(r"temp\d+_input")


def _from_json(text: str) -> list[_Value]:
    chips = _load(text)
    values: list[_Value] = []
    for chip, features in chips.items():
        if not isinstance(features, dict):
            continue
        for label, readings in features.items():
            if not isinstance(readings, dict):
                continue
            for key, value in readings.items():
                if _INPUT.fullmatch(key) and isinstance(value, int | float) and not isinstance(value, bool):
                    values.append(_Value(clean(str(chip), limit=80), clean(str(label), limit=80), float(value)))
    return values


def _load(text: str) -> dict[str, Any]:
    """The JSON object, mended where it is broken: stray lines, missing and trailing commas, NaN."""
    text = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("ERROR:"))
    text = text[text.find("{") : text.rfind("}") + 1]
    for candidate in (text, _mend(text)):
        try:
            found = json.loads(candidate)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            return found
    return _salvage(text)


def _mend(text: str) -> str:
    text = re.sub(r"ERROR:[^\n\"{}]*", "", text)  # stderr that was mixed in, in the middle of a line
    text = re.sub(r":\s*(?=[,}])", ": null", text)
    text = re.sub(r"([}\d\"])(\s*)(?=\")(?=\"[^\"]*\"\s*:)", _comma, text)
    text = re.sub(r",(\s*[,}])", r"\1", text)
    return re.sub(r",(\s*})", r"\1", text)


def _comma(match: re.Match[str]) -> str:
    return f"{match[1]},{match[2]}"


def _salvage(text: str) -> dict[str, Any]:
    """Past mending: take each ``"label": {… "tempN_input": value`` one by one, under the last chip seen."""
    found: dict[str, Any] = {}
    chip, label = "unknown", "temp"
    for match in re.finditer(r'"([^"]+)"\s*:\s*(\{\s*"Adapter"|\{|-?\d+(?:\.\d+)?)', text):
        key, value = match[1], match[2]
        if value.endswith('"Adapter"'):
            chip = key
        elif value == "{":
            label = key
        elif _INPUT.fullmatch(key):
            found.setdefault(chip, {})[label] = {key: float(value)}
    return found


# --- plain text -----------------------------------------------------------------------------------------

_CHIP_LINE: Final = re.compile(r"[A-Za-z0-9_]+-[a-z]+-[0-9a-f-]+|[A-Za-z0-9_]+-virtual-\d+")
_TEXT_LINE: Final = re.compile(r"(?P<label>[^:]+):\s*(?P<value>[+-]?\d+(?:\.\d+)?)\s*[°\ufffd]?\s*(?P<unit>[CF])\b")


def _from_text(text: str) -> list[_Value]:
    values: list[_Value] = []
    chip = "unknown"
    for raw in text.splitlines():
        line = raw.strip()
        if _CHIP_LINE.fullmatch(line):
            chip = line
        elif match := _TEXT_LINE.match(line):
            celsius = float(match["value"])
            if match["unit"] == "F":
                celsius = (celsius - 32) / 1.8
            values.append(_Value(clean(chip, limit=80), clean(match["label"], limit=80), celsius))
    return values


# --- /sys/class/hwmon -----------------------------------------------------------------------------------

_HWMON_LINE: Final = re.compile(r"/sys/class/hwmon/(?P<hwmon>hwmon\d+)/(?P<file>\w+):(?P<value>.*)")


def _from_hwmon(text: str) -> list[_Value]:
    files: dict[str, dict[str, str]] = {}
    for line in text.splitlines():
        if match := _HWMON_LINE.match(line.strip()):
            files.setdefault(match["hwmon"], {})[match["file"]] = match["value"].strip()
    values: list[_Value] = []
    seen: dict[str, int] = {}
    for hwmon in sorted(files, key=lambda name: int(name.removeprefix("hwmon"))):
        chip = clean(files[hwmon].get("name", hwmon), limit=80) or hwmon
        seen[chip] = seen.get(chip, 0) + 1
        shown = chip if seen[chip] == 1 else f"{chip}#{seen[chip]}"
        for file, value in files[hwmon].items():
            if _INPUT.fullmatch(file) and re.fullmatch(r"-?\d+", value):
                stem = file.removesuffix("_input")
                label = clean(files[hwmon].get(f"{stem}_label", ""), limit=80) or stem
                values.append(_Value(shown, label, int(value) / 1000))  # millidegrees
    return values
