"""The table of calls that the simulator speaks, held against the published schemas of PVE 8.4 and 9.1.3."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jarvis_daemon.simulator import guest_calls, guest_life, node_calls, reads_cluster, reads_node  # noqa: F401
from jarvis_daemon.simulator.api_table import Call, calls
from jarvis_daemon.simulator.pve_api import CALLS

Schema = dict[str, dict[str, dict[str, Any]]]


@pytest.fixture(scope="session")
def newest(shared_data: Path) -> Schema:
    schema: Schema = json.loads((shared_data / "pve/schema/pve-api-9.1.3.json").read_text())
    return schema


@pytest.fixture(scope="session")
def older(shared_data: Path) -> Schema:
    schema: Schema = json.loads((shared_data / "pve/schema/pve-api-8.4.json").read_text())
    return schema


def test_each_call_of_the_table_is_answered_and_no_other() -> None:
    assert set(calls()) == set(CALLS)
    assert len(CALLS) > 60


@pytest.mark.parametrize("call", calls().values(), ids=lambda call: f"{call.method} {call.path}")
def test_a_call_is_declared_as_in_9_1_3(call: Call, newest: Schema) -> None:
    published = newest[call.path][call.method]
    own = {name for name in published["parameters"] if name not in call.path_names}
    assert set(call.parameters) == own
    for name, parameter in call.parameters.items():
        declared = published["parameters"][name]
        assert parameter.type == declared.get("type", "string"), name
        assert parameter.optional == bool(declared.get("optional")), name
        assert parameter.minimum == _number(declared.get("minimum")), name
        assert parameter.maximum == _number(declared.get("maximum")), name
        assert parameter.max_length == declared.get("maxLength"), name
        assert parameter.enum == tuple(declared.get("enum", ())), name
        assert parameter.requires == declared.get("requires"), name
        if isinstance(declared.get("format"), str):
            assert parameter.format == declared["format"], name
        if parameter.pattern is not None:
            assert parameter.pattern == declared["pattern"], name
    assert call.proxied == (published["proxyto"] == "node")


@pytest.mark.parametrize("call", calls().values(), ids=lambda call: f"{call.method} {call.path}")
def test_a_call_asks_the_permission_of_9_1_3(call: Call, newest: Schema) -> None:
    declared = newest[call.path][call.method].get("permissions") or {}
    check = declared.get("check")
    if call.check is None:
        assert check is None
    elif isinstance(call.check, tuple):
        path, privileges, any_of = call.check
        assert check[:3] == ["perm", path, list(privileges)]
        assert any_of == ("any" in check[3:]) or len(privileges) == 1


@pytest.mark.parametrize("call", calls().values(), ids=lambda call: f"{call.method} {call.path}")
def test_what_8_4_does_not_know_is_marked(call: Call, older: Schema) -> None:
    published = older.get(call.path, {}).get(call.method)
    assert call.since9 == (published is None)
    if published is not None:
        for name, parameter in call.parameters.items():
            assert parameter.since9 == (name not in published["parameters"]), name


def _number(value: Any) -> int | None:
    return None if value is None else int(value)
