"""The table of PVE calls against the published API schemas: paths, methods, parameters, privileges."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from jarvis_daemon.clock import ManualClock
from jarvis_daemon.cluster.calls import CALLS, TOKEN_PRIVILEGES, Call, fill, needed_privileges
from jarvis_daemon.cluster.calls_write import ACT_PRIVILEGES, WRITES
from jarvis_daemon.cluster.proxmox import Proxmox
from jarvis_daemon.cluster.shapes import Version, parse_version
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.settings import ClusterSettings

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
    assert ours <= demanded <= ours | set(call.arguments)


@each_version
@each_call
def test_the_answer_is_the_list_or_object_that_we_expect(schemas: dict[str, Any], text: str, call: Call) -> None:
    kind = declared(schemas, text, call)["returns"]["type"]
    replies = {"array": "list", "object": "object", "string": "text", "integer": "number", "null": "nothing"}
    assert replies[kind] == call.reply


@each_version
@each_call
def test_privileges_are_those_the_server_checks(schemas: dict[str, Any], text: str, call: Call) -> None:
    permissions = declared(schemas, text, call)["permissions"]
    ours = {(p.name, p.path) for p in call.privileges if p.asked_by(parse_version(text))}
    check = permissions.get("check")
    if permissions.get("user") == "all" or check is None:
        assert not ours
        return
    if check[0] == "and":  # of a clone: on the source one privilege, on what is new another (in ``inside``)
        check = check[1]
    if check[0] == "or":  # the first of its ways is ours
        check = check[1]
    assert check[0] == "perm", f"a check that this test does not know: {check}"
    path, privileges, *modifier = check[1:]
    assert {p for _, p in ours} == {path}
    if modifier[:1] == ["any"]:
        assert {name for name, _ in ours}
        assert {name for name, _ in ours} <= set(privileges)
    else:
        assert {name for name, _ in ours} == set(privileges)


@each_version
@each_call
def test_the_documented_token_covers_the_call(text: str, call: Call) -> None:
    """Each privilege of a call lies on, or below, a path on which the token has it with propagation."""
    version = parse_version(text)
    held = needed_privileges(version) + [(p.name, p.path) for p in ACT_PRIVILEGES if call.writes]
    for privilege in (*call.privileges, *call.reveals, *call.inside):
        if privilege.asked_by(version):
            below = [path for name, path in held if name == privilege.name]
            assert any(path == "/" or privilege.path.startswith(path) for path in below), privilege


@each_version
def test_the_token_asks_for_no_more_than_the_calls_need(text: str) -> None:
    version = parse_version(text)
    reads = [call for call in CALLS.values() if not call.writes]
    used = {p.name for call in reads for p in (*call.privileges, *call.reveals) if p.asked_by(version)}
    assert {name for name, _ in needed_privileges(version)} == used


def test_to_act_the_token_asks_for_no_more_than_the_writes_need() -> None:
    used = {p.name for call in CALLS.values() if call.writes for p in (*call.privileges, *call.inside)}
    assert {p.name for p in ACT_PRIVILEGES} == used - {p.name for p in TOKEN_PRIVILEGES}
    assert len(ACT_PRIVILEGES) == len({p.name for p in ACT_PRIVILEGES})


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
    known = set(re.findall(r"\"((?:Sys|VM|Datastore|SDN)\.[A-Za-z.]+)\"", json.dumps(schemas)))
    assert {privilege.name for privilege in (*TOKEN_PRIVILEGES, *ACT_PRIVILEGES)} <= known


def test_what_writes_stands_in_the_table_of_writes_and_nowhere_else() -> None:
    assert {call.name for call in CALLS.values() if call.writes} == {call.name for call in WRITES}
    assert {call.method for call in WRITES} == {"POST", "PUT", "DELETE"}


async def test_a_write_is_not_sent_as_a_read() -> None:
    settings = ClusterSettings(name="x", endpoints=["https://127.0.0.1:1"], token_id="a@pve!b", tls="insecure")
    proxmox = Proxmox(settings, clock=ManualClock())
    for call in WRITES:
        with pytest.raises(ValueError, match="needs the gate's permit"):
            await proxmox.call(call.name)
    await proxmox.close()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("snapname", "../x"), ("snapname", "a"), ("snapname", "1st"), ("snapname", "a" * 41), ("snapname", "a/b"),
        ("snapname", "a b"), ("volume", "local"), ("volume", "local:../../etc/x"), ("volume", "local:a/../b"),
        ("volume", "local:a?b=1"), ("volume", "local:"),
    ],
)  # fmt: skip
def test_a_name_in_a_path_leads_nowhere_else(key: str, value: str) -> None:
    name = "vm_delete_snapshot" if key == "snapname" else "delete_volume"
    with pytest.raises(JarvisError) as caught:
        fill(CALLS[name], {"node": "pve", "vmid": 100, "storage": "local", key: value} if key == "snapname" else
             {"node": "pve", "storage": "local", key: value})  # fmt: skip
    assert caught.value.code == "invalid_params"
    assert key in caught.value.what


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
