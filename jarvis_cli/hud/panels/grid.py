"""The spark grid: a band for each node, a chart for each of cpu, memory, temperature and uptime."""

from __future__ import annotations

from jarvis_cli.hud.panels.base import Panel
from jarvis_cli.hud.panels.nodes import TEMPERATURE_HIGH_C, TEMPERATURE_LOW_C
from jarvis_cli.hud.rings import Rings
from jarvis_cli.hud.states import Entity, State, share_of
from jarvis_cli.hud.units import percent, size, span
from jarvis_cli.hud.widgets.cells import fit
from jarvis_cli.hud.widgets.lines import Line, Run, faded, join
from jarvis_cli.hud.widgets.spark import resample, spark_rows
from jarvis_cli.hud.widgets.table import sieve

METRICS = (*Rings.METRICS, "uptime")
SHORT = {"cpu": "cpu", "memory": "mem", "temperature": "temp", "uptime": "up"}
FACTS = 30
"""Cells of the column with a node's name and facts."""


class SparkGrid(Panel):
    TITLE = "NODES"
    DEPENDS = frozenset({"cluster", "incidents", "tick"})
    can_focus = True

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.pattern = ""
        self.top = 0

    def due(self, topics: set[str]) -> bool:
        away = any(node.get("status") != "online" for node in self.model.nodes())
        return super().due(topics if away else topics - {"tick"})

    def filter(self, pattern: str) -> None:
        self.pattern = pattern
        self.top = 0
        self.repaint()

    def filtered_by(self) -> str:
        return self.pattern

    def advance(self, by: int) -> None:
        self.top = max(0, self.top + by)
        self.repaint()

    def nodes(self) -> list[Entity]:
        test = sieve(self.pattern)
        return [
            n for n in self.model.nodes() if test(f"{n.get('name')} {n.get('ip')} {n.get('status')}".casefold())
        ]

    def note(self) -> tuple[Run, ...]:
        if self.pattern:
            return ((f"/{self.pattern} {len(self.nodes())} of {len(self.model.nodes())}", "warn"),)
        return (("last hour", "faint"),)

    def body(self, width: int, height: int) -> list[Line]:
        nodes = self.nodes()
        if not nodes:
            return [(("  no match" if self.pattern else "  no node is known yet", "faint"),)]
        narrow = width < 100
        least = (3 + len(METRICS)) if narrow else 5
        fits = max(1, (height - (0 if narrow else 1)) // least)
        self.top = max(0, min(self.top, len(nodes) - fits))
        shown = nodes[self.top : self.top + fits]
        rows = max(least, min(18, (height - 1) // len(shown)))
        chart = (width - FACTS - 1) // len(METRICS)
        lines: list[Line] = [] if narrow else [self._head(chart)]
        for node in shown:
            lines += self._narrow(node, width, rows) if narrow else self._band(node, chart, rows)
        return lines[:height]

    def _head(self, chart: int) -> Line:
        return join((" " * FACTS, "faint"), *((fit(name, chart), "faint") for name in METRICS))

    def _band(self, node: Entity, chart: int, rows: int) -> list[Line]:
        state = self.model.node_state(node)
        high = max(2, rows - 2)
        role = "soft" if state.mark in {"run", "warn"} else "faint"
        charts = [self._chart(node, metric, chart - 2, high) for metric in METRICS]
        facts = self._facts(node, state)
        gap = "  " if self.model.ascii_only else "\u2800\u2800"
        lines: list[Line] = []
        for row in range(high):
            head = facts[row] if row < len(facts) else ()
            used = sum(len(text) for text, _ in head)
            lines.append(join(*head, (" " * (FACTS - used), "faint"), (gap.join(c[row] for c in charts), role)))
        values = self._values(node, state)
        foot = "".join(fit(value, chart) for value in values)
        head = facts[high] if high < len(facts) else ()
        used = sum(len(text) for text, _ in head)
        lines.append(join(*head, (" " * (FACTS - used), "faint"), (foot, "text" if role == "soft" else "faint")))
        if self.model.freshness(node) == "stale" and state.mark != "down":
            lines = [faded(line) for line in lines]
        return [*lines, ()]

    def _narrow(self, node: Entity, width: int, rows: int) -> list[Line]:
        state = self.model.node_state(node)
        cells = max(8, width - 22)
        lines: list[Line] = list(self._facts(node, state)[:2])
        values = self._values(node, state)
        for metric, value in zip(METRICS, values, strict=True):
            chart = self._chart(node, metric, cells, 1)[0]
            role = "soft" if state.mark in {"run", "warn"} else "faint"
            lines.append(join((f"   {SHORT[metric]:<5}", "faint"), (chart, role), (f" {fit(value, 12)}", "text")))
        return (lines + [()] * rows)[:rows]

    def _facts(self, node: Entity, state: State) -> list[Line]:
        glyph = self.model.glyphs[state.mark]
        first = join(
            (f" {glyph} {state.word:<8}", state.role), (f" {fit(str(node.get('name')), FACTS - 13)}", "big")
        )
        made = f"{node.get('cpu_count') or '?'} cores · {size(node.get('memory_total_bytes'))}"
        counts = self.model.guests_on(str(node.get("name")))
        guests = " · ".join(f"{counts[w]} {w}" for w in ("run", "stop", "lock", "unknown", "template") if counts[w])
        rest: list[Run] = [(str(node.get("cpu_model") or ""), "faint"), (made, "faint")]
        if state.note:
            rest.insert(0, (state.note, state.role))
        rest += [
            (guests or "no guests", "faint"),
            (f"{node.get('ip') or ''}{'  asked' if node.get('local') else ''}", "faint"),
            (f"kernel {node['kernel']}" if node.get("kernel") else "", "faint"),
        ]
        load = node.get("loadavg")
        if load and state.mark != "down":
            rest.insert(2, ("load " + " ".join(f"{value:.2f}" for value in load[:3]), "faint"))
        return [first, *(join((fit(f"   {text}", FACTS - 1), role)) for text, role in rest if text)]

    def _values(self, node: Entity, state: State) -> list[str]:
        if state.mark in {"down", "unknown"}:
            return ["before", "before", "before", "not known"]
        used, total = node.get("memory_used_bytes"), node.get("memory_total_bytes")
        warmth, started = self.model.temperature(node), node.get("started_at")
        return [
            percent(node.get("cpu")),
            f"{percent(share_of(used, total))}  {size(used)}",
            "n/a" if warmth is None else f"{warmth:.0f} °C" if not self.model.ascii_only else f"{warmth:.0f} C",
            f"up {span(self.model.now() - started)}" if started else "n/a",
        ]

    def _chart(self, node: Entity, metric: str, cells: int, rows: int) -> list[str]:
        rings, ascii_only = self.model.rings, self.model.ascii_only
        if metric == "uptime":
            seen = [None if value is None else 1.0 for value in rings.values(node["id"], "cpu")]
            mark, blank = ("=", " ") if ascii_only else ("⣀", "\u2800")
            strip = "".join(blank if value is None else mark for value in resample(seen, cells))
            return [blank * cells] * (rows - 1) + [strip]
        low, high = (TEMPERATURE_LOW_C, TEMPERATURE_HIGH_C) if metric == "temperature" else (0.0, 1.0)
        return spark_rows(rings.values(node["id"], metric), cells, rows, low, high, ascii_only=ascii_only)
