"""What the sensors of a node print: ``sensors -j``, plain ``sensors``, or only what the kernel shows in hwmon."""

from __future__ import annotations

import json
from typing import Any

from jarvis_daemon.simulator import curves
from jarvis_daemon.simulator.nodes import Node


def _chips(node: Node) -> dict[str, Any]:
    """The chips by the shape that lm-sensors 3.6 gives them, °C."""
    celsius = node.temperature()
    nvme = round(celsius * 0.55 + 14, 3)
    if node.spec.sensors == "k10temp":
        return {
            "k10temp-pci-00c3": {"Adapter": "PCI adapter", "Tctl": {"temp1_input": round(celsius, 3)}},
            "nvme-pci-0100": {
                "Adapter": "PCI adapter",
                "Composite": {
                    "temp1_input": nvme, "temp1_max": 81.85, "temp1_min": -273.15, "temp1_crit": 84.85,
                    "temp1_alarm": 0.0,
                },
            },
            "amdgpu-pci-0700": {
                "Adapter": "PCI adapter", "vddgfx": {"in0_input": 1.281},
                "edge": {"temp1_input": round(celsius - 6, 3)}, "PPT": {"power1_average": 18.0},
            },
        }  # fmt: skip
    core: dict[str, Any] = {"Adapter": "ISA adapter"}
    limits = {"max": 100.0, "crit": 100.0, "crit_alarm": 0.0}
    core["Package id 0"] = {"temp1_input": float(round(celsius))} | {f"temp1_{k}": v for k, v in limits.items()}
    for index in range(max(1, node.spec.cpus // 4)):
        number, offset = index * 4, 2 + index  # core numbers have gaps
        value = float(round(celsius - 1 - 4 * curves.unit(node.seed ^ index)))
        core[f"Core {number}"] = {f"temp{offset}_input": value} | {
            f"temp{offset}_{k}": v for k, v in limits.items()
        }
    return {
        "coretemp-isa-0000": core,
        "acpitz-acpi-0": {"Adapter": "ACPI interface", "temp1": {"temp1_input": 27.8, "temp1_crit": 119.0}},
        "nvme-pci-0100": {"Adapter": "PCI adapter", "Composite": {"temp1_input": nvme, "temp1_max": 81.85}},
    }


def as_json(node: Node) -> str | None:
    """The output of ``sensors -j``; None on a node without lm-sensors."""
    return None if node.spec.sensors == "hwmon-only" else json.dumps(_chips(node), indent=3) + "\n"


def as_text(node: Node) -> str | None:
    """The output of plain ``sensors``; None on a node without lm-sensors."""
    if node.spec.sensors == "hwmon-only":
        return None
    blocks = []
    for chip, features in _chips(node).items():
        lines = [chip, f"Adapter: {features['Adapter']}"]
        for label, readings in features.items():
            value = next((v for k, v in readings.items() if k.startswith("temp") and k.endswith("_input")), None) \
                if isinstance(readings, dict) else None  # fmt: skip
            if value is not None:
                lines.append(f"{label + ':':14}{value:+.1f}°C")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def hwmon_files(node: Node) -> dict[str, str]:
    """The files below ``/sys/class/hwmon`` that tell temperatures, in millidegrees, by path."""
    milli = round(node.temperature() * 1000)
    base = "/sys/class/hwmon"
    return {
        f"{base}/hwmon0/name": "acpitz",
        f"{base}/hwmon0/temp1_input": "27800",
        f"{base}/hwmon1/name": "coretemp",
        f"{base}/hwmon1/temp1_input": str(milli),
        f"{base}/hwmon1/temp1_label": "Package id 0",
        f"{base}/hwmon1/temp2_input": str(milli - 1000),
        f"{base}/hwmon1/temp2_label": "Core 0",
    }


def hwmon_dump(node: Node) -> str:
    """``path:value`` lines in the order of the shell's patterns: names, inputs, labels."""
    files = hwmon_files(node)
    ordered = [path for end in ("name", "_input", "_label") for path in files if path.endswith(end)]
    return "\n".join(f"{path}:{files[path]}" for path in ordered)
