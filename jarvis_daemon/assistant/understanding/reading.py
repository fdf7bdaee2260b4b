"""A sentence made ready: cleaned, without politeness, cut into words, and what it names found in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from jarvis_daemon.assistant.understanding.matching import Found, Line
from jarvis_daemon.assistant.understanding.names import BEFORE_VMID, Entry, Names
from jarvis_daemon.assistant.understanding.pruning import SHORTENED
from jarvis_daemon.assistant.understanding.values import spans
from jarvis_daemon.protocol.text import clean

MAX_LETTERS: Final = 400
MAX_WORDS: Final = 60
_MARKS: Final = ".,!?;:…"
_FIRST: Final = tuple(
    tuple(phrase.split())
    for phrase in (
        "jarvis", "hey", "hi", "hello", "ok", "okay", "alright", "please", "kindly", "now", "so", "well", "right",
        "could you", "can you", "would you", "will you", "be so kind as to", "be so good as to", "go ahead",
        "i would like you to", "i'd like you to", "i want you to", "i need you to", "just", "quickly",
        "good morning", "good evening", "good afternoon", "excuse me", "thanks", "thank you",
    )
)  # fmt: skip
_LAST: Final = tuple(
    tuple(phrase.split())
    for phrase in (
        "please", "thanks", "thank you", "thank you very much", "many thanks", "jarvis", "now", "right now",
        "right away", "immediately", "at once", "asap", "for me", "will you", "would you", "could you", "can you",
        "if you please", "if you would", "quickly", "pronto", "sir", "cheers", "ok", "okay", "there's a good chap",
    )
)  # fmt: skip
_ASKING: Final = frozenset({("could", "you"), ("can", "you"), ("would", "you")})
"""Orders in the form of a question. "Will you …?" may ask what will be."""
_QUESTION_MARKS: Final = frozenset("?？؟‽¿⁇⁈⁉⸮⸘︖﹖՞፧\u037e❓❔")


@dataclass(frozen=True)
class Reading:
    """``lines``: as it was said, without politeness before it, without any; the same only once.

    ``hidden``: it held escapes, bidi or invisible characters. ``lines_said``: how many lines it had. ``asks``:
    there is a question mark anywhere in it, and it is no polite "could you …?".
    """

    lines: tuple[Line, ...]
    hidden: bool = False
    lines_said: int = 1
    asks: bool = False

    @property
    def bare(self) -> Line:
        return self.lines[-1]


def read(text: str) -> Reading | None:
    """None for what is empty, or too long to be an order or a question of these files."""
    raw = text.strip()
    if not raw or len(raw) > MAX_LETTERS:
        return None
    shown = " ".join(raw.split())
    cleaned = " ".join(clean(raw, limit=MAX_LETTERS).split())
    words = cleaned.replace("’", "'").replace("‘", "'").split()
    if not words or len(words) > MAX_WORDS:
        return None
    tokens = [_token(word) for word in words]
    first, polite = _skip_first(tokens)
    last = _skip_last(tokens, first)
    asked = [i for i, word in enumerate(words) if not _QUESTION_MARKS.isdisjoint(word)]
    if polite:
        polite = not asked or asked[0] >= first
    else:
        polite = not _ASKING.isdisjoint(zip(tokens[last:], tokens[last + 1 :], strict=False)) and (
            not asked or asked[0] >= last
        )
    chosen = dict.fromkeys([(0, len(words)), (first, len(words)), (first, last)])
    lines = tuple(line for begin, end in chosen if begin < end and (line := _line(words[begin:end])) is not None)
    if not lines:
        return None
    asks = not _QUESTION_MARKS.isdisjoint(raw) and not polite
    return Reading(lines, hidden=cleaned != shown, lines_said=len(raw.splitlines()), asks=asks)


def find(line: Line, names: Names) -> Found:
    """All that a sentence names."""
    found = Found()
    tokens = line.tokens
    for first, end, entries in names.found(tokens):
        _add_entries(line, found, first, end, entries)
    for first, end, of, value in spans(tokens):
        said = line.part(first, end).casefold()
        if said != " ".join(tokens[first:end]):
            continue  # a comma is in it
        found.add(of, said, value, first, end)
        if of == "number":
            _number(line, found, names, first, end, value)
    return found


def _number(line: Line, found: Found, names: Names, first: int, end: int, value: int) -> None:
    """A number may be a vmid, an incident's, a silence's; one in words is looked up as if in digits."""
    said = line.part(first, end).casefold()
    guests = tuple(entry for entry in names.get(str(value)) if entry.list == "guest")
    found.add_entries(said, guests, first, end)
    if first and line.tokens[first - 1] in BEFORE_VMID:
        _add_entries(line, found, first - 1, end, guests)
    for of in ("incident", "silence"):
        found.add_entries(said, [Entry(of, str(value), f"{of} {value}", {"number": str(value)})], first, end)


def _add_entries(line: Line, found: Found, first: int, end: int, entries: tuple[Entry, ...]) -> None:
    said = line.part(first, end).casefold()
    if said == " ".join(line.tokens[first:end]):
        found.add_entries(said, entries, first, end)


def _bare(word: str) -> str:
    """Without punctuation around it; the colon at the end of a UPID is its own."""
    bare = word.strip(_MARKS)
    ends = word.rstrip(_MARKS.replace(":", ""))
    return f"{bare}:" if ":" in bare and ends.endswith(":") else bare


def _token(word: str) -> str:
    return _bare(word).casefold()


def _skip_first(tokens: Sequence[str]) -> tuple[int, bool]:
    """Where the sentence begins behind politeness, and whether it asked politely."""
    at, polite = 0, False
    while at < len(tokens):
        step = max((len(p) for p in _FIRST if tuple(tokens[at : at + len(p)]) == p), default=0)
        if not step:
            break
        polite = polite or tuple(tokens[at : at + step]) in _ASKING
        at += step
    return at, polite


def _skip_last(tokens: Sequence[str], first: int) -> int:
    end = len(tokens)
    while end > first:
        step = max((len(p) for p in _LAST if tuple(tokens[max(first, end - len(p)) : end]) == p), default=0)
        if not step:
            break
        end -= step
    return end


_POSSESSIVE: Final = re.compile(r".+(?='s$)", re.IGNORECASE)


def _line(words: Sequence[str]) -> Line | None:
    text = " ".join([*words[:-1], words[-1][: words[-1].find(_bare(words[-1])) + len(_bare(words[-1]))]])
    text = text.strip(" ").lstrip(_MARKS + " ")
    tokens: list[str] = []
    at: list[tuple[int, int]] = []
    for match in re.finditer(r"\S+", text):
        word = match[0]
        first = match.start() + len(word) - len(word.lstrip(_MARKS))
        bare = _bare(word)
        if not bare:
            continue
        folded = bare.casefold()
        if folded not in SHORTENED and (owner := _POSSESSIVE.match(bare)) is not None:
            middle = first + owner.end()
            tokens += [owner[0].casefold(), "'s"]
            at += [(first, middle), (middle, first + len(bare))]
            continue
        tokens.append(folded)
        at.append((first, first + len(bare)))
    return Line(text, tuple(tokens), tuple(at)) if tokens else None
