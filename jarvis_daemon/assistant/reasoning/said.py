"""What the operator's own words name and order: the only source of choices.

A name of the inventory is said where some words in a row, written together, are the name written together: "home
assistant" says ``home-assistant``, "agent one" says ``agent1``; but "plex old" says ``plex-old`` and not ``plex``,
where both are there. Where two names are alike when written together, and for what no inventory holds, the parts
have to be the same. A name that is a word of the language of orders ("all", "the") is said by its vmid only.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final

from jarvis_daemon.assistant.reasoning import acts
from jarvis_daemon.assistant.understanding import numbers, screens

MAX_CHARS: Final = 400
MAX_LINES: Final = 3
"""What is longer has something pasted in it, and who wrote that is not known."""
MAX_WORDS: Final = 8
"""Of a name."""
FEW_WORDS: Final = 4
"""So many words without a verb belong to the order beside them."""
_LOOKS: Final = acts.many(
    "show check tell look read list summarise summarize explain describe find get give see watch open print "
    "compare analyse analyze inspect display report follow search view ping test ask let leave keep"
)
_GIVES: Final = acts.many("give get let leave keep open test")
_QUESTIONS: Final = acts.many(
    "what what's whats which who who's whose whom where where's when why how how's is are was were has have had "
    "does do did status any anything"
)
_BEFORE_ACT: Final = acts.many("go ahead right away now immediately please just first on in for quickly")
"""What may stand before the word of an act, and a name behind "on"; anything else makes it no order."""
_LIGHT: Final = acts.many("take make do run create")
_BEFORE_NOUN: Final = _LIGHT | acts.many("a an the new fresh quick another")
"""What may stand before a noun that is an act, with one of the first: "take a snapshot"."""
FILLERS: Final = acts.many(
    "go ahead right away now immediately please just first on in for quickly a an the my our this that again of to "
    "from with at named called name as because reason thanks thank you sir jarvis up back too and"
)
"""Words of an order that name nothing. Any other has to be accounted for, or the order means something else."""
NOUNS: Final = acts.many(
    "vm vms ct lxc container containers guest guests node nodes host hosts server servers machine machines service "
    "services unit units daemon docker storage pool disk incident silence tag tags runbook memory"
)
"""Kinds of things: they belong to no name that is said in several words."""
_NAMELESS: Final = FILLERS | NOUNS | acts.many(
    "take make do run create new fresh quick another me us ok okay asap backup snapshot off down"
)  # fmt: skip
_CALLS_OFF: Final = acts.many("stop halt pause kill")
"""With no name behind, these are said to us."""
_APART: Final = re.compile(r"[,;\n&]|[.!?](?=\s|$)|\s(?:and|then|also|plus)(?=\s)", re.IGNORECASE)
_ADDS: Final = frozenset({"and", "&", "also", "plus", "then"})
_POLITE: Final = re.compile(
    r"^\W*(?:(?:hey|hi|hello|ok|okay|jarvis|please|kindly|now|so|well)\W+|(?:can|could|would|will)\s+you\s+)+",
    re.IGNORECASE,
)
_ASKED_KINDLY: Final = re.compile(
    r"^\W*(?:(?:hey|hi|hello|ok|okay|jarvis|please|kindly|now|so|well)\W+)*(?:can|could|would|will)\s+you\s",
    re.IGNORECASE,
)
"""Only so is a question an order."""
_MARKS: Final = frozenset(" \t\r\n,.;:!?'\"-_/%°+=@#&’‘“”„«»")
"""Signs of plain writing. With any other one (emoji, ~, >, *) nobody knows what is meant."""
_ASKS: Final = re.compile(r"[?؟‽⸮;՞፧⳺⳻꘏꛷¿⸘❓❔︖]")
_TRAILS_OFF: Final = re.compile(r"\.\.|…")
_NAMED_AS: Final = re.compile(r"\s+as\s+(?!(?:usual|planned|well|ever|such)\b)(?=[\w.-]+[.!]?\s*$)", re.IGNORECASE)
_NO_LETTER: Final = re.compile(r"[\W_]+")
_UNITS: Final = {
    "s": 1, "sec": 1, "secs": 1, "second": 1, "seconds": 1, "m": 60, "min": 60, "mins": 60, "minute": 60,
    "minutes": 60, "h": 3600, "hr": 3600, "hrs": 3600, "hour": 3600, "hours": 3600, "d": 86400, "day": 86400,
    "days": 86400, "week": 604800, "weeks": 604800,
}  # fmt: skip
_GLUED: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)([a-z%°]+)")
_NO_NAME: Final = frozenset(
    {*_UNITS, "%", "percent", "gb", "gib", "mb", "mib", "tb", "tib", "g", "lines", "times", "cores", "°c",
     "vms", "containers", "guests", "nodes", "hosts", "servers", "machines", "services", "units", "tags", "disks",
     "backups", "snapshots", "users", "people", "more", "x"}
)  # fmt: skip
"""A number before one of these is an amount and names nothing."""
RESERVED: Final = screens.RESERVED | screens.STRICT | frozenset(
    {"vm", "vms", "ct", "container", "containers", "guest", "guests", "node", "nodes", "host", "server", "service",
     "machine", "log", "logs", "journal", "incident", "status", "what", "which", "who", "how", "why", "is", "are",
     "do", "does", "did", "on", "in", "of", "to", "from", "with", "for", "at", "by", "i", "he", "she", "we", "they",
     "look", "show", "tell", "check", "list", "about", "up", "down", "off", "back"}
)  # fmt: skip


def key(text: str) -> str:
    """A name written together: ``Home-Assistant`` and "home assistant" have the same."""
    return _NO_LETTER.sub("", text.casefold().removesuffix(".service"))


def parts(text: str) -> tuple[str, ...]:
    """The parts of a name: ``home-assistant`` and "home assistant" have the same, ``homeassistant`` has others."""
    return tuple(part for part in _NO_LETTER.split(text.casefold().removesuffix(".service")) if part)


@dataclass(frozen=True)
class Known:
    """The inventory: keys of all names; key to name where no other thing of its kind has the same key."""

    names: Collection[str] = frozenset()
    loose: Mapping[str, str] = field(default_factory=dict)
    kinds: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Key to the kinds of things that are called so."""
    aliases: frozenset[str] = frozenset()
    """The operator's own words for things, as he says them."""


NOTHING: Final = Known()
Places = frozenset[int]
"""Of words, in the order in which they stand."""


@dataclass(frozen=True)
class Words:
    """The words of one order, or of a whole text."""

    text: str
    tokens: tuple[str, ...]
    known: Known = NOTHING
    verbs: frozenset[int] = frozenset()
    """Places of the words that name the act of an order: they are part of no name."""
    cuts: tuple[int, ...] = ()
    """Where parts begin that were joined to an order: no name goes over one of these."""
    several: bool = False
    """Whether these parts are further things for the same act: "start plex and gitea"."""

    @classmethod
    def of(cls, text: str, known: Known = NOTHING, *, order: bool = False) -> Words:
        tokens = tuple(acts.words(text))
        return cls(text, tokens, known, acts.places(tokens) if order else frozenset())

    def name(self, *names: str) -> bool:
        """Whether any of these names, of one and the same thing, is said."""
        return bool(self.names(*names))

    def names(self, *names: str) -> list[Places]:
        """Where any of these names, of one and the same thing, is said."""
        usable = [name for name in names if name.casefold() not in RESERVED and len(key(name)) > 1]
        loose = {key(name) for name in usable if self.known.loose.get(key(name)) == name.casefold()}
        loose |= {name for name in names if name.isdecimal()}
        strict = {parts(name) for name in usable}
        return [
            frozenset(range(at, end)) for at, end, found in self._rows
            if (found in loose or parts(" ".join(self.tokens[at:end])) in strict) and not self._within(at, end)
        ]  # fmt: skip

    def number(self, value: float) -> list[Places]:
        return [frozenset(range(at, end)) for at, end, found in self._amounts() if abs(found - value) < 1e-9]

    def seconds(self, value: float) -> list[Places]:
        """Where so long a time is said: "two hours", "90s"."""
        places = []
        for at, end, found in self._amounts():
            glued = _GLUED.fullmatch(self._at(end - 1))
            for word, last in ((self._at(end), end + 1), (glued[2] if glued else "", end)):
                if word in _UNITS and abs(found * _UNITS[word] - value) < 1e-6:
                    places.append(frozenset(range(at, last)))
        return places

    def word(self, value: str) -> list[Places]:
        wanted = value.casefold()
        return [frozenset({at}) for at, token in enumerate(self.tokens) if token == wanted and at not in self.verbs]

    def text_at(self, value: str, *, begins: frozenset[int] | None = None) -> list[Places]:
        """Where the words of a text stand in a row."""
        wanted = tuple(acts.words(value))
        starts = range(len(self.tokens) - len(wanted) + 1) if wanted else range(0)
        found = [at for at in starts if self.tokens[at : at + len(wanted)] == wanted]
        places = [frozenset(range(at, at + len(wanted))) for at in found if begins is None or at in begins]
        return [one for one in places if self.verbs.isdisjoint(one)]

    def literally(self, value: str) -> list[Places]:
        """Where the text stands letter by letter, apart from blanks, and not as part of a longer word."""
        wanted, there = " ".join(value.split()), " ".join(self.text.split())
        if len(wanted) < 2 or re.search(rf"(?<![\w./-]){re.escape(wanted)}(?![\w/-]|\.\w)", there) is None:
            return []
        return self.text_at(value)

    def command(self, value: str) -> list[Places]:
        """Where the words are an order to run exactly this, letter by letter, and nothing longer."""
        wanted, there = " ".join(value.split()), " ".join(self.text.split())
        exact = rf"(?:.*\s)?(?i:run|execute)\s+(?:(?i:the\s+)?(?i:command)\s+)?{re.escape(wanted)}"
        if re.fullmatch(rf"{exact}(?:\s+(?i:on|at)\s+\S+?)?[.!]?", there) is None:
            return []
        behind = [at + 1 for at, token in enumerate(self.tokens) if token in {"run", "execute", "command"}]
        return self.text_at(value, begins=frozenset(behind))

    def windows(self) -> Iterator[tuple[int, int, str]]:
        for at in range(len(self.tokens)):
            together = ""
            for end in range(at + 1, min(at + MAX_WORDS, len(self.tokens)) + 1):
                if end - 1 in self.verbs or (end - 1 > at and end - 1 in self.cuts):
                    break
                together += key(self.tokens[end - 1])
                if together.isdecimal() and end - at > 1:
                    continue  # "10 4" is not 104
                if together.isdecimal() and self._at(end) in _NO_NAME:
                    continue
                if end - at > 1 and not self._one_name(at, end):
                    continue
                yield at, end, together
            number = numbers.whole(self.tokens, at)
            if number is not None and self._at(number[1]) not in _NO_NAME:
                yield at, number[1], str(number[0])
                if at and at - 1 not in self.verbs and self._named(at - 1):  # agent one
                    yield at - 1, number[1], f"{key(self.tokens[at - 1])}{number[0]}"

    def _named(self, at: int) -> bool:
        return self.tokens[at].isalpha() and self.tokens[at] not in _NAMELESS

    def _one_name(self, at: int, end: int) -> bool:
        """Whether words in a row can be one name: a stranger who calls his guest ``gitea-now`` or ``my-gitea`` has
        to be named with the hyphen."""
        said = self.tokens[at:end]
        if not self.known.names or " ".join(said) in self.known.aliases:
            return True
        return _NAMELESS.isdisjoint(said) and not all(key(token) in self.known.names for token in said)

    def _within(self, at: int, end: int) -> bool:
        """Whether a longer known name covers these words."""
        return any(first <= at and last >= end and (first, last) != (at, end) for first, last in self._known_at)

    @cached_property
    def _rows(self) -> tuple[tuple[int, int, str], ...]:
        return tuple(self.windows())

    @cached_property
    def _known_at(self) -> tuple[tuple[int, int], ...]:
        return tuple((at, end) for at, end, together in self._rows if together in self.known.names)

    def _amounts(self) -> Iterator[tuple[int, int, float]]:
        for at, token in enumerate(self.tokens):
            if glued := _GLUED.fullmatch(token):
                yield at, at + 1, float(glued[1])
            elif (found := numbers.amount(self.tokens, at)) is not None:
                yield at, found[1], found[0]

    def _at(self, place: int) -> str:
        return self.tokens[place] if 0 <= place < len(self.tokens) else ""


def why_not(text: str) -> str | None:
    """Why a sentence may not let a model act by itself: it asks, denies, depends, quotes, is long, has signs that
    no plain order has; None: it may.

    Several orders are several orders; the caller looks at each (``orders``).
    """
    if len(text) > MAX_CHARS or text.strip().count("\n") >= MAX_LINES:
        return "long"
    text = unicodedata.normalize("NFKC", _TRAILS_OFF.sub("..", text))
    text = _ASKS.sub("?", text)
    if "?" in text and not _ASKED_KINDLY.match(text):
        return "asked"
    if ".." in text or any(not (sign.isalnum() or sign in _MARKS) for sign in text):
        return "odd"
    plain = _POLITE.sub("", text)
    left = [word for word in acts.words(plain) if word not in screens.SEVERAL]
    if not left:
        return "empty"
    if {"snapshot", "tag"} & set(acts.ordered(left)[:2]):
        left = [word for word in acts.words(_NAMED_AS.sub(" named ", plain)) if word not in screens.SEVERAL]
    return screens.why(" ".join(_APART.split(plain.replace("?", " "))), left, 1)


def asks(text: str) -> bool:
    """Whether somebody wants to know something, rather than to have it done."""
    polite = _POLITE.match(text) is not None
    tokens = acts.words(_POLITE.sub("", text))
    if tokens[:2] == ["give", "me"] or (tokens and tokens[0] in _LOOKS - _GIVES):
        return True
    return not polite and ("?" in text or (bool(tokens) and tokens[0] in _QUESTIONS))


def orders(text: str, known: Known = NOTHING) -> list[Words]:
    """The orders of a sentence with their words. "and gitea" belongs to the order before, "On pve," to the next; a
    part that wants something else ("show me …") belongs to none, and names nothing for any."""
    found: list[list[tuple[str, str]]] = []
    waiting, other = "", False
    for between, segment in _segments(_POLITE.sub("", text)):
        tokens = acts.words(segment)
        if not tokens:
            waiting = ""
        elif found and tokens[0] in _CALLS_OFF and set(tokens[1:]) <= FILLERS:
            return []
        elif _leads(tokens):
            found.append([("", f"{waiting} {segment}".strip())])
            waiting, other = "", False
        elif tokens[0] in _LOOKS:
            waiting, other = "", True
        elif found and not other and (len(tokens) <= FEW_WORDS or not between & {".", "!"}):
            found[-1].append(("and" if between & _ADDS else min(between, default=""), segment))
        else:
            waiting = segment if tokens[0] in {"on", "in", "for"} and len(tokens) <= FEW_WORDS else ""
    return [_order(parts, known) for parts in found]


def _segments(text: str) -> Iterator[tuple[set[str], str]]:
    """The parts of a sentence, each with what stands between it and the one before."""
    between, at = set[str](), 0
    for mark in [*_APART.finditer(text), None]:
        segment = " ".join(text[at : mark.start() if mark else len(text)].split())
        if segment:
            yield between, segment
            between = set()
        if mark:
            between.add(mark[0].strip().casefold() or "\n")
            at = mark.end()


def _order(segments: list[tuple[str, str]], known: Known) -> Words:
    """ "start plex, gitea and agent" orders three things; "start plex. gitea" orders nobody knows what."""
    words = Words.of(" ".join(segment for _, segment in segments), known, order=True)
    cuts, place = list[int](), 0
    for _, segment in segments:
        place += len(acts.words(segment))
        cuts.append(place)
    further = [between for between, segment in segments[1:] if not set(acts.words(segment)) <= FILLERS]
    several = bool(further) and set(further) <= {"and", ","} and further[-1] == "and"
    return replace(words, cuts=tuple(cuts[:-1]), several=several)


def _leads(tokens: Sequence[str]) -> bool:
    """Whether a segment begins with the word of an act: "start plex", but not "show the start of plex"."""
    named = acts.ordered(tokens)
    if not named:
        return False
    at = acts.first(acts.ACTS[named[0]].orders, tokens) or 0
    before = list(tokens[:at])
    if len(before) > 1 and before[0] in {"on", "in", "for"}:
        del before[1]
    if not _LIGHT.isdisjoint(before):
        return all(word in _BEFORE_ACT | _BEFORE_NOUN for word in before)
    return all(word in _BEFORE_ACT for word in before) and tokens[at + 1 : at + 2] != ["of"]


def said(words: Words, name: str, value: Any, names: Sequence[str], *, target: bool, listed: bool) -> list[Places]:
    """Where an argument's value stands in the words; empty: nowhere. ``names``: what its thing is called, where it
    is a target; ``listed``: it is one of a few fixed words. What is not there ([], False) is nobody's word."""
    if isinstance(value, bool):
        return [*words.word(name), *words.word(name.removeprefix("with_"))] if value else []
    if isinstance(value, int | float) and not target:
        return words.seconds(value) if name.endswith("_s") else words.number(value)
    if isinstance(value, list):
        each = [said(words, name, item, (str(item),), target=True, listed=False) for item in value]
        return [frozenset().union(*(one[0] for one in each))] if each and all(each) else []
    if not isinstance(value, str | int):
        return []
    if listed:
        return words.word(str(value))
    if name == "command":
        return words.command(str(value))
    return words.names(*names) if target else words.literally(str(value))
