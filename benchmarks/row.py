"""One line of the result: what was measured, against which budget, beside which baseline."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["aim", "ok", "OVER", "-"]


@dataclass(frozen=True)
class Row:
    """``measured``, ``budget`` and ``aim`` are in ``unit``, less is better. ``measured`` None: ``note`` says why.

    ``baseline`` names what the value stands beside, measured in the same run on the same machine.
    """

    what: str
    measured: float | None
    unit: str
    budget: float | None = None
    aim: float | None = None
    baseline: str = ""
    note: str = ""

    @property
    def verdict(self) -> Verdict:
        if self.measured is None or self.budget is None:
            return "-"
        if self.measured > self.budget:
            return "OVER"
        return "aim" if self.aim is not None and self.measured <= self.aim else "ok"


def table(rows: Sequence[Row]) -> str:
    """The rows as text in columns."""
    cells = [("what", "measured", "budget", "aim", "verdict", "baseline, note")]
    for row in rows:
        cells.append((
            row.what,
            "-" if row.measured is None else f"{number(row.measured)} {row.unit}",
            "" if row.budget is None else number(row.budget),
            "" if row.aim is None else number(row.aim),
            row.verdict,
            "; ".join(part for part in (row.baseline, row.note) if part),
        ))  # fmt: skip
    widths = [max(len(line[column]) for line in cells) for column in range(5)]
    lines = []
    for line in cells:
        what, measured, budget, aim, verdict, rest = line
        lines.append(
            f"{what:<{widths[0]}}  {measured:>{widths[1]}}  {budget:>{widths[2]}}  {aim:>{widths[3]}}"
            f"  {verdict:<{widths[4]}}  {rest}".rstrip()
        )
    return "\n".join(lines)


def number(value: float) -> str:
    """Three significant digits, no exponent."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def percentile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` (0..1) of ``values`` do not exceed, by the nearest rank."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
