"""The table of PVE calls against the published API schemas: paths, methods, parameters, privileges."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from jarvis_daemon.cluster.calls import CALLS, TOKEN_PRIVILEGES, Call, fill, needed_privileges
from jarvis_daemon.cluster.shapes import Version, parse_version
from jarvis_daemon.protocol.errors import JarvisError

VERSIONS = ("8.4", "9.1.3")
each_version = pytest.mark.parametrize("text", VERSIONS)
each_call = pytest.mark.parametrize("call", CALLS.values(), ids=lambda call: call.name)


@pytest.fixture(scope="session")
def schemas(shared_data: Path) -> dict[str, Any]:
    return {text: json.loads((shared_data / f"pve/schema/pve-api-{text}.json").read_text()) for text in VERSIONS}


def declared(schemas: dict[str, Any], text: str, call: Call) -> dict[str, Any]:
    assert call.path in schemas[text], f"PVE {text} has no {call.path}"
    found: dict[str, Any] = schemas[text][call.path].get(call.method)
    assert found, f"PVE {text} has no {call.method} {call.path}"
    return found


@each_version
@each_call
def test_path_and_method_exist(schemas: dict[str, Any], text: str, call: Call) -> None:
    assert declared(schemas, text, call)["name"]


@each_version
@each_call
def test_every_parameter_is_declared_and_as_optional_as_we_say(
    schemas: dict[str, Any], text: str, call: Call
) -> None:
    parameters = declared(schemas, text, call)["parameters"]
    for parameter in call.parameters:
        assert parameter.name in parameters, f"PVE {text} refuses {parameter.name}"
        assert bool(parameters[parameter.name].get("optional")) == parameter.optional
    assert set(call.arguments) <= set(parameters)


@each_version
@each_call
def test_nothing_that_pve_demands_is_left_out(schemas: dict[str, Any], text: str, call: Call) -> None:
    parameters = declared(schemas, text, call)["parameters"]
    demanded = {name for name, rules in parameters.items() if not rules.get("optional")}
    ours = {parameter.name for parameter in call.parameters if not parameter.optional}
    assert demanded == ours | set(call.arguments)


@each_version
@each_call
def test_the_answer_is_the_list_or_object_that_we_expect(schemas: dict[str, Any], text: str, call: Call) -> None:
    kind = declared(schemas, text, call)["returns"]["type"]
    assert {"array": "list", "object": "object"}[kind] == call.reply


@each_version
@each_call
def test_privileges_are_those_the_server_checks(schemas: dict[str, Any], text: str, call: Call) -> None:
    permissions = declared(schemas, text, call)["permissions"]
    ours = {(p.name, p.path) for p in call.privileges if p.asked_by(parse_version(text))}
    check = permissions.get("check")
    if permissions.get("user") == "all" or check is None:
        assert not ours
        return
    assert check[0] == "perm", f"a check that this test does not know: {check}"
    path, privileges, *modifier = check[1:]
    assert {p for _, p in ours} == {path}
    if modifier[:1] == ["any"]:
        assert {name for name, _ in ours} & set(privileges)
    else:
        assert {name for name, _ in ours} == set(privileges)


@each_version
@each_call
def test_the_documented_token_covers_the_call(text: str, call: Call) -> None:
    """Each privilege of a call lies on, or below, a path on which the token has it with propagation."""
    version = parse_version(text)
    held = needed_privileges(version)
    for privilege in (*call.privileges, *call.reveals):
        if privilege.asked_by(version):
            below = [path for name, path in held if name == privilege.name]
            assert any(path == "/" or privilege.path.startswith(path) for path in below), privilege


@each_version
def test_the_token_asks_for_no_more_than_the_calls_need(text: str) -> None:
    version = parse_version(text)
    used = {p.name for call in CALLS.values() for p in (*call.privileges, *call.reveals) if p.asked_by(version)}
    assert {name for name, _ in needed_privileges(version)} == used


def test_the_agent_privilege_differs_between_8_and_9() -> None:
    eight, nine = needed_privileges(parse_version("8.4")), needed_privileges(parse_version("9.0.3"))
    assert ("VM.Monitor", "/vms") in eight
    assert ("VM.GuestAgent.Audit", "/vms") not in eight
    assert ("VM.GuestAgent.Audit", "/vms") in nine
    assert ("VM.Monitor", "/vms") not in nine
    assert needed_privileges(parse_version("9.0"), optional=False) == [
        ("Sys.Audit", "/"),
        ("VM.Audit", "/vms"),
        ("Datastore.Audit", "/storage"),
    ]


def test_every_privilege_name_of_the_table_is_one_of_pve(schemas: dict[str, Any]) -> None:
    known = set(re.findall(r"\"((?:Sys|VM|Datastore)\.[A-Za-z.]+)\"", json.dumps(schemas)))
    assert {privilege.name for privilege in TOKEN_PRIVILEGES} <= known


def test_the_client_only_reads() -> None:
    assert [call.name for call in CALLS.values() if call.writes] == []


def test_names_and_paths_are_unique() -> None:
    assert len({(call.method, call.path) for call in CALLS.values()}) == len(CALLS)


def test_a_path_is_filled_and_booleans_become_digits() -> None:
    assert fill(CALLS["vm_config"], {"node": "pve", "vmid": 100, "current": True}) == (
        "/nodes/pve/qemu/100/config",
        {"current": "1"},
    )
    assert fill(CALLS["metrics_export"], {"start_time": 5, "history": False, "local_only": None}) == (
        "/cluster/metrics/export",
        {"start-time": "5", "history": "0"},
    )


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"node": ""},
        {"node": None},
        {"node": "../access"},
        {"node": "a/b"},
        {"node": "pve", "extra": 1},
    ],
)
def test_an_empty_or_foreign_node_name_asks_for_no_other_path(arguments: dict[str, Any]) -> None:
    """GET /nodes//status would be another call (501 at best)."""
    with pytest.raises(JarvisError) as caught:
        fill(CALLS["node_status"], arguments)
    assert caught.value.code == "invalid_params"


def test_a_demanded_parameter_is_demanded_here_already() -> None:
    with pytest.raises(JarvisError, match="needs timeframe"):
        fill(CALLS["node_rrd"], {"node": "pve"})


def test_a_call_newer_than_the_cluster_is_not_sent() -> None:
    old = Version(text="8.0.4", numbers=(8, 0, 4))
    with pytest.raises(JarvisError) as caught:
        fill(CALLS["metrics_export"], {}, old)
    assert caught.value.code == "unavailable"
    assert "8.0.4" in caught.value.why
    assert fill(CALLS["metrics_export"], {}, parse_version("8.4.1"))[0] == "/cluster/metrics/export"
