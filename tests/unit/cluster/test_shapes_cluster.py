"""Membership, quorum, HA, permissions and versions as PVE 5 to 9 tell them."""

from __future__ import annotations

from typing import Any

import pytest

from jarvis_daemon.cluster.shapes import (
    Permissions,
    parse_ha,
    parse_permissions,
    parse_status,
    parse_tokens,
    parse_version,
)
from jarvis_daemon.protocol.errors import JarvisError

CLUSTER = {"type": "cluster", "id": "cluster", "name": "homelab", "nodes": 4, "quorate": 1, "version": 7}


def member(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "node", "id": f"node/{name}", "name": name, "online": 1, "local": 0, "nodeid": 2} | more


class TestStatus:
    def test_a_cluster_with_its_members(self) -> None:
        status = parse_status([CLUSTER, member("Home", local=1, ip="192.168.1.50"), member("pve", online=0)])
        assert (status.name, status.standalone, status.quorate, status.nodes_total) == ("homelab", False, True, 4)
        assert [(m.name, m.online, m.local, m.ip) for m in status.members] == [
            ("Home", True, True, "192.168.1.50"),
            ("pve", False, False, None),
        ]
        assert status.nodes_online == 1

    def test_quorum_follows_the_flag_and_not_the_members(self) -> None:
        assert parse_status([CLUSTER | {"quorate": 0}, member("Home"), member("pve")]).quorate is False
        assert parse_status([CLUSTER, member("Home"), member("pve", online=0)]).quorate is True

    def test_a_standalone_node_has_no_quorum_to_lose(self) -> None:
        status = parse_status(
            [{"type": "node", "id": "node/pve", "name": "pve", "nodeid": 0, "local": 1, "online": 1}]
        )
        assert (status.standalone, status.quorate, status.name) == (True, None, None)
        assert (status.nodes_total, status.nodes_online) == (1, 1)
        assert status.members[0].nodeid == 0

    def test_a_missing_online_is_not_known(self) -> None:
        row = member("pve")
        del row["online"]
        assert parse_status([CLUSTER, row]).members[0].online is None

    def test_a_member_without_a_name_is_dropped(self) -> None:
        status = parse_status([CLUSTER, {"type": "node"}, member("pve")])
        assert [m.name for m in status.members] == ["pve"]

    def test_the_wrong_shape_raises(self) -> None:
        with pytest.raises(JarvisError, match="wrong shape"):
            parse_status({"data": []})


class TestHa:
    def test_guests_nodes_master_and_quorum(self) -> None:
        ha = parse_ha(
            [
                {"id": "quorum", "type": "quorum", "node": "Home", "quorate": 1, "status": "OK"},
                {
                    "id": "master",
                    "type": "master",
                    "node": "pve",
                    "status": "pve (active, Wed Nov 18 10:00:00 2026)",
                },
                {
                    "id": "lrm:Home",
                    "type": "lrm",
                    "node": "Home",
                    "status": "Home (idle, Wed Nov 18 10:00:01 2026)",
                },
                {"id": "lrm:pve", "type": "lrm", "node": "pve", "status": "pve (old timestamp - dead?, Wed …)"},
                {"id": "lrm:agent", "type": "lrm", "node": "agent", "status": "agent (maintenance mode, Wed …)"},
                {
                    "id": "service:ct:108",
                    "type": "service",
                    "sid": "ct:108",
                    "node": "Home",
                    "state": "started",
                    "crm_state": "started",
                    "request_state": "started",
                    "status": "ct:108 (Home, started)",
                },
            ]
        )
        assert (ha.quorate, ha.master) == (True, "pve")
        assert ha.nodes == {"Home": "idle", "pve": "old timestamp - dead?", "agent": "maintenance mode"}
        assert ha.guests == {108: "started"}
        assert ha.guest_nodes == {108: "Home"}

    @pytest.mark.parametrize(
        "state",
        [
            "stopped",
            "request_stop",
            "started",
            "fence",
            "recovery",
            "migrate",
            "relocate",
            "freeze",
            "error",
            "new!",
        ],
    )
    def test_every_state_passes_as_text(self, state: str) -> None:
        row = {"type": "service", "sid": "vm:100", "state": state}
        assert parse_ha([row]).guests == {100: state}

    def test_no_quorum(self) -> None:
        assert parse_ha([{"type": "quorum", "quorate": 0, "status": "No quorum!"}]).quorate is False

    def test_a_fencing_row_of_9_is_passed_over(self) -> None:
        assert parse_ha([{"type": "fencing", "id": "fencing", "armed-state": "armed"}]).guests == {}


AUDITOR = {
    "/": {"Sys.Audit": 1, "VM.Audit": 1},
    "/vms": {"Sys.Audit": 1, "VM.Audit": 1},
    "/nodes": {"Sys.Audit": 1},
}


class TestPermissions:
    def test_what_is_held_is_inherited_below(self) -> None:
        held = parse_permissions(AUDITOR)
        assert held.has("Sys.Audit", "/nodes/pve")
        assert held.has("VM.Audit", "/vms/104")
        assert held.has("VM.Audit", "/vms")

    def test_what_does_not_propagate_ends_at_its_path(self) -> None:
        held = parse_permissions({"/": {"Sys.Audit": 1}, "/vms/100": {"VM.Audit": 0}, "/vms": {"VM.Audit": 0}})
        assert held.has("VM.Audit", "/vms/100")
        assert held.has("VM.Audit", "/vms")
        assert not held.has("VM.Audit", "/vms/101")

    def test_the_nearest_path_decides(self) -> None:
        held = parse_permissions({"/": {"VM.Audit": 1}, "/vms": {"VM.Audit": 1}, "/vms/105": {"VM.PowerMgmt": 1}})
        assert not held.has("VM.Audit", "/vms/105")

    def test_a_top_path_that_pve_leaves_out_has_nothing(self) -> None:
        """NoAccess on /storage: PVE judges it in every reply and leaves out what is empty."""
        held = parse_permissions({"/": {"Datastore.Audit": 1}, "/vms": {"VM.Audit": 1}})
        assert not held.has("Datastore.Audit", "/storage/local")

    def test_an_empty_reply_holds_nothing(self) -> None:
        assert not parse_permissions({}).has("Sys.Audit", "/")

    def test_missing_names_privilege_and_path(self) -> None:
        held = parse_permissions(AUDITOR)
        needed = [("Sys.Audit", "/"), ("Datastore.Audit", "/storage"), ("VM.Audit", "/vms")]
        assert held.missing(needed) == ["Datastore.Audit on /storage"]

    def test_old_servers_send_propagate_as_text(self) -> None:
        assert parse_permissions({"/vms": {"VM.Audit": "1"}}).has("VM.Audit", "/vms/1")
        assert Permissions(paths={}).missing([]) == []


class TestVersion:
    @pytest.mark.parametrize(
        ("reply", "numbers"),
        [
            ({"version": "5.4", "release": "3"}, (5, 4)),
            ({"version": "6.2-4", "release": "6.2"}, (6, 2, 4)),
            ({"version": "8.4.1", "release": "8.4"}, (8, 4, 1)),
            ({"version": "9.0.3", "release": "9.0"}, (9, 0, 3)),
            ({"version": "9.0.0~11", "release": "9.0"}, (9, 0, 0)),
            ("pve-manager/9.1.2/9d436f37a0ac4172", (9, 1, 2)),
        ],
    )
    def test_every_form_parses(self, reply: Any, numbers: tuple[int, ...]) -> None:
        assert parse_version(reply).numbers == numbers

    def test_versions_compare_as_numbers(self) -> None:
        assert parse_version("8.10").at_least("8.4")
        assert parse_version("9.0.3").at_least("9")
        assert parse_version("8.4").at_least("8.4.0")
        assert not parse_version("8.4").at_least("8.4.1")
        assert not parse_version("7.4-16").at_least("8.0")

    @pytest.mark.parametrize("reply", [{}, [], {"version": "unknown"}, None])
    def test_no_version_raises(self, reply: Any) -> None:
        with pytest.raises(JarvisError, match="wrong shape"):
            parse_version(reply)


def test_a_token_with_an_expiry_and_a_row_without_a_name() -> None:
    [token] = parse_tokens([{"tokenid": "daemon", "expire": 1800000000, "privsep": "0"}, {"expire": 0}])
    assert (token.name, token.privilege_separation, token.expires_at) == ("daemon", False, 1800000000.0)
