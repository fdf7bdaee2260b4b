"""Where a text is shortened, no half of a secret stays: it is redacted first."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jarvis_daemon.assistant.answers.words import safe
from jarvis_daemon.assistant.reasoning.tooling import told
from jarvis_daemon.notify import report, wording
from jarvis_daemon.protocol.messages import ToolOutcome

SECRETS = [
    "rtsp://admin:CANARYcam9secret@10.0.0.9:554/1",
    "CANARYk7Qz2Lw9Xv4Rt8Yp1Nm6Bc3Hd5Fg0",
    "password=CANARY42x",
]


def _outcome(text: str) -> str:
    return told(ToolOutcome(call_id="1", outcome="failed", text=text, why=text, next=text), None, {}, 1000)


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    ("write", "limit"),
    [(safe, 400), (_outcome, 600), (_outcome, 300), (report._safe, 600), (wording._safe, 4000)],
)
def test_no_place_of_a_cut_shows_half_a_secret(write: Callable[[str], str], limit: int, secret: str) -> None:
    for before in range(limit - len(secret) - 4, limit + 2):
        text = f"{'x ' * (before // 2)}{'.' * (before % 2)}{secret} end"
        assert "CANARY" not in write(text)
