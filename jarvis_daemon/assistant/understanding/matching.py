"""Templates that a whole sentence fits. Hassil matches; what it is asked for is narrowed before.

A template is tried only where all its words can stand, and where each word of the sentence is one of its own, or
part of a name or value that is there: of some hundred templates that leaves one or two.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Final

from hassil.expression import Expression, Group, RuleReference, TextChunk
from hassil.intents import SlotList, TextSlotList, TextSlotValue, WildcardSlotList
from hassil.string_matcher import MatchContext, MatchSettings, match_expression

from jarvis_daemon.assistant.understanding import pruning
from jarvis_daemon.assistant.understanding.lists import FREE, GUESTS, PARTS
from jarvis_daemon.assistant.understanding.names import Entry
from jarvis_daemon.assistant.understanding.pruning import Tree, Trees, pruned
from jarvis_daemon.assistant.understanding.sentences import Intent, Rules, Say

_GLUED: Final = re.compile(r"[a-z0-9][\[(<{]|[\])>}][a-z0-9]")
_BREAKS: Final = re.compile(r"[-_]")
_EMPTY: Final = TextSlotList(name=None, values=[])
_TEXT: Final = WildcardSlotList(name="text")


@dataclass(frozen=True)
class Line:
    """A sentence: ``text`` as it was said, single blanks; ``tokens`` in lower case without punctuation around them;
    ``at``: where each token begins and ends in ``text``."""

    text: str
    tokens: tuple[str, ...]
    at: tuple[tuple[int, int], ...]

    def part(self, first: int, end: int) -> str:
        return self.text[self.at[first][0] : self.at[end - 1][1]]


@dataclass
class Found:
    """What a sentence names: list -> what was said (lower case) -> entries, or a value."""

    lists: dict[str, dict[str, Any]] = field(default_factory=dict)
    covered: set[int] = field(default_factory=set)
    """Tokens that are part of a name or value."""

    def add(self, of: str, said: str, value: Any, first: int, end: int) -> None:
        self.lists.setdefault(of, {})[said] = value
        self.covered.update(range(first, end))

    def add_entries(self, said: str, entries: Iterable[Entry], first: int, end: int) -> None:
        grouped: dict[str, list[Entry]] = {}
        for entry in entries:
            grouped.setdefault(entry.list, []).append(entry)
            if entry.list == "guest":
                grouped.setdefault("vm" if entry.parts["kind"] == "vm" else "container", []).append(entry)
        for of, several in grouped.items():
            before = self.lists.get(of, {}).get(said, ())
            self.add(of, said, tuple(dict.fromkeys((*before, *several))), first, end)


@dataclass(frozen=True)
class Hit:
    """A template that fits. ``slots``: slot -> (list, value, what was said)."""

    intent: Intent
    say: Say
    slots: Mapping[str, tuple[str, Any, str]]
    literal: int
    """Letters that are the template's own."""
    free: int
    """Letters that only a free slot let in."""


@dataclass(frozen=True, slots=True)
class _Template:
    intent: Intent
    say: Say
    clauses: tuple[frozenset[str], ...]
    vocabulary: frozenset[str]
    needs: frozenset[str]
    free: bool
    glued: bool
    tree: Tree
    lists: frozenset[str]


class Matcher:
    """All templates of all intents."""

    def __init__(self, intents: Sequence[Intent]) -> None:
        self._by_word: dict[str, list[_Template]] = {}
        self._loose: list[_Template] = []
        self._choices: dict[int, dict[str, SlotList]] = {}
        trees = Trees()
        for intent in intents:
            self._choices[id(intent)] = {
                name: TextSlotList.from_tuples(
                    [(said, (said, value)) for said, value in choices.items()], allow_template=False, name=name
                )
                for name, choices in intent.lists.items()
            }
            for say in intent.says:
                self._add(_template(intent, say, trees))
        self.vocabulary = frozenset(
            word
            for template in (*self._loose, *(t for ts in self._by_word.values() for t in ts))
            for word in template.vocabulary
        )

    def _add(self, template: _Template) -> None:
        clauses = [] if template.glued else list(template.clauses)
        if not clauses:
            self._loose.append(template)
            return
        for word in min(clauses, key=lambda clause: (len(clause), sorted(clause))):
            self._by_word.setdefault(word, []).append(template)

    def hits(self, line: Line, found: Found) -> list[Hit]:
        """Every way in which a whole sentence fits a template."""
        words = _words(line)
        uncovered = frozenset(token for i, token in enumerate(line.tokens) if i not in found.covered)
        lists: dict[str, SlotList] = {}
        hits: list[Hit] = []
        for template in self._candidates(words, uncovered, found, line.text.casefold()):
            expression = template.say.sentence.expression if template.glued else pruned(template.tree, words)
            if expression is not None:
                _add_lists(lists, template, line, found)
                hits += self._fits(template, expression, line, lists)
        return hits

    def _candidates(
        self, words: frozenset[str], uncovered: frozenset[str], found: Found, folded: str
    ) -> Iterator[_Template]:
        seen: set[int] = set()
        for word in words:
            for template in self._by_word.get(word, ()):
                if id(template) not in seen:
                    seen.add(id(template))
                    if all(not clause.isdisjoint(words) for clause in template.clauses):
                        yield from _possible(template, uncovered, found)
        for template in self._loose:
            if all(any(piece in folded for piece in clause) for clause in template.clauses):
                yield from _possible(template, uncovered, found)

    def _fits(
        self, template: _Template, expression: Expression, line: Line, lists: dict[str, SlotList]
    ) -> Iterator[Hit]:
        intent = template.intent
        choices = self._choices[id(intent)]
        known = {**lists, **choices} if choices else lists
        settings = MatchSettings(slot_lists=known, expansion_rules=intent.rules)
        begun = MatchContext(text=line.text + " ")
        for context in match_expression(settings, begun, expression):
            if (hit := _hit(template, line, context)) is not None:
                yield hit


def _possible(template: _Template, uncovered: frozenset[str], found: Found) -> Iterator[_Template]:
    if template.needs <= found.lists.keys() and (template.free or uncovered <= template.vocabulary):
        yield template


def _hit(template: _Template, line: Line, context: MatchContext) -> Hit | None:
    rest = context.text.strip()
    wildcard = context.get_open_wildcard()
    if rest and wildcard is None:
        return None
    begins, ends = {first for first, _ in line.at}, {end for _, end in line.at}
    slots: dict[str, tuple[str, Any, str]] = {}
    free = 0
    for entity in context.entities:
        of = template.say.slots[entity.name]
        first, end = entity.text_span or (0, 0)
        if entity is wildcard:
            end = len(line.text)
        said = line.text[first:end]
        first, end = first + len(said) - len(said.lstrip()), end - len(said) + len(said.rstrip())
        said = said.strip()
        if not said or first not in begins or end not in ends:
            return None
        if of in FREE:
            free += len(said)
        value = said if of == "text" else entity.value
        slots[entity.name] = (of, value[1] if of not in PARTS else value, said)
    return Hit(template.intent, template.say, slots, context.text_chunks_matched, free)


def _words(line: Line) -> frozenset[str]:
    """Those of a sentence; hassil takes "force-stop" for "force stop" too."""
    whole = frozenset(line.tokens)
    broken = [piece for token in whole if "-" in token or "_" in token for piece in _BREAKS.split(token)]
    return whole.union(broken) if broken else whole


def _add_lists(lists: dict[str, SlotList], template: _Template, line: Line, found: Found) -> None:
    """Those that the template speaks of, with what is in the sentence."""
    for name in template.lists - lists.keys():
        if name == "text":
            lists[name] = _TEXT
            continue
        if name == "word":
            said: dict[str, Any] = {line.text[first:end]: line.text[first:end] for first, end in line.at}
        else:
            said = found.lists.get(name, {})
        values = [TextSlotValue(text_in=TextChunk(text), value_out=value) for text, value in said.items()]
        lists[name] = TextSlotList(name=name, values=values) if values else _EMPTY


def _template(intent: Intent, say: Say, trees: Trees) -> _Template:
    own = chunks(say.sentence.expression, intent.rules)
    pieces = {piece for chunk in own for piece in pruning.words(chunk)}
    for name in set(say.slots.values()):
        for said in intent.lists.get(name, ()):
            pieces.update(said.split())
    glued = any(_GLUED.search(text) for text in _texts(say, intent.rules))
    if glued:
        pieces |= {first + second for first, second in product(pieces, repeat=2)}
    lists = set(say.slots.values())
    needs = {say.slots[slot] for slot in say.sure} - FREE - intent.lists.keys()
    grown = trees.tree(say.sentence.expression, intent.rules)
    clauses = tuple(map(trees.one, pruning.clauses(grown)))
    return _Template(
        intent, say, clauses, trees.one(frozenset(pieces)), trees.one(frozenset(needs)), bool(lists & FREE), glued,
        grown, trees.one(frozenset(lists - intent.lists.keys())),
    )  # fmt: skip


def _texts(say: Say, rules: Rules) -> Iterator[str]:
    """The template's own text and that of the words it uses; a list behind a blank is not glued."""
    yield say.text
    for name in re.findall(r"<([a-z_]+)>", say.text):
        if name in rules:
            yield rules[name].text or ""


def chunks(expression: Expression, rules: Rules) -> Iterator[str]:
    """The pieces of text of a template."""
    if isinstance(expression, TextChunk):
        yield expression.text
    elif isinstance(expression, RuleReference):
        yield from chunks(rules[expression.rule_name].expression, rules)
    elif isinstance(expression, Group):
        for item in expression.items:
            yield from chunks(item, rules)


def kinds(entries: Iterable[Entry]) -> set[str]:
    return {entry.parts["kind"] for entry in entries if entry.list in GUESTS}
