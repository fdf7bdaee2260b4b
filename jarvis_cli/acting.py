"""Makes commands of the rows of ``verbs.VERBS``, and runs them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any, Final

import typer

from jarvis_cli import calling, complete, names, verbs
from jarvis_cli.group import Reading
from jarvis_cli.session import Links, Session, session
from jarvis_cli.state import picture
from jarvis_cli.verbs import Part, Verb
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.text import clean

_COMPLETE: Final = {"guest": complete.guests, "node": complete.nodes}


def add(app: typer.Typer, noun: str) -> None:
    """Give a noun's app its verbs."""
    for verb in verbs.VERBS:
        if verb.noun == noun:
            app.command(verb.name, cls=Reading, help=verb.text)(command(verb))


def command(verb: Verb) -> Callable[..., None]:
    """The function of one verb, with the signature that its row describes."""

    def run_verb(ctx: typer.Context, **given: Any) -> None:
        perform(session(ctx), verb, given)

    context = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    parameters = [context, *_parameters(verb)]
    run_verb.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run_verb.__annotations__ = {p.name: p.annotation for p in parameters}
    return run_verb


def _parameters(verb: Verb) -> Iterator[inspect.Parameter]:
    if verb.about != "none":
        name, text = verbs.WORDS[verb.about]
        yield _parameter(name, str, typer.Argument(help=text, autocompletion=_COMPLETE.get(verb.about)))
    for part in verb.parts:
        yield _parameter(part.name, part.kind if part.required else part.kind | None, _info(part))
    if verb.asks:
        yield _parameter("dry_run", bool, typer.Option(False, "--dry-run", help="Show the plan; change nothing."))
        yield _parameter(
            "yes", bool, typer.Option(False, "--yes", "-y", help="Do not ask; what destroys asks anyway.")
        )
        yield _parameter("key", str | None, typer.Option(
            None, "--idempotency-key", help="The same key never does it twice within 24 hours.", metavar="KEY",
        ))  # fmt: skip


def _info(part: Part) -> Any:
    if part.option is not None:
        return typer.Option(None, part.option, help=part.text, metavar=part.metavar)
    return typer.Argument(... if part.required else None, help=part.text, metavar=part.metavar)


def _parameter(name: str, kind: Any, info: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=info, annotation=kind)


def perform(run: Session, verb: Verb, given: dict[str, Any]) -> None:
    """One verb from its words to its exit code."""
    word = given.pop(verbs.WORDS[verb.about][0], None) if verb.about != "none" else None
    dry_run, yes, key = (given.pop(name, None) for name in ("dry_run", "yes", "key"))
    with run.links(role="operator" if verb.asks else "viewer") as links:
        kind, subject, simulated = _subject(links, verb, word)
        tool = verb.tool(kind)
        with links() as link:
            info = calling.tool_info(link, tool, command=f"jarvis {verb.noun} {verb.name}")
        args = verbs.arguments(verb, subject, given)
        wish = calling.Wish(tool, args, dry_run=bool(dry_run), yes=bool(yes), key=key)
        found = calling.perform(run, links, info, wish)
    calling.tell(run, found, simulated=simulated)


def _subject(links: Links, verb: Verb, word: str | None) -> tuple[str | None, str | None, bool]:
    """``(kind, what the tool is told, simulated)``; names are looked up here, so that one that two guests share
    is refused with their vmids."""
    if verb.about in {"guest", "node"}:
        with links() as link:
            found = picture(link, "cluster")
        if verb.about == "guest":
            guest = names.guest(found.state, str(word))
            return str(guest.get("kind")), str(guest.get("vmid")), found.simulated
        return None, str(names.node(found.state, str(word))["name"]), found.simulated
    if verb.about != "none":
        _both(verb, str(word))
    with links() as link:
        return None, word, bool(link.welcome.get("simulated"))


def _both(verb: Verb, word: str) -> None:
    node, slash, what = word.partition("/")
    if not (node and slash and what):
        raise JarvisError(
            "invalid_params", f"{clean(word, limit=60)!r} does not say where",
            why=f"write it {verbs.WORDS[verb.about][1][0].lower()}{verbs.WORDS[verb.about][1][1:].rstrip('.')}",
            next=f"`jarvis {verb.noun} list` shows them.",
        )  # fmt: skip
