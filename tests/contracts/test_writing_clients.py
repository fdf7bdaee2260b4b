"""The one gate: which modules may hold a client that writes, and that each of their writes takes the permit."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import jarvis_daemon

ROOT = Path(jarvis_daemon.__file__).parent
APART = {"simulator", "front", "mcp_bridge"}
"""The homelab that is acted upon, and clients of the contract."""

WAYS = {"create_process", "open_unix_connection", "create_unix_connection", "create_datagram_endpoint",
        "create_subprocess_exec", "create_subprocess_shell", "system", "popen", "run_shell"}  # fmt: skip
ALLOWED = {
    "assistant/worker/embedded.py": {"create_subprocess_exec"},
    "cluster/docker.py": {"open_unix_connection"},
    "cluster/magic.py": {"create_datagram_endpoint"},
    "cluster/ssh.py": {"create_process", "open_unix_connection"},
    "cluster/ssh_run.py": {"create_process"},
    "supervisor/supervisor.py": {"create_subprocess_exec"},
    "demo.py": {"open_unix_connection"},
}
"""Beside these nobody starts a process or opens a way to another machine."""
PERMITTED = {("ssh", "act"), ("px", "write"), ("_docker", "write")}
"""(client, method) of writes: the first argument is the permit."""


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(ROOT.rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if name.split("/")[0] not in APART:
            yield name, ast.parse(path.read_text())


def calls(tree: ast.Module) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def test_only_these_modules_open_a_way_out() -> None:
    found: dict[str, set[str]] = {}
    for name, tree in modules():
        for call in calls(tree):
            if isinstance(call.func, ast.Attribute) and call.func.attr in WAYS:
                found.setdefault(name, set()).add(call.func.attr)
    assert found == ALLOWED


def test_every_write_hands_over_the_permit() -> None:
    seen = 0
    for name, tree in modules():
        for call in calls(tree):
            if not isinstance(call.func, ast.Attribute):
                continue
            holder = call.func.value
            client = holder.attr if isinstance(holder, ast.Attribute) else getattr(holder, "id", "")
            if (client, call.func.attr) in PERMITTED:
                seen += 1
                assert call.args, name
                assert isinstance(call.args[0], ast.Name), name
                assert call.args[0].id == "act", f"{name}:{call.lineno} writes without the permit"
    assert seen >= 8


def test_only_tools_of_the_cluster_write() -> None:
    for name, tree in modules():
        for call in calls(tree):
            func = call.func
            if not (isinstance(func, ast.Attribute) and isinstance(func.value, ast.Attribute)):
                continue
            if (func.value.attr, func.attr) in PERMITTED:
                assert name.startswith("cluster/tools/"), name
