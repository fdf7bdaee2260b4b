"""What became of a call, in words. Only what was read back is told as done; nothing else gets a word of success."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from jarvis_daemon.assistant.answers.answer import Answer
from jarvis_daemon.assistant.answers.commands import command_of
from jarvis_daemon.assistant.answers.results import tell_result
from jarvis_daemon.assistant.answers.view import View
from jarvis_daemon.assistant.answers.words import capital, safe, sentences
from jarvis_daemon.incidents.lines import span
from jarvis_daemon.protocol.messages import ToolOutcome

OUTSIDE: Final = 600
"""Characters of a sentence of the gate: names and errors of servers are in it."""


def tell_outcome(outcome: ToolOutcome, view: View, *, args: Mapping[str, Any], writes: bool) -> Answer:
    """``args``: as they were asked for; ``writes``: of the tool."""
    if outcome.outcome == "done" and not writes:
        return tell_result(outcome, view, args)
    text, why = _plain(outcome.text), _plain(outcome.why)
    told = {
        "verified": _verified,
        "done": _verified,
        "contradicted": _contradicted,
        "unverified": _unverified,
        "failed": _failed,
        "refused": _refused,
        "denied": _denied,
        "expired": _expired,
        "cancelled": _cancelled,
        "awaiting": _awaiting,
        "planned": _planned,
    }[outcome.outcome]
    return told(outcome, view, args, text, why)


def _plain(text: str) -> str:
    return safe(text, OUTSIDE).rstrip(".")


def _target(outcome: ToolOutcome) -> str:
    return safe(outcome.target_name or outcome.target.partition(":")[2] or outcome.tool.replace("_", " "), 120)


def _next(outcome: ToolOutcome) -> tuple[str, ...]:
    return (_plain(outcome.next),) if outcome.next else ()


def _facts(outcome: ToolOutcome, args: Mapping[str, Any]) -> dict[str, Any]:
    plain = {name: value for name, value in args.items() if isinstance(value, str | int | float)}
    return {**plain, "target": _target(outcome), "tool": outcome.tool, "outcome": outcome.outcome}


def _verified(outcome: ToolOutcome, view: View, args: Mapping[str, Any], text: str, why: str) -> Answer:
    lines = []
    if outcome.undo:
        lines.append(f"undo: `{command_of(str(outcome.undo.get('name')), outcome.undo.get('args') or {})}`")
    fact = text or f"{capital(outcome.tool.replace('_', ' '))} on {_target(outcome)} is done, and was read back"
    return Answer(
        sentences([fact, why]),
        tuple(lines),
        _facts(outcome, args),
        tainted=outcome.tainted,
        success=True,
        ways=(sentences([f"Very good{{sir}}: {fact}", why]), sentences([f"{fact}, as asked", why])),
    )


def _contradicted(outcome: ToolOutcome, view: View, args: Mapping[str, Any], text: str, why: str) -> Answer:
    told = text or f"{_target(outcome)}: it was sent, but what is read back contradicts it"
    return _bad(outcome, args, told, why, "I am afraid it did not take")


def _unverified(outcome: ToolOutcome, view: View, args: Mapping[str, Any], text: str, why: str) -> Answer:
    told = text or f"{_target(outcome)}: it was sent, but it is not known what became of it"
    return _bad(outcome, args, told, why, "I cannot vouch for it")


def _failed(outcome: ToolOutcome, view: View, args: Mapping[str, Any], text: str, why: str) -> Answer:
    return _bad(outcome, args, text or f"It failed on {_target(outcome)}", why, "I am afraid it failed")


def _refused(outcome: ToolOutcome, view: View, args: Mapping[str, Any], text: str, why: str) -> Answer:
    return _bad(outcome, args, text or f"The gate refuses this on {_target(outcome)}", why, "I may not do that")


def _denied(outcome: ToolOutcome, view: View, args: Mapping[str, Any], text: str, why: str) -> Answer:
    return _bad(
        outcome,
        args,
        text or f"It was denied, and nothing was touched on {_target(outcome)}",
        why,
        "The answer was no",
    )


def _expired(outcome: ToolOutcome, view: View, args: Mapping[str, Any], text: str, why: str) -> Answer:
    return _bad(
        outcome,
        args,
        text or "Nobody answered in time, and nothing was touched",
        why,
        "The time for an answer is over",
    )


def _cancelled(outcome: ToolOutcome, view: View, args: Mapping[str, Any], text: str, why: str) -> Answer:
    return _bad(outcome, args, text or f"It was called off on {_target(outcome)}", why, "It was called off")


def _awaiting(outcome: ToolOutcome, view: View, args: Mapping[str, Any], text: str, why: str) -> Answer:
    told = text or f"{_target(outcome)} waits for your approval"
    left = outcome.expires_at - view.now if outcome.expires_at is not None else None
    command = f"`jarvis approve {safe(outcome.approval_id, 60)}`" if outcome.approval_id else ""
    until = f", within {span(left)}" if left is not None and left > 0 else ""
    lines = [f"{command} lets it run{until}"] if command else list(_next(outcome))
    return Answer(
        sentences([told, why]),
        (*lines, *(_plain(e) for e in outcome.effects)),
        _facts(outcome, args),
        grave=True,
        tainted=outcome.tainted,
        ways=(sentences([f"Nothing has happened yet: {told}", why]),),
    )


def _planned(outcome: ToolOutcome, view: View, args: Mapping[str, Any], text: str, why: str) -> Answer:
    told = text or f"This would act on {_target(outcome)}"
    return Answer(
        sentences([told, why, "Nothing has happened yet"]),
        tuple(_plain(e) for e in outcome.effects),
        _facts(outcome, args),
        grave=True,
        tainted=outcome.tainted,
        ways=(sentences(["Nothing has happened yet", told, why]),),
    )


def _bad(outcome: ToolOutcome, args: Mapping[str, Any], told: str, why: str, mood: str) -> Answer:
    """The fact first; the mood may go before it where it says the same, and never lightens it."""
    return Answer(
        sentences([told, why]),
        _next(outcome),
        _facts(outcome, args),
        grave=True,
        tainted=outcome.tainted,
        ways=(sentences([f"{mood}: {told}", why]), sentences([told, f"The reason: {why}" if why else ""])),
    )
