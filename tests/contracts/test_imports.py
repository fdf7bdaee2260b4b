"""Who imports whom: DESIGN's layers, and heavy libraries that stay in their process.

The layers are proved on the source by import-linter (contracts in pyproject.toml), the processes by a fresh
interpreter that imports each entry point.
"""

from __future__ import annotations

import json
import re
import site
import subprocess
import sys
import tomllib
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[2]

HEAVY = {
    "aiohttp", "apprise", "cv2", "fastapi", "faster_whisper", "httpx", "httpx2", "litellm", "mcp", "mcp_types",
    "mediapipe", "numpy", "onnxruntime", "openai", "piper", "safetensors", "sounddevice", "starlette", "tiktoken",
    "tokenizers", "torch", "uvicorn", "xllamacpp",
}  # fmt: skip
DAEMON_ONLY = {"asyncssh", "proxmoxer", "pydantic", "requests", "sqlite_utils", "yaml"}

DAEMON_OF_MCP = (HEAVY | DAEMON_ONLY | {"jarvis_cli", "jarvis_daemon.settings", "jarvis_daemon.store"}) - {
    "mcp", "mcp_types", "starlette", "uvicorn", "httpx2", "pydantic",
}  # fmt: skip
"""What the processes that speak MCP may not load: everything heavy but MCP and what it brings."""

FORBIDDEN = {
    # entry point -> what a fresh interpreter may not have loaded after importing it
    "jarvis_cli.__main__": HEAVY | DAEMON_ONLY | {"asyncio", "msgspec", "rich", "textual", "websockets"},
    "jarvis_cli.main": HEAVY | DAEMON_ONLY | {"asyncio", "msgspec", "rich", "textual", "websockets"},
    "jarvis_cli.commands.status": HEAVY | DAEMON_ONLY | {"asyncio", "msgspec", "rich", "textual", "websockets"},
    "jarvis_cli.hud.app": HEAVY | DAEMON_ONLY | {"typer", "jarvis_daemon.settings", "jarvis_daemon.store"},
    "jarvis_daemon.__main__": HEAVY | {"jarvis_cli", "jarvis_daemon.simulator", "rich", "textual", "typer"},
    "jarvis_daemon.app": HEAVY | {"jarvis_cli", "jarvis_daemon.simulator", "rich", "textual", "typer"},
    "jarvis_daemon.admin.__main__": HEAVY | {"jarvis_cli", "jarvis_daemon.simulator", "rich", "textual", "typer"},
    "jarvis_daemon.worker": HEAVY | DAEMON_ONLY | {"jarvis_cli", "jarvis_daemon.store", "rich", "textual", "typer"},
    "jarvis_daemon.simulator.__main__": HEAVY | {
        "jarvis_cli", "msgspec", "proxmoxer", "pydantic", "requests", "rich", "sqlite_utils", "textual", "typer",
        "websockets",
    },
    "jarvis_daemon.protocol.client": HEAVY | DAEMON_ONLY | {"rich", "textual", "typer"},
    "jarvis_cli.commands.mcp": HEAVY | DAEMON_ONLY | {"asyncio", "msgspec", "rich", "textual", "websockets"},
    "jarvis_daemon.mcp_bridge.__main__": HEAVY | DAEMON_ONLY | {"jarvis_cli", "jarvis_daemon.store", "typer"},
    "jarvis_daemon.mcp_bridge.server": DAEMON_OF_MCP | {"jarvis_daemon.front"},
    "jarvis_daemon.front.worker": HEAVY | DAEMON_ONLY | {"jarvis_cli", "jarvis_daemon.store", "typer"},
    "jarvis_daemon.front.app": DAEMON_OF_MCP,
    "jarvis_daemon.assistant.llm.cloud": HEAVY | {"jarvis_cli", "rich", "textual", "typer"},
    "jarvis_daemon.assistant.worker.cloud": HEAVY | DAEMON_ONLY | {
        "jarvis_cli", "jarvis_daemon.settings", "jarvis_daemon.store", "rich", "textual", "typer",
    },
    "jarvis_daemon.notify.worker": HEAVY | DAEMON_ONLY | {
        "jarvis_cli", "jarvis_daemon.settings", "jarvis_daemon.store", "rich", "textual", "typer",
    },
}  # fmt: skip

STANDARD_LIBRARY_ONLY = ["errors", "health", "launch", "locate", "mirror", "plain", "spawn", "text"]
"""Modules of the contract that the fast path of the CLI imports."""

STARTUP_FILES = {
    "_editable_impl_jarvis_homelab.pth": False, "_virtualenv.pth": True, "distutils-precedence.pth": True,
}  # fmt: skip
"""Files that Python reads at every start, and whether they may run code: ours, of the environment, of setuptools. A
library that was tampered with has come with one that stole keys."""

APART = {
    # rooms beside the layers -> the rooms they may import
    "simulator": set[str](),
    "front": {"protocol", "mcp_bridge"},  # it serves the same MCP server over HTTP
    "mcp_bridge": {"protocol"},
    "worker": {"protocol"},
}


def loaded_by(module: str) -> set[str]:
    """Names in ``sys.modules`` of a fresh interpreter after ``import module``, less what it began with."""
    script = (
        "import sys; before = set(sys.modules); import importlib, json\n"
        f"importlib.import_module({module!r}); print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert run.returncode == 0, run.stderr
    return set(json.loads(run.stdout))


@pytest.mark.parametrize("module", FORBIDDEN)
def test_a_process_loads_no_library_of_another(module: str) -> None:
    assert loaded_by(module) & FORBIDDEN[module] == set()


@pytest.mark.parametrize("name", STANDARD_LIBRARY_ONLY)
def test_the_fast_path_needs_the_standard_library_only(name: str) -> None:
    tops = {module.partition(".")[0] for module in loaded_by(f"jarvis_daemon.protocol.{name}")}
    assert tops <= set(sys.stdlib_module_names) | {"jarvis_daemon"}


def test_the_probe_sees_what_is_loaded() -> None:
    """The gate above would be worthless if the probe missed a library that is there."""
    assert {"textual", "rich"} <= loaded_by("textual.app")


def test_the_contract_package_itself_imports_nothing() -> None:
    ours = {module for module in loaded_by("jarvis_daemon.protocol") if module.startswith("jarvis")}
    assert ours == {"jarvis_daemon", "jarvis_daemon.protocol"}


def test_layers_hold() -> None:
    """The contracts of pyproject.toml; an exception stands there with its reason."""
    lint = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run([lint, "--no-logo", "--no-cache"], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert run.returncode == 0, run.stdout + run.stderr


def test_every_library_we_import_is_declared() -> None:
    """What comes along with another library may go away with it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    ours = ("mcp", "notify", "llm", "local-llm", "embeddings")
    wanted = [*project["dependencies"], *(text for extra in ours for text in extras[extra])]
    declared = {re.split(r"[^A-Za-z0-9-]", text)[0] for text in wanted}
    imported_as = {name.replace("-", "_") for name in declared} | {"yaml"}
    graph = grimp.build_graph("jarvis_cli", "jarvis_daemon", include_external_packages=True, cache_dir=None)
    external = {module for module in graph.modules if graph.is_module_squashed(module)}
    assert external - set(sys.stdlib_module_names) <= imported_as


def test_no_library_runs_code_at_every_start() -> None:
    found = {path for folder in site.getsitepackages() for path in Path(folder).glob("*.pth")}
    assert {path.name for path in found} <= set(STARTUP_FILES)
    for path in found:
        runs = any(line.startswith(("import ", "import\t")) for line in path.read_text().splitlines())
        assert STARTUP_FILES[path.name] or not runs, path.name


def test_rooms_apart_import_the_contract_at_most() -> None:
    graph = grimp.build_graph("jarvis_daemon", cache_dir=None)
    for room, allowed in APART.items():
        top = f"jarvis_daemon.{room}"
        if top not in graph.modules:
            continue  # a room of later work
        for module in {top} | graph.find_descendants(top):
            for imported in graph.find_modules_directly_imported_by(module):
                parts = imported.split(".")
                assert parts[:2] == ["jarvis_daemon", room] or (len(parts) > 1 and parts[1] in allowed), (
                    f"{module} imports {imported}"
                )
