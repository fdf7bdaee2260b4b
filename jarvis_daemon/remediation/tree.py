"""YAML to plain data, with the line of every key; a small and strict part of YAML.

Built from the parser's events, so that nothing is constructed that was not looked at: no tags, no anchors, no
aliases, no second document, no key twice, no deep nesting. Only ``true`` and ``false`` are booleans and numbers are
decimal (YAML 1.2): ``off`` and ``0x1f`` are text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from jarvis_daemon.protocol.text import clean

At = tuple[str | int, ...]
"""Where something stands: ``("steps", 0, "args", "guest")``."""
MAX_BYTES: Final = 64 * 1024
MAX_DEPTH: Final = 12
MAX_VALUES: Final = 4000
_INT: Final = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))([eE][-+]?[0-9]{1,3})?")
_WORDS: Final = {"": None, "~": None, "null": None, "true": True, "false": False}
_PATH: Final = re.compile(r"(incident|target|guest|node|storage|cluster)\.[A-Za-z0-9_./-]+")


@dataclass(frozen=True)
class Mistake:
    """One mistake in a file. ``line`` counts from 1; 0 where no file is known."""

    at: At
    text: str
    hint: str = ""
    line: int = 0

    @property
    def path(self) -> str:
        """``steps[0].args.guest``; empty for the file as a whole."""
        parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.at]
        return clean("".join(parts).removeprefix("."), limit=120)

    def sentence(self) -> str:
        return f"{self.path}: {self.text}" if self.at else self.text


class BrokenError(Exception):
    """It is no YAML, or not of the part that is read here."""

    def __init__(self, mistake: Mistake) -> None:
        super().__init__(mistake.text)
        self.mistake = mistake


@dataclass
class Tree:
    """``data`` is made of dict, list, str, int, float, bool and None; keys are text."""

    data: Any
    lines: dict[At, int]

    def line(self, at: At) -> int:
        """Of this place, or of the nearest one around it that stands in the file."""
        while at and at not in self.lines:
            at = at[:-1]
        return self.lines.get(at, 1)


@dataclass
class _Open:
    """A mapping or list whose end has not come yet."""

    at: At
    line: int
    into: dict[str, Any] | list[Any]
    flow: bool
    key: str | None = None


@dataclass
class _Builder:
    lines: dict[At, int] = field(default_factory=dict)
    root: Any = None
    documents: int = 0
    values: int = 0
    stack: list[_Open] = field(default_factory=list)

    def take(self, event: yaml.Event) -> None:
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                raise _broken(line, (), "a second document begins here", "one runbook a file, without `---`")
        elif isinstance(event, yaml.AliasEvent):
            what = f"*{clean(str(event.anchor), limit=60)} is an alias"
            raise _broken(line, self._here(), what, "write it out: aliases are not read")
        elif isinstance(event, yaml.NodeEvent):
            self._node(event, line)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._close()

    def _node(self, event: yaml.NodeEvent, line: int) -> None:
        tag = getattr(event, "tag", None)
        if event.anchor is not None:
            what = f"&{clean(event.anchor, limit=60)} is an anchor"
            raise _broken(line, self._here(), what, "write it out: anchors are not read")
        if tag is not None:
            short = tag.replace("tag:yaml.org,2002:", "!!")
            raise _broken(
                line, self._here(), f"{clean(short, limit=60)} is a tag", "leave it out: tags are not read"
            )
        self.values += 1
        if self.values > MAX_VALUES or len(self.stack) > MAX_DEPTH:
            raise _broken(line, self._here(), "this is more than a runbook needs", "is it the right file?")
        if isinstance(event, yaml.ScalarEvent):
            if self._is_key():
                self._key(event.value, line)
            else:
                self._put(_scalar(event), line)
            return
        if self._is_key():
            raise _broken(line, self._here(), "a key has to be text", "put it in quotes")
        into: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        at = self._put(into, line)
        self.stack.append(_Open(at, line, into, bool(getattr(event, "flow_style", False))))

    def _is_key(self) -> bool:
        return bool(self.stack) and isinstance(self.stack[-1].into, dict) and self.stack[-1].key is None

    def _key(self, key: str, line: int) -> None:
        top = self.stack[-1]
        assert isinstance(top.into, dict)
        if key in top.into:
            first = self.lines[(*top.at, key)]
            raise _broken(line, (*top.at, key), "this key stands here twice", f"the first one is in line {first}")
        if not key.strip():
            raise _broken(line, top.at, "a key is missing before the colon", "")
        top.key = key
        self.lines[(*top.at, key)] = line

    def _put(self, value: Any, line: int) -> At:
        if not self.stack:
            self.root = value
            self.lines[()] = line
            return ()
        top = self.stack[-1]
        if isinstance(top.into, list):
            at: At = (*top.at, len(top.into))
            top.into.append(value)
            self.lines[at] = line
            return at
        assert top.key is not None
        at = (*top.at, top.key)
        top.into[top.key] = value
        top.key = None
        return at

    def _close(self) -> None:
        done = self.stack.pop()
        if done.flow and isinstance(done.into, dict):
            for key, value in done.into.items():
                if value is None and _PATH.fullmatch(key.strip()):
                    raise _broken(done.line, done.at, "a fact in braces has to stand in quotes", f'"{{{key}}}"')

    def _here(self) -> At:
        if not self.stack:
            return ()
        top = self.stack[-1]
        return (*top.at, top.key) if top.key is not None else top.at


def parse(text: bytes) -> Tree:
    """Raises ``BrokenError`` with the line."""
    builder = _Builder()
    for event in _events(_decoded(text)):
        builder.take(event)
    if builder.documents == 0 or builder.root is None:
        raise _broken(1, (), "the file is empty", "docs/runbooks.md shows how one is written")
    return Tree(builder.root, builder.lines)


def _decoded(text: bytes) -> str:
    if len(text) > MAX_BYTES:
        raise _broken(1, (), f"the file is larger than {MAX_BYTES // 1024} KiB", "is it the right file?")
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise _broken(line, (), "this is not UTF-8", "save the file as UTF-8") from None


def _events(text: str) -> Iterator[yaml.Event]:
    """The parser's events; it reads lazily, so that what is refused early costs little."""
    try:
        yield from yaml.parse(text, Loader=yaml.SafeLoader)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _broken(line, (), "here stands a character that no text has", "retype the line") from None
    except yaml.MarkedYAMLError as error:
        opened = "quoted" in (error.context or "") or "flow" in (error.context or "")
        mark = (opened and error.context_mark) or error.problem_mark or error.context_mark
        line = min(mark.line, text.count("\n")) + 1 if mark else 1
        problem = clean(error.problem or "this is no YAML", limit=160)
        raise _broken(line, (), problem, _advice(text, line, problem)) from None


def _advice(text: str, line: int, problem: str) -> str:
    """What people mostly did where the parser stops like this."""
    rows = text.split("\n")
    here = rows[line - 1] if line <= len(rows) else ""
    if "\\t" in problem or here.startswith("\t"):
        return "indent with blanks, not with tabs"
    if re.search(r":\s*\{[^}\"']*\}\s*\S", here):
        return "a value that begins with a brace has to stand in quotes"
    if "mapping values are not allowed" in problem:
        return "put text that holds a colon in quotes, and mind the indentation"
    if any(words in problem for words in ("end of stream", "stream end", "end of line", "expected ',' or")):
        return "a quote or a bracket is not closed"
    return "mind the indentation and the colon after each key"


def _scalar(event: yaml.ScalarEvent) -> Any:
    """Text in quotes is text; a plain word may be a number, true, false or nothing."""
    text = event.value
    if event.style is not None:
        return text
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    return text


def _broken(line: int, at: At, text: str, hint: str) -> BrokenError:
    return BrokenError(Mistake(at, text, hint, line))
