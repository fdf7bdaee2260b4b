"""What panels are told: states, ages, counts, order, series, and when it is worked out anew."""

from __future__ import annotations

from typing import Any

import pytest

from jarvis_cli.hud.model import Model
from jarvis_cli.hud.rings import POINTS, STEP_S, Ring
from jarvis_cli.hud.states import guest_state, node_state, storage_state
from tests.hud.fixtures import NOW, StillLink, break_pve, by_id, cluster_state, feed, tasks_state, warm


def model_of(change: Any = None) -> Model:
    link = StillLink(lambda topic: None)
    state = {"cluster": cluster_state(), "tasks": tasks_state(), "incidents": {"incidents": by_id([warm()])}}
    if change:
        change(state)
    link.fill(state, feed())
    model = Model(link)
    model.touch("cluster")
    return model


async def pass_time(model: Model, seconds: float) -> None:
    await model.source.clock.advance(seconds)  # type: ignore[attr-defined]


def test_counts_and_order() -> None:
    model = model_of()
    assert model.guest_counts() == {"run": 14, "stop": 2, "lock": 1, "template": 1, "all": 18}
    assert [node["name"] for node in model.nodes()] == ["agent", "agent1", "Home", "pve"]
    assert model.tasks()[0]["status"] == "running"
    assert [event["seq"] for event in model.feed()][:2] == [9, 8]
    assert model.level()[0] == "degraded"


def test_a_daemon_that_can_save_nothing_is_not_well() -> None:
    def full(state: dict[str, Any]) -> None:
        state["incidents"] = {"incidents": {}}
        state["health"] = {"health": {"health:daemon": {"store_error": "nothing can be saved: the disk is full"}}}

    level, reasons = model_of(full).level()
    assert level == "degraded"
    assert "the disk is full" in str(reasons)


def test_a_dead_node() -> None:
    model = model_of(break_pve)
    assert model.guest_counts()["unknown"] == 5
    assert model.guests_on("pve")["run"] == 0
    state = model.node_state(next(node for node in model.nodes() if node["name"] == "pve"))
    assert (state.mark, state.word) == ("down", "DOWN")
    assert state.note == "last seen 21:46:51 (12 s)"
    assert model.level()[0] == "critical"
    assert [i["id"] for i in model.incidents()] == ["4", "3"]


async def test_facts_age_by_the_daemons_clock() -> None:
    model = model_of()
    assert model.data_age() == (pytest.approx(4.0), "fresh")
    await pass_time(model, 40)
    assert model.tick()
    assert model.data_age() == (pytest.approx(44.0), "stale")
    assert model.guest_state(model.guests()[1]).role == "faint", "a stale guest is not green"
    await pass_time(model, 400)
    assert model.tick()
    assert model.guest_counts()["run"] == 0
    assert model.guest_counts()["unknown"] == 17
    assert not model.tick(), "nothing has aged further"


async def test_an_old_temperature_is_not_shown() -> None:
    model = model_of()
    node = model.nodes()[0]
    assert model.temperature(node) == 79.0
    await pass_time(model, 600)
    assert model.temperature(node) is None


async def test_a_change_of_state_flashes_once() -> None:
    model = model_of()
    guest = model.collection("guests")["guest:103"]
    assert not model.flashing("guest:103")
    guest["status"] = "stopped"
    model.touch("cluster")
    assert model.flashing("guest:103")
    assert not model.flashing("guest:101")
    await pass_time(model, 2)
    assert not model.flashing("guest:103")


def test_a_new_picture_is_worked_out_only_after_a_change() -> None:
    model = model_of()
    first = model.guests()
    assert model.guests() is first
    model.touch("tasks")
    assert model.guests() is not first


def test_find_guest_by_vmid_name_and_id() -> None:
    model = model_of()
    for name in ("103", "plex", "guest:103"):
        found = model.find_guest(name)
        assert found is not None
        assert found["vmid"] == 103
    assert model.find_guest("nobody") is None


def test_vm_disk_and_hidden_numbers() -> None:
    model = model_of()
    node = {"id": "node:x", "name": "x", "status": "online", "stats_visible": False}
    assert node_state(node, "fresh", NOW).note == "no right to see numbers"
    assert model.find_guest("truenas")["disk_used_bytes"] is None  # type: ignore[index]


@pytest.mark.parametrize(
    ("guest", "freshness", "word", "role"),
    [
        ({"status": "running"}, "fresh", "run", "good"),
        ({"status": "running"}, "stale", "stale", "faint"),
        ({"status": "running"}, "unknown", "unknown", "faint"),
        ({"status": "unknown"}, "fresh", "unknown", "faint"),
        ({"status": "running", "lock": "backup"}, "fresh", "lock", "warn"),
        ({"status": "stopped", "template": True}, "fresh", "template", "faint"),
        ({"status": "paused"}, "fresh", "paused", "warn"),
        ({"status": "stopped"}, "fresh", "stop", "faint"),
    ],
)
def test_guest_states(guest: dict[str, Any], freshness: str, word: str, role: str) -> None:
    state = guest_state(guest, freshness)
    assert (state.word, state.role) == (word, role)


@pytest.mark.parametrize(
    ("used", "status", "word"),
    [(50, "available", "online"), (92, "available", "filling"), (97, "available", "full"),
     (50, "inactive", "offline"), (None, "available", "online"), (50, "unknown", "unknown")],
)  # fmt: skip
def test_storage_states(used: int | None, status: str, word: str) -> None:
    assert storage_state({"status": status, "used_bytes": used, "total_bytes": 100}, "fresh").word == word


# --- series ------------------------------------------------------------------------------------------------


def test_a_ring_moves_with_time_and_means_within_a_bucket() -> None:
    ring = Ring()
    start = STEP_S * 1000
    ring.add(start, 1.0)
    ring.add(start + 1, 3.0)
    assert ring.values[-1] == 2.0
    ring.add(start + 3 * STEP_S, 5.0)
    assert ring.values[-4:] == [2.0, None, None, 5.0]
    ring.add(start + 10_000 * STEP_S, None)
    assert ring.values == [None] * POINTS


def test_history_fills_what_is_not_known_yet() -> None:
    ring = Ring()
    now = STEP_S * 5000 + 30
    ring.add(now, 0.9)
    ring.seed(now - 3600, 60.0, [0.1] * 59 + [None])
    assert ring.values[-1] == 0.9
    assert ring.values[5:-1] == [0.1] * (POINTS - 6)
    ring.seed(0.0, 0.0, [1.0])
    assert ring.values[-1] == 0.9


def test_history_may_come_before_the_first_value() -> None:
    ring = Ring()
    now = STEP_S * 5000 + 30
    ring.seed(now - 3600, 60.0, [0.1] * 60)
    ring.add(now, 0.5)
    assert ring.values[-2] == 0.1
    assert ring.values[-1] is not None
