"""Logs: one JSON object a line, and no secret in it."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from jarvis_daemon import logs
from jarvis_daemon.redact import redact, redact_tree


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: PVEAPIToken=jarvis@pve!daemon=CANARY-1234",
        "password=CANARY-1234 next",
        '{"token": "CANARY-1234"}',
        "rtsp://admin:CANARY-1234@cam/stream",
        "secret: CANARY-1234",
    ],
)
def test_secrets_are_redacted(text: str) -> None:
    assert "CANARY" not in redact(text)


def test_a_record_becomes_one_line_in_a_private_file(tmp_path: Path) -> None:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    path = tmp_path / "state" / "daemon.log"
    try:
        logs.set_up("info", path)
        log = logging.getLogger("jarvis.test")
        log.info("hello\nthere", extra={"data": {"node": "pve", "password": "CANARY-1234"}})
        try:
            raise ValueError("token=CANARY-5678")
        except ValueError:
            log.exception("it failed")
        root.handlers[0].close()
    finally:
        root.handlers[:] = before
        root.setLevel(level)
    first, second = (json.loads(line) for line in path.read_text().splitlines())
    assert first["message"] == "hello\nthere"
    assert first["node"] == "pve"
    assert "ValueError" in second["error"]
    assert "CANARY" not in path.read_text()
    assert oct(path.stat().st_mode)[-3:] == "600"


@pytest.mark.parametrize(
    "text",
    [
        "curl -H Authorization: Bearer hunter22hunter22 http://x",
        "x --password hunter22hunter22",
        "exactly these arguments: [x] [--token] [hunter22hunter22]",
        "passwd=hunter22hunter22",
        "sent bearer hunter22hunter22",
        "private_key: hunter22hunter22",
    ],
)
def test_a_secret_is_taken_out_however_it_is_given(text: str) -> None:
    assert "hunter22" not in redact(text)
    assert (
        redact("the token is wrong; the bearer token is missing")
        == "the token is wrong; the bearer token is missing"
    )


def test_what_stands_under_a_secrets_name_goes_whole() -> None:
    assert redact_tree({"passwd": "x", "pin": "1", "private_key": "y", "pinned": "no"}) == {
        "passwd": "***", "pin": "***", "private_key": "***", "pinned": "no",
    }  # fmt: skip
