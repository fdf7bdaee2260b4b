"""Cells, lines, sparklines and the table's view."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from jarvis_cli.hud.widgets.braille import Canvas
from jarvis_cli.hud.widgets.cells import cut, fit, safe, to_ascii, width, wrap
from jarvis_cli.hud.widgets.lines import barred, exact, framed, join, length, spread
from jarvis_cli.hud.widgets.pane import changed_until
from jarvis_cli.hud.widgets.spark import gauge, resample, spark, spark_rows
from jarvis_cli.hud.widgets.table import Column, View, choose, sieve

NAMES = [
    "plex",
    "云盘🚀nextcloud",
    "plex\x1b[31mred\x1b[0m",
    "ｆｕｌｌ",
    "a" * 80,
    "👨‍👩‍👧 family",
    "\u202eevil",
    "❤️ heart",
    "e\u0301",
    "",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("cells", [1, 2, 5, 12, 40])
def test_fit_is_exactly_so_wide(name: str, cells: int) -> None:
    for align in ("<", ">", "^"):
        assert cell_len(fit(name, cells, align)) == cells  # type: ignore[arg-type]


@given(st.text(max_size=60), st.integers(min_value=1, max_value=50))
def test_fit_holds_for_any_text(text: str, cells: int) -> None:
    fitted = fit(text, cells)
    assert cell_len(fitted) == cells
    assert "\x1b" not in fitted
    assert "\n" not in fitted


def test_safe_keeps_blanks_and_drops_orders() -> None:
    assert safe("  a\x1b[2Jb  ") == "  ab  "
    assert safe("\u202eevil\u200b") == "evil"
    assert safe("   ") == "   "
    assert safe("⣿  ⣿ ") == "⣿  ⣿ "


def test_cut_tells_what_is_left_out() -> None:
    assert cut("nextcloud", 5) == "next…"
    assert cut("nextcloud", 9) == "nextcloud"
    assert cut("云盘云盘", 4) == "云…"


def test_wrap_breaks_at_blanks_and_cuts_the_last_line() -> None:
    assert wrap("one two three", 7, 3) == ["one two", "three"]
    assert wrap("one two three four five", 9, 2) == ["one two", "three fo…"]
    assert wrap("", 9, 2) == [""]


def test_to_ascii_keeps_the_width() -> None:
    for text in ("● run · 79°C…", "云盘"):
        assert to_ascii(text).isascii()
        assert len(to_ascii(text)) == width(text)


def test_join_has_few_changes_of_colour() -> None:
    line = join(("a", "text"), (" ", "faint"), ("b", "text"), ("", "bad"), ("c", "bad"))
    assert line == (("a b", "text"), ("c", "bad"))


def test_join_does_not_draw_the_bar_over_blanks() -> None:
    assert join(("x", "light@"), (" ", "faint")) == (("x", "light@"), (" ", "faint"))


def test_exact_pads_and_cuts() -> None:
    assert exact((("abc", "text"),), 5) == (("abc  ", "text"),)
    assert length(exact((("云盘", "text"), ("x", "bad")), 4)) == 4
    assert exact((), 3) == (("   ", "frame"),)


def test_spread_gives_the_right_end_its_place() -> None:
    line = spread((("left side that is long", "text"),), (("right", "faint"),), 16)
    assert length(line) == 16
    assert "".join(text for text, _ in line).endswith("right")


def test_framed_is_exact() -> None:
    lines = framed([(("x" * 50, "text"),)], 20, 5, ((" T", "light"),), (("note", "faint"),), thumb=(0, 1))
    assert len(lines) == 5
    assert {length(line) for line in lines} == {20}
    assert lines[1][-1] == ("┃", "light")
    assert lines[3][-1][0].endswith("│")


def test_changed_until_leaves_the_same_end_alone() -> None:
    old, new = (("a 1", "text"), (" end", "frame")), (("a 2", "text"), (" end", "frame"))
    assert changed_until(old, new, 7) == 3
    assert changed_until((("abcd", "text"),), (("axcd", "text"),), 4) == 2
    assert changed_until((("a", "text"), ("b", "bad")), (("a", "text"), ("b", "good")), 2) == 2


def test_spark_has_gaps_where_nothing_is_known() -> None:
    assert spark([0.0, None, 1.0], 3) == "▁ █"
    assert spark([0.5] * 3, 3, ascii_only=True).isascii()
    assert spark([], 4) == "    "


def test_spark_rows_are_as_wide_as_asked() -> None:
    for values in ([], [None], [0.1], [0.1, 0.9, None, 0.5] * 20):
        for rows in (1, 2, 5):
            lines = spark_rows(values, 30, rows)
            assert len(lines) == rows
            assert {len(line) for line in lines} == {30}


def test_a_line_over_the_top_fills_the_top_row() -> None:
    top, *_, bottom = spark_rows([1.0] * 10, 10, 4)
    assert set(top) != {"\u2800"}
    assert set(spark_rows([0.0] * 10, 10, 4)[0]) == {"\u2800"}
    assert bottom


def test_resample_keeps_the_newest() -> None:
    assert resample([1.0, 2.0, 3.0], 2) == [2.0, 3.0]
    assert resample([1.0, 2.0], 4) == [1.0, 1.0, 2.0, 2.0]


def test_gauge() -> None:
    assert gauge(0.5, 10) == ("━━━━━", "┄┄┄┄┄")
    assert gauge(None, 4)[0] == ""
    assert gauge(7.0, 4) == ("━━━━", "")


def test_canvas_merges_dots_of_a_cell() -> None:
    canvas = Canvas(2, 1)
    canvas.dot(0, 0, "light")
    canvas.dot(1, 3, "light")
    canvas.dot(99, 99, "light")
    canvas.write(0, "x", "text", column=1)
    assert canvas.lines() == [(("⢁", "light"), ("x", "text"))]
    assert canvas.lines(ascii_only=True)[0][0][0].isascii()


# --- the table ---------------------------------------------------------------------------------------------


def rows(count: int) -> list[dict[str, Any]]:
    return [{"id": f"guest:{i}", "name": f"g{i:04d}", "cpu": (i * 7919) % count} for i in range(count)]


def view() -> View:
    columns = [
        Column("name", "name", 8, lambda e: (e["name"], "text"), lambda e: e["name"], keep=10, grow=True),
        Column("cpu", "cpu", 5, lambda e: (str(e["cpu"]), "text"), lambda e: e["cpu"], ">", 5),
        Column("extra", "extra", 20, lambda e: ("x", "faint"), lambda e: 0, keep=1),
    ]
    return View(columns, haystack=lambda e: e["name"])


def test_narrow_tables_drop_the_least_kept_column() -> None:
    columns = view().columns
    assert [c.key for c, _ in choose(columns, 60)] == ["name", "cpu", "extra"]
    assert [c.key for c, _ in choose(columns, 20)] == ["name", "cpu"]
    assert [c.key for c, _ in choose(columns, 9)] == ["name"]
    assert choose(columns, 3)[0][1] == 3


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [("web", True), ("web 104", True), ("web 105", False), ("!web", False), ("!db", True), ("~wbsr", True),
     ("~bw", False), ("", True), ("!", True), ("~", True), ("WEB", True)],
)  # fmt: skip
def test_sieve(pattern: str, matches: bool) -> None:
    assert sieve(pattern)("104 webserver ct pve") is matches


def test_the_cursor_stays_on_its_row() -> None:
    table = view()
    table.load(rows(100))
    table.put(40)
    table.sort_key = "cpu"
    table.load(rows(100))
    assert table.cursor_id == "guest:40"
    table.descending = True
    table.load(rows(100))
    assert table.rows[0]["cpu"] == 99
    assert table.chosen == next(row for row in rows(100) if row["id"] == "guest:40")


def test_a_row_that_goes_leaves_the_cursor_near() -> None:
    table = view()
    table.load(rows(10))
    table.put(9)
    table.load(rows(5))
    assert table.cursor_id == "guest:4"
    table.load([])
    assert table.chosen is None
    assert table.window(3) == []


def test_the_window_follows_the_cursor_and_the_thumb_the_window() -> None:
    table = view()
    table.load(rows(5000))
    table.window(50)
    table.put(4999)
    assert table.window(50)[-1]["id"] == "guest:4999"
    assert table.thumb() == (49, 49)
    table.put(0)
    table.window(50)
    assert table.thumb() == (0, 0)
    table.load(rows(20))
    table.window(50)
    assert table.thumb() is None


def test_lines_of_a_table_are_no_wider_than_it() -> None:
    table = view()
    table.load([{"id": "1", "name": "云盘" * 30, "cpu": 1}])
    for cells in (10, 30, 80):
        assert length(table.line(table.rows[0], cells)) <= cells
        assert length(exact(table.line(table.rows[0], cells, bar=True), cells)) == cells
    assert all(role.endswith("@") for _, role in table.line(table.rows[0], 30, bar=True))
    assert barred((("a", "text@"),)) == (("a", "text@"),)
