"""Nothing reaches a model but through the few places that take secrets out, and a setting opens no other door."""

from __future__ import annotations

import ast
from pathlib import Path

import jarvis_daemon.assistant
from jarvis_daemon.assistant.llm.contract import Message, ToolUse
from jarvis_daemon.assistant.reasoning.sealing import sealed
from jarvis_daemon.tools.tiers import Tier, rule

ROOM = Path(jarvis_daemon.assistant.__file__).parent
BUILDERS = {"reasoning/sealing.py", "reasoning/quarantine.py", "prose.py"}
"""Modules that build a request; each takes out the secrets itself, which its own tests prove."""


def test_requests_are_built_in_the_known_places_only() -> None:
    found = {
        str(path.relative_to(ROOM))
        for path in ROOM.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Request"
    }
    assert found == BUILDERS


def test_each_part_of_a_message_is_sealed() -> None:
    secret = "hunter22CANARY"
    use = ToolUse(
        "1", "execute_ssh", {"command": f"x --password {secret}", "pin": secret}, broken=f"token={secret}"
    )
    request = sealed([
        Message("user", f"password={secret}", keep=True), Message("assistant", f"secret: {secret}", calls=(use,)),
        Message("tool", f"https://a:{secret}@b/", call_id="1"),
    ])  # fmt: skip
    assert secret not in str(request)
    assert [(m.role, m.keep, m.call_id) for m in request.messages] == [
        ("user", True, ""), ("assistant", False, ""), ("tool", False, "1"),
    ]  # fmt: skip


def test_never_means_never_whatever_agents_may() -> None:
    for open_ in (True, False):
        assert rule("agent", Tier.YELLOW, agents_run_yellow=open_, alone="never") == "approval"
        assert rule("agent", Tier.YELLOW, agents_run_yellow=open_, alone="yellow") == "run"
        assert rule("agent", Tier.RED, agents_run_yellow=open_, alone="yellow") == "approval"
        assert rule("agent", Tier.BLACK, agents_run_yellow=open_, alone="yellow") == "refuse"
        assert rule("front", Tier.YELLOW, agents_run_yellow=False, alone="yellow") == "approval"
    assert rule("agent", Tier.YELLOW, agents_run_yellow=True) == "run"  # an MCP client, as before
