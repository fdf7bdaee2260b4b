"""Wrong usage reads well: one line what and why, one line what next, the documented exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jarvis_cli.group import Root
from jarvis_daemon.protocol.errors import EXIT_CODES
from jarvis_daemon.protocol.version import VERSION
from tests.unit.cli.conftest import Jarvis

WRONG = {
    "gest list": "did you mean `jarvis guest`?",
    "guest lst": "did you mean `jarvis guest list`?",
    "guest show": "Missing argument 'GUEST'",
    "guest list --foo": "No such option: --foo",
    "guest list --nod x": "did you mean --node?",
    "guest list -o xml": "'xml' is no format",
    "guest list --kind lxc": "--kind",
    "guest show a b": "Got unexpected extra argument",
    "task list -n 0": "-n",
    "status --timeout never": "'never' is no duration",
    "status --timeout 0": "a timeout lies between",
    "feed --since soon": "'soon' is no duration",
    "--host -oProxyCommand=x status": "is no host",
    "--host a$(x) status": "is no host",
    "--host me@-oProxyCommand=x status": "is no host",
    "runbook test guest-crashed": "Where is it to be tried?",
    "runbook test guest-crashed plex --incident 1": "not both",
    "runbook run guest-crashed": "Missing argument 'TARGET'",
    "autonomy set": "Missing argument 'LEVEL'",
    "autonomy set 5": "'5' is no autonomy level: there are L0 observe, L1 alert",
    "autonomy set 2 --condition x --target y": "Give either --condition or --target, not both",
    "autonomy unset": "Whose own level is to go?",
    "history --since never": "'never' is no moment",
    "autonomy preview 3 --since never": "'never' is no moment",
    "history -n 0": "-n",
    "drill --minutes 0": "--minutes",
    "incident silence": "What is to be silenced?",
    "incident silence 1 --target node:pve --reason x": "either a number or",
    "incident silence 1 --for x --reason x": "'x' is no duration",
    "incident silence 1": "The reason of a silence has to be asked",
    "sim speed fast": "fast",
    "tool call": "Missing argument 'NAME'",
    "tool list --tier blue": "'blue' is no tier",
    "guest migrate plex": "Missing argument 'NODE'",
    "guest reboot plex --patience soon": "--patience",
    "service restart smbd": "does not say where",
    "approvals -f -o json": "-f has no end",
    "audit list -n 0": "-n",
    "approve": "Missing argument 'ID'",
    "setup": "has to be asked, and nobody can answer here",
    "hud": "The display needs a terminal",
    "demo": "The display needs a terminal",
    "completion tcsh": "tcsh",
}


@pytest.mark.parametrize("line", WRONG)
def test_wrong_usage(jarvis: Jarvis, home: Path, line: str) -> None:
    said = jarvis(*line.split())
    assert said.code == 2
    assert said.out == ""
    assert WRONG[line] in said.err
    last, hint = said.err.splitlines()[-2:]
    assert last.startswith("jarvis: ")
    assert hint.startswith("  next: ")
    assert "Traceback" not in said.err


def test_no_daemon_is_exit_code_3(jarvis: Jarvis, home: Path) -> None:
    for line in ("status", "guest list", "feed", "incident ack 1", "daemon status", "hud"):
        said = jarvis(*line.split()) if line != "hud" else jarvis("node", "list", "--no-autostart")
        assert said.code == 3, line
        assert "The daemon does not run" in said.err
        assert "`jarvis daemon start`" in said.err


def test_help_of_every_command(jarvis: Jarvis, home: Path) -> None:
    tree = json.loads(jarvis("--spec").out)

    def walk(commands: list[dict[str, object]], path: list[str]) -> None:
        for command in commands:
            here = [*path, str(command["name"])]
            said = jarvis(*here, "-h")
            assert said.code == 0
            assert said.out.startswith(f"Usage: jarvis {' '.join(here)}")
            assert said.out == jarvis("help", *here).out
            subs = command.get("commands")
            if isinstance(subs, list):
                walk(subs, here)

    walk(tree["commands"], [])
    assert {str(c["name"]) for c in tree["commands"]} == set(Root.entries)


def test_the_root_lists_every_command(jarvis: Jarvis, home: Path) -> None:
    out = jarvis("-h").out
    assert all(f"  {name} " in out and entry.help in out for name, entry in Root.entries.items())


def test_reading_commands_take_formats(jarvis: Jarvis, home: Path) -> None:
    tree = json.loads(jarvis("--spec").out)
    reading = {(c["name"], s["name"]) for c in tree["commands"] for s in c.get("commands", [c]) if s.get("formats")}
    for noun in ("node", "guest", "storage", "task", "incident"):
        assert {(noun, "list"), (noun, "show")} <= reading
    assert {("status", "status"), ("feed", "feed"), ("doctor", "doctor"), ("config", "show")} <= reading


def test_exit_codes_are_told(jarvis: Jarvis, home: Path) -> None:
    rows = json.loads(jarvis("help", "exit-codes", "--json").out)
    assert {row["code"]: row["meaning"] for row in rows} == EXIT_CODES


def test_bare_jarvis_without_a_terminal_is_help(jarvis: Jarvis, home: Path) -> None:
    said = jarvis()
    assert said.code == 0
    assert said.out.startswith("Usage: jarvis")
    assert "jarvis status -o json" in said.out
    assert jarvis("--version").out == f"jarvis {VERSION}\n"


def test_the_version_is_that_of_the_distribution() -> None:
    import tomllib

    project = tomllib.loads((Path(__file__).resolve().parents[3] / "pyproject.toml").read_text())
    assert project["project"]["version"] == VERSION


def test_local_commands_refuse_another_host(jarvis: Jarvis, home: Path) -> None:
    local = ("setup", "doctor", "config show", "daemon start", "sim faults", "demo --no-hud", "drill")
    for line in (*local, "runbook check x.yaml"):
        said = jarvis("--host", "me@box", *line.split())
        assert said.code == 2, line
        assert "ssh me@box jarvis" in said.err


def test_the_page_of_shapes_names_every_field() -> None:
    from jarvis_cli import shapes

    page = (Path(__file__).resolve().parents[3] / "docs/output.md").read_text()
    rows = {line.split("|")[1].strip(): line for line in page.splitlines() if line.startswith("| ")}
    for entity in (
        "node",
        "guest",
        "storage",
        "task",
        "incident",
        "silence",
        "event",
        "approval",
        "killswitch",
        "audit",
        "autonomy",
        "runbook",
        "check",
        "step",
        "repair",
    ):
        fields = getattr(shapes, entity.upper())
        assert [name for name in fields if f"`{name}`" not in rows[entity]] == [], entity


def test_the_page_of_tools_names_every_verb_outcome_and_exit_code() -> None:
    from jarvis_cli.outcome import OUTCOME, exit_code
    from jarvis_cli.verbs import MORE, VERBS

    docs = Path(__file__).resolve().parents[3] / "docs"
    page = (docs / "tools.md").read_text()
    for verb in (*VERBS, *MORE):
        tools = " ".join(dict.fromkeys((f"`{verb.vm}`", f"`{verb.ct}`"))).replace("` `", "`, `")
        assert f"| `jarvis {verb.noun} {verb.name}` | {tools} |" in page
    rows = [line for line in page.splitlines() if line.startswith("| `") and line.count("|") == 4]
    words = "done planned verified contradicted failed cancelled refused denied expired unverified awaiting"
    for word in words.split():
        row = next(line for line in rows if f"`{word}`" in line.split("|")[1])
        assert str(exit_code({"outcome": word})) in row.split("|")[3], word
    outcome = next(line for line in (docs / "output.md").read_text().splitlines() if line.startswith("| outcome"))
    assert [name for name in OUTCOME if f"`{name}`" not in outcome] == []
