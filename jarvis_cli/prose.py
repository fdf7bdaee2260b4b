"""The text of an answer on a terminal: a little Markdown, wrapped, written while it comes. Standard library only.

Headings and ``**bold**`` are bold, code is light (without colour it keeps its marks), fences are left out; anything
else stays as it is. What is written
cannot be taken back, so a word waits until it is whole, a line's beginning until it says what the line is.
"""

from __future__ import annotations

import re
from typing import Final

from jarvis_cli.cells import char_width, width
from jarvis_cli.style import Look, Tone
from jarvis_daemon.protocol.text import clean_block

_UNDECIDED: Final = re.compile(r"\s*(#{0,6}|[-*+]|`{1,2}|\d{1,3}\.?)$")
"""The beginning of a line that may still become a heading, an item or a fence."""
_FENCE: Final = re.compile(r"\s*```")
_HEADING: Final = re.compile(r"#{1,6} +")
_ITEM: Final = re.compile(r"(\s*)([-*+]|\d{1,3}\.) +")
PIECE_MAX: Final = 1 << 20


class Prose:
    """``feed`` pieces as they come and write what it returns; ``end`` returns the rest."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._raw = ""
        self._fresh = True
        self._bold = self._code = self._heading = self._fence = False
        self._indent = self._column = 0
        self._blanks = ""
        self._word: list[tuple[str, Tone]] = []
        self._out: list[str] = []

    @property
    def at_line_start(self) -> bool:
        """Whether nothing stands on the line that is written."""
        return not (self._column or self._word or self._raw)

    def feed(self, piece: str) -> str:
        self._raw += clean_block(piece, limit=PIECE_MAX)
        return self._written(final=False)

    def end(self) -> str:
        """The rest; the next piece begins a new text."""
        told = self._written(final=True)
        self.__init__(self._look)  # type: ignore[misc]
        return told

    def _written(self, *, final: bool) -> str:
        while self._raw and self._step(final=final):
            pass
        if final:
            self._flush()
        told, self._out = "".join(self._out), []
        return told

    def _step(self, *, final: bool) -> bool:
        """Take something off the raw text; False when more has to be known first."""
        if self._fresh:
            return self._begin_line(final=final)
        char = self._raw[0]
        taken = 1
        if char == "\n":
            self._break()
        elif self._fence:
            self._add(char)
        elif char == "`":
            self._code = not self._code
            if not self._look.colors:
                self._add(char)
        elif char == "*" and not self._code:
            if len(self._raw) == 1 and not final:
                return False
            if self._raw.startswith("**"):
                self._bold, taken = not self._bold, 2
            else:
                self._add(char)
        elif char == " ":
            self._flush()
            self._blanks += " "
        else:
            self._add(char)
        self._raw = self._raw[taken:]
        return True

    def _begin_line(self, *, final: bool) -> bool:
        line, newline, rest = self._raw.partition("\n")
        if not newline and not final and (_UNDECIDED.match(line) or _FENCE.match(line)):
            return False
        self._fresh = False
        if match := _FENCE.match(line):
            self._fence = not self._fence
            if line[match.end() :].strip():  # the language, or code on the line of its fence: nothing is lost
                self._raw = self._raw[match.end() :]
            else:
                self._raw, self._fresh = rest, True
        elif self._fence:
            pass
        elif match := _HEADING.match(line):
            self._heading, self._raw = True, self._raw[match.end() :]
        elif match := _ITEM.match(line):
            mark = f"{match[1]}{match[2]} "
            self._indent, self._raw = width(mark), self._raw[match.end() :]
            self._put(mark)
        return True

    def _add(self, char: str) -> None:
        light = self._code or self._fence
        tone: Tone = "light" if light else "bold" if self._bold or self._heading else "plain"
        if self._word and self._word[-1][1] == tone:
            self._word[-1] = (self._word[-1][0] + char, tone)
        else:
            self._word.append((char, tone))
        room = self._look.width
        if room is not None and len(self._word[-1][0]) >= room:  # longer than any line: it waits no more
            self._flush()

    def _flush(self) -> None:
        """Write the word, on a line of its own where it does not fit behind what stands there."""
        if not self._word:
            return
        cells = sum(width(text) for text, _ in self._word)
        room = self._look.width
        if room is not None and not self._fence and self._column + len(self._blanks) + cells > room \
                and self._column > self._indent:  # fmt: skip
            self._out.append("\n" + " " * self._indent)
            self._column, self._blanks = self._indent, ""
        self._put(self._blanks)
        for text, tone in self._word:
            self._out.append(self._look.paint(self._look.glyphs(text), tone))
        self._column += cells
        self._word, self._blanks = [], ""

    def _put(self, text: str) -> None:
        self._out.append(text)
        self._column += sum(map(char_width, text))

    def _break(self) -> None:
        self._flush()
        self._out.append("\n")
        self._column = self._indent = 0
        self._blanks = ""
        self._heading = self._bold = self._code = False  # a mark that nobody closed ends with its line
        self._fresh = True
