"""Units, palettes, options and plans: the small rules that every picture obeys."""

from __future__ import annotations

import pytest
from textual.geometry import Size

from jarvis_cli.hud.options import colour_depth, detect, speaks_utf8
from jarvis_cli.hud.screens.plan import Form, form_of, overview, split, stack
from jarvis_cli.hud.states import ASCII, UNICODE
from jarvis_cli.hud.themes.palette import BOLD_ROLES, PALETTES, Depth, palette
from jarvis_cli.hud.themes.textual_theme import theme_of
from jarvis_cli.hud.units import clock_s, day, moment, percent, size, span, stopwatch

NOW = 1_795_211_223.0


def test_units() -> None:
    assert [percent(0.314), percent(None), percent(1.0)] == ["31%", "n/a", "100%"]
    assert [size(0), size(812 << 20), size(2.1 * (1 << 30)), size(3.2 * (1 << 40)), size(None)] == [
        "0B", "812M", "2.1G", "3.2T", "n/a",
    ]  # fmt: skip
    assert size(1023 * 1024 * 1024) == "1.0G"
    assert [span(12), span(240), span(7_800), span(41 * 86400), span(-5), span(None)] == [
        "12 s", "4 min", "2 h 10", "41 d", "0 s", "n/a",
    ]  # fmt: skip
    assert [stopwatch(7), stopwatch(3727)] == ["00:07", "1:02:07"]
    assert (day(NOW), clock_s(NOW)) == ("Fri 20 Nov", "21:47:03")
    assert [moment(NOW - 60, NOW), moment(NOW - 90_000, NOW), moment(None, NOW)] == ["21:46", "19 Nov", "--:--"]


@pytest.mark.parametrize("name", PALETTES)
@pytest.mark.parametrize("depth", ["true", "256", "16", "none"])
@pytest.mark.parametrize("dimmed", [False, True])
def test_every_role_has_a_style_at_every_depth(name: str, depth: Depth, dimmed: bool) -> None:
    inks = palette(name, depth, dimmed=dimmed)
    for role in (*PALETTES[name], *BOLD_ROLES):
        for suffix in ("", "@"):
            style = inks.style(role + suffix)
            assert style is inks.style(role + suffix)
            assert (style.color is None) == (depth == "none")
    assert theme_of(inks).ansi == (depth in {"16", "none"})


@pytest.mark.parametrize("name", PALETTES)
def test_sixteen_colours_keep_text_off_its_ground(name: str) -> None:
    inks = palette(name, "16")
    for role in PALETTES[name]:
        for suffix in ("", "@"):
            style = inks.style(role + suffix)
            assert style.color != style.bgcolor or role in {"ground", "bar"}


def test_dimmed_is_darker_and_bright_undoes_it() -> None:
    full, dim = palette("tron", "true"), palette("tron", "true", dimmed=True)
    assert sum(dim.style("light").color.triplet) < sum(full.style("light").color.triplet)  # type: ignore[union-attr, arg-type]
    assert dim.bright().style("light") == full.style("light")


@pytest.mark.parametrize(
    ("environ", "depth"),
    [
        ({"NO_COLOR": "1", "COLORTERM": "truecolor"}, "none"),
        ({"COLORTERM": "truecolor", "TERM": "xterm-256color"}, "true"),
        ({"TERM": "xterm-256color"}, "256"),
        ({"TERM": "linux"}, "16"),
        ({"TERM": "dumb"}, "none"),
        ({"TEXTUAL_COLOR_SYSTEM": "standard", "COLORTERM": "truecolor"}, "16"),
    ],
)
def test_colour_depth(environ: dict[str, str], depth: str) -> None:
    assert colour_depth(environ) == depth


def test_motion_and_boot_are_off_where_they_would_hurt() -> None:
    plain = {"TERM": "xterm-256color", "LANG": "C.UTF-8"}
    assert detect(plain).motion
    assert detect(plain).boot
    assert not detect(plain, boot=False).boot
    for more in ({"SSH_CONNECTION": "a"}, {"TEXTUAL_ANIMATIONS": "none"}, {"JARVIS_REDUCED_MOTION": "1"}):
        found = detect({**plain, **more})
        assert not found.motion
        assert not found.boot
    assert detect({**plain, "SSH_CONNECTION": "a"}).max_hz == 0.5


def test_locale_decides_on_ascii() -> None:
    assert not speaks_utf8({"LANG": "C"})
    assert speaks_utf8({"LANG": "en_GB.utf8"})
    assert not speaks_utf8({"LC_ALL": "POSIX", "LANG": "en_GB.UTF-8"})
    assert detect({"LANG": "C"}).ascii_only
    assert all(glyph.isascii() and len(glyph) == 1 for glyph in ASCII.values())
    assert set(ASCII) == set(UNICODE)


@pytest.mark.parametrize(
    ("width", "height", "form"),
    [(240, 67, "wall"), (200, 50, "wall"), (199, 50, "desk"), (240, 49, "desk"), (120, 40, "desk"),
     (119, 40, "ssh"), (240, 39, "ssh"), (80, 24, "ssh"), (79, 60, "phone")],
)  # fmt: skip
def test_forms(width: int, height: int, form: str) -> None:
    assert form_of(width, height) == form


@pytest.mark.parametrize("form", ["phone", "ssh", "desk", "wall"])
@pytest.mark.parametrize("amount", [(0, 0, 0, 0), (1, 1, 1, 0), (4, 18, 10, 2), (32, 5000, 96, 300)])
def test_panels_fill_the_overview_without_overlap(form: Form, amount: tuple[int, int, int, int]) -> None:
    nodes, guests, storages, incidents = amount
    area = {"phone": Size(46, 21), "ssh": Size(80, 21), "desk": Size(120, 37), "wall": Size(240, 64)}[form]
    plan = overview(area, form, nodes=nodes, guests=guests, storages=storages, incidents=incidents)
    taken = 0
    for name, region in plan.items():
        assert area.region.contains_region(region), name
        taken += region.area
        assert not any(region.overlaps(other) for key, other in plan.items() if key != name)
    assert taken >= area.area * 0.93


def test_stack_leaves_out_what_does_not_fit() -> None:
    assert set(stack(0, 10, 5, {"a": 4, "b": 4, "c": -1})) == {"a"}
    assert stack(0, 10, 20, {"a": 4, "b": -1, "c": 4})["b"].height == 12


def test_split_takes_the_whole_body_where_it_is_narrow() -> None:
    assert set(split(Size(80, 21), "ssh", "table", "side", opened=True)) == {"side"}
    assert set(split(Size(80, 21), "ssh", "table", "side", opened=True, below=True)) == {"table", "side"}
    assert set(split(Size(240, 64), "wall", "table", "side", opened=False)) == {"table"}
