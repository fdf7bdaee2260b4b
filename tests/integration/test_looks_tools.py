"""The GREEN reads and the tools of incidents, through the gate, against the simulated homelab."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from tests.integration.node_house import AGENT, NodeHouse

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def house() -> AsyncIterator[NodeHouse]:
    async with NodeHouse() as made:
        await made.until(lambda: made.nodes["node:pve"].temperature_c and made.nodes["node:pve"].ha_state)
        yield made


Check = Callable[[dict[str, Any]], Any]
LOOKS: list[tuple[str, dict[str, Any], Check]] = [
    ("get_cluster_status", {}, lambda r: r["cluster"]["quorate"] and r["guests_total"] == 17),
    ("get_node_status", {"node": "pve"}, lambda r: r["node"]["status"] == "online" and r["as_of_at"]),
    ("get_node_status", {"node": "PVE"}, lambda r: any(line.startswith("101 nextcloud") for line in r["guests"])),
    ("get_storage", {}, lambda r: {s["name"] for s in r["storages"]} >= {"local", "externalhdd"}),
    ("get_storage", {"node": "agent"}, lambda r: all("agent" in (s["node"], *s["nodes"]) for s in r["storages"])),
    ("get_cluster_resources", {}, lambda r: {"node:pve", "guest:104"} <= {row["id"] for row in r["resources"]}),
    ("get_cluster_resources", {"type": "ct"}, lambda r: "guest:100" not in {x["id"] for x in r["resources"]}),
    ("get_node_temperature", {}, lambda r: len(r["temperatures"]) == 4),
    ("get_node_temperature", {"node": "pve"}, lambda r: 20 < r["temperatures"][0]["cpu_c"] < 100),
    ("get_recent_tasks", {"limit": 3}, lambda r: len(r["tasks"]) == 3),
    ("get_recent_tasks", {"node": "pve"}, lambda r: {t["node"] for t in r["tasks"]} == {"pve"}),
    ("get_ha_status", {}, lambda r: [s["guest"] for s in r["services"]] == ["guest:108"] and r["quorate"]),
    ("get_metrics_history", {"ids": ["node:pve"], "metrics": ["cpu"]}, lambda r: r["series"]["node:pve"]["cpu"]),
    ("get_incidents", {}, lambda r: r["incidents"] == []),
    ("get_feed", {"limit": 5}, lambda r: r["events"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "args", "check"), LOOKS, ids=[f"{n}-{i}" for i, (n, _, _) in enumerate(LOOKS)])
async def test_an_agent_may_look(house: NodeHouse, name: str, args: dict[str, Any], check: Check) -> None:
    outcome = await house.call(name, AGENT, **args)
    assert (outcome.outcome, outcome.code) == ("done", ""), outcome.text
    assert check(outcome.result), outcome.result


@pytest.mark.parametrize(
    ("name", "args", "code"),
    [
        ("get_node_status", {"node": "nowhere"}, "not_found"),
        ("get_node_status", {"node": "a/b"}, "invalid_params"),
        ("get_node_status", {}, "invalid_params"),
        ("get_recent_tasks", {"limit": 0}, "invalid_params"),
        ("get_recent_tasks", {"confirmed": True}, "invalid_params"),
        ("get_task_log", {"upid": "UPID:pve:no"}, "invalid_params"),
        ("get_metrics_history", {"ids": []}, "invalid_params"),
        ("acknowledge_incident", {"incident": "77"}, "not_found"),
        ("unsilence_incident", {"silence": "77"}, "not_found"),
    ],
)
async def test_what_cannot_be_is_refused(house: NodeHouse, name: str, args: dict[str, Any], code: str) -> None:
    outcome = await house.call(name, **args)
    assert (outcome.outcome, outcome.code) == ("refused", code)


async def test_the_log_of_a_task_is_read(house: NodeHouse) -> None:
    tasks = (await house.call("get_recent_tasks", status="ok")).result["tasks"]
    log = await house.call("get_task_log", upid=tasks[0]["id"])
    assert (log.outcome, log.result["status"], log.tainted) == ("done", "ok", True)


async def _stopped_already() -> None:
    return


async def test_looking_asks_the_cluster_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The counter of API calls stands still once the watch has stopped."""
    async with NodeHouse() as house:
        await house.room.monitor.stop()
        monkeypatch.setattr(house.room.monitor, "stop", _stopped_already)
        before = house.room.scene.px.calls.total()
        for name, args, _ in LOOKS:
            await house.call(name, **args)
        assert house.room.scene.px.calls.total() == before


async def test_an_incident_is_acknowledged_silenced_and_unsilenced(house: NodeHouse) -> None:
    await house.lab.fault("service-crash", "pve/smbd")
    (incident,) = await house.until(lambda: house.incidents.open_incidents())
    asked = await house.call("acknowledge_incident", AGENT, incident=incident.id)
    assert asked.outcome == "awaiting"
    acknowledged = await house.call("acknowledge_incident", incident=incident.id)
    assert (acknowledged.outcome, acknowledged.undo) == ("verified", None)
    assert house.incidents.open_incidents()[0].acked_by == "operator:cli"
    silenced = await house.call("silence_incident", incident=incident.id, reason="known", duration_s=60.0)
    assert silenced.outcome == "verified"
    assert silenced.undo is not None
    lifted = await house.call(silenced.undo["name"], **silenced.undo["args"])
    assert (lifted.outcome, house.incidents.silences) == ("verified", {})
    await house.lab.heal()
