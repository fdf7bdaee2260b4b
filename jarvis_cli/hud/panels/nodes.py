"""The machine room: each node as large as the room allows, from a card with sparklines down to one line."""

from __future__ import annotations

from jarvis_cli.hud.panels.base import Panel
from jarvis_cli.hud.states import Entity, State, share_of
from jarvis_cli.hud.units import percent, size, span
from jarvis_cli.hud.widgets.cells import fit
from jarvis_cli.hud.widgets.lines import Line, Run, faded, join, spread
from jarvis_cli.hud.widgets.spark import gauge, spark_rows

TEMPERATURE_LOW_C, TEMPERATURE_HIGH_C = 30.0, 95.0


class MachineRoom(Panel):
    TITLE = "MACHINE ROOM"
    OPENS = "nodes"
    DEPENDS = frozenset({"cluster", "incidents", "tick"})
    can_focus = True

    def due(self, topics: set[str]) -> bool:
        """Between changes only the age of what is gone moves."""
        away = any(node.get("status") != "online" for node in self.model.nodes())
        return super().due(topics if away else topics - {"tick"})

    def note(self) -> tuple[Run, ...]:
        nodes = self.model.nodes()
        online = sum(node.get("status") == "online" for node in nodes)
        return ((f"{online} of {len(nodes)} online", "faint" if online == len(nodes) else "bad"),) if nodes else ()

    def body(self, width: int, height: int) -> list[Line]:
        nodes = self.model.nodes()
        if not nodes:
            return [(("  no node is known yet", "faint"),)]
        rows = height // len(nodes)
        lines: list[Line] = []
        for node in nodes:
            lines.extend(self.card(node, width, max(1, rows)))
        return lines[:height]

    def card(self, node: Entity, width: int, rows: int) -> list[Line]:
        """One node in at most ``rows`` lines."""
        state = self.model.node_state(node)
        if rows < 2 or (self.frameless and rows < 5):
            lines = self._two_short(node, state, width) if self.frameless else [self._one(node, state, width)]
        elif rows < 5:
            lines = self._two(node, state, width)
            lines += [()] * (rows > 2)
        else:
            lines = self._full(node, state, width, rows)
        if self.model.freshness(node) == "stale" and state.mark != "down":
            lines = [faded(line) if line else line for line in lines]
        return lines

    # --- forms ---------------------------------------------------------------------------------------------

    def _one(self, node: Entity, state: State, width: int) -> Line:
        """` Home    ● online  cpu ▁▂▂▃▂ 31%  mem 74%  58°C  41 d`."""
        head: list[Run] = [(f" {fit(str(node.get('name')), 8)} ", "light"), self._state(state, 9)]
        if state.mark in {"down", "unknown"}:
            return join(*head, (f" {self._absence(node, state)}", state.role))
        cells = max(6, min(60, width - 54))
        chart = self._chart(node, "cpu", cells, 1)[0]
        up = node.get("started_at")
        return join(
            *head, (" cpu ", "faint"), (chart, "soft"),
            (f" {percent(node.get('cpu')):>4}  mem {percent(self._memory(node)):>4}", "text"),
            (f" {self._warmth(node):>6}", "text"),
            (f" {span(self.model.now() - up) if up else '':>7}", "faint"),
        )  # fmt: skip

    def _two_short(self, node: Entity, state: State, width: int) -> list[Line]:
        """Two short rows for a phone."""
        name = (self._state(state, 10, lead=" "), (f" {node.get('name')}", "light"))
        if state.mark in {"down", "unknown"}:
            return [join(*name), join((f"   {self._absence(node, state)}", state.role))]
        first = spread(name, ((f"{percent(node.get('cpu')):>4} {self._warmth(node):>5} ", "text"),), width)
        chart = self._chart(node, "cpu", max(8, width - 14), 1)[0]
        return [
            first,
            join(("   ", "faint"), (chart, "soft"), (f" mem {percent(self._memory(node)):>4} ", "faint")),
        ]

    def _two(self, node: Entity, state: State, width: int) -> list[Line]:
        """Two rows: cpu and memory, each with its sparkline."""
        name = (f" {fit(str(node.get('name')), 9)}", "light")
        if state.mark in {"down", "unknown"}:
            return [join(name, self._state(state, 10)),
                    join((f" {' ' * 9}{self._absence(node, state)}", state.role))]  # fmt: skip
        cells = max(6, width - 36)
        up = node.get("started_at")
        full, rest = gauge(self._memory(node), cells, ascii_only=self.model.ascii_only)
        facts = f" {self._warmth(node):>5} {span(self.model.now() - up) if up else '':>7}"
        return [
            join(name, self._state(state, 10), (" cpu ", "faint"), (self._chart(node, "cpu", cells, 1)[0], "soft"),
                 (f" {percent(node.get('cpu')):>4} ", "text")),
            join((f"{facts:<20.20} mem ", "faint"), (full, "soft"), (rest, "frame"),
                 (f" {percent(self._memory(node)):>4} ", "text")),
        ]  # fmt: skip

    def _full(self, node: Entity, state: State, width: int, rows: int) -> list[Line]:
        """A card: head, cpu, memory, temperature, root disk, and a blank line where there is room."""
        name: Run = (f" {fit(str(node.get('name')), 10)}", "big")
        left = (self._state(state, 11, lead=" "), name, (f" {self._make(node)}", "faint"))
        head = spread(left, ((f"{self._uptime(node)} ", "faint"),), width)
        if state.mark in {"down", "unknown"}:
            return self._absent(node, state, head, width, rows)
        spare = rows - 6
        tall, broad, warm = 1 + (spare > 0) + max(0, spare - 3), 1 + (spare > 1), 1 + (spare > 2)
        cells = max(8, width - 20)
        lines = [head]
        lines += self._series("cpu", self._chart(node, "cpu", cells, tall), percent(node.get("cpu")), "soft")
        lines += self._series("mem", self._chart(node, "memory", cells, broad), percent(self._memory(node)), "soft")
        chart = self._chart(node, "temperature", cells, warm)
        lines += self._series("temp", chart, self._warmth(node), state.role if state.word == "warm" else "soft")
        share = share_of(node.get("rootfs_used_bytes"), node.get("rootfs_total_bytes"))
        full, rest = gauge(share, cells, ascii_only=self.model.ascii_only)
        lines.append(
            join(("    root ", "faint"), (full, "soft"), (rest, "frame"), (f"  {percent(share):>5}", "text"))
        )
        lines += [()] * max(0, rows - len(lines))
        return lines[:rows]

    def _absent(self, node: Entity, state: State, head: Line, width: int, rows: int) -> list[Line]:
        """A card of a node that does not answer: what was, and since when; never its last numbers as if true."""
        chart = self._chart(node, "cpu", max(8, width - 20), 1)[0]
        lines: list[Line] = [
            head,
            join((f"    {self._absence(node, state)}", state.role)),
            join(("    cpu  ", "faint"), (chart, "faint"), ("  before", "faint")),
        ]
        return (lines + [()] * rows)[:rows]

    # --- parts ---------------------------------------------------------------------------------------------

    def _state(self, state: State, cells: int, lead: str = "") -> Run:
        return f"{lead}{fit(f'{self.model.glyphs[state.mark]} {state.word}', cells)}", state.role

    def _series(self, label: str, chart: list[str], value: str, role: str) -> list[Line]:
        lines = [join(("         ", "faint"), (row, role)) for row in chart[:-1]]
        return [*lines, join((f"    {label:<5}", "faint"), (chart[-1], role), (f"  {value:>5}", "text"))]

    def _chart(self, node: Entity, metric: str, cells: int, rows: int) -> list[str]:
        values = self.model.rings.values(node["id"], metric)
        low, high = (TEMPERATURE_LOW_C, TEMPERATURE_HIGH_C) if metric == "temperature" else (0.0, 1.0)
        return spark_rows(values, cells, rows, low, high, ascii_only=self.model.ascii_only)

    def _absence(self, node: Entity, state: State) -> str:
        lost = self.model.guests_on(str(node.get("name")))["unknown"]
        if state.mark == "unknown" and not state.note:
            return "nothing is known"
        return state.note + (
            f" · {lost} guests unknown" if lost and state.mark == "down" and self.size.width > 60 else ""
        )

    def _make(self, node: Entity) -> str:
        parts = []
        if node.get("cpu_count"):
            parts.append(f"{node['cpu_count']} cores")
        if node.get("memory_total_bytes"):
            parts.append(size(node["memory_total_bytes"]))
        if node.get("ip"):
            parts.append(str(node["ip"]))
        return " · ".join(parts) if not self.model.ascii_only else ", ".join(parts)

    def _uptime(self, node: Entity) -> str:
        started = node.get("started_at")
        return f"up {span(self.model.now() - started)}" if started and node.get("status") == "online" else ""

    def _memory(self, node: Entity) -> float | None:
        return share_of(node.get("memory_used_bytes"), node.get("memory_total_bytes"))

    def _warmth(self, node: Entity) -> str:
        warmth = self.model.temperature(node)
        return "n/a" if warmth is None else f"{warmth:.0f}°C" if not self.model.ascii_only else f"{warmth:.0f}C"
