"""`jarvis ask`: a question or an order, in words."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from jarvis_cli import outcome, talk
from jarvis_cli.group import Reading, verb
from jarvis_cli.session import Session, session
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.text import clean

app = verb()

EXAMPLES = """
jarvis ask "how hot is pve"
jarvis ask restart plex                          asks y/N, as `jarvis guest reboot plex` does
jarvis ask --yes "restart plex"
jarvis ask --no-input -o json "what happened last night" | jq -r .reply
journalctl -u smbd -n 50 | jarvis ask --local -
"""


@app.command("ask", cls=Reading, epilog=EXAMPLES)
def ask(
    ctx: typer.Context,
    text: Annotated[
        list[str], typer.Argument(help="What you want to say; - reads it from standard input.", metavar="TEXT")
    ],
    session_: str | None = typer.Option(
        None, "--session", help="Go on with that conversation: its id, or last.", metavar="ID"
    ),
    new: bool = typer.Option(False, "--new", help="Begin a new conversation."),
    local: bool = typer.Option(False, "--local", help="Nothing leaves the house: no model of a provider."),
    cloud: bool = typer.Option(False, "--cloud", help="Ask the provider's model first."),
    no_model: bool = typer.Option(False, "--no-model", help="Sentence files only, no model at all."),
    yes: bool = typer.Option(False, "--yes", "-y", help="Do not ask; what destroys asks anyway."),
) -> None:
    """Ask or order something in words; what is done goes through the same gate as every command.

    At a terminal it goes on with the conversation used last; a script (no terminal, or --no-input) begins a new
    one. Exit codes: 0 answered or done, 1 failed, 5 refused, 6 not understood, 7 a call waits for a word, 8 cut
    short or not known what became of it, 130 Ctrl-C, which cancels.
    """
    run = session(ctx)
    if session_ and new:
        raise JarvisError("invalid_params", "Give either --session or --new, not both")
    backend = backend_of(local=local, cloud=cloud, no_model=no_model)
    said = say(run, _words(text), session_=session_, new=new, backend=backend, yes=yes)
    if not run.out.is_table:
        run.out.emit(talk.document(said), lambda look: [])
    else:
        after(run, said)
    raise typer.Exit(talk.exit_code(said))


def say(run: Session, text: str, *, session_: str | None, new: bool, backend: str, yes: bool = False) -> talk.Said:
    """Say it in the named conversation; without a name in the last one at a terminal, else in a new one."""
    if session_ is not None or new:
        return talk.talk(run, text, session=session_, backend=backend, yes=yes)
    if run.no_input or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return talk.talk(run, text, session=None, backend=backend, yes=yes)
    try:
        return talk.talk(run, text, session="last", backend=backend, yes=yes)
    except JarvisError as error:
        if error.code != "not_found":
            raise
        return talk.talk(run, text, session=None, backend=backend, yes=yes)


def after(run: Session, said: talk.Said) -> None:
    """What stands below an answer: how it is taken back, and that the homelab is simulated."""
    text = str(said.reply.get("text") or "")
    for call in said.reply.get("calls") or []:
        if "undo:" not in text and call.get("status") == "verified" and (undo := outcome.undo_line(call)):
            run.out.note(f"undo: {undo}")
    meant = clean(str(said.reply.get("suggestion") or ""))
    if meant and meant not in text:
        run.out.note(f"Did you mean: {meant}?")
    if said.simulated:
        run.out.note("SIMULATED")


def backend_of(*, local: bool, cloud: bool, no_model: bool) -> str:
    """The backend that the options name. Raises ``invalid_params`` for more than one."""
    chosen = [name for name, given in (("local", local), ("cloud", cloud), ("intents", no_model)) if given]
    if len(chosen) > 1:
        raise JarvisError("invalid_params", "Give one of --local, --cloud and --no-model")
    return chosen[0] if chosen else "auto"


def _words(text: list[str]) -> str:
    """What is to be said. Raises ``invalid_params`` where that is nothing."""
    said = " ".join(text)
    if said == "-":
        said = sys.stdin.buffer.read().decode(errors="replace")
    if not said.strip():
        raise JarvisError("invalid_params", "There is nothing to be said", next="`jarvis ask -h` has examples.")
    return said.strip()
