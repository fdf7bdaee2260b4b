"""`jarvis model`: the language models that may be asked, and the weights of a small one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, Final

import typer

from jarvis_cli import admin, shapes, views
from jarvis_cli.child import Child
from jarvis_cli.group import Reading, noun
from jarvis_cli.session import Session, session
from jarvis_cli.shapes import Entity
from jarvis_cli.style import Look
from jarvis_cli.table import Cell, Column, Table
from jarvis_cli.values import size
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.text import clean

app = noun("model", "Language models: which can be asked, and why not.")

MODEL: Final = (
    "name", "model", "place", "enabled", "healthy", "why", "window_tokens", "native_tools", "breaker",
)  # fmt: skip
_PLACE: Final = {"here": "this machine", "lan": "the house", "cloud": "a provider"}


@app.command("list", cls=Reading)
def list_(ctx: typer.Context) -> None:
    """The models as they are now, each asked for its health."""
    run = session(ctx)
    with run.link() as link:
        link.settimeout(max(run.timeout_s, 30.0))  # each backend is asked
        found = list(link.call("models.show", {})["models"])
        simulated = bool(link.welcome.get("simulated"))
    rows = [shapes.shape(one, MODEL) for one in found]

    def lines(look: Look) -> Iterator[str]:
        yield from _table(found, look)
        if not any(one.get("enabled") for one in found):
            yield ""
            yield "No model is switched on: what the sentence files understand is answered all the same."
            yield look.paint(
                "`jarvis config show` has [assistant.local], [assistant.embedded], [assistant.cloud].", "faint"
            )
        yield from views.footer(look, {}, 0.0, simulated=simulated)

    run.out.emit({"simulated": simulated, "models": rows}, lines, rows=rows)


def _table(found: list[Entity], look: Look) -> list[str]:
    table = Table([
        Column("NAME"), Column("STATE"), Column("MODEL", flex=True), Column("RUNS IN", optional=2),
        Column("WINDOW", right=True, optional=1), Column("TOOLS", optional=3), Column("NOTE", flex=True),
    ])  # fmt: skip
    for one in found:
        window = one.get("window_tokens")
        table.add(
            Cell(str(one.get("name")), "bold"), _state(one), clean(str(one.get("model") or "-")),
            _PLACE.get(str(one.get("place")), str(one.get("place"))), None if window is None else f"{window:,}",
            "native" if one.get("native_tools") else "by choice", clean(str(one.get("why") or "")) or None,
        )  # fmt: skip
    return table.lines(look)


def _state(one: Entity) -> Cell:
    if not one.get("enabled"):
        return Cell("○ off", "faint")
    if one.get("breaker") == "open":
        return Cell("▲ resting", "warn")
    return Cell("● healthy", "good") if one.get("healthy") else Cell("✖ ill", "bad")


@app.command(
    "fetch", cls=Reading,
    epilog="jarvis model fetch\n"
    "jarvis model fetch https://example.org/model.gguf --sha256 0f3c…",
)  # fmt: skip
def fetch(
    ctx: typer.Context,
    model: str | None = typer.Argument(
        None, help="A known name, or the https address of a GGUF file; without it the smallest one that is known.",
        metavar="[NAME|URL]",
    ),
    sha256: str | None = typer.Option(None, "--sha256", help="Of the file; needed with an address.", metavar="HEX"),
) -> None:  # fmt: skip
    """Download the weights of a small model, checked. Needs no daemon."""
    run = session(ctx)
    run.local_only("model fetch")
    if model is not None and "://" in model and not sha256:
        raise JarvisError(
            "invalid_params", "An address needs the sha256 of its file",
            why="what is not checked could be anything", next="Give --sha256 HEX.",
        )  # fmt: skip
    wanted = model or _smallest()
    run.out.note(f"Fetching {clean(wanted, limit=200)} …")
    found = _fetched(run, {"model": wanted, "progress": True, **({"sha256": sha256} if sha256 else {})})

    def lines(look: Look) -> Iterator[str]:
        told = ", ".join(filter(None, (size(found.get("size_bytes")), clean(str(found.get("licence") or "")))))
        yield look.paint(look.glyphs(f"✔ {clean(str(found.get('path')))}"), "good") + f" ({told})"
        yield "`[assistant.embedded] enabled = true` in the settings uses it."

    run.out.emit(found, lines)


def _smallest() -> str:
    """Of the known weights. Raises ``unavailable`` where none are known."""
    known = sorted(admin.ask("model", "list")["known"], key=lambda one: one.get("size_bytes") or 0)
    if not known:
        raise JarvisError("unavailable", "No weights are known by name", next="Give an https address and --sha256.")
    return str(known[0]["name"])


def _fetched(run: Session, given: dict[str, Any]) -> Entity:
    """See the download to its end; how far it is shows at a terminal, on one line."""
    shows = sys.stderr.isatty() and not run.out.quiet
    with Child("model", "fetch", given=given) as child:
        for line in child.progress():
            if shows:
                sys.stderr.write(f"\r  {clean(line, limit=60)} ")
                sys.stderr.flush()
        if shows:
            sys.stderr.write("\n")
        return child.answer()
