"""The second stage: what a sentence that fits nothing was nearest to. It may suggest, and never acts.

Compared is word by word: a suggestion may mend a slip of the pen, it may not leave a word away that was said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from hassil.expression import Alternative, Expression, Group, ListReference, RuleReference, TextChunk
from rapidfuzz import fuzz, process
from rapidfuzz.distance import OSA

from jarvis_daemon.assistant.understanding.lists import FREE
from jarvis_daemon.assistant.understanding.matching import Found, Line
from jarvis_daemon.assistant.understanding.names import Names
from jarvis_daemon.assistant.understanding.screens import words_of
from jarvis_daemon.assistant.understanding.sentences import Intent, Say
from jarvis_daemon.assistant.understanding.verbs import FORMS as ACTS

NEAR: Final = 75.0
"""Least likeness of a word to the one that was meant, of 100."""
NEAR_ALL: Final = 80.0
"""Of the whole sentence."""
FORMS: Final = 24
"""Forms of a template that are compared."""
LIKE: Final = 20
"""Forms that are looked at, the likest first."""
LONG: Final = 7
"""Letters of a word in which two slips are believed."""
MEANT: Final = words_of(
    "watch heal hold check ping lock unlock mount unmount park rest trust mistrust enable disable free power open "
    "close test try look find sync scan track trim fix mend repair heat train rain brain grain stat status star "
    "smart stare stay state step shop slop top stoop boat book boost blot bolt more mode mole love drag drawn wave "
    "wade wage ware wale make fake lake bake hall half hilt hale malt salt close alone cone cope cops path pitch "
    "perch parch pass past cause tap tab tan tar bag rag ran ruin rub rug rum mate mite must mule act ask back "
    "pack five live see sit get let aid ado pet pit but lunch poll pill poke breeze pounce reside resent retain "
    "revise refuse rename rebuild replay replace report respond reverse reserve request renew read write ready "
    "drown sleep slip shot shut show stock strip suspect deploy deplete detach attach detect log till kiln "
    "cleat ill kilt ship swap wait walk work wire wise wide pipe praise pose mark prove wave save send sense stun"
)
"""Words of plain English that are like an act's and none: they are meant as they are said."""
_BEFORE: Final = ("un", "dis", "re", "de", "mis", "non", "in", "pre", "over")
_BEHIND: Final = ("off", "on", "up", "down", "out", "back", "less", "able")
_ARTICLES: Final = frozenset({"the", "a", "an", "my"})
MARK: Final = "\x1f"
"""Stands for a name or value."""


class Guesser:
    """Knows the forms of all templates: their words, with a mark for each slot."""

    def __init__(self, intents: Sequence[Intent]) -> None:
        self._forms: dict[int, dict[str, None]] = {}
        self._orders: set[str] = set()
        for intent in intents:
            for say in intent.says:
                if FREE.isdisjoint(say.slots.values()):
                    for form in forms(intent, say):
                        self._forms.setdefault(form.count(MARK), {})[form] = None
                        if intent.kind == "order":
                            self._orders.add(form)
        self._known = ACTS | MEANT | {word for form in self._orders for word in form.split(" ")}
        self._lists = {marks: list(kept) for marks, kept in self._forms.items()}

    def sentences(self, line: Line, found: Found) -> Iterator[str]:
        """Sentences of ours that are like it, the likest first; each has still to be understood."""
        words, said = _marked(line, found)
        known = self._lists.get(words.count(MARK), [])
        text = " ".join(words)
        for form, _, _ in process.extract(text, known, scorer=fuzz.ratio, score_cutoff=NEAR_ALL, limit=LIKE):
            theirs = form.split(" ")
            like = self._slip if form in self._orders else _like
            if len(theirs) == len(words) and all(map(like, words, theirs)):
                names = iter(said)
                yield " ".join(next(names) if word == MARK else word for word in theirs)

    def _slip(self, said: str, ours: str) -> bool:
        """Whether a word of an order was mistyped; one that is known, or says the contrary, was not."""
        if said == ours:
            return True
        if MARK in (said, ours) or said in self._known or said[0] != ours[0]:
            return False
        if any({said, ours} == {word, more} for word in (said, ours) for more in _derived(word)):
            return False
        return OSA.distance(said, ours) <= (2 if min(len(said), len(ours)) >= LONG else 1)


def near_names(word: str, names: Names) -> list[tuple[str, str]]:
    """Phrases of names that are like ``word``, the likest first, each with the name as it is written."""
    close = process.extract(word, list(names.primary), scorer=fuzz.ratio, score_cutoff=NEAR, limit=3)
    return [(phrase, names.primary[phrase]) for phrase, _, _ in close]


def forms(intent: Intent, say: Say) -> Iterable[str]:
    """A template's sentences with marks for slots, without what may be left out; at most ``FORMS``."""
    written = _written(say.sentence.expression, intent)
    return list(dict.fromkeys(islice(map(_tidy, written), FORMS)))


def example(intent: Intent, names: dict[str, str]) -> str:
    """A sentence of the intent with real names, for "what can I say"."""
    if intent.example:
        return intent.example
    say = intent.says[0]
    form = next(iter(forms(intent, say)), say.text)
    for reference in references(say.sentence.expression, intent):
        form = form.replace(MARK, names.get(reference, reference.upper()), 1)
    return form


def references(expression: Expression, intent: Intent) -> Iterator[str]:
    """The lists of a template's first form, in their order."""
    if isinstance(expression, ListReference):
        yield expression.list_name
    elif isinstance(expression, RuleReference):
        yield from references(intent.rules[expression.rule_name].expression, intent)
    elif isinstance(expression, Alternative):
        if not expression.is_optional and expression.items:
            yield from references(expression.items[0], intent)
    elif isinstance(expression, Group):
        for item in expression.items:
            yield from references(item, intent)


def _written(expression: Expression, intent: Intent) -> Iterator[str]:
    if isinstance(expression, TextChunk):
        yield expression.text
    elif isinstance(expression, ListReference):
        yield MARK
    elif isinstance(expression, RuleReference):
        yield from _written(intent.rules[expression.rule_name].expression, intent)
    elif isinstance(expression, Alternative):
        if expression.is_optional:
            yield ""
            return
        for item in expression.items:
            yield from _written(item, intent)
    elif isinstance(expression, Group):
        yield from _in_order(expression.items, intent)


def _in_order(items: Sequence[Expression], intent: Intent) -> Iterator[str]:
    if not items:
        yield ""
        return
    for head in _written(items[0], intent):
        for tail in _in_order(items[1:], intent):
            yield head + tail


def _tidy(text: str) -> str:
    """Single blanks; not ``split()``, for which the mark would be a blank too."""
    return " ".join(word for word in text.replace(MARK, f" {MARK} ").split(" ") if word)


def _marked(line: Line, found: Found) -> tuple[list[str], list[str]]:
    """The sentence with a mark for each name or value, the longest ones first, and what they were."""
    said = {phrase for phrases in found.lists.values() for phrase in phrases}
    words: list[str] = []
    names: list[str] = []
    at = 0
    while at < len(line.tokens):
        for end in range(len(line.tokens), at, -1):
            if " ".join(line.tokens[at:end]) in said:
                words.append(MARK)
                names.append(line.part(at, end))
                at = end
                break
        else:
            if line.tokens[at] not in _ARTICLES:
                words.append(line.tokens[at])
            at += 1
    return words, names


def _derived(word: str) -> Iterator[str]:
    """Words that say something else than ``word`` and are like it."""
    yield from (before + word for before in _BEFORE)
    yield from (word + behind for behind in _BEHIND)


def _like(one: str, other: str) -> bool:
    return one == other or (MARK not in (one, other) and fuzz.ratio(one, other) >= NEAR - 15)
