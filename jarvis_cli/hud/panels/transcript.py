"""What was said and done in a conversation, the newest at the end."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from jarvis_cli.hud.panels.card import tier_runs
from jarvis_cli.hud.panels.text import TextPanel
from jarvis_cli.hud.states import Entity
from jarvis_cli.hud.talk import Said, Talk
from jarvis_cli.hud.units import clock
from jarvis_cli.hud.widgets.cells import safe, width
from jarvis_cli.hud.widgets.lines import Line, Run, join

if TYPE_CHECKING:
    from jarvis_cli.hud.model import Model
    from jarvis_cli.hud.themes.palette import Palette

STATES: Final[dict[str, tuple[str, str]]] = {
    "approved": ("more", "light"), "over": ("stop", "faint"), "expired": ("stop", "faint"),
    "running": ("more", "light"), "asks": ("warn", "warn"), "awaiting": ("unknown", "warn"), "done": ("ok", "good"),
    "verified": ("ok", "good"), "unverified": ("warn", "warn"), "cancelled": ("warn", "warn"),
}  # fmt: skip
"""Status of a call -> glyph and role; every other one is an ill end."""
ENDS: Final = {"cut": "cut: the daemon ended", "cancelled": "cancelled", "failed": "nothing could answer"}
EMPTY: Final = (
    "Say it in your own words, then enter:",
    "  how hot is pve",
    "  restart plex",
    "  what happened last night",
)
_ITEM: Final = re.compile(r"(\s*)([-*+]|\d{1,3}\.) +")
_MARKS: Final = re.compile(r"\*\*|^#{1,6} +|^\s*```.*$")
INDENT: Final = 2


class Transcript(TextPanel):
    """Lines of a turn are worked out once for each of its versions and widths."""

    DEPENDS = frozenset({"chat", "link", "approvals"})

    def __init__(self, model: Model, palette: Palette, talk: Callable[[], Talk], *, id: str) -> None:  # noqa: A002
        super().__init__(model, palette, title="CONVERSATION", follow=True, id=id)
        self._talk = talk
        self._memo: dict[int, tuple[tuple[object, ...], list[Line]]] = {}
        self.show(self._all)

    def note(self) -> tuple[Run, ...]:
        talk = self._talk()
        if talk.running is not None:
            return (("esc stops it", "light"),)
        return ((talk.session or "new", "faint"),)

    def _all(self, cells: int) -> list[Line]:
        talk = self._talk()
        if talk.trouble:
            return [(), join((f"  {talk.trouble}", "warn"))]
        if not talk.turns:
            return [(), *(join((f"  {line}", "faint")) for line in EMPTY)]
        shown: list[Line] = []
        for turn in talk.turns:
            last = turn is talk.turns[-1]
            key = (turn.version, cells, turn.asked, last, *(_answer(c, self.model) for c in turn.calls.values()))
            if (known := self._memo.get(turn.id)) is None or known[0] != key:
                known = self._memo[turn.id] = (key, turn_lines(turn, self.model, cells, last=last))
            shown += known[1]
        self._memo = {turn.id: self._memo[turn.id] for turn in talk.turns}
        return shown


def turn_lines(turn: Said, model: Model, cells: int, *, last: bool) -> list[Line]:
    """What was asked, what was done, what was answered, and what is to be known of it. A yes takes up what was
    suggested in the ``last`` turn only."""
    room = max(8, cells - INDENT)
    stamp = f" {clock(turn.at)} "
    asked = [part for line in (turn.asked or "").splitlines() or [""] for part in folded(line, room - len(stamp))]
    out: list[Line] = [join((stamp, "faint"), (f"> {asked[0]}", "light"))]
    out += [join((" " * (len(stamp) + 2) + part, "light")) for part in asked[1:]]
    for call in turn.calls.values():
        out += _call(call, model, room)
    text = turn.text + ((" " if turn.text else "") + ("_" if model.ascii_only else "▌") if turn.open else "")
    fenced = False
    for line in text.splitlines():
        fenced ^= line.lstrip().startswith("```")
        role = "soft" if fenced else "head" if line.startswith("#") else "jarvis"
        told = line if fenced else _MARKS.sub("", line)
        if not line.lstrip().startswith("```"):
            out += [join((f"  {part}", role)) for part in folded(told, room)]
    for note in turn.notes:
        out += [join((f"  {part}", "faint")) for part in folded(f"{model.glyphs['dot']} {note}", room)]
    if turn.suggestion and last and not turn.open:
        out += [join((f"  {part}", "warn")) for part in folded(f"yes says: {turn.suggestion}", room)]
    if (end := ENDS.get(turn.status)) is not None:
        out.append(join((f"  ({end})", "warn")))
    return [*out, ()]


def _answer(call: Entity, model: Model) -> str:
    """What became of a call that waited for an approval: a word for its end, empty while it waits."""
    if call.get("status") != "awaiting":
        return ""
    found = model.collection("approvals").get(str(call.get("approval_id")))
    if found is None:
        return "over"
    word = str(found.get("status"))
    return "" if word == "pending" else str(found.get("outcome") or word)


def _call(call: Entity, model: Model, room: int) -> list[Line]:
    answer = _answer(call, model)
    status = answer or str(call.get("status"))
    mark, role = STATES.get(status, ("down", "bad"))
    what = f"{call.get('name')} {call.get('target_name') or call.get('target') or ''}".rstrip()
    head: Line = join(
        (f"  {model.glyphs[mark]} ", role), (safe(what)[: max(8, room - 24)], "text"), ("  ", "text"),
        tier_runs(str(call.get("tier")))[0], ("  ", "text"), (status, role),
    )  # fmt: skip
    out = [head]
    why = str(call.get("why") or "")
    if status == "awaiting":
        for origin in call.get("origins") or ():
            out += [join((f"    {part}", "faint")) for part in folded(f"from {origin}", room - 2)]
        why = f"it waits for your word: a in mode 8, or `jarvis approve {call.get('approval_id')}`"
    elif status == "asks":
        why = "it wants your word: y opens it"
    if why and status not in {"done", "verified", "running"}:
        out += [join((f"    {part}", "warn" if status in {"awaiting", "asks"} else "faint"))
                for part in folded(why, room - 2)]  # fmt: skip
    return out


def folded(text: str, cells: int) -> list[str]:
    """``text`` broken at blanks into lines of at most ``cells`` cells, items hanging; a longer word is broken, for
    nothing of an answer may be lost."""
    text = safe(text)
    match = _ITEM.match(text)
    lead = match[0] if match else text[: len(text) - len(text.lstrip(" "))]
    hang = " " * min(width(lead), cells // 2)
    out, line = [], lead[: cells // 2]
    fresh = True
    for word in text[len(lead) :].split(" "):
        rest = word
        while rest:
            glue = "" if fresh else " "
            if width(line + glue + rest) <= cells:
                line, rest, fresh = line + glue + rest, "", False
            elif not fresh:
                out.append(line)
                line, fresh = hang, True
            else:
                taken = _first(rest, max(1, cells - width(line)))
                out.append(line + taken)
                line, rest = hang, rest[len(taken) :]
    return [*out, line] if not fresh or not out else out


def _first(text: str, cells: int) -> str:
    """As much of ``text`` as fits, one character at least."""
    kept = 0
    while kept < len(text) and width(text[: kept + 1]) <= cells:
        kept += 1
    return text[: max(1, kept)]
