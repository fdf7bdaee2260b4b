"""Plans, outcomes, exit codes, approvals and the kill switch, against the real gate."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from jarvis_cli.outcome import exit_code
from jarvis_daemon.protocol.errors import ERRORS, JarvisError
from jarvis_daemon.protocol.plain import PlainClient
from jarvis_daemon.tools.approvals import hash_pin
from jarvis_daemon.tools.audit import Entry
from tests.unit.cli.conftest import Jarvis
from tests.unit.cli.served import Served


def kinds(served: Served) -> list[str]:
    return [row["kind"] for row in reversed(served.do(served.tools.audit.list_rows(limit=100)))]


# --- plans ------------------------------------------------------------------------------------------------


def test_a_dry_run_shows_the_plan_and_changes_nothing(served: Served, jarvis: Jarvis) -> None:
    said = jarvis("guest", "stop", "103", "--dry-run")
    assert (said.code, said.err) == (0, "")
    for told in ("Would: Pull the plug of plex.", "RED", "plex (guest:103)", "two users watch a film",
                 "jarvis guest start 103"):  # fmt: skip
        assert told in said.out
    assert jarvis("guest", "delete", "104", "--dry-run").code == 0
    assert jarvis("guest", "start", "104", "--dry-run", "-o", "json").code == 0
    assert served.workshop.acts == []
    assert kinds(served) == []


def test_without_a_terminal_the_flag_is_named(served: Served, jarvis: Jarvis) -> None:
    for line in ("guest stop 103", "tool call stop_container guest=103", "guest stop 103 --no-input"):
        said = jarvis(*line.split())
        assert (said.code, said.out) == (2, "")
        assert "Pull the plug of plex: it has to be confirmed, and nobody can answer here" in said.err
        assert "Give --yes." in said.err
    assert served.workshop.acts == []


def test_yes_is_never_enough_for_what_destroys(served: Served, jarvis: Jarvis) -> None:
    said = jarvis("guest", "delete", "104", "--yes")
    assert said.code == 2
    assert "the name of the target has to be typed at a terminal, and --yes is not enough" in said.err
    assert jarvis("tool", "call", "delete_guest", "guest=104", "-y").code == 2
    assert served.workshop.acts == []


# --- outcomes ---------------------------------------------------------------------------------------------


def test_verified_tells_its_sentence_and_its_undo(served: Served, jarvis: Jarvis) -> None:
    said = jarvis("guest", "start", "104")
    assert (said.code, said.out) == (0, "✔ plex runs.\nundo: jarvis guest shutdown 104\n")
    assert said.err == "  stopping\n  starting\n  TASK OK\n"
    quiet = jarvis("guest", "start", "104", "-q")
    assert (quiet.out, quiet.err) == (said.out, "")
    assert kinds(served) == ["asked", "intent", "step", "outcome"] * 2


@pytest.mark.parametrize(
    ("line", "code", "outcome", "told"),
    [
        ("guest reboot 103 --yes", 0, "verified", ""),
        ("guest shutdown 103 --yes", 1, "contradicted", "what is read back contradicts it. It runs still"),
        ("guest stop 103 --yes", 8, "unverified", "it is not known what became of it. Its node is silent"),
        ("tool call start_vm guest=777", 6, "refused", "There is no guest '777'"),
    ],
)
@pytest.mark.usefixtures("served")
def test_the_exit_code_follows_the_outcome(jarvis: Jarvis, line: str, code: int, outcome: str, told: str) -> None:
    said = jarvis(*line.split())
    assert said.code == code
    assert told in said.err
    assert (said.out == "") == (code != 0)
    data = jarvis(*line.split(), "-o", "json")
    assert (data.code, json.loads(data.out)["outcome"]) == (code, outcome)
    assert told in data.err


def test_a_failure_says_why_and_what_next(served: Served, jarvis: Jarvis) -> None:
    served.workshop.raises = JarvisError("cluster_refused", "The task vzstart failed", why="no space left")
    said = jarvis("guest", "start", "103")
    assert said.code == 1
    assert said.err == (
        "jarvis: Start plex: The task vzstart failed. Done before: start_container plex: no space left.\n"
        "  next: Read the message of Proxmox VE above.\n"
    )


def test_every_outcome_has_its_exit_code() -> None:
    expected = {
        "verified": 0, "done": 0, "planned": 0, "denied": 5, "expired": 5, "failed": 1, "contradicted": 1,
        "unverified": 8, "cancelled": 1, "awaiting": 7, "something new": 1,
    }  # fmt: skip
    for word, code in expected.items():
        assert exit_code({"outcome": word, "code": "timed_out"}) == code, word
    for name, row in ERRORS.items():
        assert exit_code({"outcome": "refused", "code": name}) == row.exit_code
    assert exit_code({"outcome": "refused", "code": "unheard_of"}) == 5


def test_a_key_never_does_it_twice(served: Served, jarvis: Jarvis) -> None:
    for _ in range(2):
        assert jarvis("guest", "start", "103", "--idempotency-key", "k1").out.startswith("✔ plex runs.")
    assert served.workshop.acts == ["start_container guest:103"]
    assert jarvis("guest", "start", "104", "--idempotency-key", "k2").code == 0
    other = jarvis("tool", "call", "start_vm", "guest=100", "--idempotency-key", "k2")
    assert other.code == 5
    assert "used with other arguments" in other.err


def test_a_read_answers_in_words_and_in_data(served: Served, jarvis: Jarvis) -> None:
    said = jarvis("tool", "call", "look_around", "node=pve", "--dry-run")
    assert said.code == 0
    assert "3.00 GiB" in said.out
    assert "\x1b" not in said.out
    document = json.loads(jarvis("tool", "call", "look_around", "-o", "json").out)
    assert document["result"]["seen_at"] == "2027-01-15T08:00:00.000Z"
    assert document["result"]["rows"][0]["at"] == "2027-01-15T08:00:00.000Z"
    assert document["tainted"] is True


# --- approvals --------------------------------------------------------------------------------------------


@contextmanager
def asked(served: Served, tool: str = "reboot_container") -> Iterator[tuple[PlainClient, dict[str, Any]]]:
    """An agent's call that waits for the operator."""
    link = PlainClient.connect(served.places.socket, client="mcp", role="agent", timeout_s=20)
    with link:
        yield link, link.call("tool.call", {"name": tool, "args": {"guest": "103"}})


def test_an_approval_is_listed_and_given(served: Served, jarvis: Jarvis) -> None:
    assert jarvis("approvals").out == "✔ Nothing waits.\n\nSIMULATED\n"
    with asked(served) as (agent, waiting):
        assert waiting["outcome"] == "awaiting"
        listed = json.loads(jarvis("approvals", "-o", "json").out)
        assert [(a["id"], a["summary"], a["asked_by"]) for a in listed["approvals"]] == [
            (waiting["approval_id"], "Reboot plex", "agent:mcp")
        ]
        assert waiting["approval_id"] in jarvis("approvals").out
        said = jarvis("approve", waiting["approval_id"])
        assert (said.code, said.out) == (0, "✔ plex has been rebooted.\n")
        assert "asked by agent:mcp" in said.err
        assert agent.call("tool.wait", {"id": waiting["call_id"]})["outcome"] == "verified"
    again = jarvis("approve", waiting["approval_id"])
    assert again.code == 5
    assert "is approved already" in again.err
    assert served.workshop.acts == ["reboot_container guest:103"]
    assert jarvis("approvals").out.startswith("✔ Nothing waits.")
    assert "approved" in jarvis("approvals", "--all").out


def test_a_denial_is_no_failure_of_who_denies(served: Served, jarvis: Jarvis) -> None:
    with asked(served) as (agent, waiting):
        said = jarvis("deny", waiting["approval_id"])
        assert said.code == 0
        assert "denied by operator" in said.out
        assert agent.call("tool.wait", {"id": waiting["call_id"]})["outcome"] == "denied"
    assert served.workshop.acts == []
    assert jarvis("deny", waiting["approval_id"]).code == 5
    assert jarvis("approve", "nope").code == 6


def test_an_approved_call_that_ends_badly_has_its_exit_code(served: Served, jarvis: Jarvis) -> None:
    with asked(served, "stop_container") as (_, waiting):
        assert jarvis("approve", waiting["approval_id"], "-q").code == 8


def test_a_pin_is_never_taken_without_a_terminal(served: Served, jarvis: Jarvis) -> None:
    served.tools.gate.approvals._pin = hash_pin("4711")
    with asked(served) as (_, waiting):
        for line in (["approve", waiting["approval_id"]], ["guest", "reboot", "103", "--yes"]):
            said = jarvis(*line)
            assert said.code == 2
            assert "The operator's pin has to be asked" in said.err
        jarvis("kill")
        assert jarvis("unkill").code == 2
    assert served.workshop.acts == []
    assert jarvis("guest", "start", "103").code == 5, "killed"


# --- kill switch ------------------------------------------------------------------------------------------


def test_kill_stops_everybody_and_is_shown_everywhere(served: Served, jarvis: Jarvis) -> None:
    assert "KILLED" not in jarvis("status").out
    said = jarvis("kill", "odd", "things")
    assert (said.code, said.err) == (0, "KILLED: nothing acts until `jarvis unkill`.\n")
    assert "KILLED" in jarvis("status").out.splitlines()[0]
    for line in ("guest list", "node list", "guest show 103", "incident list", "task list", "approvals"):
        assert "KILLED" in jarvis(*line.split()).out, line
    status = json.loads(jarvis("status", "--json").out)
    assert (status["killswitch"]["engaged"], status["killswitch"]["reason"]) == (True, "odd things")
    refused = jarvis("guest", "start", "103")
    assert refused.code == 5
    assert "The kill switch is engaged; nothing is done: odd things" in refused.err
    assert jarvis("tool", "call", "look_around").code == 0
    assert jarvis("unkill").code == 0
    assert "KILLED" not in jarvis("status").out
    assert jarvis("guest", "start", "103").code == 0


def test_kill_without_a_daemon_leaves_the_file(served: Served, jarvis: Jarvis) -> None:
    served.do(served.server.stop())
    said = jarvis("kill")
    assert said.code == 0
    assert str(served.places.kill_file) in said.err
    assert served.places.kill_file.exists()
    served.do(served._serve())
    assert jarvis("guest", "start", "103").code == 5
    assert jarvis("unkill").code == 0
    assert not served.places.kill_file.exists()


def test_kill_that_cannot_be_engaged_says_so(
    served: Served, jarvis: Jarvis, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.do(served.server.stop())

    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.touch", full)
    said = jarvis("kill")
    monkeypatch.undo()
    assert said.code == 1
    assert "The kill switch could not be engaged" in said.err
    served.do(served._serve())


# --- audit ------------------------------------------------------------------------------------------------


def test_the_audit_is_listed_shown_verified_and_exported(served: Served, jarvis: Jarvis, home: Any) -> None:
    jarvis("guest", "reboot", "103", "--yes")
    jarvis("tool", "call", "look_around")
    rows = [json.loads(line) for line in jarvis("audit", "list", "-o", "jsonl").out.splitlines()]
    assert [row["kind"] for row in rows] == ["asked", "approval", "intent", "step", "outcome"]
    assert [row["id"] for row in json.loads(jarvis("audit", "list", "-n", "2", "--json").out)["rows"]] == [4, 5]
    assert jarvis("audit", "list", "--before", "3", "-o", "jsonl").out.count("\n") == 2
    assert '"read"' in jarvis("audit", "list", "--reads", "-o", "jsonl").out
    shown = jarvis("audit", "show", rows[0]["call_id"]).out
    assert shown.index("asked") < shown.index("intent") < shown.index("plex has been rebooted")
    assert jarvis("audit", "show", "nope").code == 6
    whole = json.loads(jarvis("audit", "verify", "-o", "json").out)
    assert (whole["ok"], whole["rows"]) == (True, 6)
    assert jarvis("audit", "verify", "--head", rows[2]["hash"]).code == 0
    lost = jarvis("audit", "verify", "--head", "0" * 63 + "1")
    assert lost.code == 1
    assert "its tail was cut" in lost.err
    target = home / "audit.jsonl"
    assert jarvis("audit", "export", str(target)).code == 0
    assert target.read_text() == jarvis("audit", "export").out
    assert target.stat().st_mode & 0o777 == 0o600
    exported = [json.loads(line) for line in target.read_text().splitlines()]
    assert [row["id"] for row in exported] == [1, 2, 3, 4, 5, 6]
    assert all(after["prev"] == row["hash"] for row, after in itertools.pairwise(exported))
    assert jarvis("audit", "export", str(home / "no" / "such")).code == 1


def test_a_long_audit_is_read_in_pages(served: Served, jarvis: Jarvis) -> None:
    jarvis("guest", "start", "103")

    async def read_much() -> None:
        for number in range(450):
            served.tools.audit.note_read(Entry("read", f"r{number}", "agent:mcp:1", "look_around"))
        await served.tools.audit.flush()

    served.do(read_much())
    rows = [json.loads(line) for line in jarvis("audit", "export").out.splitlines()]
    assert [row["id"] for row in rows] == list(range(1, 455))
    listed = [json.loads(line) for line in jarvis("audit", "list", "-o", "jsonl").out.splitlines()]
    assert [row["kind"] for row in listed] == ["asked", "intent", "step", "outcome"]
    assert jarvis("audit", "list", "-n", "300", "--reads", "-o", "jsonl").out.count("\n") == 300
