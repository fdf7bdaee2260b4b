"""What doctor says of a token that may not act: a fault only where somebody counts on it."""

from __future__ import annotations

import pytest

from jarvis_daemon.admin.checks_cluster import REPAIR_PRIVILEGES, _acting
from jarvis_daemon.cluster.calls_write import ACT_PRIVILEGES

ALL = [f"{privilege.name} on {privilege.path}" for privilege in ACT_PRIVILEGES]


@pytest.mark.parametrize(
    ("missing", "acts", "level", "status", "told"),
    [
        ([], True, 3, "ok", "may do all"),
        (ALL, False, 2, "ok", "may only look"),
        (ALL, False, 3, "warn", "autonomy is L3, but the token lacks VM.PowerMgmt on /vms"),
        (["VM.Clone on /vms"], True, 3, "warn", "the token lacks VM.Clone on /vms: what needs them is refused"),
        (["Sys.PowerMgmt on /nodes"], True, 4, "warn", "autonomy is L4, but the token lacks Sys.PowerMgmt"),
        (["Sys.PowerMgmt on /nodes"], True, 2, "warn", "is refused by Proxmox VE"),
    ],
)
def test_acting(missing: list[str], acts: bool, level: int, status: str, told: str) -> None:
    (check,) = _acting({"missing_act": missing, "acts": acts}, level)
    assert check["status"] == status
    assert told in check["detail"]
    assert ("jarvis setup" in (check["fix"] or "")) == (status == "warn")


def test_what_repairs_need_is_among_what_acting_needs() -> None:
    assert {privilege.name for privilege in ACT_PRIVILEGES} >= REPAIR_PRIVILEGES
