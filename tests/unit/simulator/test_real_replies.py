"""What the simulator answers has the keys and the types of what real servers answered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .conftest import Client


@pytest.fixture
def replies(shared_data: Path) -> Path:
    return shared_data / "pve/replies"


def real(path: Path) -> Any:
    return json.loads(path.read_text())["data"]


def differences(ours: Any, theirs: Any, where: str = "") -> list[str]:
    """Keys and JSON types in which ``ours`` departs from ``theirs``; an int may stand for a float."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        found = [f"{where}.{key} is missing" for key in theirs.keys() - ours.keys()]
        return found + [d for key in theirs.keys() & ours.keys() for d in
                        differences(ours[key], theirs[key], f"{where}.{key}")]  # fmt: skip
    if isinstance(theirs, int | float) and isinstance(ours, int | float):
        return []
    return [] if type(ours) is type(theirs) else [f"{where}: {type(ours).__name__} for {type(theirs).__name__}"]


@pytest.mark.parametrize("server", ["pvexport-pve9.1.2", "pve8.4.14-node"])
async def test_node_status(client: Client, replies: Path, server: str) -> None:
    ours = (await client.get("/nodes/pve/status")).data
    assert differences(ours, real(replies / server / "node_status.json")) == []


async def test_cluster_resources_by_type(client: Client, replies: Path) -> None:
    ours = {row["type"]: row for row in (await client.get("/cluster/resources")).data if row.get("node") != "Home"}
    ours |= {row["type"]: row for row in (await client.get("/cluster/resources")).data if row.get("tags")}
    checked = set()
    for theirs in real(replies / "datadog-pve8.4.1/cluster_resources.json"):
        if theirs["type"] in ours:
            checked.add(theirs["type"])
            theirs.pop("pool", None)
            assert differences(ours[theirs["type"]], theirs, theirs["id"]) == []
    assert checked == {"qemu", "lxc", "node", "storage"}


async def test_an_offline_node(client: Client, replies: Path) -> None:
    theirs = {
        row["status"]: row for row in real(replies / "homepage-2184-offline-node/cluster_resources_nodes.json")
    }
    await client.lab.fault("node-down", "pve")
    await client.lab.advance(400)
    ours = {row["node"]: row for row in (await client.get("/cluster/resources", type="node")).data}
    assert set(ours["pve"]) == set(theirs["offline"])
    assert set(ours["Home"]) == set(theirs["online"])


async def test_tasks_and_version_and_ha(client: Client, replies: Path) -> None:
    folder = replies / "datadog-pve8.4.1"
    theirs = real(folder / "nodes_tasks.json")[0]
    assert set((await client.get("/nodes/pve/tasks")).data[0]) == set(theirs)
    assert differences((await client.get("/nodes/pve/tasks")).data[0], theirs) == []
    assert differences((await client.get("/version")).data, real(folder / "version.json")) == []
    ours = {row["type"]: row for row in (await client.get("/cluster/ha/status/current")).data}
    assert differences(ours["quorum"], real(folder / "ha_status_current.json")[0]) == []


async def test_metrics_rows(client: Client, replies: Path) -> None:
    ours = {row["metric"]: row for row in (await client.get("/cluster/metrics/export")).data["data"]}
    for theirs in real(replies / "datadog-pve8.4.1/cluster_metrics_export_excerpt.json")["data"]:
        assert theirs["metric"] in ours
        assert ours[theirs["metric"]]["type"] == theirs["type"]
        assert differences(ours[theirs["metric"]], theirs) == []
