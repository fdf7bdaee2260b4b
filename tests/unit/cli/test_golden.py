"""Golden bytes for every format of the reading commands.

`JARVIS_GOLDEN=write pytest tests/unit/cli/test_golden.py` writes them anew: read the difference.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Jarvis

GOLDEN = Path(__file__).resolve().parents[2] / "golden"
WRITE = os.environ.get("JARVIS_GOLDEN") == "write"
ENDING = {"table": "txt", "json": "json", "yaml": "yaml", "jsonl": "jsonl"}

COMMANDS = {
    "status": (["status"], 10),
    "node-list": (["node", "list"], 0),
    "node-show": (["node", "show", "Home"], 0),
    "node-show-dead": (["node", "show", "pve"], 0),
    "guest-list": (["guest", "list"], 0),
    "guest-show": (["guest", "show", "management"], 0),
    "guest-show-dead": (["guest", "show", "nextcloud"], 0),
    "storage-list": (["storage", "list"], 0),
    "storage-show": (["storage", "show", "externalhdd"], 0),
    "task-list": (["task", "list"], 0),
    "task-show": (["task", "show", "vzdump:113"], 0),
    "incident-list": (["incident", "list"], 0),
    "incident-show": (["incident", "show", "pve"], 0),
    "feed": (["feed"], 0),
    "exit-codes": (["help", "exit-codes"], 0),
}


@pytest.mark.parametrize("format_", ENDING)
@pytest.mark.parametrize("name", COMMANDS)
def test_output(reading: Jarvis, name: str, format_: str) -> None:
    arguments, code = COMMANDS[name]
    said = reading(*arguments, "-o", format_)
    assert (said.code, said.err) == (code, "")
    path = GOLDEN / f"{name}.{ENDING[format_]}"
    if WRITE:
        path.write_text(said.out)
    assert said.out == path.read_text()
    assert "\x1b" not in said.out


@pytest.mark.parametrize("name", COMMANDS)
def test_formats_tell_the_same(reading: Jarvis, name: str) -> None:
    """yaml holds what json holds, and each line of jsonl is JSON."""
    import yaml

    arguments, _ = COMMANDS[name]
    document = json.loads(reading(*arguments, "--json").out)
    assert yaml.safe_load(reading(*arguments, "-o", "yaml").out) == document
    for line in reading(*arguments, "-o", "jsonl").out.splitlines():
        json.loads(line)
