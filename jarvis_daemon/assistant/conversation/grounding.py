"""Where the arguments of a model's call come from: the operator's words, a default, what was read, the model.

State proves that something is there, never that somebody wants it. A call runs without an approval only where one
order of this turn, in the operator's own words, names both the act and every value; everything else waits, and
shows where each value came from.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec

from jarvis_daemon.assistant.conversation import acts
from jarvis_daemon.assistant.conversation.said import Known, Words, key, orders, said, why_not
from jarvis_daemon.assistant.conversation.turn import Turn
from jarvis_daemon.bus import Bus, Principal
from jarvis_daemon.protocol.state import Guest, Node, Storage
from jarvis_daemon.protocol.text import clean
from jarvis_daemon.redact import redact
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


@dataclass(frozen=True)
class Read:
    """A text that was put before the model. ``source``: how an operator is told of it."""

    source: str
    text: str
    tainted: bool = False


@dataclass
class Reading:
    """All that a model has read, in this turn and in those before it that it still sees."""

    reads: list[Read] = field(default_factory=list)

    def add(self, source: str, text: str, *, tainted: bool) -> None:
        self.reads.append(Read(source, text.casefold(), tainted))

    def where(self, names: Collection[str]) -> Read | None:
        """Where one of these stands: in text from outside first, for that is what an operator has to know."""
        wanted = [re.escape(name.casefold()) for name in names if name]
        if not wanted:
            return None
        pattern = re.compile(rf"(?<![\w-])(?:{'|'.join(wanted)})(?![\w-])")
        found = [read for read in self.reads if pattern.search(read.text)]
        return next((read for read in found if read.tainted), found[0] if found else None)

    @property
    def tainted(self) -> bool:
        return any(read.tainted for read in self.reads)


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
        text = in_force(turn)
        defaults = _defaults(spec)
        all_said = [Words.of(text, known), *(Words.of(past.asked, known) for past in reversed(turn.past))]
        may = turn.principal.role == "operator" and why_not(text) is None
        fitting = [o for o in orders(text, known) if acts.orders_tool(spec, o.tokens)] if may else []
        lines, unseen, unsaid = list[str](), list[str](), list[str]()
        for name, value in args.items():
            target, names = self._target(spec, name, value)
            listed = _listed(spec, name)

            def stands(words: Words, at: tuple[Any, ...] = (name, value, names, target, listed)) -> bool:
                return said(words, at[0], at[1], at[2], target=at[3], listed=at[4])

            default = name in defaults and defaults[name] == value
            own = any(stands(words) for words in all_said)
            if not own and not default:
                unsaid.append(f"{name} {clean(str(value), limit=60)}")
            read = None if own or default else reading.where(names or [str(value)])
            fitting = [order for order in fitting if default or stands(order)]
            if target and not own and not default and read is None and value is not None:
                unseen.append(f"{name} {clean(str(value), limit=60)}")
            lines.append(_line(name, value, default, [w.text for w in all_said if stands(w)], text, read))
        values = [str(item) for value in args.values() for item in (value if isinstance(value, list) else [value])]
        values += [name for word, meant in self._aliases().items() for name in (word, meant)]
        fitting = [order for order in fitting if not order.rest(*values)]
        return Grounds("yellow" if fitting else "never", tuple(lines), tuple(unseen), tuple(unsaid))

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
        for kind in kinds:
            often = Counter(key(name) for name in kind)
            names |= often.keys()
            shared |= {name for name, times in often.items() if times > 1}
            loose |= {key(name): name.casefold() for name in kind}
        return Known(names, {name: written for name, written in loose.items() if name not in shared})

    def _target(self, spec: ToolSpec, name: str, value: Any) -> tuple[bool, Sequence[str]]:
        """Whether an argument names what is acted upon, and all that its thing is called."""
        if name == "name" and not spec.name.startswith(_NEW_NAMES):
            return True, [str(value)]
        if name not in TARGETS and not name.endswith(("_id", "_name")):
            return False, [str(value)] if isinstance(value, str) else []
        names = self._names(str(value), name)
        words = [word for word, meant in self._aliases().items() if meant in names]
        return True, [*names, *words]

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


def in_force(turn: Turn) -> str:
    """The operator's words that order now: this turn's, and the sentence before where these only answer a question
    that a model asked back about it, with nothing done or read in between."""
    before = turn.past[-1] if turn.past else None
    if before is None or before.tainted or not before.reply.rstrip().endswith("?"):
        return turn.asked
    tokens = acts.words(turn.asked)
    called = any(message.calls for message in before.messages)
    if called or len(tokens) > SHORT_ANSWER or acts.ordered(tokens):
        return turn.asked
    return f"{before.asked} {turn.asked}"


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


def _line(name: str, value: Any, default: bool, said_in: list[str], asked: str, read: Read | None) -> str:
    shown = clean(redact(str(value)), limit=120)
    if default:
        return f"{name} = {shown}: the tool's own default"
    if said_in:
        when = "your words" if said_in[0] == asked else "your words of an earlier turn"
        return f'{name} = {shown}: {when}, "{clean(redact(said_in[0]), limit=80)}"'
    if read is not None:
        return f"{name} = {shown}: read in {read.source}{', text from outside' if read.tainted else ''}"
    return f"{name} = {shown}: the model's own choice"
