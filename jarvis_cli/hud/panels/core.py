"""The core: the cluster as one ring. Each node is an arc; two inner arcs are its load; a mark runs around once
a minute, a step for each second the link lives, and stands still when motion is off."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from jarvis_cli.hud.panels.base import Panel
from jarvis_cli.hud.states import Entity, share_of
from jarvis_cli.hud.units import percent
from jarvis_cli.hud.widgets.braille import Canvas
from jarvis_cli.hud.widgets.cells import cut, safe
from jarvis_cli.hud.widgets.lines import Line, Run, join

if TYPE_CHECKING:
    from jarvis_cli.hud.model import Model
    from jarvis_cli.hud.themes.palette import Palette

WORDS = {"healthy": ("HEALTHY", "light"), "degraded": ("DEGRADED", "warn"), "critical": ("CRITICAL", "bad")}
TICKS = 60
TAIL = 7
LABELS_MAX = 12
SMALL = 44
"""Dots of a radius under which the ring has no room for load arcs and a long text."""


class Core(Panel):
    TITLE = "CORE"
    DEPENDS = frozenset({"cluster", "incidents", "link", "tick"})

    def __init__(self, model: Model, palette: Palette, *, motion: bool, id: str | None = None) -> None:  # noqa: A002
        super().__init__(model, palette, id=id)
        self.motion = motion
        self._base = self._rings = Canvas(0, 0)
        self._base_key: object = None
        self._rings_key: object = None

    def note(self) -> tuple[Run, ...]:
        cluster = self.model.cluster()
        version = (cluster or {}).get("pve_version")
        return ((f"pve {version}", "faint"),) if version else ()

    def body(self, width: int, height: int) -> list[Line]:
        if height < 11 or width < 30:
            return self._words(width, height)
        return self._ring(width, height).lines(ascii_only=self.model.ascii_only)

    # --- the ring ------------------------------------------------------------------------------------------

    def _ring(self, width: int, height: int) -> Canvas:
        nodes = self.model.nodes()
        states = tuple(self._arc_role(node) for node in nodes)
        loads = tuple(round(share or 0.0, 2) for share in self._loads())
        if (key := (width, height, states, loads)) != self._base_key:
            self._base, self._base_key = self._draw(width, height, states, loads), key
        canvas = self._base.copy()
        for row, (text, role) in enumerate(self._centre(), start=height // 2 - len(self._centre()) // 2):
            canvas.write(row, text, role)
        self._label_arcs(canvas, self._radius(canvas), states, tuple(map(self._label, nodes[:LABELS_MAX])))
        self._sweep(canvas)
        return canvas

    def _draw(self, width: int, height: int, states: tuple[str, ...], loads: tuple[float, ...]) -> Canvas:
        """The dots that stand still: ticks, an arc a node, an arc a load."""
        rings = (width, height, states)
        if rings != self._rings_key:
            self._rings, self._rings_key = self._draw_rings(*rings), rings
        canvas = self._rings.copy()
        band = self._radius(canvas) - 8
        for index, share in enumerate(() if self._radius(canvas) < SMALL else loads):
            ring = band - 9 - 4 * index
            canvas.arc(ring, 0.0, 1.0, "frame", step=4.0)
            for depth in range(2):
                canvas.arc(ring - depth, 0.0, min(1.0, share), "soft" if share < 0.9 else "warn")
        return canvas

    def _draw_rings(self, width: int, height: int, states: tuple[str, ...]) -> Canvas:
        canvas = Canvas(width, height)
        radius = self._radius(canvas)
        small = radius < SMALL
        for index in range(TICKS):
            for depth in range(_tick_length(index, small)):
                canvas.polar(radius - depth, index / TICKS, "frame")
        band = radius - (3 if small else 8)
        count = max(1, len(states))
        gap = (0.02 if small else 0.012) if count > 1 else 0.0
        for index, role in enumerate(states):
            start, end = index / count + gap, (index + 1) / count - gap
            loose = role in {"faint", "bad"}
            for depth in range(2 if loose or small else 4):
                canvas.arc(band - depth, start, end, role, step=3.0 if loose else 0.6)
        return canvas

    def _radius(self, canvas: Canvas) -> float:
        return min(canvas.cells - 1.0, canvas.rows * 2 - 1.0)

    def _label_arcs(self, canvas: Canvas, radius: float, states: tuple[str, ...], labels: tuple[str, ...]) -> None:
        """Names beside their arcs, where the ring leaves room."""
        room = canvas.cells // 2 - int(radius / 2 * 0.72) - 2
        if len(states) > LABELS_MAX or room < 8:
            return
        for index, (label, role) in enumerate(zip(labels, states, strict=False)):
            angle = (index + 0.5) / len(states) * math.tau
            column = int((canvas.cells + (radius + 6) * math.sin(angle)) / 2)
            row = int((canvas.rows * 2 - (radius + 3) * math.cos(angle)) / 4)
            row = max(0, min(canvas.rows - 2, row))
            for line, text in enumerate(label.split("\n")):
                text = cut(safe(text), room)
                start = column if math.sin(angle) >= 0 else column - len(text) + 1
                canvas.write(row + line, text, role if line == 0 or role != "light" else "faint", column=start)

    def _sweep(self, canvas: Canvas) -> None:
        if not (self.motion and self.model.linked):
            return
        second = int(self.model.now()) % TICKS
        radius = self._radius(canvas)
        for back in range(TAIL):
            tick = (second - back) % TICKS
            for depth in range(_tick_length(tick, radius < SMALL)):
                canvas.polar(radius - depth, tick / TICKS, "light")

    # --- what it says --------------------------------------------------------------------------------------

    def _centre(self) -> tuple[Run, ...]:
        level, _ = self.model.level()
        cluster = self.model.cluster()
        if cluster is None:
            return (("W A I T I N G", "faint"), ("", "faint"), ("for the first picture", "faint"))
        word, role = WORDS[level]
        cpu, memory = self._loads()
        incidents = len(self.model.incidents())
        if min(self.size.width - 2, 2 * self.size.height - 4) < SMALL:
            return (
                (word, "big" if role == "light" else role),
                (f"cpu {percent(cpu)}", "text"),
                (f"mem {percent(memory)}", "text"),
            )
        return (
            (str(cluster.get("name")), "faint"),
            ("", "faint"),
            (" ".join(word), "big" if role == "light" else role),
            ("", "faint"),
            (f"cpu {percent(cpu)}   mem {percent(memory)}", "text"),
            (quorum(cluster), "faint" if cluster.get("quorate") is not False else "bad"),
            (f"{incidents} incident{'s' * (incidents != 1)}", "faint" if not incidents else "warn"),
        )

    def _words(self, width: int, height: int) -> list[Line]:
        """The same in two or three lines, where a ring has no room."""
        level, reasons = self.model.level()
        word, role = WORDS[level]
        cluster = self.model.cluster()
        if cluster is None:
            return [join(("  waiting for the first picture", "faint"))]
        cpu, memory = self._loads()
        mark = {"light": "run", "warn": "warn", "bad": "down"}[role]
        head = join((f"  {self.model.glyphs[mark]} {word}", role if role != "light" else "good"),
                    (f"   {quorum(cluster)}   cpu {percent(cpu)}   mem {percent(memory)}", "text"))  # fmt: skip
        return [head, *(join((f"    {cut(safe(reason), width - 5)}", role)) for reason in reasons[: height - 1])]

    def _loads(self) -> tuple[float | None, float | None]:
        """Share of all cores and of all memory that is used, of the nodes that are online."""
        nodes = [node for node in self.model.nodes() if node.get("status") == "online"]
        known = [n for n in nodes if n.get("cpu") is not None]
        cores = sum(n.get("cpu_count") or 1 for n in known)
        busy = sum(n["cpu"] * (n.get("cpu_count") or 1) for n in known)
        total = sum(n.get("memory_total_bytes") or 0 for n in nodes)
        used = sum(n.get("memory_used_bytes") or 0 for n in nodes)
        return (busy / cores if cores else None), share_of(used, total)

    def _arc_role(self, node: Entity) -> str:
        state = self.model.node_state(node)
        return {"good": "light"}.get(state.role, state.role)

    def _label(self, node: Entity) -> str:
        state = self.model.node_state(node)
        below = percent(node.get("cpu")) if state.mark in {"run", "warn"} else ""
        if state.mark != "run":
            below = f"{self.model.glyphs[state.mark]} {state.word}"
        return f"{node.get('name')}\n{below}"


def _tick_length(index: int, small: bool) -> int:
    """Dots of a tick: every fifth is longer, as on a clock."""
    return 1 if small else 5 if index % 5 == 0 else 2


def quorum(cluster: Entity) -> str:
    """``quorate 4/4`` in the field's words; a standalone node has no quorum to lose."""
    online, total = cluster.get("nodes_online"), cluster.get("nodes_total")
    count = f" {online}/{total}" if online is not None and total is not None else ""
    if cluster.get("standalone"):
        return "standalone"
    quorate = cluster.get("quorate")
    return "quorum unknown" if quorate is None else f"{'quorate' if quorate else 'QUORUM LOST'}{count}"
