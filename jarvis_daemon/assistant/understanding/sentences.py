"""The sentence files of the rooms: ``<room>/intents/*.yaml``.

A file has up to four parts::

    orders:                          # one tool call each
      reboot_guest:                  # the intent's name, unique over all rooms
        say:                         # (a|b) alternatives, [c] optional, {list} or {list:slot}, <words>
          - "(restart|reboot) [the] [<guest_word>] {guest}"
        tool: {vm: reboot_vm, ct: reboot_container}   # by the kind of slot guest; or one name
        args:                        # argument: slot; slot.part (lists.py); [slot]; or
          guest: guest               #   {value: X}: always X;  {slot: S, or: X}: X where S was not said;
                                     #   {stamp: "said-%Y%m%d-%H%M%S"}: the time, written so
        replies: ["{target} is back on its feet{sir}."]   # phrasings of success; {sir} is ", sir" or nothing
        example: "restart plex"      # may be left out; for "what can I say"
        unscreened: [text]           # may be left out: slots that are only kept, such as a thing to remember; an
                                     #   order whose free text says "if", "not", "tomorrow" is blocked otherwise
    questions:                       # answered by the function of this name in assistant/answers
      hottest:
        say: ["(what|which [node]) is [the] hottest [node]"]
        fixed: {metric: temperature} # slots that every sentence of it has; may be left out
    words:                           # shared pieces, used as <name>; of this file only
      guest_word: "(vm|container|guest)"
    lists:                           # choices of this file: what is said -> value
      how_bad: {critical: critical, serious: error}

Sentences are written in lower case, without punctuation at the end, and without politeness ("please", "jarvis",
"could you", "thanks"), which is taken off before. A whole sentence has to match, without regard to case.
``common.yaml`` beside this module has words for all files.

Reading is strict: a key that is not known, a tool, an argument, a list or a slot that does not exist, a required
argument that a sentence does not fill, an intent's name used twice are errors that name file and key.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, NoReturn

import msgspec
import yaml
from hassil.expression import Alternative, Expression, Group, ListReference, RuleReference, Sentence
from hassil.parse_expression import parse_sentence
from hassil.parser import ParseError

from jarvis_daemon.assistant.understanding.lists import GUESTS, PARTS
from jarvis_daemon.tools.registry import Registry

COMMON: Final = Path(__file__).with_name("common.yaml")
_FILE: Final = {"orders", "questions", "words", "lists"}
_ORDER: Final = {"say", "tool", "args", "replies", "example", "unscreened"}
_QUESTION: Final = {"say", "fixed", "example"}
_KINDS: Final = {"vm", "ct"}
Rules = dict[str, Sentence]
Lists = dict[str, dict[str, Any]]


class SentenceError(ValueError):
    """A sentence file that cannot be used: its message names file, key and what is wrong."""


@dataclass(frozen=True)
class Filled:
    """Where an argument's value comes from. ``slot`` empty: always ``other``; ``many``: as a list of one."""

    slot: str = ""
    part: str = ""
    other: Any = None
    many: bool = False
    fallback: bool = False
    """``other`` holds where the slot was not said."""
    stamp: bool = False
    """``other`` is a form for the time."""


@dataclass(frozen=True)
class Say:
    """One template. ``slots``: slot -> list; ``sure``: the slots that every sentence of it has."""

    text: str
    sentence: Sentence
    slots: Mapping[str, str]
    sure: frozenset[str]


@dataclass(frozen=True)
class Intent:
    kind: Literal["order", "question"]
    name: str
    room: str
    says: tuple[Say, ...]
    rules: Rules
    lists: Lists
    tools: Mapping[str, str] = field(default_factory=dict)
    """Kind of the guest -> tool; ``""`` where the kind does not matter."""
    args: Mapping[str, Filled] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    replies: tuple[str, ...] = ()
    example: str = ""
    unscreened: frozenset[str] = frozenset()


def load(registry: Registry, answers: Collection[str] | None = None) -> list[Intent]:
    """The intents of all rooms. ``answers``: the questions that can be answered; None: not checked.

    Raises ``SentenceError``.
    """
    common = _Reader(COMMON, "assistant", registry, answers, {}).words
    found: dict[str, Intent] = {}
    for room, folder in sorted(registry.sentences().items()):
        for path in sorted(folder.glob("*.yaml")):
            for intent in _Reader(path, room, registry, answers, common).intents():
                if intent.name in found:
                    raise SentenceError(f"{path.name}: {intent.name}: {found[intent.name].room} has that name too")
                found[intent.name] = intent
    return list(found.values())


class _Reader:
    """One file. Each step says where it is, so that an error does."""

    def __init__(
        self, path: Path, room: str, registry: Registry, answers: Collection[str] | None, common: Rules
    ) -> None:
        self._where = f"{room}/{path.name}"
        self._room, self._registry, self._answers = room, registry, answers
        try:
            document = yaml.load(path.read_text("utf-8"), Loader=_Strict)  # noqa: S506  # a SafeLoader
        except (yaml.YAMLError, OSError, UnicodeDecodeError) as error:
            raise SentenceError(f"{self._where}: {error}") from error
        self._document = self._mapping(document, _FILE, "")
        self.lists: Lists = {}
        for name, choices in self._mapping(self._document.get("lists", {}), None, "lists").items():
            if name in PARTS:
                self._wrong(f"lists.{name}", "there is a list of that name")
            given = self._mapping(choices, None, f"lists.{name}")
            self.lists[name] = {said.casefold(): value for said, value in given.items()}
        self.words: Rules = dict(common)
        for name, text in self._mapping(self._document.get("words", {}), None, "words").items():
            if name in common:
                self._wrong(f"words.{name}", "common.yaml has that name")
            self.words[name] = self._parsed(text, f"words.{name}")

    def intents(self) -> Iterator[Intent]:
        for name, body in self._mapping(self._document.get("orders", {}), None, "orders").items():
            yield self._order(name, self._mapping(body, _ORDER, name))
        for name, body in self._mapping(self._document.get("questions", {}), None, "questions").items():
            yield self._question(name, self._mapping(body, _QUESTION, name))

    def _order(self, name: str, body: Mapping[str, Any]) -> Intent:
        says = self._says(name, body)
        tools = self._tools(name, body.get("tool"), says)
        args = {
            key: self._filled(f"{name}.args.{key}", given, says)
            for key, given in self._mapping(body.get("args", {}), None, f"{name}.args").items()
        }
        for tool in tools.values():
            self._check_args(name, tool, args, says)
        used = {filled.slot for filled in args.values()}
        for say in says:
            if unused := say.slots.keys() - used:
                self._wrong(f"{name}.say", f"{say.text!r}: slot {sorted(unused)[0]} fills no argument")
        replies = self._texts(f"{name}.replies", body.get("replies", []))
        return Intent(
            "order", name, self._room, says, self.words, self.lists, tools=tools, args=args, replies=replies,
            example=self._example(name, body), unscreened=self._unscreened(name, body, says),
        )  # fmt: skip

    def _unscreened(self, name: str, body: Mapping[str, Any], says: tuple[Say, ...]) -> frozenset[str]:
        slots = frozenset(self._texts(f"{name}.unscreened", body.get("unscreened", [])))
        for slot in slots:
            if not any(say.slots.get(slot) == "text" for say in says):
                self._wrong(f"{name}.unscreened", f"{slot} is no slot of text")
        return slots

    def _question(self, name: str, body: Mapping[str, Any]) -> Intent:
        if self._answers is not None and name not in self._answers:
            self._wrong(name, "nothing in assistant/answers answers it")
        fixed = self._mapping(body.get("fixed", {}), None, f"{name}.fixed")
        says = self._says(name, body)
        for say in says:
            if both := say.slots.keys() & fixed.keys():
                self._wrong(f"{name}.fixed", f"{sorted(both)[0]} is a slot of {say.text!r} too")
        return Intent(
            "question", name, self._room, says, self.words, self.lists, fixed=fixed,
            example=self._example(name, body),
        )  # fmt: skip

    def _says(self, name: str, body: Mapping[str, Any]) -> tuple[Say, ...]:
        texts = self._texts(f"{name}.say", body.get("say"))
        if not texts:
            self._wrong(f"{name}.say", "no sentence")
        return tuple(self._say(f"{name}.say", text) for text in texts)

    def _say(self, where: str, text: str) -> Say:
        sentence = self._parsed(text, where)
        slots: dict[str, str] = {}
        for reference in self._references(where, sentence.expression):
            if reference.list_name not in PARTS and reference.list_name not in self.lists:
                self._wrong(where, f"{text!r}: there is no list {reference.list_name}")
            if slots.setdefault(reference.slot_name, reference.list_name) != reference.list_name:
                self._wrong(where, f"{text!r}: slot {reference.slot_name} is of two lists")
        return Say(text, sentence, slots, frozenset(self._sure(sentence.expression)))

    def _references(self, where: str, expression: Expression) -> Iterator[ListReference]:
        if isinstance(expression, ListReference):
            yield expression
        elif isinstance(expression, Group):
            for item in expression.items:
                yield from self._references(where, item)
        elif isinstance(expression, RuleReference):
            if expression.rule_name not in self.words:
                self._wrong(where, f"there are no words <{expression.rule_name}>")
            yield from self._references(where, self.words[expression.rule_name].expression)

    def _sure(self, expression: Expression) -> set[str]:
        """The slots without which it cannot match."""
        if isinstance(expression, ListReference):
            return {expression.slot_name}
        if isinstance(expression, RuleReference):
            return self._sure(self.words[expression.rule_name].expression)
        if isinstance(expression, Alternative):
            branches = [self._sure(item) for item in expression.items]
            return set.intersection(*branches) if branches else set()
        if isinstance(expression, Group):
            return {slot for item in expression.items for slot in self._sure(item)}
        return set()

    def _tools(self, name: str, given: Any, says: tuple[Say, ...]) -> dict[str, str]:
        if isinstance(given, str):
            tools = {"": given}
        else:
            tools = dict(self._mapping(given, _KINDS, f"{name}.tool"))
            if tools.keys() != _KINDS:
                self._wrong(f"{name}.tool", "a tool's name, or one each for vm and ct")
            for say in says:
                if "guest" not in say.sure or say.slots["guest"] not in GUESTS:
                    self._wrong(f"{name}.say", f"{say.text!r}: the tool depends on slot guest, which is not in it")
        for tool in tools.values():
            if tool not in self._registry:
                self._wrong(f"{name}.tool", f"there is no tool {tool}")
        return tools

    def _filled(self, where: str, given: Any, says: tuple[Say, ...]) -> Filled:
        if isinstance(given, dict):
            body = self._mapping(given, {"value", "slot", "or", "stamp"}, where)
            if set(body) == {"value"}:
                return Filled(other=body["value"])
            if set(body) == {"stamp"}:
                return Filled(other=str(body["stamp"]), stamp=True)
            if set(body) != {"slot", "or"}:
                self._wrong(where, "either value, or stamp, or slot and or")
            slot, _, part = str(body["slot"]).partition(".")
            return self._checked(where, Filled(slot, part, other=body["or"], fallback=True), says)
        many = isinstance(given, list)
        if many and len(given) != 1:
            self._wrong(where, "a list has one slot")
        slot, _, part = str(given[0] if many else given).partition(".")
        return self._checked(where, Filled(slot, part, many=many), says)

    def _checked(self, where: str, filled: Filled, says: tuple[Say, ...]) -> Filled:
        of = {say.slots[filled.slot] for say in says if filled.slot in say.slots}
        if not of:
            self._wrong(where, f"no sentence has a slot {filled.slot}")
        for name in of:
            parts = PARTS.get(name, ("value",))
            if filled.part and filled.part not in parts:
                self._wrong(where, f"{name} has no part {filled.part}")
        return filled

    def _check_args(self, name: str, tool: str, args: Mapping[str, Filled], says: tuple[Say, ...]) -> None:
        fields = {f.name: f for f in msgspec.structs.fields(self._registry.get(tool).args)}
        if unknown := args.keys() - fields.keys():
            self._wrong(f"{name}.args", f"{tool} has no argument {sorted(unknown)[0]}")
        for key, one in fields.items():
            if not one.required:
                continue
            if key not in args:
                self._wrong(f"{name}.args", f"{tool} wants {key}")
            filled = args[key]
            for say in says:
                if filled.slot and not filled.fallback and filled.slot not in say.sure:
                    self._wrong(
                        f"{name}.say", f"{say.text!r}: {filled.slot} may be left out, and {tool} wants {key}"
                    )

    def _example(self, name: str, body: Mapping[str, Any]) -> str:
        example = body.get("example", "")
        if not isinstance(example, str):
            self._wrong(f"{name}.example", "a text")
        return example

    def _parsed(self, text: Any, where: str) -> Sentence:
        if not isinstance(text, str) or not text.strip():
            self._wrong(where, "a text")
        if text != text.lower():
            self._wrong(where, f"{text!r} is not in lower case")
        try:
            return parse_sentence(text, keep_text=True)
        except (ParseError, ValueError, IndexError, AssertionError) as error:
            raise SentenceError(f"{self._where}: {where}: {text!r} cannot be read: {error}") from error

    def _texts(self, where: str, given: Any) -> tuple[str, ...]:
        if not isinstance(given, list) or not all(isinstance(text, str) for text in given):
            self._wrong(where, "a list of texts")
        return tuple(given)

    def _mapping(self, given: Any, known: set[str] | None, where: str) -> dict[str, Any]:
        if not isinstance(given, dict) or not all(isinstance(key, str) for key in given):
            self._wrong(where or "file", "names and what belongs to them (a name like on or yes wants quotes)")
        if known is not None and (unknown := given.keys() - known):
            self._wrong(where or "file", f"{sorted(unknown)[0]} is not known here")
        return dict(given)

    def _wrong(self, where: str, what: str) -> NoReturn:
        raise SentenceError(f"{self._where}: {where}: {what}")


_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The fast one where it is built in."""


class _Strict(_Loader):  # type: ignore[misc]
    """A key that stands twice in one mapping is an error, not the second one's."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in seen:
            if seen.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"{key} stands there twice", node.start_mark)
        built: dict[Any, Any] = super().construct_mapping(node, deep)
        return built
