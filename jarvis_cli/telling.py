"""What of a turn is told to a person while it goes on: the answer on stdout, the rest on stderr."""

from __future__ import annotations

import sys
from typing import Final

from jarvis_cli.outcome import TIER_TONE
from jarvis_cli.prose import Prose
from jarvis_cli.session import Session
from jarvis_cli.shapes import Entity
from jarvis_cli.style import Look, Tone, detect
from jarvis_daemon.protocol.text import clean, clean_block

MARKS: Final[dict[str, tuple[str, Tone]]] = {
    "running": ("◌", "faint"), "asks": ("▲", "warn"), "awaiting": ("◌", "warn"), "done": ("✔", "good"),
    "verified": ("✔", "good"), "unverified": ("▲", "warn"), "cancelled": ("▲", "warn"),
}  # fmt: skip
"""Glyph and tone of a call's status; every other one is an ill end."""
ILL: Final[tuple[str, Tone]] = ("✖", "bad")
ENDS: Final = {
    "cut": "(cut: the daemon ended)",
    "cancelled": "(cancelled)",
}


class Teller:
    """Tells one turn."""

    def __init__(self, run: Session) -> None:
        self.run = run
        self.said = ""
        """The answer as far as it was told."""
        self.calls: dict[str, Entity] = {}
        self._notes: list[str] = []
        self._terminal = sys.stdout.isatty()
        self._prose = Prose(run.out.look)
        self._open = False

    def hear(self, event: Entity) -> None:
        """One event of the turn."""
        kind, data = str(event.get("kind")), event.get("data") or {}
        if kind == "chat.text":
            self._say(str(event.get("text") or ""))
        elif kind == "chat.replaced":
            self._correct(str(event.get("text") or ""))
        elif kind == "chat.note":
            self._note(str(event.get("text") or ""))
        elif kind == "chat.call":
            self._call(dict(data.get("call") or data))

    def begin(self) -> None:
        """What comes next is a text of its own: the answer to a word of the person."""
        self.break_line()
        self.said = ""

    def finish(self, reply: Entity) -> None:
        """The reply: what of it was not told yet, and how it ended."""
        text = str(reply.get("text") or "")
        if text != self.said:
            self._correct(text)
        self.break_line()
        for call in reply.get("calls") or []:
            self._call(dict(call))
        for note in reply.get("notes") or []:
            self._note(str(note))
        mark = ENDS.get(str(reply.get("status")))
        if mark and mark not in text:
            self.aside(mark, "warn")

    def break_line(self) -> None:
        """End the line that the answer stands on."""
        if self.run.out.is_table:
            self.run.out.piece(self._prose.end() if self._terminal else "")
            if self._open:
                self.run.out.piece("\n")
        self._open = False

    def aside(self, text: str, tone: Tone = "faint") -> None:
        """A line on stderr, between the lines of the answer."""
        if self._terminal:
            self.break_line()
        look = detect(sys.stderr, color=self.run.out.color)
        self.run.out.note(look.paint(clean(text, limit=2000), tone))

    # --- the answer ----------------------------------------------------------------------------------------

    def _say(self, piece: str) -> None:
        self.said += piece
        if not self.run.out.is_table or not piece:
            return
        text = self._prose.feed(piece) if self._terminal else clean_block(piece, limit=1 << 20)
        self.run.out.piece(text)
        self._open = not (self.said.endswith("\n") if not self._terminal else self._prose.at_line_start)

    def _correct(self, text: str) -> None:
        """The whole answer so far is ``text``, whatever was told."""
        if text.startswith(self.said):
            self._say(text[len(self.said) :])
            return
        if not self.said.strip():
            self.said = ""
            self._say(text)
            return
        if text.strip() == self.said.strip():
            return
        self.break_line()
        if self.run.out.is_table:
            self.run.out.line(self.run.out.look.paint("(corrected:)", "faint"))
        self.said = ""
        self._say(text)

    # --- calls and notes -----------------------------------------------------------------------------------

    def _note(self, text: str) -> None:
        if text and text not in self._notes:
            self._notes.append(text)
            self.aside(f"· {text}")

    def _call(self, call: Entity) -> None:
        ident = str(call.get("id"))
        before = self.calls.get(ident, {})
        self.calls[ident] = call
        if before.get("status") != call.get("status"):
            if self._terminal:
                self.break_line()
            look = detect(sys.stderr, color=self.run.out.color)
            self.run.out.note(call_line(call, look))


def call_line(call: Entity, look: Look) -> str:
    """``✔ restart_service smbd (yellow) verified``"""
    status, tier = str(call.get("status")), str(call.get("tier"))
    glyph, tone = MARKS.get(status, ILL)
    what = clean(f"{call.get('name')} {call.get('target_name') or call.get('target') or ''}".rstrip(), limit=120)
    # The tier of a read is known afterwards.
    grade = f" {look.paint(tier.upper(), TIER_TONE.get(tier, 'bad'))}" if tier else ""
    line = f"  {look.paint(look.glyphs(glyph), tone)} {what}{grade} {look.paint(status, tone)}"
    if status in {"refused", "failed", "contradicted", "unverified", "denied", "expired"} and call.get("why"):
        line += look.paint(f": {clean(str(call['why']))}", "faint")
    return line
