"""A person's own order, understood without a model: one call through the gate, as the person who said it.

What the gate lets run at once runs; what it wants confirmed is asked back with its plan; the rest is told as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from jarvis_daemon.assistant.answers.answer import Answer
from jarvis_daemon.assistant.conversation.turn import Emit
from jarvis_daemon.assistant.understanding.understood import Understood
from jarvis_daemon.bus import Principal
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.messages import ToolCall, ToolOutcome
from jarvis_daemon.protocol.mind import CallStatus, ChatCall
from jarvis_daemon.redact import redact_tree
from jarvis_daemon.tools import Gate, Registry

Tell = Callable[[Understood, ToolOutcome], Answer]
"""An outcome in words, the fact first (``answers``)."""
WAIT_S: Final = 0.0
"""An approval is another session's to give; the turn ends with it awaited."""


@dataclass(frozen=True)
class Done:
    """What is answered, and the call as it stands; ``asks``: a person has to confirm it here."""

    answer: Answer
    call: ChatCall
    asks: bool = False
    success: bool = False


class Orders:
    """Runs them. ``tell`` puts outcomes into words."""

    def __init__(self, gate: Gate, registry: Registry, tell: Tell) -> None:
        self._gate, self._registry, self._tell = gate, registry, tell

    async def run(self, understood: Understood, who: Principal, emit: Emit, call_id: str = "1") -> Done:
        """Plan it; run it where nothing stands between."""
        call = ChatCall(id=call_id, name=understood.tool, args=redact_tree(dict(understood.args)), by="words")
        if not self._registry.get(understood.tool).writes:
            return await self._call(understood, call, who, emit)
        plan = await self._ask(understood, who, dry_run=True)
        _take(call, plan)
        if plan.outcome != "planned":
            call.status = "refused"
            await emit.call(call)
            return Done(self._tell(understood, plan), call)
        if plan.needs in {"confirm", "typed_name"}:
            call.status = "asks"
            await emit.call(call)
            return Done(asking(call), call, asks=True)
        return await self._call(understood, call, who, emit)

    async def confirm(
        self, understood: Understood, call: ChatCall, who: Principal, emit: Emit, *, typed: str | None,
        pin: str | None,
    ) -> Done:  # fmt: skip
        """Run a call as its plan was shown; the gate refuses when anything has changed since."""
        return await self._call(understood, call, who, emit, confirm=call.digest, typed=typed, pin=pin)

    async def _call(self, understood: Understood, call: ChatCall, who: Principal, emit: Emit, **given: Any) -> Done:
        call.status = "running"
        await emit.call(call)
        try:
            outcome = await self._ask(understood, who, **given)
        except BaseException:
            call.status = "unverified"
            call.text = call.text or "I stopped waiting for it; `jarvis audit list` tells what became of it."
            raise
        _take(call, outcome)
        status: CallStatus = "refused" if outcome.outcome == "planned" else outcome.outcome
        call.status = status
        await emit.call(call)
        success = outcome.outcome in {"done", "verified"}
        return Done(self._tell(understood, outcome), call, success=success)

    async def _ask(self, understood: Understood, who: Principal, **given: Any) -> ToolOutcome:
        params = ToolCall(name=understood.tool, args=dict(understood.args), wait_s=WAIT_S, **given)
        return await self._gate.call(params, who, lambda data: None)


def asking(call: ChatCall) -> Answer:
    """The plan as a question."""
    doing = call.text.removeprefix("Would: ").rstrip(".")
    what = f"{doing}: shall I?" if call.needs == "confirm" else f"{doing}: type {call.target_name} to go on."
    return Answer(what, tuple(call.effects), grave=True)


def checked(call: ChatCall | None) -> ChatCall:
    """The call that asks. Raises ``not_found``, ``refused`` when it asks no more."""
    if call is None:
        raise JarvisError("not_found", "There is no such call in this turn", next="`jarvis chat show` shows it.")
    if call.status != "asks":
        raise JarvisError("refused", f"This call is {call.status} already", next="Say it again.")
    return call


def _take(call: ChatCall, outcome: ToolOutcome) -> None:
    call.tier, call.target, call.target_name = outcome.tier, outcome.target, outcome.target_name
    call.text, call.why, call.next = outcome.text, outcome.why, outcome.next
    call.effects, call.needs, call.pin_needed = list(outcome.effects), outcome.needs, outcome.pin_needed
    call.digest, call.approval_id, call.undo = outcome.digest, outcome.approval_id, outcome.undo
