"""The calls of one turn of a model: judged, made through the gate, told to the person and back to the model."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, get_args

from jarvis_daemon.assistant.conversation.turn import Turn
from jarvis_daemon.assistant.llm.contract import Message, ToolUse, Wish
from jarvis_daemon.assistant.reasoning.grounding import Grounding, Grounds, Reading
from jarvis_daemon.assistant.reasoning.quarantine import Quarantine, too_long
from jarvis_daemon.assistant.reasoning.tooling import mark, told, unknown
from jarvis_daemon.protocol import messages as m
from jarvis_daemon.protocol.mind import CallStatus, ChatCall
from jarvis_daemon.protocol.text import clean, clean_block
from jarvis_daemon.redact import redact, redact_tree
from jarvis_daemon.tools.gate import Gate
from jarvis_daemon.tools.spec import ToolSpec

AT_ONCE: Final = 8
"""Calls of one round; further ones are told to come again."""
BAD_MAX: Final = 2
"""So many calls that no call can be made of; then the turn ends."""
ARGS_MAX: Final = 40
SHOWN_MAX: Final = 2000
"""Characters of an argument that are shown; the gate has all of it."""
_STATUS: Final = frozenset(get_args(CallStatus))
_OUTSIDE: Final = (
    "Not called: it reaches outside of the house, and nobody but you says {things}. Only what the operator himself "
    "says goes there; ask him to say it."
)
_LOOK: Final = (
    "Nothing was done: {things} was not seen in this conversation. Look first (get_vms, get_containers, "
    "get_node_status, get_incidents …), then call again with what is there."
)


@dataclass
class Calling:
    """``offered``: tools by name. ``calls`` as the person sees them; ``bad``: calls that were none."""

    gate: Gate
    grounding: Grounding
    quarantine: Quarantine
    turn: Turn
    offered: Mapping[str, ToolSpec]
    key: str
    wish: Wish
    reading: Reading = field(default_factory=Reading)
    calls: list[ChatCall] = field(default_factory=list)
    bad: int = 0
    tokens: int = 1000
    """Of one result."""
    window: int = 4096
    condense: bool = False
    """Whether the model can condense a long text (``quarantine.able``)."""

    async def run(self, uses: Sequence[ToolUse]) -> list[Message]:
        """One result for each use, in their order: reads beside each other, writes one after the other."""
        results: list[Message] = []
        reads: list[ToolUse] = []
        for at, use in enumerate(uses):
            if at >= AT_ONCE:
                results += await self._together(reads)
                reads = []
                results.append(_answer(use, f"Not made: at most {AT_ONCE} calls at once. Call again if needed."))
            elif self._writes(use):
                results += await self._together(reads)
                reads = []
                results.append(await self._one(use))
            else:
                reads.append(use)
        return results + await self._together(reads)

    def _writes(self, use: ToolUse) -> bool:
        spec = self.offered.get(use.name)
        return spec is not None and spec.writes

    async def _together(self, uses: Sequence[ToolUse]) -> list[Message]:
        return list(await asyncio.gather(*(self._one(use) for use in uses)))

    async def _one(self, use: ToolUse) -> Message:
        if use.broken:
            self.bad += 1
            return _answer(
                use, f"The arguments of {clean(use.name, limit=60)} are no JSON object. Nothing was done."
            )
        spec = self.offered.get(use.name)
        if spec is None:
            self.bad += 1
            return _answer(use, unknown(use.name, self.offered))
        args = dict(use.args)
        if len(args) > ARGS_MAX:
            self.bad += 1
            return _answer(use, f"{spec.name} takes no {len(args)} arguments. Nothing was done.")
        grounds = Grounds("never", ())
        if spec.writes:
            if self._made(spec, args):
                return _answer(use, "This very call was made in this turn already; its result stands above.")
            grounds = self.grounding.ground(spec, args, self.turn, self.reading)
            if grounds.unseen:
                return _answer(use, redact(_LOOK.format(things=" and ".join(grounds.unseen))))
        elif spec.open_world:  # what it asks for tells strangers something
            grounds = self.grounding.ground(spec, args, self.turn, self.reading)
            if grounds.unsaid:
                return _answer(use, redact(_OUTSIDE.format(things=" and ".join(grounds.unsaid))))
        return await self._call(use, spec, args, grounds)

    def _made(self, spec: ToolSpec, args: Mapping[str, Any]) -> bool:
        plain = _shown(args)
        return any(call.name == spec.name and call.args == plain for call in self.calls)

    async def _call(self, use: ToolUse, spec: ToolSpec, args: dict[str, Any], grounds: Grounds) -> Message:
        call = ChatCall(
            id=f"m{len(self.calls) + 1}", name=spec.name, args=_shown(args), tier=spec.base_tier.word,
            status="running", origins=list(grounds.origins), by="model",
        )  # fmt: skip
        self.calls.append(call)
        await self.turn.emit.call(call)
        principal = self.grounding.principal(self.turn, grounds)
        with self.turn.trace.span("tool", spec.name):
            outcome = await self.gate.call(m.ToolCall(name=spec.name, args=args), principal, _quiet)
        if outcome.code == "invalid_params":
            self.bad += 1
        _note(call, outcome)
        await self.turn.emit.call(call)
        self._seen(outcome)
        return _answer(use, await self._result(outcome, spec, args))

    async def _result(self, outcome: m.ToolOutcome, spec: ToolSpec, args: Mapping[str, Any]) -> str:
        source = f"result of {spec.name}"
        tainted = outcome.tainted
        text = told(outcome, spec, args, self.tokens)
        whole = json.dumps(outcome.result, ensure_ascii=False, default=str)
        if tainted and self.condense and too_long(whole, 2 * self.tokens):
            with self.turn.trace.span("quarantine", spec.name):
                short = await self.quarantine.summarise(whole, source, self.wish, window=self.window)
            if short is not None:
                newest = told(outcome, spec, args, self.tokens // 3)
                text = f"In short, by a model that saw nothing else:\n{short}\n\n{newest}"
        self.reading.add(spec.name, text, tainted=tainted)
        return mark(text, source, self.key, tainted=tainted)

    async def abandon(self) -> None:
        """Nobody waits any longer: what runs goes on by itself, and its end is in the audit."""
        for call in self.calls:
            if call.status == "running":
                call.status = "unverified" if call.tier != "green" else "cancelled"
                call.text = f"{call.name} was under way when I stopped waiting; look before you try again."
                await self.turn.emit.call(call)

    def _seen(self, outcome: m.ToolOutcome) -> None:
        if outcome.target:
            self.turn.ids.add(outcome.target)
        self.turn.ids.update(_ids(outcome.result))


def _shown(args: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments as a person sees them: without secrets, without what a terminal would act upon."""

    def clear(value: Any) -> Any:
        if isinstance(value, str):
            return clean_block(value, limit=SHOWN_MAX)
        if isinstance(value, dict):
            return {clean(str(key), limit=80): clear(item) for key, item in value.items()}
        return [clear(item) for item in value] if isinstance(value, list | tuple) else value

    shown: dict[str, Any] = clear(redact_tree(dict(args)))
    return shown


def _answer(use: ToolUse, text: str) -> Message:
    return Message("tool", text, call_id=use.id)


def _note(call: ChatCall, outcome: m.ToolOutcome) -> None:
    """Write into the call what became of it, as the person is told."""
    status = outcome.outcome if outcome.outcome in _STATUS else "done"
    call.status = status  # type: ignore[assignment]
    call.tier = outcome.tier or call.tier
    call.target, call.target_name = outcome.target, outcome.target_name
    call.text, call.why, call.next = redact(outcome.text), redact(outcome.why), redact(outcome.next)
    call.effects = [redact(line) for line in outcome.effects]
    call.needs = outcome.needs
    call.approval_id = outcome.approval_id
    call.undo = redact_tree(outcome.undo) if outcome.undo else None


def _ids(value: Any) -> set[str]:
    """Entity ids anywhere in a result."""
    if isinstance(value, dict):
        return set().union(*(_ids(item) for item in value.values())) if value else set()
    if isinstance(value, list):
        return set().union(*(_ids(item) for item in value[:2000])) if value else set()
    kinds = ("guest:", "node:", "storage:", "service:", "incident:")
    return {value} if isinstance(value, str) and value.startswith(kinds) and len(value) < 120 else set()


def _quiet(data: dict[str, Any]) -> None:
    """What a tool reports while it runs is told by the gate's own events."""


def named(uses: Sequence[ToolUse], taken: set[str]) -> list[ToolUse]:
    """Each with an id of its own, whatever the provider gave."""
    found = []
    for use in uses:
        ident = use.id if use.id and use.id not in taken else f"call-{len(taken) + 1}"
        taken.add(ident)
        found.append(replace(use, id=ident))
    return found
