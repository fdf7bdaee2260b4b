"""The locks: no host in them, every line hashed, every direct dependency locked, the sets in agreement."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
NAMES = ["core", "test", "build", "server", "full", "weights"]
LINE = re.compile(r"^([a-z0-9._-]+)==(\S+)((?: ; [^\\]+)?) \\$")


def read_lock(name: str) -> dict[str, set[str]]:
    """Package to its locked versions (several where they differ by Python version)."""
    versions: dict[str, set[str]] = {}
    for line in (ROOT / "requirements" / f"{name}.lock").read_text().splitlines():
        if match := LINE.match(line):
            versions.setdefault(canonicalize_name(match[1]), set()).add(match[2])
    return versions


def wanted(name: str) -> list[str]:
    """The requirements of pyproject.toml that a lock was made from."""
    groups, extras = PROJECT["dependency-groups"], PROJECT["project"]["optional-dependencies"]
    core: list[str] = PROJECT["project"]["dependencies"]
    full: list[str] = [r for extra in ("mcp", "llm", "vision", "voice", "server") for r in extras[extra]]
    return {
        "core": core,
        "test": core + groups["test"],
        "build": groups["build"],
        "server": core + groups["test"] + extras["server"],
        "full": core + groups["test"] + full,
        "weights": groups["weights"],
    }[name]


@pytest.mark.parametrize("name", NAMES)
def test_a_lock_names_no_host(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.lock").read_text()
    assert "://" not in text
    assert "--index" not in text
    assert "--find-links" not in text


@pytest.mark.parametrize("name", NAMES)
def test_every_line_is_a_pin_or_a_hash(name: str) -> None:
    lines = (ROOT / "requirements" / f"{name}.lock").read_text().splitlines()
    assert lines
    hashed = True  # whether the pin above has its hash
    for line in lines:
        if LINE.match(line):
            assert hashed, f"no hash before: {line}"
            hashed = False
        else:
            assert re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line), line
            hashed = True
    assert hashed


@pytest.mark.parametrize("name", NAMES)
def test_what_is_asked_for_is_locked(name: str) -> None:
    locked = read_lock(name)
    for text in wanted(name):
        requirement = Requirement(text)
        versions = locked.get(canonicalize_name(requirement.name))
        assert versions, f"{text} is not in {name}.lock: run `make lock`"
        assert all(requirement.specifier.contains(Version(version)) for version in versions), text


@pytest.mark.parametrize("name", ["test", "server"])
def test_a_larger_set_only_adds_to_core(name: str) -> None:
    larger = read_lock(name)
    assert {package: larger.get(package) for package in read_lock("core")} == read_lock("core")


def test_build_and_test_agree_where_they_meet() -> None:
    build, test = read_lock("build"), read_lock("test")
    assert {p: v for p, v in build.items() if p in test} == {p: v for p, v in test.items() if p in build}


def test_core_has_no_heavy_library() -> None:
    assert not set(read_lock("core")) & {
        "litellm",
        "mcp",
        "numpy",
        "openai",
        "opencv-contrib-python",
        "starlette",
        "tokenizers",
        "xllamacpp",
    }
