"""Where the arguments of a model's call come from: the operator's words, a default, what was read, the model.

State proves that something is there, never that somebody wants it. A call runs without an approval only where one
order of this turn, in the operator's own words, names both the act and every value; everything else waits, and
shows where each value came from.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec

from jarvis_daemon.assistant.conversation.turn import PastTurn, Turn
from jarvis_daemon.assistant.reasoning import acts
from jarvis_daemon.assistant.reasoning.said import FILLERS, Known, Words, key, orders, why_not
from jarvis_daemon.assistant.reasoning.taking import Beside, Wanted, fits
from jarvis_daemon.assistant.understanding import screens
from jarvis_daemon.bus import Bus, Principal
from jarvis_daemon.protocol.state import Guest, Node, Storage
from jarvis_daemon.protocol.text import clean
from jarvis_daemon.redact import safe_line
from jarvis_daemon.tools.spec import ToolSpec

TARGETS: Final = frozenset({
    "guest", "node", "storage", "service", "container", "incident", "silence", "backup", "runbook", "target",
    "template", "vmid", "id", "host", "volume", "upid", "unit", "device", "camera", "memory", "entity",
})  # fmt: skip
"""Arguments that name what is acted upon: only what was seen in this session, or said."""
_NEW_NAMES: Final = ("create_", "clone_")
"""Tools whose ``name`` is a new one."""
SHORT_ANSWER: Final = 4
"""So many words answer a question of ours; then the sentence before them counts too."""
ANSWER_S: Final = 300.0
"""For so long after the question."""
SHOWN: Final = 1000
"""Characters of a value that an operator is shown; of a longer one both ends and its length."""
_YES: Final = acts.many("yes yeah yep yup aye sure ok okay")
_BESIDE_YES: Final = _YES | acts.many("please do it go ahead sir jarvis thanks")
_OTHERWISE: Final = screens.STRICT - screens.SEVERAL - {"should"} | acts.many(
    "or leave hold wait stop keep skip nah hm maybe cancel"
)
_QUOTES: Final = str.maketrans(dict.fromkeys('“”„‟«»"`‹›″＂', "'"))


@dataclass(frozen=True)
class Read:
    """A text that was put before the model. ``source``: how an operator is told of it."""

    source: str
    text: str
    tainted: bool = False
    standing: bool = False
    """It is put before a model in each turn, and by itself makes no answer one that holds text from outside."""


@dataclass
class Reading:
    """All that a model has read, in this turn and in those before it that it still sees."""

    reads: list[Read] = field(default_factory=list)

    def add(self, source: str, text: str, *, tainted: bool, standing: bool = False) -> None:
        self.reads.append(Read(source, text.casefold(), tainted, standing))

    def where(self, names: Collection[str]) -> Read | None:
        """Where one of these stands: in text from outside first, for that is what an operator has to know."""
        wanted = [re.escape(name.casefold()) for name in names if name]
        if not wanted:
            return None
        pattern = re.compile(rf"(?<![\w-])(?:{'|'.join(wanted)})(?![\w-])")
        found = [read for read in self.reads if pattern.search(read.text)]
        found.sort(key=lambda read: (not read.tainted, read.standing))
        return found[0] if found else None

    @property
    def tainted(self) -> bool:
        return any(read.tainted and not read.standing for read in self.reads)


@dataclass(frozen=True)
class Grounds:
    """``alone`` and ``origins`` as a ``Principal`` has them; ``unseen``: targets that nobody named or read;
    ``unsaid``: values that are not the operator's own, of any turn."""

    alone: str
    origins: tuple[str, ...]
    unseen: tuple[str, ...] = ()
    unsaid: tuple[str, ...] = ()


class Grounding:
    """``aliases``: the operator's words for things, as they are now."""

    def __init__(self, bus: Bus, aliases: Callable[[], Mapping[str, str]] = dict) -> None:
        self._bus, self._aliases = bus, aliases

    def ground(self, spec: ToolSpec, args: Mapping[str, Any], turn: Turn, reading: Reading) -> Grounds:
        """Judge one call. ``args`` may be wrong in any way; what is not known here is not grounded."""
        known = self._known()
        wanted = [self._wanted(spec, name, value, known) for name, value in args.items()]
        text = in_force(turn, known, spec, wanted)
        ordering = [order for order in orders(text, known) if acts.orders_tool(spec, order.tokens)]
        if turn.principal.role != "operator" or why_not(text) is not None:
            ordering = []
        voices = _voices(turn, known, text, ordered=bool(ordering))
        lines, unseen, unsaid = list[str](), list[str](), list[str]()
        for one in wanted:
            saying = [voice for voice in voices if one.places(voice.words)]
            shown = f"{one.name} {safe_line(str(one.value), limit=60)}"
            if not one.default and not any(voice.operator for voice in saying):
                unsaid.append(shown)
            read = None if saying or one.default else reading.where(one.names or [str(one.value)])
            if one.target and not saying and not one.default and read is None and one.value is not None:
                unseen.append(shown)
            lines.append(_line(one, saying, read))
        beside = self._beside(wanted)
        alone = any(fits(order, spec, wanted, beside) for order in ordering)
        return Grounds("yellow" if alone else "never", tuple(lines), tuple(unseen), tuple(unsaid))

    def principal(self, turn: Turn, grounds: Grounds) -> Principal:
        """Who a model's call is of: never more than the person who asked."""
        return replace(
            turn.principal, role="agent", client="assistant", worker=None, alone=grounds.alone,
            origins=grounds.origins,
        )  # fmt: skip

    # --- what there is ---------------------------------------------------------------------------------------

    def _known(self) -> Known:
        """Keys of all names of the inventory; a longer one hides a shorter one that is part of it."""
        cluster = self._bus.state("cluster")
        kinds: list[list[str]] = [
            [guest.name for guest in cluster.view("guests", Guest).values()],
            [node.name for node in cluster.view("nodes", Node).values()],
            sorted({storage.name for storage in cluster.view("storages", Storage).values()}),
            list(self._aliases()),
        ]
        names, loose, shared = set[str](), dict[str, str](), set[str]()
        called: dict[str, set[str]] = {}
        for kind, things in zip(("guest", "node", "storage", "alias"), kinds, strict=True):
            often = Counter(key(name) for name in things)
            names |= often.keys()
            shared |= {name for name, times in often.items() if times > 1}
            loose |= {key(name): name.casefold() for name in things}
            for name in often if kind != "alias" else ():
                called.setdefault(name, set()).add(kind)
        return Known(
            names, {name: written for name, written in loose.items() if name not in shared},
            {name: frozenset(found) for name, found in called.items()},
            frozenset(" ".join(acts.words(alias)) for alias in self._aliases()),
        )  # fmt: skip

    def _wanted(self, spec: ToolSpec, name: str, value: Any, known: Known) -> Wanted:
        target, names = self._target(spec, name, value, known)
        defaults = _defaults(spec)
        default = name in defaults and defaults[name] == value and type(defaults[name]) is type(value)
        return Wanted(name, value, names, target, _listed(spec, name), default)

    def _beside(self, wanted: Sequence[Wanted]) -> Beside:
        """Names that an order may hold besides: where its guests lie, what is of their kind."""
        cluster = self._bus.state("cluster")
        guests = list(cluster.view("guests", Guest).values())
        near, kin = set[str](), set[str]()
        for one in wanted:
            if one.name == "guest":
                named = {name.casefold() for name in one.names}
                near |= {guest.node for guest in guests if named & {str(guest.vmid), guest.name.casefold()}}
                kin |= {name for guest in guests for name in (str(guest.vmid), guest.name)}
            elif one.name == "node":
                kin |= {node.name for node in cluster.view("nodes", Node).values()}
        return Beside(near, kin)

    def _target(self, spec: ToolSpec, name: str, value: Any, known: Known) -> tuple[bool, Sequence[str]]:
        """Whether an argument names what is acted upon, and all that its thing is called."""
        if name == "name" and not spec.name.startswith(_NEW_NAMES):
            return True, [str(value)]
        if name not in TARGETS and not name.endswith(("_id", "_name")):
            return False, [str(value)] if isinstance(value, str) else []
        names = self._names(str(value), name)
        words = [word for word, meant in self._aliases().items() if meant in names]
        return True, [*names, *(word for word in words if key(word) not in known.kinds)]  # a real name is its own

    def _names(self, value: str, argument: str) -> list[str]:
        plain = value.rpartition("/")[2] if ":" in value and "/" in value else value
        kind, _, rest = plain.partition(":")
        bare = rest if kind in {"guest", "node", "storage", "service"} else plain
        found = [value, bare]
        if argument not in {"guest", "target", "template", "vmid"}:
            return found
        guests = self._bus.state("cluster").view("guests", Guest).values()
        same = [guest for guest in guests if str(guest.vmid) == bare or guest.name.casefold() == bare.casefold()]
        if len(same) == 1:
            alike = sum(guest.name.casefold() == same[0].name.casefold() for guest in guests)
            return [str(same[0].vmid), *([same[0].name] if alike == 1 else [])]
        return [bare] if bare.isdecimal() else [] if same else found


def in_force(turn: Turn, known: Known, spec: ToolSpec, wanted: Sequence[Wanted]) -> str:
    """The operator's words that order now: this turn's, and the sentence before where these only answer a question
    that a model asked back about it, with nothing done or read in between.

    An answer adds what the sentence did not say and the call needs ("pve"), or it is a plain yes to a question for
    this very act and target. Nothing else wakes an earlier order: no thanks, and no other thing's name.
    """
    before = turn.past[-1] if turn.past else None
    if before is None or not _asks_back(before, turn):
        return turn.asked
    tokens = acts.words(turn.asked)
    if len(tokens) > SHORT_ANSWER or acts.ordered(tokens):
        return turn.asked
    yes = bool(_YES & set(tokens)) or tokens[:2] in (["go", "ahead"], ["do", "it"])
    if yes and set(tokens) <= _BESIDE_YES:
        return before.asked if _repeats(before.reply, known, spec, wanted) else turn.asked
    answer, earlier = Words.of(turn.asked, known), Words.of(before.asked, known)
    needs = [one for one in wanted if not one.default]
    named = {
        token for one in needs if not one.places(earlier) for at in one.places(answer) for token in _at(answer, at)
    }
    if not named <= FILLERS | _BESIDE_YES and _OTHERWISE.isdisjoint(tokens):
        return f"{before.asked} {turn.asked}"
    return turn.asked


def _at(words: Words, places: Iterable[int]) -> list[str]:
    return [words.tokens[at] for at in places]


def _asks_back(before: PastTurn, turn: Turn) -> bool:
    """Whether a turn ended with a question to the operator who speaks now, a moment ago."""
    own = before.role == "operator" and turn.principal.role == "operator"
    fresh = 0 <= turn.now - before.ended_at <= ANSWER_S
    called = any(message.calls for message in before.messages)
    return own and fresh and not called and not before.tainted and before.reply.rstrip().endswith("?")


def _repeats(reply: str, known: Known, spec: ToolSpec, wanted: Sequence[Wanted]) -> bool:
    """Whether the question at the end of a reply asks for leave to do just this."""
    question = re.split(r"[.!?\n]\s", reply.rstrip())[-1]
    words = Words.of(question, known)
    doing = set(acts.ordered(words.tokens))
    if not _OTHERWISE.isdisjoint(words.tokens) or doing.isdisjoint(acts.of_tool(spec)):
        return False
    targets = [one for one in wanted if one.target and not one.default]
    own = {key(name) for one in targets for name in one.names}
    others = {together for _, _, together in words.windows() if together in known.names} - own
    return bool(targets) and all(one.places(words) for one in targets) and not others


@dataclass(frozen=True)
class _Voice:
    """Words of somebody, and how an operator is told whose they are."""

    words: Words
    whose: str
    operator: bool


def _voices(turn: Turn, known: Known, text: str, *, ordered: bool) -> list[_Voice]:
    """All that was said in this conversation, the newest first. ``ordered``: ``text`` orders what the tool does."""

    def whose(role: str, own: str) -> str:
        return own if role == "operator" else f"words said at the {clean(role, limit=20)}"

    now = "your words" if ordered else "a word in your sentence, which did not order it"
    role = turn.principal.role
    found = [_Voice(Words.of(text, known), whose(role, now), role == "operator")]
    for past in reversed(turn.past):
        own = past.role == "operator"
        found.append(_Voice(Words.of(past.asked, known), whose(past.role, "your words of an earlier turn"), own))
    return found


def _defaults(spec: ToolSpec) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for one in msgspec.structs.fields(spec.args):
        if one.default is not msgspec.NODEFAULT:
            found[one.encode_name] = one.default
        elif one.default_factory is not msgspec.NODEFAULT:
            found[one.encode_name] = one.default_factory()
    return found


def _listed(spec: ToolSpec, name: str) -> bool:
    rules = spec.input_schema().get("properties", {}).get(name, {})
    return any("enum" in one for one in rules.get("anyOf", [rules]))


def _line(one: Wanted, saying: Sequence[_Voice], read: Read | None) -> str:
    """Where a value comes from, before the value: a value can hold any text, and none that passes for an origin."""
    of = ""
    if one.default:
        origin = "the tool's own default"
    elif saying:
        origin, of = saying[0].whose, f" of {_quoted(saying[0].words.text, 80)}"
    elif read is not None:
        origin = f"read in {read.source}{', text from outside' if read.tainted else ''}"
    else:
        origin = "the model's own choice"
    name = re.sub(r"[^\w.-]", "_", clean(one.name, limit=40))
    return f"{name}, {origin}: {_quoted(str(one.value), SHOWN)}{of}"


def _quoted(text: str, limit: int) -> str:
    """A text in quotation marks which it cannot close; of a long one both ends, and how long it is."""
    plain = safe_line(text, limit=100_000).translate(_QUOTES)
    if len(plain) <= limit:
        return f"“{plain}”"
    return f"“{plain[: limit * 3 // 4]} … {plain[-limit // 4 :]}” (cut: {len(plain)} characters in all)"
