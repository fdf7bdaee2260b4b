"""Calling a tool for a person: plan, question, call, its log while it runs, its outcome.

What is asked follows the gate: a plan that needs nothing runs at once, RED asks y/N (``--yes`` skips that), BLACK
asks for the target's name, which nothing skips. Standard library only.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import typer

from jarvis_cli import outcome as outcomes
from jarvis_cli.session import Links, Session
from jarvis_cli.shapes import Entity
from jarvis_cli.style import detect
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.plain import PlainClient
from jarvis_daemon.protocol.text import clean

GRACE_S: Final = 150.0
"""What the gate may take beyond a tool's own time-out: to queue, to read back, to write it down."""


class Wish(NamedTuple):
    """One call as a person wants it."""

    tool: str
    args: dict[str, Any]
    dry_run: bool = False
    yes: bool = False
    key: str | None = None


def tool_info(link: PlainClient, name: str, *, command: str | None = None) -> Entity:
    """What the daemon says of a tool. Raises ``not_found``; for a verb (``command``) ``unavailable``."""
    try:
        tools = link.call("tool.list", {"names": [name]})["tools"]
    except JarvisError as error:
        if error.code != "not_found" or command is None:
            raise
        raise JarvisError(
            "unavailable", f"This daemon cannot do `{command}`", why=f"it has no tool {name}",
            next="`jarvis tool list` shows what it has; after an update, `jarvis daemon restart`.",
        ) from None  # fmt: skip
    return dict(tools[0])


def order(run: Session, wish: Wish, *, command: str) -> None:
    """One call for ``command``, from its plan to the exit code. Raises ``typer.Exit``, and as ``perform``."""
    with run.links() as links:
        with links() as link:
            info = tool_info(link, wish.tool, command=command)
            simulated = bool(link.welcome.get("simulated"))
        found = perform(run, links, info, wish)
    tell(run, found, simulated=simulated)


def perform(run: Session, links: Links, info: Entity, wish: Wish) -> Entity:
    """Plan, ask, call; the outcome. Raises ``invalid_params`` where nobody can be asked."""
    params: dict[str, Any] = {"name": wish.tool, "args": wish.args}
    if info.get("tier") != "green":
        with links() as link:
            link.settimeout(max(run.timeout_s, 60.0))
            plan = link.call("tool.call", {**params, "dry_run": True})
        if wish.dry_run or plan.get("outcome") != "planned":
            return plan
        params |= confirmation(run, plan, yes=wish.yes)
        if wish.key:
            params["idempotency_key"] = wish.key
    with links() as link:
        link.settimeout(float(info.get("timeout_s") or 60.0) * 2 + GRACE_S)
        return follow(run, link, params)


def follow(run: Session, link: PlainClient, params: dict[str, Any]) -> Entity:
    """Call, and tell the lines of its log on stderr as they come."""
    answer: Entity = {}
    try:
        for answer in link.stream("tool.call", params):
            if "outcome" not in answer:
                for line in _progress(answer):
                    run.out.note(f"  {line}")
    except KeyboardInterrupt:
        run.out.warn("\nThe daemon goes on with it; `jarvis audit list` tells what became of it.")
        raise
    return answer


def _progress(data: Entity) -> Iterable[str]:
    found = data.get("lines")
    if not isinstance(found, list):
        found = [data[key] for key in ("text", "step", "message") if data.get(key)]
    return (clean(str(line)) for line in found)


# --- the question ---------------------------------------------------------------------------------------


def confirmation(run: Session, plan: Entity, *, yes: bool) -> dict[str, Any]:
    """What the call has to carry so that the gate takes it as confirmed. Raises ``invalid_params`` without a
    person to ask, ``typer.Abort`` at a no."""
    needs = plan.get("needs")
    found: dict[str, Any] = {}
    if needs not in {"confirm", "typed_name"}:
        return found
    if needs == "typed_name":
        _terminal(run, plan, "the name of the target has to be typed at a terminal, and --yes is not enough")
        show(run, plan)
        found["typed"] = ask_name(plan)
    elif not yes:
        _terminal(run, plan, "it has to be confirmed, and nobody can answer here", hint="Give --yes.")
        show(run, plan)
        if not typer.confirm("Go on?", default=False, err=True):
            raise JarvisError("cancelled", "Nothing was done", next="`--dry-run` shows the plan only.")
    if plan.get("pin_needed"):
        found["pin"] = ask_pin(run)
    return found | {"confirm": plan.get("digest")}


def show(run: Session, plan: Entity) -> None:
    """The plan, on stderr: stdout is for the outcome."""
    look = detect(sys.stderr, color=run.out.color)
    for line in outcomes.plan_lines(plan, look):
        run.out.warn(line)


def ask_name(plan: Entity) -> str:
    """The typed name. Raises ``cancelled`` when it is another one."""
    name = clean(str(plan.get("target_name") or ""))
    typed = str(typer.prompt(f"This destroys. Type {name} to go on", default="", show_default=False, err=True))
    if typed.strip() != str(plan.get("target_name") or ""):
        raise JarvisError("cancelled", f"That is not {name}; nothing was done")
    return typed.strip()


def ask_pin(run: Session) -> str:
    """The operator's pin, unseen. Raises ``invalid_params`` without a terminal."""
    run.need_input("it at a terminal: the pin is never taken from flags or pipes", "The operator's pin")
    return str(typer.prompt("Pin", hide_input=True, err=True))


def _terminal(run: Session, plan: Entity, why: str, hint: str = "Run it at a terminal.") -> None:
    if run.no_input or not sys.stdin.isatty():
        what = clean(str(plan.get("text") or "")).removeprefix("Would: ").rstrip(".")
        raise JarvisError("invalid_params", what, why=why, next=f"{hint} `--dry-run` shows the plan.")


# --- the outcome ----------------------------------------------------------------------------------------


def tell(run: Session, found: Entity, *, simulated: bool, well: frozenset[str] = outcomes.WELL) -> None:
    """Print the outcome and end with its exit code."""
    code = 0 if found.get("outcome") in well else outcomes.exit_code(found)
    if code == 0 or not run.out.is_table:
        run.out.emit(outcomes.document(found, simulated=simulated), lambda look: outcomes.lines(found, look))
    if code != 0:
        look = detect(sys.stderr, color=run.out.color)
        run.out.warn(f"{look.paint('jarvis:', 'bad')} {outcomes.sentence(found)}")
        if found.get("next"):
            run.out.warn(f"{look.paint('  next:', 'faint')} {clean(str(found['next']))}")
    raise typer.Exit(code)
