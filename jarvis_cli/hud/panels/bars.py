"""The lines around every mode: header, tabs, status."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from textual.events import Click
from textual.geometry import Region, Size
from textual.message import Message

from jarvis_cli.hud.panels.card import who
from jarvis_cli.hud.panels.core import WORDS, quorum
from jarvis_cli.hud.screens.plan import Plan
from jarvis_cli.hud.units import clock, clock_s, day, span, stopwatch
from jarvis_cli.hud.widgets.lines import Line, Run, join, length, spread
from jarvis_cli.hud.widgets.pane import Pane

if TYPE_CHECKING:
    from jarvis_cli.hud.cost import Cost
    from jarvis_cli.hud.model import Model
    from jarvis_cli.hud.themes.palette import Palette

TABS = ("overview", "guests", "storage", "tasks", "incidents", "nodes", "feed", "approvals", "chat")
"""Modes in the order of their number keys."""
PRIVATE = frozenset({"chat"})
"""Modes that only an operator has: what was said is nobody else's."""


def modes_of(*, may_act: bool) -> list[str]:
    """The modes that this HUD has."""
    return [mode for mode in TABS if may_act or mode not in PRIVATE]


WORD_TICKS = 6
WIDE = 120
WALL = 160


def top_plan(size: Size) -> Plan:
    """The clock is a pane of its own, so that a second costs its cells and not the whole line."""
    cells = 21 if size.width >= WIDE else 10
    return {"header": Region(0, 0, size.width - cells, 1), "clock": Region(size.width - cells, 0, cells, 1)}


def bottom_plan(size: Size) -> Plan:
    cells = min(56, size.width * 3 // 4)
    if size.width >= WIDE:
        cells = 68 if size.width < WALL else size.width // 2
    return {"keys": Region(0, 0, size.width - cells, 1), "status": Region(size.width - cells, 0, cells, 1)}


class Clock(Pane):
    """Day and time by the daemon's clock."""

    DEPENDS = frozenset({"tick", "link"})

    def __init__(self, model: Model, palette: Palette, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(palette, id=id)
        self.model = model

    def paint(self, width: int, height: int) -> list[Line]:
        now = self.model.now()
        return [join((f" {day(now)} {clock_s(now)} " if width > 10 else f" {clock_s(now)} ", "light"))]


def kill_words(model: Model, *, by: bool) -> str:
    """``KILLED since 21:47 by …`` while the kill switch is engaged, else empty."""
    switch = model.killswitch()
    if switch is None or not switch.get("engaged"):
        return ""
    since = f" since {clock(switch['since_at'])}" if switch.get("since_at") else ""
    name = f" by {who(switch['by'])}" if by and switch.get("by") else ""
    return f"{model.glyphs['down']} KILLED{since}{name}"


class Header(Pane):
    """Whose cluster, how it is, what waits for an answer, whether all is stopped, whether it is simulated."""

    DEPENDS = frozenset({"cluster", "incidents", "approvals", "link", "aged"})

    def __init__(self, model: Model, palette: Palette, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(palette, id=id)
        self.model = model

    def paint(self, width: int, height: int) -> list[Line]:
        model, whole = self.model, self.screen.size.width
        dash, wide = model.glyphs["dash"], whole >= WIDE
        name: Run = (" J A R V I S " if wide else " JARVIS ", "big")
        right: list[Run] = []
        fill: Run = (dash if wide else "", "frame")
        if (pending := len(model.pending())) > 0:
            right += [(f" {pending} approval{'s' * (pending != 1)} ", "warn@"), fill]
        if killed := kill_words(model, by=whole >= 160):
            right += [(f" {killed if whole >= 80 else killed.replace(' since', '')} ", "bad@"), fill]
        if model.simulated:
            right += [(" SIMULATED ", "warn"), fill]
        left: list[Run] = [(dash, "frame"), name] if wide else [name]
        middle = self._middle(whole, width - length(left) - length(right) - 1)
        if not wide:
            return [spread((*left, *middle), right, width)]
        gap = max(1, (whole - length(middle)) // 2 - length(left))
        if length(left) + gap + length(middle) + length(right) >= width:
            gap = max(1, width - length(left) - length(middle) - length(right) - 1)
        line = join(*left, (dash * gap, "frame"), *middle)
        return [spread(line, right, width, dash, "frame")]

    def _middle(self, width: int, room: int) -> tuple[Run, ...]:
        """Name, quorum, health, incidents; what is well is left out first where there is no room for all."""
        model = self.model
        cluster = model.cluster()
        if cluster is None:
            return ((" waiting for the first picture ", "faint"),)
        level, _ = model.level()
        incidents = len(model.incidents())
        dot = f" {model.glyphs['dot']} "
        word, role = WORDS[level]
        health: Run = (f"{dot}{word.lower()}", "good" if role == "light" else role)
        if width < 80:
            return ((f" {cluster.get('name')}", "light"), health)
        lost = cluster.get("quorate") is False
        name: Run = (f" {cluster.get('name')}", "light")
        votes: Run = (f"{dot}{quorum(cluster)}", "bad" if lost else "light")
        count: Run = (f"{dot}{incidents} incident{'s' * (incidents != 1)}" if incidents else "", "warn")
        for parts in ((name, votes, health, count), (name, votes, health), (name, votes if lost else health)):
            if length(parts) + 1 <= room:
                break
        return join(*parts, (" ", "light"))


class Tabs(Pane):
    """The modes with their keys; a tap chooses one."""

    DEPENDS = frozenset({"incidents", "approvals", "link"})

    class Chosen(Message):
        def __init__(self, mode: str) -> None:
            super().__init__()
            self.mode = mode

    def __init__(
        self, model: Model, palette: Palette, mode: str, modes: Callable[[], list[str]], *, id: str | None = None  # noqa: A002
    ) -> None:  # fmt: skip
        super().__init__(palette, id=id)
        self.model = model
        self.mode = mode
        self.modes = modes
        self._spans: list[tuple[int, int, str]] = []

    def paint(self, width: int, height: int) -> list[Line]:
        runs: list[Run] = [(" ", "faint")]
        self._spans = []
        modes = self.modes()
        short = sum(len(mode) + 5 for mode in modes) + 1 > width
        for number, mode in enumerate(modes, start=1):
            label = f" {number} " if short and mode != self.mode else f" {number} {mode} "
            start = length(runs)
            self._spans.append((start, start + len(label), mode))
            trouble = (mode == "incidents" and self.model.incidents()) or (
                mode == "approvals" and self.model.pending()
            )
            runs.append((label, "light@" if mode == self.mode else "warn" if trouble else "faint"))
        return [join(*runs)]

    def on_click(self, event: Click) -> None:
        for start, end, mode in self._spans:
            if start <= event.x < end:
                self.post_message(self.Chosen(mode))


class Keys(Pane):
    """As many of the keys as there is room for, or a word of feedback in their place."""

    def __init__(self, palette: Palette, hints: list[str], *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(palette, id=id)
        self.hints = hints
        self.paused = False
        self.trouble = ""
        """Why there is no link, and what to do; empty while there is one."""
        self.word: Run | None = None
        self._word_ticks = 0

    def say(self, text: str, role: str = "text") -> None:
        """One line of feedback for ``WORD_TICKS`` ticks."""
        self.word = (f" {text} ", role)
        self._word_ticks = WORD_TICKS
        self.repaint()

    def tell_trouble(self, trouble: str) -> None:
        if trouble != self.trouble:
            self.trouble = trouble
            self.repaint()

    def age_word(self) -> None:
        """A tick passed: feedback does not stay for ever."""
        self._word_ticks -= 1
        if self.word is not None and self._word_ticks <= 0:
            self.word = None
            self.repaint()

    def paint(self, width: int, height: int) -> list[Line]:
        left: list[Run] = [(" PAUSED ", "warn@")] if self.paused else []
        if self.word is not None:
            return [join(*left, self.word)]
        if self.trouble:
            return [join(*left, (f" {self.trouble}", "warn"))]
        return [join(*left, (f" {self._hints(width - length(left) - 2)}", "faint"))]

    def _hints(self, room: int) -> str:
        out = ""
        for hint in self.hints:
            candidate = f"{out}  {hint}" if out else hint
            if len(candidate) > room:
                break
            out = candidate
        return out


class Status(Pane):
    """Link, age of the data, autonomy, and the HUD's own cost; what has no room is left out from the end. At its
    end stands the kill switch, always."""

    DEPENDS = frozenset({"link", "tick", "cluster", "approvals"})

    def __init__(self, model: Model, palette: Palette, cost: Cost, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(palette, id=id)
        self.model = model
        self.cost = cost

    def paint(self, width: int, height: int) -> list[Line]:
        runs: list[Run] = []
        kill = self._kill(width)
        for part in (self._link(), self._data(), self._autonomy(width), self._cost()):
            if length(runs) + length(part) + length(kill) < width:
                runs += part
            elif (short := self._stale()) and part == self._data():
                runs = list(short)
                break
            else:
                break
        return [spread((), (*runs, *kill, (" ", "faint")), width, role="faint")]

    def _kill(self, width: int) -> tuple[Run, ...]:
        """The kill switch as last told; quiet and in the past tense while the link is lost."""
        model = self.model
        dot: Run = (f" {model.glyphs['dot']} ", "faint")
        if model.killswitch() is None:
            return (dot, ("kill switch unknown", "warn" if model.linked else "faint")) if width > 40 else ()
        killed = kill_words(model, by=width >= 60 and model.linked)
        if not model.linked:
            return dot, (f"was {killed}" if killed else "was armed", "faint")
        return dot, (killed, "bad") if killed else ("armed", "faint")

    def _link(self) -> tuple[Run, ...]:
        source = self.model.source
        since = source.clock.monotonic() - source.status_since
        if source.status == "up":
            latency = source.latency_s
            known = "" if latency is None else f" {max(1, round(latency * 1000))} ms"
            return ((f"link{known}", "faint"),)
        if source.status == "refused":
            return ((f"{self.model.glyphs['down']} LINK REFUSED", "bad"),)
        if source.status == "connecting" and not source.mirror.state:
            return ((f"connecting {stopwatch(since)}", "warn"),)
        return ((f"{self.model.glyphs['down']} LINK LOST {stopwatch(since)}", "bad"),)

    def _data(self) -> tuple[Run, ...]:
        age, freshness = self.model.data_age()
        dot = f" {self.model.glyphs['dot']} "
        if age is None:
            return ((f"{dot}no data yet", "warn" if self.model.linked else "faint"),)
        text = f"{dot}data {span(age)} old"
        return ((text, "faint") if freshness == "fresh" else (f"{text} {self.model.glyphs['warn']} stale", "warn"),)

    def _stale(self) -> tuple[Run, ...]:
        """What is left of the age where there is no room: that it is too old outweighs the link's latency."""
        age, freshness = self.model.data_age()
        if age is None or freshness == "fresh":
            return ()
        return ((f"{self.model.glyphs['warn']} stale {span(age)}", "warn"),)

    def _autonomy(self, width: int) -> tuple[Run, ...]:
        """``autonomy L3``; where less holds than was chosen ``L3→L2``, and why where there is room."""
        found = self.model.autonomy()
        if found is None or not self.model.linked:
            return ()
        dot: Run = (f" {self.model.glyphs['dot']} ", "faint")
        level, holds = found.get("level"), found.get("effective")
        if holds is None or holds == level:
            return dot, (f"autonomy L{level}", "faint")
        arrow = "->" if self.model.ascii_only else "→"
        why = str(found.get("why") or "").partition(",")[0]
        told = f"autonomy L{level}{arrow}L{holds}"
        return dot, (f"{told}: {why}" if why and width >= WALL // 2 else told, "warn")

    def _cost(self) -> tuple[Run, ...]:
        text = self.cost.text()
        return ((f" {self.model.glyphs['dot']} {text}", "faint"),) if text else ()
