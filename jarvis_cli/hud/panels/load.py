"""The last hour of the whole cluster: cpu and memory of all nodes together."""

from __future__ import annotations

from jarvis_cli.hud.panels.base import Panel
from jarvis_cli.hud.rings import POINTS, SPAN_S
from jarvis_cli.hud.units import clock
from jarvis_cli.hud.widgets.lines import Line, Run, join, spread
from jarvis_cli.hud.widgets.spark import spark_rows

Series = list[float | None]


class Load(Panel):
    TITLE = "LAST HOUR"
    DEPENDS = frozenset({"cluster"})

    def note(self) -> tuple[Run, ...]:
        return (("all nodes", "faint"),)

    def body(self, width: int, height: int) -> list[Line]:
        cells = max(10, width - 9)
        rows = max(1, (height - 1) // 2)
        lines: list[Line] = []
        for label, metric, weight in (("cpu", "cpu", "cpu_count"), ("mem", "memory", "memory_total_bytes")):
            series = self._mean(metric, weight)
            chart = spark_rows(series, cells, rows, ascii_only=self.model.ascii_only)
            for index, row in enumerate(chart):
                name = {0: "100%", rows - 1: label}.get(index, "")
                lines.append(join((f" {name:>5} ", "faint"), (row, "soft")))
        now = self.model.now()
        lines.append(spread(((f"       {clock(now - SPAN_S)}", "faint"),), ((f"{clock(now)}  ", "faint"),), width))
        return lines[:height]

    def _mean(self, metric: str, weight: str) -> Series:
        """The nodes' series together, each weighed by its size; None where no node was known."""
        out: Series = []
        nodes = [(n, self.model.rings.values(n["id"], metric)) for n in self.model.nodes()]
        for index in range(POINTS):
            pairs = [(float(n.get(weight) or 0), v[index]) for n, v in nodes if v and v[index] is not None]
            total = sum(size for size, _ in pairs)
            out.append(sum(size * (value or 0.0) for size, value in pairs) / total if total else None)
        return out
