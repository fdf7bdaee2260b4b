"""What a gate answers in the HUD's pictures."""

from __future__ import annotations

from typing import Any

GUEST_TOOLS = ("start", "shutdown", "stop", "reboot")
TOOLS = {
    **{f"{verb}_{kind}": "guest" for verb in GUEST_TOOLS for kind in ("vm", "container")},
    "migrate_guest": "guest node", "run_backup": "guest", "create_snapshot": "guest name", "delete_guest": "guest",
    "wake_node": "node", "drain_node": "node",
}  # fmt: skip


class Script:
    """What a gate would answer. ``plans`` and ``outcome`` are bent by the tests."""

    def __init__(self) -> None:
        self.tools = dict(TOOLS)
        self.plan: dict[str, Any] = {}
        self.lines: list[str] = []
        self.outcome: dict[str, Any] | None = None

    def answer(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        if method == "tool.list":
            return {"tools": [
                {"name": name, "input_schema": {"properties": {key: {} for key in keys.split()}}}
                for name, keys in self.tools.items()
            ]}  # fmt: skip
        return {"call_id": "c1", "outcome": "planned", "tier": "red", "needs": "confirm", "digest": "d1",
                "tool": params["name"], "text": f"Would: {params['name']}.", "effects": []} | self.plan  # fmt: skip

    def course(self, params: dict[str, Any]) -> list[dict[str, Any]]:
        out: list[dict[str, Any]] = [{"upid": "UPID:x", "lines": self.lines}] if self.lines else []
        if self.outcome is not None:
            out.append({"call_id": "c2", "tool": params["name"], "tier": "red", **self.outcome})
        return out
