"""Conversations for the HUD's pictures, at the fixed moment of the homelab."""

from __future__ import annotations

from typing import Any

import msgspec

from jarvis_daemon.protocol.mind import ChatCall, ChatReply, ChatSession, ChatShown, ChatTurn
from tests.hud.fixtures import NOW

SESSION = "9f3a1c5e77b2"
REBOOT = ChatCall(
    id="1", name="reboot_container", args={"guest": "103"}, tier="red", status="verified", target="guest:103",
    target_name="plex", text="plex has been rebooted.", by="words",
)  # fmt: skip
ASKS = msgspec.structs.replace(
    REBOOT,
    status="asks",
    text="Would: Reboot plex.",
    effects=["3 clients are watching"],
    needs="confirm",
    digest="d1",
)
DESTROYS = msgspec.structs.replace(
    ASKS, name="delete_guest", tier="black", text="Would: Delete dev-sandbox.", target="guest:116",
    target_name="dev-sandbox", needs="typed_name", effects=["its 3 snapshots go too"],
)  # fmt: skip
AWAITS = msgspec.structs.replace(
    REBOOT, id="2", name="restart_service", status="awaiting", target="service:Home/smbd", target_name="smbd",
    text="Restart smbd on Home", approval_id="4f2a1c", by="model",
    origins=["node Home: your words", "service smbd: from a line of a journal"],
)  # fmt: skip
READ = ChatCall(
    id="1", name="get_journal", args={"node": "Home"}, tier="green", status="done", target="service:Home/smbd",
    target_name="smbd", by="model",
)  # fmt: skip


def turn(number: int, ago: float, asked: str, text: str, **more: Any) -> ChatTurn:
    reply = ChatReply(session=SESSION, turn=number, text=text, seq=number * 10, **more)
    return ChatTurn(turn=number, at=NOW - ago, asked=asked, reply=reply)


def shown(*turns: ChatTurn) -> dict[str, Any]:
    session = ChatSession(id=SESSION, title="how hot is pve", client="jarvis-hud", turns=len(turns))
    found: dict[str, Any] = msgspec.to_builtins(ChatShown(session=session, turns=list(turns)))
    return found


EARLIER = (
    turn(1, 900, "how hot is pve", "pve is at 49 °C, sir; agent is the warmest, at 79 °C."),
    turn(2, 840, "restart plex", "plex has been rebooted. It was away for 34 s.", calls=[REBOOT]),
    turn(
        3, 600, "why was nextcloud slow last night",
        "## In short\n**pve** was short of memory while the nightly backup ran:\n"
        "- at 02:10 `kswapd0` took a whole core for eleven minutes\n"
        "- nextcloud waited for the disk, not for the CPU\n\nA second backup at the same time is the likely cause.",
        backend="local qwen2.5-7b-instruct", calls=[READ],
        notes=["the cloud did not answer (overloaded); the local model did"],
    ),
    turn(4, 300, "restrt minecraft", "Did you mean: restart minecraft?", suggestion="restart minecraft"),
    turn(5, 240, "tell me everything about zfs", "ZFS keeps", status="cancelled", notes=["Stopped at your word."]),
)  # fmt: skip
TALK = shown(*EARLIER)
ASKING = shown(*EARLIER[:1], turn(6, 20, "restart plex", "Reboot plex: shall I?", status="asks", calls=[ASKS]))
DESTROYING = shown(turn(
    6, 20, "delete dev-sandbox", "Delete dev-sandbox: type dev-sandbox to go on.", status="asks", calls=[DESTROYS]
))  # fmt: skip
AWAITING = shown(*EARLIER[:2], turn(
    7, 20, "mend the shares", "I propose to restart smbd on Home; it waits for your word.",
    backend="cloud claude-sonnet-4-5", calls=[READ, AWAITS],
))  # fmt: skip


def event(seq: int, kind: str, text: str = "", number: int = 8, **data: Any) -> dict[str, Any]:
    """One event of the topic ``chat``."""
    return {"seq": seq, "at": NOW, "cluster": "", "kind": kind, "severity": "info", "text": text, "target": None,
            "data": {"session": SESSION, "turn": number, **data}}  # fmt: skip


STREAM = [
    event(101, "chat.asked", "what happened to the nas last week"),
    event(102, "chat.call", **{**msgspec.to_builtins(READ), "name": "search_memory", "status": "running"}),
    event(103, "chat.text", "On Tuesday its share **smbd** failed twice;"),
    event(104, "chat.text", " since Wednesday"),
]
"""A turn that is being answered."""
