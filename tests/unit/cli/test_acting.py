"""Acknowledging and silencing, against the real incidents room."""

from __future__ import annotations

import json

from jarvis_daemon.protocol.state import Incident
from tests.golden import homelab
from tests.unit.cli.conftest import Jarvis
from tests.unit.cli.served import Served


def incident(served: Served, id_: str) -> Incident:
    found = served.bus.state("incidents").get("incidents", id_, Incident)
    assert found is not None
    return found


def test_ack_by_number_or_target(served: Served, jarvis: Jarvis) -> None:
    said = jarvis("incident", "ack", "1")
    assert (said.code, said.out) == (0, "")
    assert "Incident 1 (pve does not answer) is acknowledged." in said.err
    assert incident(served, "1").acked_at == homelab.NOW
    assert jarvis("incident", "ack", "agent1", "-q").err == ""
    assert incident(served, "2").acked_by == "operator:jarvis-cli"
    assert "seen by operator:jarvis-cli" in jarvis("incident", "list").out


def test_by_the_name_of_its_guest(served: Served, jarvis: Jarvis) -> None:
    from jarvis_daemon.incidents.observation import Observation

    fault = Observation("guest-crashed", "guest:105", "error", "pihole has stopped by itself", grace_s=0)

    async def fall() -> None:
        for _ in range(2):
            await served.incidents.observe("cluster", [*homelab.FAULTS, fault], {"guest-crashed", "memory-high"})

    served.do(fall())
    assert "pihole has stopped by itself" in jarvis("incident", "show", "pihole").out
    assert jarvis("incident", "ack", "pihole").code == 0
    assert incident(served, "3").acked_at == homelab.NOW
    said = jarvis("incident", "ack", "management")  # it is well
    assert said.code == 6
    assert "There is no incident 'guest:100'" in said.err
    assert "There is no incident 'piehole'" in jarvis("incident", "ack", "piehole").err


def test_what_is_not_open_cannot_be_acknowledged(served: Served, jarvis: Jarvis) -> None:
    said = jarvis("incident", "ack", "99")
    assert said.code == 6
    assert "There is no incident '99'" in said.err


def test_silence_one_incident_and_lift_it(served: Served, jarvis: Jarvis) -> None:
    said = jarvis("incident", "silence", "2", "--for", "2h", "--reason", "new memory comes")
    assert said.code == 0
    assert "over memory-high on node:agent1 until 10:00:00; 1 open incident silenced." in said.err
    listed = json.loads(jarvis("incident", "list", "--json").out)
    assert [s["reason"] for s in listed["silences"]] == ["new memory comes"]
    assert listed["incidents"][1]["silenced_until"] == "2027-01-15T10:00:00.000Z"
    assert "new memory comes" in jarvis("incident", "list").out
    assert jarvis("incident", "unsilence", listed["silences"][0]["id"]).code == 0
    assert json.loads(jarvis("incident", "list", "--json").out)["silences"] == []
    assert jarvis("incident", "unsilence", "77").code == 6


def test_maintenance_of_a_node_by_its_name_beginning_later(served: Served, jarvis: Jarvis) -> None:
    line = [
        "incident",
        "silence",
        "--maintenance",
        "--target",
        "pve",
        "--for",
        "1h",
        "--in",
        "30m",
        "--reason",
        "kernel",
    ]
    assert jarvis(*line).code == 0
    silence = json.loads(jarvis("incident", "list", "--json").out)["silences"][0]
    assert (silence["maintenance"], silence["target"], silence["condition"]) == (True, "node:pve", "*")
    assert silence["starts_at"] == "2027-01-15T08:30:00.000Z"


def test_a_silence_over_nothing_that_exists_is_refused(served: Served, jarvis: Jarvis) -> None:
    assert jarvis("incident", "silence", "--target", "plx", "--reason", "x").code == 6
    said = jarvis("incident", "silence", "1", "--for", "90d", "--reason", "x")
    assert said.code == 2
    assert "30" in said.err


def test_daemon_of_another_version_is_told_of(served: Served, jarvis: Jarvis) -> None:
    served.do(served.server.stop())
    served.do(served._serve("9.9.9"))
    said = jarvis("node", "list")
    assert said.code == 0
    assert "The daemon is version 9.9.9" in said.err
    assert jarvis("node", "list", "-q").err == ""
