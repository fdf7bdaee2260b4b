"""A mistake in a runbook is named: line, place, and the nearest key, tool, argument or fact."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.text import clean
from jarvis_daemon.remediation import reading, tree
from jarvis_daemon.remediation.facts import UNKNOWN, lookup
from jarvis_daemon.remediation.known import ROOTS, TARGET, Fact, fact
from jarvis_daemon.remediation.runbook import Runbook
from jarvis_daemon.tools import Registry
from tests.unit.remediation.books import SOUND, book, case, registry


def broken() -> list[tuple[str, str, str, list[str]]]:
    """(what is wrong, old text, new text, what is said), of ``broken.txt``."""
    found = []
    text = Path(__file__).with_name("broken.txt").read_text(encoding="utf-8")
    for block in text.split("\n# ")[1:]:
        title, *rows = block.split("\n")
        parts = {sign: [row[2:] for row in rows if row.startswith(f"{sign} ")] for sign in "-+="}
        old, new = "\n".join(parts["-"]), "\n".join(parts["+"])
        found.append((title, old if parts["+"] else f"{old}\n", new, parts["="]))
    return found


BROKEN = broken()


def told(text: bytes) -> list[str]:
    """As the table has it."""
    return [f"{one['line']} {one['text']}" for one in map(reading.told, reading.look(text, registry())[1])]


def test_the_sound_one_is_sound() -> None:
    assert told(SOUND.encode()) == []
    assert told(SOUND.replace("[10, 30, 60]", "[30, 30, 60, 60]").encode()) == []
    assert isinstance(reading.read(SOUND.encode(), "a.yaml", registry()), Runbook)


def test_the_table_is_long_and_says_each_thing_once() -> None:
    assert len(BROKEN) >= 90
    assert len({title for title, *_ in BROKEN}) == len(BROKEN)
    assert all(said for *_, said in BROKEN)


@pytest.mark.parametrize(("old", "new", "said"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_a_broken_runbook(old: str, new: str, said: list[str]) -> None:
    assert SOUND.count(old) >= 1
    assert told(SOUND.replace(old, new, 1).encode()) == said


FILES = [
    (b"", "1 the file is empty (docs/runbooks.md shows how one is written)"),
    (b"# only a comment\n", "1 the file is empty (docs/runbooks.md shows how one is written)"),
    (b"- a\n- b\n", "1 expected keys with values, found a list"),
    (b"hello\n", "1 expected keys with values, found text"),
    (SOUND.encode().replace(b"Start", b"\xff"), "2 this is not UTF-8 (save the file as UTF-8)"),
    (SOUND.encode().replace(b"Start", b"\x00"), "2 here stands a character that no text has (retype the line)"),
    (SOUND.encode().replace(b"Start", b"\x1b[2J"), "2 here stands a character that no text has (retype the line)"),
    (b"#" * (tree.MAX_BYTES + 1), "1 the file is larger than 64 KiB (is it the right file?)"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), FILES)
def test_a_file_that_is_none(text: bytes, said: str) -> None:
    assert told(text) == [said]


@pytest.mark.parametrize("text", [b"a: " + b"[" * 60_000, b"a: " + b"{a: " * 15_000, b"[" + b"1," * 30_000 + b"]"])
def test_what_is_too_deep_or_too_much_is_left_early(text: bytes) -> None:
    """Each of them fits into the size; none may cost more than a moment."""
    began = process_time()
    (said,) = told(text)
    assert "more than a runbook needs (is it the right file?)" in said
    assert process_time() - began < 5


def test_a_bomb_of_aliases_is_not_lit() -> None:
    layers = "".join(f"{a}: &{a} [*{b}, *{b}]\n" for a, b in zip("bcdefgh", "abcdefg", strict=True))
    assert told(f"a: &a [x, x]\n{layers}".encode()) == ["1 a: &a is an anchor (write it out: anchors are not read)"]


@pytest.mark.parametrize("text", [b"\xef\xbb\xbf" + SOUND.encode(), SOUND.replace("\n", "\r\n").encode()])
def test_files_of_other_editors_are_read(text: bytes) -> None:
    assert told(text) == []


def test_every_mistake_is_told_in_the_order_of_the_lines() -> None:
    text = (
        SOUND.replace("attempts: 3", "atempts: 3")
        .replace("severity: error", "severity: bad")
        .replace("when", "wen")
    )
    assert [said.split()[0] for said in told(text.encode())] == ["5", "16", "18"]


def test_the_error_names_file_line_and_hint_and_has_the_rest_as_data() -> None:
    text = SOUND.replace("attempts: 3", "atempts: 3").replace("severity: error", "severity: bad")
    with pytest.raises(JarvisError) as caught:
        reading.read(text.encode(), "own/x.yaml", registry())
    error = caught.value
    assert error.code == "config_invalid"
    assert error.what == "own/x.yaml, line 16: atempts: this key is not known here (1 more)"
    assert error.why == "did you mean `attempts`?"
    assert error.next == "Mend it; `jarvis runbook check own/x.yaml` lists every mistake."
    assert [one["line"] for one in error.data["problems"]] == [16, 18]


def test_without_a_registry_only_the_shape_is_looked_at() -> None:
    text = SOUND.replace("tool: start_vm", "tool: no_such_tool").encode()
    assert reading.look(text)[1] == []
    assert reading.look(text, registry())[1] != []


def test_check_looks_at_a_runbook_that_is_read_already() -> None:
    sound = book()
    assert reading.check(sound, registry()) == []
    sound.condition = "no-such-condition"
    (mistake,) = reading.check(sound, registry())
    assert (mistake.path, mistake.line) == ("condition", 0)
    assert reading.check(sound, registry(), ["no-such-condition"]) == []


def test_a_tool_of_the_operator_is_no_runbooks() -> None:
    """Whatever its tier: autonomy and trust are such tools."""
    tools = Registry()
    tools.add(replace(registry().get("start_vm"), operator_only=True))
    (mistake,) = reading.look(SOUND.encode(), tools)[1]
    assert (mistake.line, mistake.path) == (8, "steps[0].tool")
    assert mistake.text == "`start_vm` is for an operator only, never for a runbook"


def test_a_tool_without_a_resolver_counts_as_black() -> None:
    tools = Registry()
    tools.add(replace(registry().get("start_vm"), resolve=None))
    (mistake,) = reading.look(SOUND.encode(), tools)[1]
    assert mistake.text == "`start_vm` is BLACK: a runbook never runs it"


def test_words_that_yaml_1_1_makes_booleans_and_numbers_stay_text() -> None:
    text = "a: [off, 0x1f, 1:30, 2026-11-20, 007, 1_000, .5, 1e3, 1e999, ~, 'true', 12345678901234567890]"
    values = tree.parse(text.encode()).data["a"]
    wanted = [
        "off", "0x1f", "1:30", "2026-11-20", 7, "1_000", 0.5, 1000.0, "1e999", None, "true", "12345678901234567890",
    ]  # fmt: skip
    assert values == wanted
    assert [type(one) for one in values] == [type(one) for one in wanted]


def test_every_declared_fact_is_one_that_can_be_looked_up() -> None:
    """``known.fact`` and ``facts.lookup`` agree on what there is."""
    some = case()
    for head, struct in ROOTS.items():
        for name in struct.__struct_fields__:
            assert isinstance(fact(f"{head}.{name}"), Fact)
    assert lookup(some, "incident.age_s") is not UNKNOWN
    for path in (
        "guest.vmid",
        "node.name",
        "incident.evidence.node",
        "cluster.quorate",
        "node.temperatures.coretemp/Package",
    ):
        assert isinstance(fact(path), Fact)
        assert lookup(some, path) is not UNKNOWN
    some.incident.target = "container:management/grafana"
    for name in TARGET:
        assert isinstance(fact(f"target.{name}"), Fact)
        assert lookup(some, f"target.{name}") is not UNKNOWN
    for path in ("guest.nope", "target.nope", "nope.vmid", "guest", "guest.", "incident.evidence.", "guest.vmid.x"):
        assert not isinstance(fact(path), Fact)
        assert lookup(some, path) is UNKNOWN


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_break_the_reader(text: bytes) -> None:
    runbook, mistakes = reading.look(text, registry())
    assert runbook is not None or mistakes


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(SOUND)), st.integers(0, 20), st.text(max_size=12))
def test_no_edit_breaks_the_reader_and_what_is_said_is_clean(at: int, cut: int, put: str) -> None:
    text = (SOUND[:at] + put + SOUND[at + cut :]).encode(errors="surrogatepass")
    runbook, mistakes = reading.look(text, registry())
    assert runbook is not None or mistakes
    for one in mistakes:
        assert 1 <= one.line <= text.count(b"\n") + text.count(b"\r") + 2
        for said in (one.sentence(), one.hint):
            assert clean(said, limit=2000) == said.strip()
