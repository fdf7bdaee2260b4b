"""Containers and disks: what counts as ill, what is not known, and how the replies are read."""

from __future__ import annotations

from typing import Any

import pytest

from jarvis_daemon.cluster.conditions import Judge
from jarvis_daemon.cluster.conditions.picture import IllContainer
from jarvis_daemon.cluster.docker_watch import ill_containers
from jarvis_daemon.cluster.shapes import DiskRow, parse_disks
from jarvis_daemon.protocol.errors import JarvisError

from .pictures import NOW, SETTINGS, guest, ill, judged, node, picture

CONTAINER = ("docker-container-unhealthy", "container:management/grafana")
DISK = ("disk-failing", "disk:pve/sda")
SICK = {"management": [IllContainer("grafana", "unhealthy", "Up 3 days (unhealthy)", NOW - 60)]}


def row(status: str, state: str = "running", name: str = "/grafana") -> dict[str, Any]:
    return {"Names": [name], "State": state, "Status": status, "Image": "grafana"}


def read(*rows: Any, before: list[IllContainer] | None = None) -> list[tuple[str, str]]:
    found = ill_containers(list(rows), {one.name: one for one in before or []}, NOW)
    return [(one.name, one.health) for one in found]


# --- what Docker tells -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        (row("Up 3 days"), []),
        (row("Up 3 days (healthy)"), []),
        (row("Up 2 seconds (health: starting)"), []),
        (row("Up 3 days (unhealthy)"), [("grafana", "unhealthy")]),
        (row("Up 3 days (Paused) (unhealthy)", "paused"), []),
        (row("Restarting (1) 4 seconds ago", "restarting"), [("grafana", "restarting")]),
        (row("Exited (1) 2 hours ago", "exited"), []),
        (row("Up 3 seconds"), []),
    ],
)
def test_what_is_ill(reply: dict[str, Any], found: list[tuple[str, str]]) -> None:
    assert read(reply) == found


@pytest.mark.parametrize(
    ("status", "still"),
    [
        ("Up Less than a second", True), ("Up 1 second", True), ("Up 59 seconds", True),
        ("Up About a minute", False), ("Up 2 minutes", False), ("Up 3 days", False),
    ],
)  # fmt: skip
def test_one_that_restarted_is_not_well_before_it_ran_for_a_minute(status: str, still: bool) -> None:
    before = [IllContainer("grafana", "restarting", "Restarting (1) 4 seconds ago", NOW - 30)]
    assert read(row(status), before=before) == ([("grafana", "restarting")] if still else [])


def test_one_that_was_restarted_is_not_called_well_before_its_first_check() -> None:
    starting = row("Up 3 seconds (health: starting)")
    assert read(starting, before=SICK["management"]) == [("grafana", "starting")]
    judge = Judge(SETTINGS)
    assert CONTAINER in ill(judge, picture(containers=SICK))
    found = judge.judge(picture(10, containers={"management": [IllContainer("grafana", "starting", "Up", NOW)]}))
    assert CONTAINER in found.unjudged
    assert CONTAINER not in ill(judge, picture(20, containers={"management": []}))
    assert read(row("Up 30 seconds (healthy)"), before=[IllContainer("grafana", "starting", "Up", NOW)]) == []


def test_since_is_when_it_was_first_seen_ill() -> None:
    (again,) = ill_containers([row("Up 3 days (unhealthy)")], {"grafana": SICK["management"][0]}, NOW)
    assert again.since_at == NOW - 60


def test_odd_rows_are_left_out_and_what_is_no_list_is_refused() -> None:
    odd = [None, 3, {}, {"Names": []}, {"Names": "grafana"}, row("Up (unhealthy)", name="/a/b"),
           row("Up (unhealthy)", name="/x\u202ey"), row("Up (unhealthy)", name="")]  # fmt: skip
    assert read(*odd) == []
    with pytest.raises(JarvisError, match="no list"):
        ill_containers({"message": "no"}, {}, NOW)


# --- containers --------------------------------------------------------------------------------------------


def test_an_unhealthy_container_is_an_incident_of_its_own() -> None:
    shown = picture(containers=SICK, guests=[guest(100, "management", node="Home", kind="vm")])
    observations, found = judged(Judge(SETTINGS), shown)
    (one,) = [o for o in observations if o.condition == CONTAINER[0]]
    assert (one.target, one.severity, one.title) == (CONTAINER[1], "error", "grafana on management is unhealthy")
    assert one.evidence == {
        "node": "Home", "host": "management", "container": "grafana", "health": "unhealthy",
        "status": "Up 3 days (unhealthy)", "since_at": NOW - 60,
    }  # fmt: skip
    assert one.seen_at == NOW, "a reading counts once, however often it is looked at"
    assert CONTAINER[0] in found.covered


def test_a_host_that_does_not_answer_closes_nothing_and_opens_nothing() -> None:
    judge = Judge(SETTINGS)
    assert CONTAINER in ill(judge, picture(containers=SICK))
    found = judge.judge(picture(10, containers={"management": []}, stale=("docker",)))
    assert CONTAINER in found.unjudged
    found = judge.judge(picture(20, containers={"management": []}))
    assert CONTAINER[0] in found.covered
    assert CONTAINER not in found.unjudged
    assert CONTAINER not in ill(judge, picture(30, containers=SICK, stale=("docker",)))


def test_a_host_that_the_settings_do_not_name_any_more_is_done_with() -> None:
    judge = Judge(SETTINGS)
    assert CONTAINER in ill(judge, picture(containers=SICK))
    found = judge.judge(picture(10))
    assert CONTAINER[0] in found.covered
    assert CONTAINER not in found.unjudged


# --- disks -------------------------------------------------------------------------------------------------


def disk(**more: Any) -> dict[str, list[DiskRow]]:
    given = {"device": "/dev/sda", "model": "WDC", "serial": "W1", "health": "PASSED", "wearout_pct": None}
    return {"pve": [DiskRow(**(given | more))]}


@pytest.mark.parametrize(
    ("more", "severity"),
    [
        ({}, None), ({"health": "OK"}, None), ({"health": "UNKNOWN"}, None), ({"health": ""}, None),
        ({"health": "FAILED!"}, "error"), ({"health": "FAILED"}, "error"), ({"health": "FAILING_NOW"}, "error"),
        ({"wearout_pct": 100.0}, None), ({"wearout_pct": 6.0}, None), ({"wearout_pct": 5.0}, "warning"),
        ({"wearout_pct": 0.0}, "warning"), ({"wearout_pct": 3.0, "health": "FAILED!"}, "error"),
        ({"wearout_pct": 3.0, "health": "UNKNOWN"}, "warning"),
    ],
)  # fmt: skip
def test_what_a_disk_says_of_itself(more: dict[str, Any], severity: str | None) -> None:
    assert ill(Judge(SETTINGS), picture(disks=disk(**more))).get(DISK) == severity


def test_a_disk_that_failed_and_tells_nothing_now_is_not_well() -> None:
    judge = Judge(SETTINGS)
    assert DISK in ill(judge, picture(disks=disk(health="FAILED!")))
    assert DISK in judge.judge(picture(10, disks=disk(health="UNKNOWN"))).unjudged
    assert DISK in judge.judge(picture(20, disks=disk(), stale=("disks",))).unjudged
    found = judge.judge(picture(30, disks=disk()))
    assert DISK not in found.unjudged
    assert DISK[0] in found.covered


def test_the_disks_of_a_node_that_has_left_are_done_with() -> None:
    judge = Judge(SETTINGS)
    assert DISK in ill(judge, picture(disks=disk(health="FAILED!")))
    found = judge.judge(picture(10, disks=disk(health="FAILED!"), nodes=[node("agent")]))
    assert DISK not in found.unjudged
    assert not [o for o in found.observations if o.condition == DISK[0]]


def test_disks_as_pve_lists_them() -> None:
    rows = [
        {"devpath": "/dev/sda", "model": "WDC\u202e", "serial": "W1", "size": 4000787030016, "health": "PASSED",
         "wearout": "N/A", "used": "ZFS"},
        {"devpath": "/dev/nvme0n1", "health": "FAILED!", "wearout": 3, "size": "1024"},
        {"devpath": "/dev/sdb"}, {"model": "no device"}, {"devpath": "sdc"}, "nonsense",
    ]  # fmt: skip
    found = parse_disks(rows)
    assert [(d.device, d.health, d.wearout_pct) for d in found] == [
        ("/dev/sda", "PASSED", None), ("/dev/nvme0n1", "FAILED!", 3.0), ("/dev/sdb", "UNKNOWN", None),
    ]  # fmt: skip
    assert (found[0].size_bytes, "\u202e" in found[0].model) == (4000787030016, False)
