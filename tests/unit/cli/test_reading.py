"""Names, filters, streams and exit codes of the reading commands."""

from __future__ import annotations

import json

import pytest

from tests.unit.cli.conftest import Jarvis


def test_status_has_what_scripts_rely_on(reading: Jarvis) -> None:
    said = reading("status", "-o", "json")
    document = json.loads(said.out)
    assert said.code == 10
    assert document["simulated"] is True
    assert document["as_of"] == "2027-01-15T07:59:56.000Z"
    assert document["quorum"]["quorate"] is True
    lost = next(guest for guest in document["guests"] if guest["vmid"] == 101)
    assert {k: lost[k] for k in ("name", "vmid", "kind", "node", "status", "freshness")} == {
        "name": "nextcloud", "vmid": 101, "kind": "ct", "node": "pve", "status": "unknown", "freshness": "unknown",
    }  # fmt: skip
    assert [incident["condition"] for incident in document["incidents"]] == ["node-unreachable", "memory-high"]


def test_a_guest_by_vmid_or_name_whatever_its_case(reading: Jarvis) -> None:
    for wanted in ("100", "management", "Management"):
        assert json.loads(reading("guest", "show", wanted, "--json").out)["vmid"] == 100


def test_two_guests_of_one_name_are_refused_with_their_vmids(reading: Jarvis) -> None:
    said = reading("guest", "show", "plex")
    assert said.code == 2
    assert said.out == ""
    assert "103 (ct on agent1), 104 (vm on Home)" in said.err
    assert "next: Name one of them, as `jarvis guest show 103`." in said.err


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["guest", "show", "managment"], "did you mean management?"),
        (["node", "show", "agent2"], "did you mean agent"),
        (["storage", "show", "externalhd"], "did you mean externalhdd?"),
        (["incident", "show", "pev"], "did you mean pve?"),
    ],
)
def test_an_unknown_name_tells_the_nearest(reading: Jarvis, arguments: list[str], hint: str) -> None:
    said = reading(*arguments)
    assert said.code == 6
    assert hint in said.err
    assert said.err.count("\n") == 2


def test_a_storage_of_several_nodes_is_named_with_its_node(reading: Jarvis) -> None:
    said = reading("storage", "show", "local")
    assert said.code == 2
    assert "Home/local, agent1/local" in said.err
    assert json.loads(reading("storage", "show", "agent1/local", "--json").out)["node"] == "agent1"


def test_filters_of_guest_list(reading: Jarvis) -> None:
    def vmids(*arguments: str) -> list[int]:
        return [guest["vmid"] for guest in json.loads(reading("guest", "list", *arguments, "--json").out)["guests"]]

    assert vmids("--node", "agent1") == [103, 120]
    assert vmids("--status", "unknown") == [101]
    assert vmids("--kind", "vm", "--node", "home") == [100, 104, 116, 9000]
    assert vmids("--tag", "media") == [103]
    assert reading("guest", "list", "--node", "nowhere").code == 6


def test_what_cannot_be_described_leaves_the_rest(reading: Jarvis) -> None:
    document = json.loads(reading("guest", "show", "101", "--json").out)
    assert document["describe_error"] == "pve does not answer: connection refused"
    assert document["status"] == "unknown"


def test_task_watch_follows_to_the_end(reading: Jarvis) -> None:
    well = reading("task", "watch", "vzdump:113")
    assert (well.code, well.out) == (0, "starting backup of 113\nstatus: 71 %\ndone\n")
    assert "ok: OK" in well.err
    ill = reading("task", "watch", "vzdump:101", "-o", "jsonl")
    assert ill.code == 1
    assert json.loads(ill.out.splitlines()[1]) == {"line": "status: 71 %"}
    whole = json.loads(reading("task", "watch", "vzdump:113", "--json").out)
    assert whole["status"] == "ok"
    assert len(whole["log"]) == 3


def test_task_by_part_of_its_upid(reading: Jarvis) -> None:
    assert reading("task", "show", "last").code == 0
    assert reading("task", "show", "vzdump").code == 2
    assert reading("task", "show", "qmdestroy").code == 6
    assert [t["type"] for t in json.loads(reading("task", "list", "--failed", "--json").out)["tasks"]] == ["vzdump"]


def test_feed_since_counts_back_from_the_daemons_clock(reading: Jarvis) -> None:
    assert len(json.loads(reading("feed", "--json").out)["events"]) == 4
    assert len(json.loads(reading("feed", "--since", "5m", "--json").out)["events"]) == 1
    assert len(json.loads(reading("feed", "-n", "2", "--json").out)["events"]) == 2
    assert reading("feed", "-f", "--json").code == 2


def test_daemon_status_and_version(reading: Jarvis) -> None:
    document = json.loads(reading("daemon", "status", "--json").out)
    assert document["running"] is True
    assert document["pid"] == 4242
    assert [client["client"] for client in document["clients"]] == ["jarvis-cli"]
    assert json.loads(reading("version", "--json").out)["daemon"] == document["version"]


def test_tables_are_labelled_simulated(reading: Jarvis) -> None:
    for arguments in (["status"], ["node", "list"], ["guest", "show", "100"], ["feed"], ["incident", "list"]):
        assert "SIMULATED" in reading(*arguments).out


def test_narrow_terminals_get_narrow_tables(reading: Jarvis, monkeypatch: pytest.MonkeyPatch) -> None:
    from jarvis_cli import output
    from jarvis_cli.cells import width
    from jarvis_cli.style import Look

    monkeypatch.setattr(output, "detect", lambda *_, **__: Look(width=80))
    for arguments in (["status"], ["guest", "list"], ["task", "list"], ["storage", "list"], ["incident", "list"]):
        lines = reading(*arguments).out.splitlines()
        tables = [line for line in lines if not line.startswith("  The token") and "does not answer:" not in line]
        assert max(width(line) for line in tables) <= 80, arguments


def test_quiet_and_verbose_and_the_order_of_options(reading: Jarvis) -> None:
    assert reading("--json", "node", "list").out == reading("node", "list", "-o", "json").out
    assert reading("-o", "json", "node", "list", "-o", "jsonl").out.count("\n") == 4
