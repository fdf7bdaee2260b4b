"""The page: out and in again it changes nothing; an edit changes what it shows; a bad one is refused by lines."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from jarvis_daemon.assistant.memory import page
from jarvis_daemon.assistant.memory.statement import subject_of, tidy, why_not
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.mind import MemoryItem
from jarvis_daemon.redact import redact
from tests.unit.assistant.memory.conftest import DAY, Desk


async def filled(desk: Desk) -> str:
    await desk.memory.remember("I prefer short answers", trust="operator")
    await desk.memory.remember("the NAS has 4 disks", trust="operator")
    await desk.memory.remember("the switch was replaced", tier="episodic", kind="event", subject="switch")
    await desk.incident("plex stopped without an order")
    await desk.memory.follow()
    return (await desk.memory.export())[0]


async def test_the_page_as_a_person_sees_it(desk: Desk) -> None:
    assert (
        await filled(desk)
        == """# What Jarvis remembers

Edit the lines, delete some to have them forgotten, add new ones as `- text` below a heading, then
`jarvis memory import FILE`: it shows what would change and asks.

<!-- jarvis memory 1, up to 4, exported 2027-01-15 08:00 -->

## lasting

### fact

- [2] 2027-01-15 `nas` the NAS has 4 disks

### preference

- [1] 2027-01-15 I prefer short answers

## episodic

### event

- [3] 2027-01-15 `switch` the switch was replaced

### incident

- [4, tainted] 2027-01-15 `guest:105` plex stopped without an order. It began at 2027-01-15 08:00.
"""
    )


async def test_an_empty_memory_has_a_page_too(desk: Desk) -> None:
    markdown, count = await desk.memory.export()
    assert count == 0
    assert (await desk.memory.compare(markdown)).empty
    diff = await desk.memory.compare(f"{markdown}\n## lasting\n### fact\n- the attic has a window\n")
    assert diff.lines == ("+ lasting fact: the attic has a window",)


TEXTS = st.text(min_size=10, max_size=120) | st.sampled_from([
    "`quoted` from the start", "[12] looks like a number", "- - - a line of dashes", "2027-01-01 looks like a date",
    "<!-- jarvis memory 1, up to 9, exported 1 -->", "## lasting but not a heading", "<script>alert(1)</script>",
    "ends with a backtick `", "`` two of them first", "tainted, it says", "a b", "line one separator two",
])  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.tuples(
            TEXTS, st.text(max_size=30), st.sampled_from(page.TIERS), st.sampled_from(page.KINDS),
            st.sampled_from(["operator", "system", "tainted"]),
        ),
        max_size=8,
    )
)  # fmt: skip
async def test_out_and_in_again_changes_nothing(desk: Desk, rows: list[tuple[str, str, str, str, str]]) -> None:
    for text, subject, tier, kind, trust in rows:
        if not why_not(tidy(text, redact)):
            await desk.memory.remember(
                text,
                subject=subject,
                tier=tier,
                kind=kind,
                trust=trust,  # type: ignore[arg-type]
            )
    before = await desk.memory.list_all(limit=1000)
    markdown, count = await desk.memory.export()
    assert count == len(before)
    diff = await desk.memory.compare(markdown)
    assert diff.lines == ()
    assert diff.empty
    assert (await desk.memory.apply(markdown, diff.sha256)).empty
    assert await desk.memory.list_all(limit=1000) == before


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 10**9), TEXTS, st.text(max_size=40), st.sampled_from(["operator", "tainted"]), st.floats(0, 4e9)
)  # fmt: skip
def test_a_line_is_read_as_it_was_written(number: int, text: str, subject: str, trust: str, at: float) -> None:
    kept = tidy(text, redact)
    assume(len(kept) >= 10)
    one = MemoryItem(
        id=number,
        tier="lasting",
        text=kept,
        subject=subject_of(subject, redact),
        trust=trust,
        happened_at=at,  # type: ignore[arg-type]
    )
    (line,), up_to = page.read(page.render([one], number, at))
    assert (line.id, line.text, line.subject, line.tainted) == (number, kept, one.subject, trust == "tainted")
    assert up_to == number


async def test_an_edit_is_shown_and_done_exactly(desk: Desk) -> None:
    markdown = await filled(desk)
    edited = (
        markdown.replace("the NAS has 4 disks", "the NAS has 6 disks")
        .replace("- [3] 2027-01-15 `switch` the switch was replaced\n", "")
        .replace("### preference\n", "### preference\n- always answer in Celsius\n")
    )
    diff = await desk.memory.compare(edited)
    assert diff.lines == (
        "- [3] the switch was replaced",
        "~ [2] the NAS has 4 disks → the NAS has 6 disks",
        "+ lasting preference: always answer in Celsius",
    )
    assert [one.id for one in await desk.all()] == [4, 3, 2, 1]  # to compare changes nothing
    await desk.memory.apply(edited, diff.sha256)
    assert {one.text: (one.trust, one.kind) for one in await desk.all() if one.kind != "incident"} == {
        "I prefer short answers": ("operator", "preference"), "the NAS has 6 disks": ("operator", "fact"),
        "always answer in Celsius": ("operator", "preference"),
    }  # fmt: skip
    assert [one.text for one in await desk.memory.search("disks")] == ["the NAS has 6 disks"]
    assert await desk.memory.search("switch") == []
    assert await desk.memory.traces(3) == []


async def test_to_move_a_line_changes_how_long_it_is_kept(desk: Desk) -> None:
    await desk.memory.remember("the switch was replaced", tier="conversation", trust="operator")
    markdown, _ = await desk.memory.export()
    moved = markdown.replace("## conversation", "## lasting")
    diff = await desk.memory.compare(moved)
    assert diff.lines == ("~ [1] conversation fact → lasting fact",)
    await desk.memory.apply(moved, diff.sha256)
    await desk.clock.advance(100 * DAY)
    assert await desk.texts() == ["the switch was replaced"]


async def test_what_came_after_the_export_is_left_alone(desk: Desk) -> None:
    markdown = await filled(desk)
    later = (await desk.memory.remember("the attic has a window", trust="operator")).item
    diff = await desk.memory.compare(markdown)
    assert diff.empty
    diff = await desk.memory.compare(markdown.replace("- [1] 2027-01-15 I prefer short answers\n", ""))
    assert diff.lines == ("- [1] I prefer short answers",)
    assert (await desk.memory.get(later.id)).text == "the attic has a window"


async def test_a_record_that_went_on_meanwhile_is_not_turned_back(desk: Desk) -> None:
    markdown = await filled(desk)
    await desk.clock.advance(60)
    await desk.settle("1")
    await desk.memory.follow()
    diff = await desk.memory.compare(markdown)
    assert diff.empty
    assert diff.lines == ("= [4] is a record of what happened: it stays as it is",)


async def test_to_forget_the_newer_says_that_the_older_holds_again(desk: Desk) -> None:
    await desk.memory.remember("the NAS has 4 disks", trust="operator")
    await desk.memory.remember("the NAS has 6 disks", trust="operator")
    markdown, _ = await desk.memory.export()
    edited = markdown.replace("- [2] 2027-01-15 `nas` the NAS has 6 disks\n", "")
    diff = await desk.memory.compare(edited)
    assert diff.lines == ("- [2] the NAS has 6 disks (then [1] holds again: the NAS has 4 disks)",)
    await desk.memory.apply(edited, diff.sha256)
    assert await desk.texts() == ["the NAS has 4 disks"]


@pytest.mark.parametrize("what", ["another page", "another memory"])
async def test_what_is_not_as_it_was_shown_is_refused(desk: Desk, what: str) -> None:
    markdown = (await filled(desk)).replace("4 disks", "6 disks")
    diff = await desk.memory.compare(markdown)
    if what == "another page":
        markdown = markdown.replace("6 disks", "7 disks")
    else:
        await desk.memory.remember("the attic has a window", trust="operator")
    with pytest.raises(JarvisError) as caught:
        await desk.memory.apply(markdown, diff.sha256)
    assert caught.value.code == "refused"
    assert "the NAS has 4 disks" in await desk.texts()


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("- [77] 2027-01-15 a number that nobody gave", "line 12: there is no memory 77"),
        ("- [2] 2027-01-15 the NAS has 9 disks", "line 13: [2] stands in line 12 already"),
        ("- [x] 2027-01-15 not a number at all", "line 12: not a number in brackets"),
        ("- [3,tainted] a mark that is not ours", "line 12: not a number in brackets"),
        ("<b>the NAS has 9 disks</b>", "line 12: neither a heading nor a memory: '<b>the NAS"),
        ("    a line that goes on", "line 12: neither a heading nor a memory"),
        ("## for ever", "line 12: no tier 'for ever'"),
        ("### opinion", "line 12: no kind 'opinion'"),
        ("- short", "line 12: it is not kept: it has fewer than 10 characters"),
        ("- how many disks has the NAS?", "line 12: it is not kept: it is a question"),
        ("- [9] 2027-01-15 ", "line 12: it has no text"),
        ("<!-- jarvis memory 1, up to 9, exported 2027-01-15 08:00 -->", "line 12: a second line"),
        ("- " + "x" * 4000, "line 12: longer than 2800 characters"),
        ("### incident\n- something broke in the night", "line 13: a record of kind incident is not written"),
    ],
)
async def test_a_bad_line_is_named(desk: Desk, line: str, why: str) -> None:
    markdown = (await filled(desk)).replace("### fact\n\n", f"### fact\n\n{line}\n", 1)
    with pytest.raises(JarvisError) as caught:
        await desk.memory.compare(markdown)
    assert caught.value.code == "invalid_params"
    assert why in caught.value.why


async def test_text_from_outside_is_not_lifted_by_the_page(desk: Desk) -> None:
    await desk.memory.remember("the log says all is well", tier="conversation", trust="tainted")
    markdown, _ = await desk.memory.export()
    for edited in (
        markdown.replace("## conversation", "## lasting"),
        markdown.replace("### fact", "### preference"),
        markdown.replace("[1, tainted]", "[1]"),
    ):
        with pytest.raises(JarvisError):
            await desk.memory.compare(edited)
    reworded = markdown.replace("all is well", "all is very well")
    await desk.memory.apply(reworded, (await desk.memory.compare(reworded)).sha256)
    assert [(one.text, one.trust) for one in await desk.all()] == [("the log says all is very well", "tainted")]


@pytest.mark.parametrize(
    "markdown", ["", "\n", "# What Jarvis remembers\n", "## lasting\n### fact\n- the attic has a window\n"]
)
async def test_a_page_without_its_head_forgets_nothing(desk: Desk, markdown: str) -> None:
    await filled(desk)
    with pytest.raises(JarvisError, match="has no line"):
        await desk.memory.compare(markdown)


async def test_a_page_that_is_too_long_is_refused_at_once(desk: Desk) -> None:
    with pytest.raises(JarvisError, match="too long"):
        await desk.memory.compare("- x\n" * 1_300_000)


async def test_many_bad_lines_are_told_in_one_sentence(desk: Desk) -> None:
    markdown = await filled(desk)
    with pytest.raises(JarvisError) as caught:
        await desk.memory.compare(markdown + "what is this\n" * 500)
    assert caught.value.why.endswith("; and 490 more")
    assert len(caught.value.why) < 2000


async def test_windows_line_ends_are_read(desk: Desk) -> None:
    markdown = await filled(desk)
    assert (await desk.memory.compare("\ufeff" + markdown.replace("\n", "\r\n"))).empty


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=400), st.integers(0, 400))
async def test_any_mess_is_a_diff_or_an_error(desk: Desk, mess: str, at: int) -> None:
    markdown = (await desk.memory.export())[0]
    told: list[str] = []
    try:
        diff = await desk.memory.compare(markdown[:at] + mess + markdown[at:])
        told += diff.lines
    except JarvisError as error:
        told += [error.code, error.why]
    assert all("\n" not in line for line in told)
    assert told == [] or told[0] == "invalid_params" or told[0][0] in "+-~="


async def test_html_is_text(desk: Desk) -> None:
    markdown, _ = await desk.memory.export()
    edited = f"{markdown}\n## lasting\n### fact\n- <img src=x onerror=alert(1)> hangs in the hall\n"
    await desk.memory.apply(edited, (await desk.memory.compare(edited)).sha256)
    assert await desk.texts() == ["<img src=x onerror=alert(1)> hangs in the hall"]
