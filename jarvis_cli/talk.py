"""A sentence said to Jarvis, from its words to what came of it: for `jarvis ask` and `jarvis chat`."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import typer

from jarvis_cli import answering, outcome
from jarvis_cli.session import Session
from jarvis_cli.shapes import Entity
from jarvis_cli.telling import Teller
from jarvis_cli.turns import LOST, Turn
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.text import clean

SUGGESTIONS_MAX: Final = 3
CALL: Final = (
    "name", "args", "tier", "status", "target", "target_name", "text", "why", "next", "approval_id", "origins",
    "by",
)  # fmt: skip
WAITS: Final = 7
CUT: Final = 8
NOT_UNDERSTOOD: Final = 6
BLOCKED: Final = 5
_WELL: Final = frozenset({"done", "verified"})
_WAITING: Final = frozenset({"asks", "awaiting", "running"})


class Said(NamedTuple):
    """The last reply, with what was answered to it here; the interrupted one has ``stopped``."""

    reply: Entity
    simulated: bool
    stopped: bool = False


def talk(run: Session, text: str, *, session: str | None, backend: str = "auto", yes: bool = False) -> Said:
    """Say ``text``, tell what comes, ask what it asks. Ctrl-C cancels the turn and keeps what was said.
    Raises as ``Turn.say``; ``typer.Abort`` for Ctrl-C at a question, which is answered with no."""
    said = _turn(run, text, session, backend, yes=yes)
    for _ in range(SUGGESTIONS_MAX):
        meant = None if said.stopped else answering.suggestion(run, said.reply)
        if meant is None:
            break
        said = _turn(run, meant, str(said.reply.get("session") or "") or session, backend, yes=yes)
    return said


def _turn(run: Session, text: str, session: str | None, backend: str, *, yes: bool) -> Said:
    tell = Teller(run)
    turn = Turn(run, tell.hear)
    try:
        reply = turn.say(text, session=session, backend=backend)
        tell.finish(reply)
        if (later := answering.confirm_calls(run, turn, reply, tell.begin, yes=yes)) is not reply:
            reply = later
            tell.finish(reply)
    except (KeyboardInterrupt, typer.Abort):
        return Said(_stop(run, turn, tell), turn.simulated, stopped=True)
    except JarvisError as error:
        tell.break_line()
        if tell.said and error.code in LOST:
            tell.aside("(cut: the daemon ended)", "warn")
        raise
    return _authorized(run, tell, reply, turn.simulated)


def _authorized(run: Session, tell: Teller, reply: Entity, simulated: bool) -> Said:
    """Ask about each call of a model that waits; the reply with what became of them."""
    calls = []
    stopped = False
    for call in reply.get("calls") or []:
        found: Entity | None = None
        if call.get("status") != "awaiting" or stopped:
            pass
        elif not answering.may_ask(run):
            tell.aside(f"It waits for your word: `jarvis approve {clean(str(call.get('approval_id')))}`")
        else:
            try:
                found = answering.authorize(run, call)
            except JarvisError as error:
                run.out.error(error)
            except (KeyboardInterrupt, typer.Abort):
                stopped = True
        if found is not None:
            told = {name: found.get(name) for name in ("text", "why", "next", "undo")}
            call = {**call, **told, "status": found.get("outcome") or call["status"]}
            tell.hear({"kind": "chat.call", "data": call})
            if run.out.is_table and found.get("outcome") in outcome.WELL:
                run.out.line(outcome.sentence(found))
        calls.append(call)
    return Said({**reply, "calls": calls}, simulated, stopped)


def _stop(run: Session, turn: Turn, tell: Teller) -> Entity:
    """Cancel the turn; what was said stays, in the daemon too."""
    tell.break_line()
    try:
        reply = turn.cancel()
    except JarvisError as error:
        tell.aside(f"(it could not be cancelled: {error.sentence()})", "warn")
        return {"session": turn.session, "turn": turn.id, "text": tell.said, "status": "cancelled"}
    tell.finish(reply)
    return {**reply, "status": "cancelled"}


# --- the outcome ----------------------------------------------------------------------------------------


def document(said: Said) -> Entity:
    """The shape *answer* of docs/output.md."""
    reply = said.reply
    return {
        "simulated": said.simulated,
        "reply": str(reply.get("text") or ""),
        "calls": [{name: call.get(name) for name in CALL} | {"undo_command": outcome.undo_line(call)}
                  for call in reply.get("calls") or []],
        "meant": reply.get("meant") or None,
        "backend": reply.get("backend"),
        "suggestion": reply.get("suggestion"),
        "session": reply.get("session"),
        "turn": reply.get("turn"),
        "status": reply.get("status"),
        "notes": list(reply.get("notes") or []),
    }  # fmt: skip


def exit_code(said: Said) -> int:
    """0 answered or done; 1 it failed; 5 refused, denied, or not done for what was said; 6 not understood; 7 a call
    waits for a word; 8 cut short, or nobody knows what became of a call; 130 interrupted. Of several calls the
    gravest word counts; a model's reads do not, for it may try another way."""
    if said.stopped:
        return 130
    reply = said.reply
    counted = [c for c in reply.get("calls") or [] if c.get("by") == "words" or c.get("tier") != "green"]
    codes = [_call_code(call) for call in counted]
    status = reply.get("status")
    codes += {"asks": [WAITS], "cut": [CUT], "cancelled": [1]}.get(str(status), [])
    codes += {"unknown": [NOT_UNDERSTOOD], "blocked": [BLOCKED]}.get(str(reply.get("meant")), [])
    codes += [1] if status == "failed" else []
    return next((code for code in (CUT, 1, 5, 2, NOT_UNDERSTOOD, WAITS) if code in codes), max(codes, default=0))


def _call_code(call: dict[str, Any]) -> int:
    status = str(call.get("status"))
    if status in _WELL:
        return 0
    return WAITS if status in _WAITING else outcome.exit_code({"outcome": status})
