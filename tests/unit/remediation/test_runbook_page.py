"""docs/runbooks.md and the JSON Schema say what the reader does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from jarvis_daemon.remediation import files, reading, tree
from jarvis_daemon.remediation.known import ROOTS, TARGET
from jarvis_daemon.remediation.runbook import Runbook, Step, When
from tests.unit.remediation.books import SOUND, registry
from tests.unit.remediation.test_reading import BROKEN

DOCS = Path(__file__).resolve().parents[3] / "docs"
PAGE = (DOCS / "runbooks.md").read_text()
SCHEMA: dict[str, Any] = json.loads((DOCS / "runbook.schema.json").read_text())


def rows(first: str) -> list[str]:
    """The lines of the page's tables that begin with this cell."""
    return [line for line in PAGE.splitlines() if line.startswith(f"| `{first}` |")]


def test_the_example_of_the_page_is_sound() -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert reading.look(text.encode(), registry())[1] == []


def test_the_page_lists_every_fact_and_no_other() -> None:
    for root, struct in ROOTS.items():
        (row,) = rows(f"{root}.")
        named = set(re.findall(r"`([a-z_]+)`", re.sub(r"\((`[a-z]+` ?)+\)", "", row)))
        extra = {"age_s"} if root == "incident" else set()
        assert named == set(struct.__struct_fields__) | extra, root
    (row,) = rows("target.")
    assert set(TARGET) <= set(re.findall(r"`([a-z_]+)`", row))


def test_the_page_lists_every_key() -> None:
    keys = {field.encode_name for field in msgspec.structs.fields(Runbook)} - {"version", "verify", "escalate"}
    assert all(rows(key) for key in keys | {"verify.facts", "verify.within_s", "escalate.severity", "escalate.say"})
    assert all(rows(field.encode_name) for field in msgspec.structs.fields(Step))
    compared = {field.encode_name for field in msgspec.structs.fields(When)} - {"fact"}
    assert all(f"`{key}: " in PAGE for key in compared)


@pytest.mark.parametrize("path", sorted(files.SHIPPED.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_schema_takes_what_is_shipped(path: Path) -> None:
    Draft202012Validator(SCHEMA).validate(tree.parse(path.read_bytes()).data)


def test_the_schema_refuses_what_has_not_the_shape_of_a_runbook() -> None:
    """Sense (tools, facts) is beyond it; of shape it must find everything that the reader finds."""
    validator = Draft202012Validator(SCHEMA)
    found = 0
    for title, old, new, _ in BROKEN:
        text = SOUND.replace(old, new, 1).encode()
        try:
            data = tree.parse(text).data
        except tree.BrokenError:
            continue
        if reading.look(text)[0] is None:
            found += 1
            assert not validator.is_valid(data), title
    assert found >= 30
