"""What a command says: data on stdout in the asked format, everything else on stderr.

* ``table`` for people, coloured where the terminal can
* ``json``  one document, two blanks of indent; ``jsonl``  one line a row; ``yaml``  one document

Times in the latter three are RFC 3339 UTC. A reader that goes away early (``| head``) is no error: the rest
is dropped in silence. Standard library only, but for ``yaml``, imported on demand.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TextIO

from jarvis_cli.style import Look, detect
from jarvis_daemon.protocol.errors import JarvisError

FORMATS: Final = ("table", "json", "yaml", "jsonl")

_UNSAFE: Final = re.compile("[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
"""Characters that JSON may hold raw and a terminal should not get raw."""

Lines = Iterable[str]


def json_text(data: Any, *, indent: int | None = None) -> str:
    """JSON, UTF-8, with control and bidi characters escaped."""
    text = json.dumps(data, ensure_ascii=False, indent=indent)
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def yaml_text(data: Any) -> str:
    import yaml

    return str(yaml.safe_dump(data, sort_keys=False, allow_unicode=True, default_flow_style=False, width=110))


@dataclass
class Output:
    """Where a command writes. ``closed`` turns true when the reader of stdout has gone."""

    format: str = "table"
    quiet: bool = False
    verbose: int = 0
    color: bool | None = None
    closed: bool = field(default=False, init=False)

    @property
    def look(self) -> Look:
        return detect(sys.stdout, color=self.color)

    @property
    def is_table(self) -> bool:
        return self.format == "table"

    def emit(self, data: Any, table: Callable[[Look], Lines], *, rows: Sequence[Any] | None = None) -> None:
        """Write ``data``, or for people what ``table`` makes of it. ``rows`` are the lines of ``jsonl``;
        without them the whole document is one line."""
        if self.format == "json":
            self.line(json_text(data, indent=2))
        elif self.format == "yaml":
            self.line(yaml_text(data).rstrip("\n"))
        elif self.format == "jsonl":
            self.lines(json_text(row) for row in (rows if rows is not None else [data]))
        else:
            self.lines(table(self.look))

    def lines(self, lines: Lines) -> None:
        text = "\n".join(lines)
        if text:
            self.line(text)

    def line(self, text: str) -> None:
        self.piece(text + "\n")

    def piece(self, text: str) -> None:
        """A part of a line, written at once: for text that comes bit by bit."""
        if self.closed or not text:
            return
        try:
            _write(sys.stdout, text)
        except BrokenPipeError:
            self.closed = True
            drop(sys.stdout)

    def note(self, text: str) -> None:
        """One line to the person on stderr, not with ``--quiet``."""
        if not self.quiet:
            self.warn(text)

    def warn(self, text: str) -> None:
        """One line on stderr, with ``--quiet`` too."""
        try:
            _write(sys.stderr, detect(sys.stderr, color=self.color).glyphs(text) + "\n")
        except BrokenPipeError:
            drop(sys.stderr)

    def error(self, error: JarvisError) -> None:
        """What happened and why on one line, what next on another."""
        look = detect(sys.stderr, color=self.color)
        self.warn(look.glyphs(f"{look.paint('jarvis:', 'bad')} {error.sentence()}"))
        if error.next:
            self.warn(look.glyphs(f"{look.paint('  next:', 'faint')} {error.next}"))


def _write(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
    except UnicodeEncodeError:
        encoding = stream.encoding or "ascii"
        stream.write(text.encode(encoding, "replace").decode(encoding))
    stream.flush()


def drop(stream: TextIO) -> None:
    """Let all that is still written to ``stream`` vanish, so that nothing complains at the end."""
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, stream.fileno())
    except (OSError, ValueError):
        pass
    finally:
        os.close(null)
