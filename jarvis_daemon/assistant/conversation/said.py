"""What the operator's own words name and order: the only source of choices.

A name of the inventory is said where some words in a row, written together, are the name written together: "home
assistant" says ``home-assistant``, "agent one" says ``agent1``; but "plex old" says ``plex-old`` and not ``plex``,
where both are there. Where two names are alike when written together, and for what no inventory holds, the parts
have to be the same. A name that is a word of the language of orders ("all", "the") is said by its vmid only.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from jarvis_daemon.assistant.conversation import acts
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
_FILLERS: Final = (
    _BEFORE_ACT
    | _BEFORE_NOUN
    | acts.many(
        "my our this that again of to from with at named called name as because reason vm vms ct lxc container "
        "containers guest guests node nodes host hosts server servers machine machines service services unit units "
        "docker storage pool disk incident silence tag tags runbook thanks thank you sir jarvis up back too and"
    )
)
"""Words of an order that name nothing. Any other has to be accounted for, or the order means something else."""
_APART: Final = re.compile(r"[,;\n&]|[.!?](?=\s|$)|\s(?:and|then|also|plus)\s", re.IGNORECASE)
_POLITE: Final = re.compile(
    r"^\W*(?:(?:hey|hi|hello|ok|okay|jarvis|please|kindly|now|so|well)\W+|(?:can|could|would|will)\s+you\s+)+",
    re.IGNORECASE,
)
_NO_LETTER: Final = re.compile(r"[\W_]+")
_UNITS: Final = {
    "s": 1, "sec": 1, "secs": 1, "second": 1, "seconds": 1, "m": 60, "min": 60, "mins": 60, "minute": 60,
    "minutes": 60, "h": 3600, "hr": 3600, "hrs": 3600, "hour": 3600, "hours": 3600, "d": 86400, "day": 86400,
    "days": 86400, "week": 604800, "weeks": 604800,
}  # fmt: skip
_GLUED: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)([a-z%°]+)")
_NO_NAME: Final = frozenset(
    {*_UNITS, "%", "percent", "gb", "gib", "mb", "mib", "tb", "tib", "g", "lines", "times", "cores", "°c"}
)
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


NOTHING: Final = Known()


@dataclass(frozen=True)
class Words:
    """The words of one order, or of a whole text."""

    text: str
    tokens: tuple[str, ...]
    known: Known = NOTHING
    verbs: frozenset[int] = frozenset()
    """Places of the words that name the act of an order: they are part of no name."""

    @classmethod
    def of(cls, text: str, known: Known = NOTHING, *, order: bool = False) -> Words:
        tokens = tuple(acts.words(text))
        return cls(text, tokens, known, acts.places(tokens) if order else frozenset())

    def name(self, *names: str) -> bool:
        """Whether any of these names, of one and the same thing, is said."""
        usable = [name for name in names if name.casefold() not in RESERVED and len(key(name)) > 1]
        loose = {key(name) for name in usable if self.known.loose.get(key(name)) == name.casefold()}
        loose |= {name for name in names if name.isdecimal()}
        strict = {parts(name) for name in usable}
        return any(
            (found in loose or parts(" ".join(self.tokens[at:end])) in strict) and not self._within(at, end)
            for at, end, found in self.windows()
        )

    def rest(self, *values: str) -> list[str]:
        """Words that name neither the act, nor one of these values, nor a thing of the inventory, nor a number."""
        wanted = {key(value) for value in values} | set(self.known.names)
        left = {
            at for at, token in enumerate(self.tokens)
            if token not in _FILLERS | _UNITS.keys() and at not in self.verbs and not _GLUED.fullmatch(token)
        }  # fmt: skip
        for at, end, together in self.windows():
            if together in wanted or together.isdecimal():
                left.difference_update(range(at, end))
        for value in values:
            left -= {at for at in left if self.tokens[at] in acts.words(value)}
        for at, token in enumerate(self.tokens):
            if token in numbers.WORDS or token == "half":  # noqa: S105
                left.discard(at)
        return [self.tokens[at] for at in sorted(left)]

    def number(self, value: float) -> bool:
        return any(abs(found - value) < 1e-9 for _, found in self._amounts())

    def seconds(self, value: float) -> bool:
        """Whether so long a time is said: "two hours", "90s"."""
        for end, found in self._amounts():
            unit = self._at(end)
            glued = _GLUED.fullmatch(self._at(end - 1))
            for word in (unit, glued[2] if glued else ""):
                if word in _UNITS and abs(found * _UNITS[word] - value) < 1e-6:
                    return True
        return False

    def word(self, value: str) -> bool:
        return value.casefold() in self.tokens

    def literally(self, value: str) -> bool:
        """Whether the text stands there letter by letter, apart from blanks, and not as part of a longer word."""
        wanted, there = " ".join(value.split()), " ".join(self.text.split())
        if len(wanted) < 2:
            return False
        return re.search(rf"(?<![\w./-]){re.escape(wanted)}(?![\w/-]|\.\w)", there) is not None

    def command(self, value: str) -> bool:
        """Whether the words are an order to run exactly this, letter by letter, and nothing longer."""
        wanted, there = " ".join(value.split()), " ".join(self.text.split())
        exact = rf"(?:.*\s)?(?i:run|execute)\s+(?:(?i:the\s+)?(?i:command)\s+)?{re.escape(wanted)}"
        return re.fullmatch(rf"{exact}(?:\s+(?i:on|at)\s+\S+?)?[.!]?", there) is not None

    def windows(self) -> Iterator[tuple[int, int, str]]:
        for at in range(len(self.tokens)):
            together = ""
            for end in range(at + 1, min(at + MAX_WORDS, len(self.tokens)) + 1):
                if end - 1 in self.verbs:
                    break
                together += key(self.tokens[end - 1])
                if together.isdecimal() and end - at > 1:
                    continue  # "10 4" is not 104
                if together.isdecimal() and self._at(end) in _NO_NAME:
                    continue
                yield at, end, together
            number = numbers.whole(self.tokens, at)
            if number is not None and self._at(number[1]) not in _NO_NAME:
                yield at, number[1], str(number[0])
                if at and at - 1 not in self.verbs and self.tokens[at - 1].isalpha():  # agent one
                    yield at - 1, number[1], f"{key(self.tokens[at - 1])}{number[0]}"

    def _within(self, at: int, end: int) -> bool:
        """Whether a longer known name covers these words."""
        if not self.known.names:
            return False
        return any(
            first <= at and last >= end and (first, last) != (at, end) and together in self.known.names
            for first, last, together in self.windows()
        )

    def _amounts(self) -> Iterator[tuple[int, float]]:
        for at, token in enumerate(self.tokens):
            if glued := _GLUED.fullmatch(token):
                yield at + 1, float(glued[1])
            elif (found := numbers.amount(self.tokens, at)) is not None:
                yield found[1], found[0]

    def _at(self, place: int) -> str:
        return self.tokens[place] if 0 <= place < len(self.tokens) else ""


def why_not(text: str) -> str | None:
    """Why a sentence may not let a model act by itself: it asks, denies, depends, quotes, is long; None: it may.

    Several orders are several orders; the caller looks at each (``orders``).
    """
    if len(text) > MAX_CHARS or text.strip().count("\n") >= MAX_LINES:
        return "long"
    if "?" in text and not _POLITE.match(text):
        return "asked"
    plain = _POLITE.sub("", text)
    left = [word for word in acts.words(plain) if word not in screens.SEVERAL]
    if not left:
        return "empty"
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
    found: list[str] = []
    waiting = ""
    for segment in _APART.split(_POLITE.sub("", text)):
        tokens = acts.words(segment)
        if _leads(tokens):
            found.append(f"{waiting} {segment}".strip())
            waiting = ""
        elif not tokens or len(tokens) > FEW_WORDS or tokens[0] in _LOOKS or acts.ordered(tokens):
            waiting = ""
        elif found:
            found[-1] = f"{found[-1]} {segment.strip()}"
        else:
            waiting = segment.strip() if tokens[0] in {"on", "in", "for"} else ""
    return [Words.of(" ".join(order.split()), known, order=True) for order in found]


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


def said(words: Words, name: str, value: Any, names: Sequence[str], *, target: bool, listed: bool) -> bool:
    """Whether an argument's value stands in the words. ``names``: what its thing is called, where it is a target;
    ``listed``: it is one of a few fixed words."""
    if isinstance(value, bool):
        return not value or words.word(name) or words.word(name.removeprefix("with_"))
    if isinstance(value, int | float):
        return words.seconds(value) if name.endswith("_s") else words.number(value)
    if isinstance(value, list):
        return all(said(words, name, item, (str(item),), target=True, listed=False) for item in value)
    if not isinstance(value, str):
        return False
    if listed:
        return words.word(value)
    if name == "command":
        return words.command(value)
    return words.name(*names) if target else words.literally(value)
