"""Whose task it is, where a person and Jarvis share an account of PVE."""

from __future__ import annotations

from pathlib import Path

import pytest

from jarvis_daemon.protocol.state import Task
from jarvis_daemon.remediation.guardrails import ours
from tests.unit.remediation.ward import SETTINGS, Ward

UPID = "UPID:pve:0003A1B2:01F2C3D4:68A1B2C3:vzsnapshot:105:"


@pytest.mark.parametrize(
    ("user", "upid", "token", "wanted"),
    [
        ("jarvis@pve!daemon", "1", "jarvis@pve!daemon", True),
        ("jarvis@pve", "1", "jarvis@pve!daemon", True),  # nobody logs in by that name
        ("jarvis@pve", f"{UPID}jarvis@pve!daemon:", "jarvis@pve!daemon", True),
        ("jarvis@pve!terraform", "1", "jarvis@pve!daemon", False),
        ("root@pam", f"{UPID}root@pam!jarvis:", "root@pam!jarvis", True),
        ("root@pam", f"{UPID}root@pam:", "root@pam!jarvis", False),
        ("root@pam", "1", "root@pam!jarvis", False),
        ("root@pam!jarvis", f"{UPID}root@pam!jarvis:", "root@pam!jarvis", True),
        ("root@pam!other", "1", "root@pam!jarvis", False),
        ("root@pam", f"{UPID}root@pam:", "jarvis@pve!daemon", False),
        ("root@pam", f"{UPID}root@pam:", "", False),
    ],
)
def test_whose_it_is(user: str, upid: str, token: str, wanted: bool) -> None:
    assert ours(Task(id=upid, cluster="homelab", user=user), token) is wanted


async def test_a_person_at_work_as_root_holds_a_jarvis_with_a_token_of_root(tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(deep=True)
    assert settings.cluster is not None
    settings.cluster.token_id = "root@pam!jarvis"
    ward = Ward(tmp_path, settings=settings)
    await ward.open()
    ward.task(f"{UPID}root@pam:", "pihole", "vzsnapshot", "root@pam")
    ward.crash()
    await ward.poll(60)
    assert ward.acts == []
    assert "root@pam has just worked on pihole (vzsnapshot)" in ward.story().text
    await ward.close()
