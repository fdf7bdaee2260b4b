"""Widths, tables, colours, numbers: what a line is made of."""

from __future__ import annotations

import io

import pytest

from jarvis_cli.cells import fit, pad, width
from jarvis_cli.output import json_text
from jarvis_cli.style import Look, detect
from jarvis_cli.table import Cell, Column, Table, fields
from jarvis_cli.values import parse_duration, rfc3339, share, size, span


@pytest.mark.parametrize(
    ("text", "cells"),
    [("plex", 4), ("映画", 4), ("🍿", 2), ("e\u0301", 1), ("❤\ufe0f", 2), ("❤", 1), ("a\u200bb", 2), ("", 0)],
)
def test_width_in_cells(text: str, cells: int) -> None:
    assert width(text) == cells


def test_fit_never_exceeds_and_never_halves_a_wide_character() -> None:
    for room in range(1, 12):
        assert width(fit("映画館-plex", room)) <= room
    assert fit("映画館", 4) == "映…"
    assert fit("plex", 4) == "plex"
    assert pad("映", 4, right=True) == "  映"


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environ", "color", "depth"),
    [
        ({"TERM": "xterm-256color"}, None, 256),
        ({"TERM": "xterm"}, None, 16),
        ({"TERM": "xterm", "COLORTERM": "truecolor"}, None, 16777216),
        ({"TERM": "dumb"}, None, 0),
        ({"TERM": "xterm", "NO_COLOR": "1"}, None, 0),
        ({"TERM": "xterm", "NO_COLOR": "1", "FORCE_COLOR": "1"}, None, 0),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, None, 16),
        ({"TERM": "xterm"}, False, 0),
    ],
)
def test_colours_of_a_terminal(environ: dict[str, str], color: bool | None, depth: int) -> None:
    assert detect(Terminal(), color=color, environ=environ).colors == depth


def test_no_colour_where_no_terminal_is_unless_forced() -> None:
    assert detect(io.StringIO(), color=None, environ={"TERM": "xterm"}).colors == 0
    assert detect(io.StringIO(), color=None, environ={"TERM": "xterm", "FORCE_COLOR": "1"}).colors == 16
    assert detect(io.StringIO(), color=None, environ={}).width is None


def test_glyphs_have_ascii_forms() -> None:
    plain = Look(unicode=False)
    assert plain.state("online") == ("* online", "good")
    assert plain.glyphs("▲ ✖ ○ ◌ ⏸ ◆ ✔ …").isascii()


def house() -> Table:
    table = Table(
        [Column("NAME", flex=True), Column("NODE"), Column("MEM", right=True), Column("TAGS", optional=1)]
    )
    table.add("management", "Home", "50%", "docker infra")
    table.add(Cell("映画\x1b[31m 🍿", "bold"), "agent1", None, "x")
    return table


def test_columns_align_whatever_the_names_hold() -> None:
    lines = house().lines(Look())
    assert lines[0] == "NAME        NODE    MEM  TAGS"
    assert lines[2] == "映画 🍿     agent1    -  x"
    starts = [width(line[: line.index(word)]) for line, word in zip(lines, ("NODE", "Home", "agent1"), strict=True)]
    assert len(set(starts)) == 1


@pytest.mark.parametrize("columns", range(22, 60))
def test_a_table_fits_the_terminal(columns: int) -> None:
    assert all(width(line) <= columns for line in house().lines(Look(width=columns)))


def test_colour_changes_no_width_and_ends_with_its_cell() -> None:
    plain, painted = house().lines(Look()), house().lines(Look(colors=16))
    assert painted != plain
    import re

    assert [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in painted] == plain


def test_fields_show_the_unknown_as_a_dash() -> None:
    assert fields([("state", "ok"), ("uptime", None)], Look()) == ["state   ok", "uptime  -"]


def test_numbers_for_people() -> None:
    assert [size(n) for n in (None, 0, 512, 1 << 20, 1536 << 20, 5 << 40)] == [
        None, "0 B", "512 B", "1.00 MiB", "1.50 GiB", "5.00 TiB",
    ]  # fmt: skip
    assert [span(s) for s in (None, 4.2, 130, 3700, 90000, 41 * 86400)] == [
        None, "4 s", "2m10s", "1h01m", "1d01h", "41d",
    ]  # fmt: skip
    assert [share(v) for v in (None, 0.314, 1.0)] == [None, "31%", "100%"]


def test_times_are_rfc_3339_in_utc() -> None:
    assert rfc3339(1_800_000_000.0) == "2027-01-15T08:00:00.000Z"
    assert rfc3339(1_800_000_000.9996) == "2027-01-15T08:00:01.000Z"
    assert rfc3339(None) is None


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("10m", 600), ("1h30m", 5400), ("2d", 172800), ("0.5s", 0.5)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "x", "-5", "10y", "5 apples", "1h later", "m10"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        parse_duration(text)


def test_json_holds_nothing_a_terminal_would_act_on() -> None:
    assert json_text({"name": "a\x1b[31m\x9b2J\u202e"}) == '{"name": "a\\u001b[31m\\u009b2J\\u202e"}'
    assert json_text({"name": "映画 🍿"}) == '{"name": "映画 🍿"}'


def test_no_colour_bleeds_into_the_next_line() -> None:
    """Each line of the status ends with its colours switched off."""
    import re

    from jarvis_cli.commands.status import header
    from tests.golden import homelab

    state = {
        "clusters": {"c": {"name": "homelab", "quorate": False, "endpoints_failed": {"https://a": "mute"}}},
        "nodes": {n.id: {"name": n.name, "status": n.status} for n in homelab.NODES},
    }
    lines = list(header(state, homelab.NOW, Look(colors=16), simulated=True))
    assert len(lines) == 4
    for line in lines:
        codes = re.findall(r"\x1b\[([0-9;]*)m", line)
        assert codes
        assert codes[-1] == "0"
        assert codes[1::2] == ["0"] * (len(codes) // 2)
