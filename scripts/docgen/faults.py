"""docs/faults.md: what can break in the simulated homelab."""

from __future__ import annotations

import inspect

from jarvis_daemon.simulator import fault_upkeep  # noqa: F401  (its kinds register themselves)
from jarvis_daemon.simulator.fault_kinds import KINDS
from scripts.docgen.source import cell, one_line

INTRODUCTION = """\
# Faults of the simulated homelab

Written by `scripts/generate-contract` from `jarvis_daemon/simulator`: change the code, not this page.

`jarvis sim fault NAME [TARGET] [--set PARAMETER=VALUE]` breaks, `jarvis sim heal` mends. Durations are of simulated
time, which `jarvis sim speed` makes faster. How targets are named:
[the simulated homelab](simulator.md#what-can-break).

| fault | breaks a | without a target | parameters | what happens |
|---|---|---|---|---|
"""


def render() -> str:
    """The page as Markdown."""
    rows = []
    for kind in KINDS.values():
        parameters = ", ".join(f"`{name}={value}`" for name, value in kind.params.items())
        row = (
            f"`{kind.name}`",
            kind.targets,
            kind.default_target,
            parameters,
            one_line(inspect.getdoc(kind) or ""),
        )
        rows.append("| " + " | ".join(cell(part) for part in row) + " |\n")
    return INTRODUCTION + "".join(rows)
