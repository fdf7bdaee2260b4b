"""Pages that are written from the code are current, and say what the code says."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from jarvis_daemon.protocol.errors import ERRORS
from jarvis_daemon.protocol.messages import CALLS, Hello
from jarvis_daemon.settings import ClusterSettings
from scripts.docgen import __main__ as docgen
from scripts.docgen import configuration, contract, schema
from scripts.docgen.source import field_docs

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", docgen.PAGES)
def test_the_page_is_current(name: str) -> None:
    message = f"docs/{name} is not current: run scripts/generate-contract"
    assert (ROOT / "docs" / name).read_text() == docgen.PAGES[name](), message


def test_check_tells_a_stale_page_and_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    stale = tmp_path / "docs" / "contract.md"
    stale.write_text("old")
    monkeypatch.setattr(docgen, "DOCS", tmp_path / "docs")
    assert docgen.main(["--check"]) == 1
    assert stale.read_text() == "old"
    assert docgen.main([]) == 0
    assert docgen.main(["--check"]) == 0


def test_every_call_error_and_setting_has_its_place() -> None:
    page = contract.render()
    assert all(f"### `{method}`" in page for method in CALLS)
    assert all(f"| `{code}` |" in page for code in ERRORS)
    settings = configuration.render()
    assert all(f"`{name}`" in settings for name in ClusterSettings.model_fields if name not in {"ssh", "wake"})
    assert "[cluster.ssh]" in settings


def test_every_setting_is_explained() -> None:
    rows = [line for line in configuration.render().splitlines() if line.startswith("| `")]
    assert [row for row in rows if row.endswith("|  |")] == []


def test_the_schema_describes_every_call() -> None:
    document = json.loads(schema.render())
    assert set(document["x-calls"]) == set(CALLS)
    for call in document["x-calls"].values():
        name = call["params"]["$ref"].removeprefix("#/$defs/")
        assert document["$defs"][name]["type"] == "object"


def test_docstrings_of_fields_are_found() -> None:
    assert field_docs(Hello)["ticket"].startswith("Of a worker")


def test_the_generator_names_its_usage() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "scripts.docgen", "--wrong"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 2
    assert "usage" in run.stderr
