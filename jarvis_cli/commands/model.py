"""`jarvis model`: the language models that may be asked, and the weights of a small one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import typer

from jarvis_cli import admin, shapes, views
from jarvis_cli.group import Reading, noun
from jarvis_cli.session import session
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
FETCH_S: Final = 4 * 3600.0
"""A few hundred megabytes over a slow line."""


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
    epilog="jarvis model fetch smollm2-135m\n"
    "jarvis model fetch https://example.org/model.gguf --sha256 0f3c…",
)  # fmt: skip
def fetch(
    ctx: typer.Context,
    model: str = typer.Argument(help="A known name, or the https address of a GGUF file.", metavar="NAME|URL"),
    sha256: str | None = typer.Option(None, "--sha256", help="Of the file; needed with an address.", metavar="HEX"),
) -> None:
    """Download the weights of a small model, checked. Needs no daemon."""
    run = session(ctx)
    run.local_only("model fetch")
    if "://" in model and not sha256:
        raise JarvisError(
            "invalid_params", "An address needs the sha256 of its file",
            why="what is not checked could be anything", next="Give --sha256 HEX.",
        )  # fmt: skip
    run.out.note(f"Fetching {clean(model, limit=200)} …")
    given = {"model": model, **({"sha256": sha256} if sha256 else {})}
    found = admin.ask("model", "fetch", given=given, timeout_s=FETCH_S)

    def lines(look: Look) -> Iterator[str]:
        told = size(found.get("size_bytes")) or "it"
        yield look.paint(look.glyphs(f"✔ {clean(str(found.get('path')))}"), "good") + f" ({told})"
        yield "`[assistant.embedded] enabled = true` in the settings uses it."

    run.out.emit(found, lines)
