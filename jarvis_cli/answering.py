"""What a turn asks of the person: to confirm a call, to let a model's call run, to say what was suggested."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any, Final

import typer

from jarvis_cli import calling
from jarvis_cli.session import Session
from jarvis_cli.shapes import Entity
from jarvis_cli.style import Look, detect
from jarvis_cli.turns import Turn
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.text import clean

TRIES: Final = 3
"""How often one call is asked about: a pin may be mistyped."""
ANSWER_S: Final = 4200.0
"""The answer to an approval comes with the outcome of its call."""


def may_ask(run: Session) -> bool:
    return not run.no_input and sys.stdin.isatty()


def confirm_calls(
    run: Session, turn: Turn, reply: Entity, begin: Callable[[], None], *, yes: bool
) -> Entity:  # fmt: skip
    """Ask about each call of ``reply`` that asks, and answer it; the reply as it is then. Without a person, only
    ``yes`` answers, and only what wants no more than a yes. ``begin`` is called before each answer: what comes
    of it is a text of its own."""
    tried: dict[str, int] = {}
    while call := _next(reply, tried):
        ident = str(call.get("id"))
        tried[ident] = tried.get(ident, 0) + 1
        try:
            given = _word(run, call, yes=yes)
        except typer.Abort:  # Ctrl-C is a no
            begin()
            with contextlib.suppress(JarvisError):
                turn.confirm(ident, approve=False)
            raise
        if given is None:
            tried[ident] = TRIES
            how = "at a terminal, or with --yes" if call.get("needs") == "confirm" else "at a terminal"
            run.out.note(f"Nothing was done: it wants your word. Say it again {how}.")
            continue
        begin()
        reply = turn.confirm(ident, **given)
    return reply


def _next(reply: Entity, tried: dict[str, int]) -> Entity | None:
    asking = (call for call in reply.get("calls") or [] if call.get("status") == "asks")
    return next((dict(call) for call in asking if tried.get(str(call.get("id")), 0) < TRIES), None)


def _word(run: Session, call: Entity, *, yes: bool) -> dict[str, Any] | None:
    """What is answered; None where nobody can be asked."""
    easy = yes and call.get("needs") == "confirm"
    if not may_ask(run):
        return {"approve": True} if easy and not call.get("pin_needed") else None
    plan = {**call, "tool": call.get("name")}
    found: dict[str, Any] = {"approve": True}
    if not easy:
        calling.show(run, plan)
    try:
        if call.get("needs") == "typed_name":
            found["typed"] = calling.ask_name(plan)
        elif not easy and not typer.confirm("Go on?", default=False, err=True):
            return {"approve": False}
        if call.get("pin_needed"):
            found["pin"] = calling.ask_pin(run)
    except JarvisError as error:  # another name was typed
        run.out.warn(error.sentence())
        return {"approve": False}
    return found


def authorize(run: Session, call: Entity) -> Entity | None:
    """Ask whether a model's call may run, and answer its approval; its outcome. None where somebody else has
    answered it. That is done on a session of its own: the one that asked may not."""
    from jarvis_cli.commands.approvals import card, find

    with run.links() as links:
        with links() as link:
            try:
                entry = find(link, str(call.get("approval_id")))
            except JarvisError as error:
                if error.code != "not_found":
                    raise
                return None
        if entry.get("status") != "pending":
            return None
        look = detect(sys.stderr, color=run.out.color)
        for line in (*card(entry, look), *origin_lines(call, look)):
            run.out.warn(line)
        params: dict[str, Any] = {"id": entry["id"]}
        try:
            params["approve"] = typer.confirm("Let it run?", default=False, err=True)
            if params["approve"] and entry.get("pin_needed"):
                params["pin"] = calling.ask_pin(run)
        except typer.Abort:  # Ctrl-C is a no
            with links() as link:
                link.call("approval.answer", {"id": entry["id"], "approve": False})
            raise
        with links() as link:
            link.settimeout(ANSWER_S)
            return link.call("approval.answer", params)


def origin_lines(call: Entity, look: Look) -> Iterator[str]:
    """Where each argument of a model's call came from."""
    for origin in call.get("origins") or []:
        yield look.paint("  from ", "faint") + clean(str(origin))


def suggestion(run: Session, reply: Entity) -> str | None:
    """The sentence that was suggested, if the person says yes to it."""
    text = clean(str(reply.get("suggestion") or ""))
    if not text or not may_ask(run):
        return None
    told = text in str(reply.get("text") or "")
    question = "Is that what you mean?" if told else f"Did you mean: {text}?"
    return text if typer.confirm(question, default=False, err=True) else None
