"""Names of the homelab are data: each matches itself, however it reads, and follows the inventory."""

from __future__ import annotations

import pytest

from jarvis_daemon.assistant.understanding.names import phrases
from jarvis_daemon.assistant.understanding.understanding import Understanding
from jarvis_daemon.bus import Bus
from jarvis_daemon.protocol.state import Cluster, Guest, Incident
from jarvis_daemon.tools import Registry
from tests.unit.assistant.understanding.lab import NOW, Lab, again


def test_a_name_is_said_in_several_ways() -> None:
    assert phrases("home-assistant") == ["home-assistant", "home assistant", "homeassistant"]
    assert phrases("agent1") == ["agent1", "agent 1", "agent one"]
    assert phrases("Windows11")[0] == "windows11"
    assert phrases("a b c d e f g") == ["abcdefg"]
    assert phrases("all") == []
    assert phrases("Not", "node") == ["node not", "host not"]
    assert "start and stop" not in phrases("start-and-stop")


def test_two_guests_of_one_name_are_told_apart_by_their_vmids(own: Lab) -> None:
    own.guest(301, "plex", "vm", "pve")
    understood = own.understanding.parse("restart plex")
    assert understood.kind == "blocked"
    assert "103, a container on agent1" in understood.text
    assert "301, a VM on pve" in understood.text
    assert own.understanding.parse("restart 301").tool == "reboot_vm"
    assert own.understanding.parse("restart vm 103").tool == "reboot_container"


def test_a_node_and_a_guest_of_one_name(own: Lab) -> None:
    own.guest(302, "agent1", "ct", "pve")
    understood = own.understanding.parse("restart agent1")
    assert understood.kind == "blocked"
    assert "node agent1" in understood.text
    assert "guest agent1" in understood.text
    assert own.understanding.parse("restart node agent1").tool == "reboot_node"
    assert own.understanding.parse("restart the container agent1").args == {"guest": "302"}


def test_a_guest_and_a_docker_container_of_one_name(own: Lab) -> None:
    own.guest(303, "grafana", "ct", "pve")
    assert own.understanding.parse("restart grafana").kind == "blocked"
    assert own.understanding.parse("restart the docker container grafana").tool == "restart_docker_container"
    assert own.understanding.parse("restart guest grafana").tool == "reboot_container"


def test_two_guests_and_a_docker_container_of_one_name_are_none_of_them(own: Lab) -> None:
    own.guest(304, "grafana", "ct", "pve")
    own.guest(305, "grafana", "vm", "pve")
    understood = own.understanding.parse("restart grafana")
    assert understood.kind == "blocked"
    assert "304" in understood.text
    assert own.understanding.parse("stop grafana").kind == "blocked"


HOSTILE = [
    "ignore all and stop pve", "restart pve", "plex and gitea", "all", "not", "the", "it", "if", "don't",
    "everything", "please", "now", "{guest}", "<a_guest>", "[the] plex", "(a|b)", "stop", "restart", "plex'", '"',
    "a", "and", "103", "vm 103", "to agent1", "on pve", "plex.", "\x1b[31mplex", "\u202eplex", "x" * 500, "", " ",
    "node", "container",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_never_widens_what_is_matched(own: Lab, name: str) -> None:
    """With a guest of such a name, what was an order before is the same order, or none; what was none is none, or
    an order about that very guest."""
    said = [
        "restart plex", "stop pve", "restart all", "stop everything", "don't restart plex", "restart it",
        "restart the",
        "restart plex and gitea", "move gitea to agent1", "restart 103", "stop", "restart not plex", "restart",
        "ignore all and stop pve", "shut down all guests on agent", "restart vm 103", "if plex is down restart it",
    ]  # fmt: skip
    before = {text: own.understanding.parse(text) for text in said}
    own.guest(666, name, "vm", "pve")
    for text in said:
        after = own.understanding.parse(text)
        if after.kind != "order" or (after.tool, after.args) == (before[text].tool, before[text].args):
            continue
        assert after.args.get("guest") == "666", (name, text, after)
        assert before[text].kind != "order", (name, text, after)
        rest = " ".join(text.split()[1:])
        assert rest == " ".join(name.split()), (name, text, after)
    assert own.understanding.parse("start vm 666").args == {"guest": "666"}


@pytest.mark.parametrize("name", ["all", "not", "the", "everything", "it", "if", "and", "don't"])
def test_a_guest_whose_name_is_a_word_of_orders_is_found_by_its_vmid_only(own: Lab, name: str) -> None:
    own.guest(666, name, "vm", "pve")
    for text in (f"restart {name}", f"restart the {name}", f"restart vm {name}", f"stop {name}"):
        assert own.understanding.parse(text).kind != "order", text
    assert own.understanding.parse("restart 666").args == {"guest": "666"}


def test_names_follow_the_inventory(own: Lab) -> None:
    parse = own.understanding.parse
    assert parse("restart dashy").kind == "blocked"
    own.guest(401, "dashy")
    assert parse("restart dashy").args == {"guest": "401"}
    own.guest(401, "homer")
    assert parse("restart dashy").kind == "blocked"
    assert parse("restart homer").args == {"guest": "401"}
    own.guest(401, "homer", "vm")
    assert parse("restart homer").tool == "reboot_vm"
    own.bus.state("cluster").remove("guests", "guest:401")
    assert parse("restart homer").kind == "blocked"
    assert parse("restart 401").kind == "blocked"


def test_an_incident_is_named_by_what_it_is_about_while_it_is_open(own: Lab) -> None:
    assert own.understanding.parse("acknowledge the incident on plex").args == {"incident": "3"}
    assert own.understanding.parse("acknowledge local on pve").args == {"incident": "7"}
    second = Incident(id="9", condition="guest-memory", target="guest:103", title="plex is short of memory")
    own.bus.state("incidents").apply({"incidents": {"9": second}})
    assert "incident 3; incident 9" in own.understanding.parse("acknowledge plex").text
    first = Incident(id="3", condition="guest-crashed", target="guest:103", status="closed", closed_at=NOW)
    own.bus.state("incidents").apply({"incidents": {"3": first}})
    assert own.understanding.parse("acknowledge plex").args == {"incident": "9"}
    assert own.understanding.parse("acknowledge incident 3").args == {"incident": "3"}


def test_after_stop_it_hears_of_nothing(own: Lab) -> None:
    own.understanding.stop()
    own.guest(401, "dashy")
    assert own.understanding.parse("restart dashy").kind == "blocked"


def test_words_of_the_settings(shared: Lab) -> None:
    words = {"the tv box": "plex", "Big Disk": "storage:externalhdd", "not": "gitea", "gitea": "plex", "x": "none"}
    parse = again(shared, aliases=words).understanding.parse
    assert parse("restart the tv box").args == {"guest": "103"}
    assert parse("restart tv box").args == {"guest": "103"}
    assert parse("back up gitea to big disk").args == {"guest": "107", "storage": "externalhdd"}
    assert parse("restart not").kind != "order"
    assert parse("restart x").kind != "order"
    assert parse("restart gitea").args == {"guest": "107"}, "a real name goes before"


def test_containers_and_runbooks_come_and_go(shared: Lab) -> None:
    containers, runbooks = [("management", "grafana")], {"disk-full": "storage-high"}
    understanding = Understanding(
        shared.tools.registry, Bus(), docker=lambda: containers, runbooks=lambda: runbooks, now=lambda: NOW
    )
    understanding._read = shared.understanding._read
    assert understanding.parse("restart grafana").args == {"node": "management", "container": "grafana"}
    assert understanding.parse("test runbook disk full").args == {"runbook": "disk-full"}
    containers[:] = [("nas", "grafana"), ("management", "loki")]
    runbooks.clear()
    assert understanding.parse("restart grafana").args == {"node": "nas", "container": "grafana"}
    assert understanding.parse("restart loki").tool == "restart_docker_container"
    assert understanding.parse("test runbook disk full").kind != "order"


def test_who_is_spoken_to_late_knows_what_was_told_before(shared: Lab) -> None:
    """Changes are noted when they come and entered with the next sentence: made, renamed, gone in between."""
    made = again(shared)
    made.guest(401, "dashy")
    made.guest(401, "homer")
    made.guest(402, "gone")
    made.bus.state("cluster").remove("guests", "guest:402")
    assert made.understanding.parse("restart dashy").kind == "blocked"
    assert made.understanding.parse("restart gone").kind != "order"
    assert made.understanding.parse("restart homer").args == {"guest": "401"}


CAPTURING = {
    "my-gitea": "start my gitea", "container-gitea": "start container gitea", "gitea-now": "start gitea now",
    "gitea-please": "start gitea please", "up-gitea": "back up gitea", "gitea-on-pve": "start gitea on pve",
    "of-gitea": "snapshot of gitea", "gitea-again": "start gitea again",
    "gitea-called-x": "snapshot gitea called x", "gitea-backup": "start gitea backup", "gitea-vm": "start gitea vm",
}  # fmt: skip


@pytest.mark.parametrize("name", CAPTURING)
def test_a_name_made_of_anothers_and_fillers_is_found_only_as_it_is_written(own: Lab, name: str) -> None:
    before = own.understanding.parse(CAPTURING[name])
    own.guest(666, name)
    after = own.understanding.parse(CAPTURING[name])
    assert (after.kind, after.tool, after.args) == (before.kind, before.tool, before.args)
    assert own.understanding.parse(f"restart {name}").args == {"guest": "666"}


@pytest.mark.parametrize("name", ["proxmox-backup-server", "media-server", "gitea-runner", "web-of-things"])
def test_a_name_of_its_own_is_still_said_with_blanks(own: Lab, name: str) -> None:
    own.guest(667, name)
    assert own.understanding.parse(f"restart {name.replace('-', ' ')}").args == {"guest": "667"}


def test_what_was_there_before_is_known_too() -> None:
    bus = Bus()
    bus.state("cluster").apply({
        "clusters": {"cluster:x": Cluster(id="cluster:x", name="x")},
        "guests": {"guest:7": Guest(id="guest:7", vmid=7, name="early", kind="vm", node="pve")},
    })  # fmt: skip
    late = Understanding(Registry(), bus)
    late.parse("restart early")
    assert late._live.names.has_id("guest:7")
