"""Pages for people: every link leads somewhere, every command they name exists."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")])
LINK = re.compile(r"\]\(([^)#]+)(?:#([^)]*))?\)")
COMMAND = re.compile(r"`(?:[A-Z_]+=\S+ )?(?:\.venv/bin/)?jarvis ((?:--host \S+ )?[a-z][a-z ]*)")
FILE = re.compile(r"`([a-z_]+(?:/[a-z_]+)*\.py|[a-z_]+/(?:[a-z_]+/)+)`")
WRAPPED = re.compile(r"\s*\n\s*")


def spec() -> dict[str, Any]:
    run = subprocess.run(
        [sys.executable, "-m", "jarvis_cli", "--spec"], capture_output=True, text=True, check=True, timeout=60
    )
    tree: dict[str, Any] = json.loads(run.stdout)
    return tree


def anchors(page: Path) -> set[str]:
    """The anchors that a reader's browser makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(page.read_text()):
        if "://" in target:
            continue
        found = (page.parent / target).resolve()
        assert found.exists(), f"{page.name} links to {target}"
        if anchor:
            assert anchor in anchors(found), f"{page.name} links to {target}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_pages_name_exist(page: Path) -> None:
    for name in FILE.findall(page.read_text()):
        places = [ROOT / name, ROOT / "jarvis_daemon" / name, ROOT / "docs" / name]
        assert any(place.exists() for place in places), f"{page.name} names {name}"


def test_commands_that_pages_name_exist() -> None:
    tree = {
        command["name"]: {below["name"] for below in command.get("commands", ())} for command in spec()["commands"]
    }
    for page in PAGES:
        for words in COMMAND.findall(WRAPPED.sub(" ", page.read_text())):
            noun, verb, *_ = [word for word in words.split() if "@" not in word and word != "--host"] + ["", ""]
            assert noun in tree or noun == "", f"{page.name} names `jarvis {noun}`"
            if noun and verb and tree[noun]:
                assert verb in tree[noun], f"{page.name} names `jarvis {noun} {verb}`"


def test_the_page_of_commands_is_linked_from_the_readme() -> None:
    assert {"docs/commands.md", "docs/contract.md", "docs/configuration.md"} <= {
        target for target, _ in LINK.findall((ROOT / "README.md").read_text())
    }
