"""The watchman from the command line: stories, levels, runbooks; what acts goes through the real gate."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from jarvis_cli import levels, stories
from jarvis_cli.cells import width
from jarvis_cli.style import Look
from jarvis_cli.values import parse_since
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.tools.approvals import hash_pin
from tests.golden import homelab, watch
from tests.integration.terminal import Terminal
from tests.unit.cli.conftest import Jarvis
from tests.unit.cli.served import Served

# --- stories ----------------------------------------------------------------------------------------------


def test_the_last_day_oldest_first_with_its_sum(reading: Jarvis) -> None:
    said = reading("history")
    heads = [line for line in said.out.splitlines() if re.match(r"\d\d:\d\d:\d\d", line)]
    assert [line.split()[2] for line in heads] == ["pihole", "dev-sandbox", "pve", "agent1"]
    assert "1 repaired, 1 handed over, 1 waiting for your word, 1 refused." in said.out
    assert "plex" not in said.out
    assert "plex" in reading("history", "--since", "3d").out


def test_a_refusal_says_why_once_and_what_else_stood_against_it(reading: Jarvis) -> None:
    out = reading("history", "--incident", "32").out
    assert out.count("dev-sandbox is locked (backup)") == 1
    assert "decided             I leave it alone: dev-sandbox is locked (backup)." in out
    assert "also                ◌ backup: A backup of it runs." in out
    assert "kill switch" not in out


def test_what_was_asked_for_and_done_says_nothing_against_itself() -> None:
    import msgspec

    done = msgspec.to_builtins(watch.REPAIRED)
    done["checks"] = [*done["checks"], {"guardrail": "blast radius", "verdict": "ask", "text": "Six this hour."}]
    assert "blast radius" not in "\n".join(stories.lines(done, Look(), homelab.NOW))
    done["status"] = "asking"
    assert "▲ blast radius: Six this hour." in "\n".join(stories.lines(done, Look(), homelab.NOW))


def test_what_stood_in_the_way_is_said_once_however_it_begins() -> None:
    repair = {
        "target": "guest:105", "status": "refused", "seen": "pihole has stopped", "seen_at": homelab.NOW,
        "level": 3, "text": "pihole has stopped. I leave it alone: the cluster has no quorum.",
        "checks": [{"guardrail": "quorum", "verdict": "refuse", "text": "The cluster has no quorum."}],
        "steps": [{"tool": "start_vm", "text": "start pihole", "outcome": "refused", "began_at": homelab.NOW},
                  {"tool": "start_vm", "text": "start pihole", "outcome": "denied", "began_at": homelab.NOW}],
    }  # fmt: skip
    told = "\n".join(stories.lines(repair, Look(), homelab.NOW))
    assert told.lower().count("the cluster has no quorum") == 1
    assert "tried     08:00:00  ▲ start pihole: refused" in told
    assert "asked     08:00:00  ✖ start pihole: denied" in told


def test_what_is_asked_for_is_not_told_as_running() -> None:
    steps = [{"tool": "get_temperatures", "text": "read every sensor", "outcome": "done", "began_at": homelab.NOW},
             {"tool": "drain_node", "text": "move its guests", "outcome": "", "began_at": homelab.NOW}]  # fmt: skip
    repair = {"target": "node:agent1", "status": "asking", "seen_at": homelab.NOW, "level": 3, "steps": steps,
              "decided": "move its guests", "text": "May I move its guests away?",
              "approval_id": "7a7b5e"}  # fmt: skip
    told = "\n".join(stories.lines(repair, Look(), homelab.NOW))
    assert "✔ read every sensor: done" in told
    assert "runs" not in told
    assert "asks                May I move its guests away?" in told
    assert "`jarvis approve 7a7b5e` lets it go on" in told


def test_one_that_is_under_way_has_no_end_yet() -> None:
    repair = {
        "target": "guest:105", "status": "verifying", "seen": "it stopped", "seen_at": homelab.NOW - 20, "level": 3,
        "steps": [{"tool": "start_container", "text": "Start it", "outcome": "", "began_at": homelab.NOW - 9}],
        "samples": [homelab.NOW - 2], "attempt": 2,
    }  # fmt: skip
    told = "\n".join(stories.lines(repair, Look(unicode=False), homelab.NOW))
    assert "? guest:105  done, being verified" in told
    assert "? Start it: runs" in told
    assert "verified  07:59:58  1 of 2 fresh samples" in told
    assert "attempt 2" in told


def test_failed_ones_say_when_they_are_looked_at_again() -> None:
    repair = {"target": "guest:105", "status": "failed", "seen": "x", "seen_at": homelab.NOW - 60, "level": 3,
              "text": "It did not start.", "next_at": homelab.NOW + 600, "ended_at": homelab.NOW - 5}  # fmt: skip
    told = "\n".join(stories.lines(repair, Look(), homelab.NOW))
    assert "so        07:59:55  It did not start." in told
    assert "next      08:10:00  looked at again" in told


def test_stories_stay_within_a_narrow_terminal_and_hold_no_escapes() -> None:
    import msgspec

    for repair in watch.REPAIRS:
        found = msgspec.to_builtins(repair) | {"seen": "\x1b[2J" + "a long tale " * 20}
        rows = list(stories.lines(found, Look(width=60), homelab.NOW, full=True))
        assert max(width(line) for line in rows) <= 60
        assert "\x1b" not in "".join(rows)


def test_the_stories_of_one_incident(reading: Jarvis) -> None:
    shown = json.loads(reading("incident", "show", "1", "--json").out)
    assert [repair["id"] for repair in shown["repairs"]] == ["9"]
    assert shown["repairs"][0]["steps"][1]["outcome"] == "contradicted"
    assert shown["repairs"][0]["steps"][0]["began_at"] == "2027-01-15T07:50:11.000Z"
    assert "REPAIRS" not in reading("incident", "show", "2").out
    assert json.loads(reading("incident", "show", "2", "--json").out)["repairs"] == []


def test_what_the_reads_found_is_with_the_incident_and_short() -> None:
    series = {"start_at": 1.0, "step_s": 60.0, "values": [None, 0.25, 0.75, None]}
    repair = {
        "target": "node:agent1", "status": "reported", "incident": "4", "seen": "it is hot", "seen_at": homelab.NOW,
        "level": 3, "text": "Look at its fans.",
        "steps": [{"tool": "get_metrics", "text": "read its load", "outcome": "done", "began_at": homelab.NOW,
                   "result": {"rows": {"node:agent1": {"cpu": series, "none": series | {"values": [None]}}},
                              "names": [f"disk{n}\x1b[31m" for n in range(40)]}}],
    }  # fmt: skip
    short = list(stories.lines(repair, Look(), homelab.NOW))
    assert short[-1].strip() == "next                `jarvis incident show 4` has what was read"
    full = "\n".join(stories.lines(repair, Look(width=80), homelab.NOW, full=True))
    assert "incident show" not in full
    assert "0.25 to 0.75, last 0.75" in full
    assert "lines more: -o json has all of it" in full
    assert "\x1b" not in full
    assert max(width(line) for line in full.splitlines()) <= 80


def test_an_incident_without_stories_and_one_that_never_was(reading: Jarvis) -> None:
    assert reading("history", "--incident", "2").out.startswith("Nothing had to be repaired.")
    said = reading("history", "--incident", "77", "-o", "json")
    assert (said.code, said.out) == (6, "")
    assert "There is no incident '77'" in said.err


def test_more_stories_than_wanted_are_told_of(reading: Jarvis) -> None:
    said = reading("history", "--since", "9d", "-n", "2")
    assert "Older ones are left out: -n 10 shows more." in said.out
    assert "2 stories since" in said.out
    assert "left out" not in reading("history", "--since", "9d", "-n", "5").out


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("90", homelab.NOW - 90), ("12h", homelab.NOW - 43200), ("today", homelab.NOW - 8 * 3600),
        ("Yesterday", homelab.NOW - 32 * 3600), ("2027-01-14", homelab.NOW - 32 * 3600),
        ("2027-01-14 21:30", homelab.NOW - 37800), ("2027-01-14T21:30", homelab.NOW - 37800),
        ("2031-01-01", homelab.NOW),
    ],
)  # fmt: skip
def test_since(text: str, at: float) -> None:
    assert parse_since(text, homelab.NOW) == at


def test_yesterday_begins_at_midnight_on_the_day_the_clock_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    noon = time.mktime((2026, 10, 26, 12, 0, 0, 0, 0, -1))
    assert time.localtime(parse_since("yesterday", noon))[:5] == (2026, 10, 25, 0, 0)
    assert noon - parse_since("yesterday", noon) == 37 * 3600


# --- levels -----------------------------------------------------------------------------------------------


def test_the_level_that_holds_and_why(reading: Jarvis) -> None:
    out = reading("autonomy", "show").out
    assert "level      L3 act and report" in out
    assert "holds now  L2 recommend" in out
    assert "only one endpoint of the cluster can be reached" in out
    assert "guest:103 (plex)  L1 alert" in out
    assert json.loads(reading("autonomy", "show", "--json").out)["targets"] == {"guest:103": 1, "node:agent1": 4}


def test_a_level_is_a_number_with_or_without_its_letter() -> None:
    assert (levels.read("L4"), levels.read("0"), levels.read("l2")) == (4, 0, 2)
    for wrong in ("5", "-1", "act", ""):
        with pytest.raises(JarvisError) as raised:
            levels.read(wrong)
        assert raised.value.exit_code == 2
    assert levels.in_short({"level": 3, "effective": 3}) == "L3 act and report"
    assert levels.in_short({"level": 3, "effective": 2, "why": "x"}) == "L3, but L2 recommend holds: x"


def test_raising_it_shows_the_plan_and_wants_a_yes(served: Served, jarvis: Jarvis) -> None:
    said = jarvis("autonomy", "set", "3")
    assert (said.code, said.out) == (2, "")
    assert "it has to be confirmed, and nobody can answer here" in said.err
    plan = jarvis("autonomy", "set", "3", "--dry-run").out
    assert "since Monday it would have started plex once" in plan
    assert "undo    jarvis autonomy set 2\n" in plan
    assert served.watchtower.acts == []
    assert jarvis("autonomy", "set", "L3", "--yes").code == 0
    assert served.watchtower.acts == ["set_autonomy 3"]


def test_lowering_it_asks_nothing(served: Served, jarvis: Jarvis) -> None:
    said = jarvis("autonomy", "set", "1", "--target", "pihole")
    assert (said.code, said.err) == (0, "")
    assert "undo: jarvis autonomy set 2 --target guest:105" in said.out
    assert jarvis("autonomy", "set", "0", "--condition", "storage-high").code == 0
    assert jarvis("autonomy", "set", "0", "--target", "service:Home/smbd").code == 0
    assert jarvis("autonomy", "unset", "--target", "agent1").code == 0
    assert served.watchtower.acts == [
        "set_autonomy 1 guest:105", "set_autonomy 0 storage-high", "set_autonomy 0 service:Home/smbd",
        "unset_autonomy node:agent1",
    ]  # fmt: skip


def test_whose_level_it_is_has_to_be_clear(served: Served, jarvis: Jarvis) -> None:
    said = jarvis("autonomy", "set", "1", "--target", "plex")
    assert said.code == 2
    assert "2 targets are meant by 'plex': guest:103, guest:104" in said.err
    said = jarvis("autonomy", "set", "1", "--target", "piehole")
    assert said.code == 6
    assert "did you mean pihole or " in said.err
    said = jarvis("autonomy", "set", "1", "--condition", "disk-faling")
    assert said.code == 6
    assert "No runbook answers a condition 'disk-faling': did you mean disk-failing?" in said.err
    said = jarvis("autonomy", "set", "1", "--target", "Home/smbd")
    assert "service:Home/smbd or container:Home/smbd" in said.err
    assert served.watchtower.acts == []


def test_the_pin_is_asked_for_at_a_terminal_only(served: Served, jarvis: Jarvis) -> None:
    served.tools.gate.approvals._pin = hash_pin("4711")
    said = jarvis("autonomy", "set", "3", "--yes")
    assert said.code == 2
    assert "the pin is never taken from flags or pipes" in said.err
    assert served.watchtower.acts == []


# --- runbooks ---------------------------------------------------------------------------------------------


def test_a_broken_runbook_is_listed_with_its_mistake(reading: Jarvis) -> None:
    out = reading("runbook", "list").out
    assert "✖ broken" in out
    assert "✖ typo: typo.yaml, line 4: there is no key `cooldown_min`; did you mean `cool_down_min`?" in out
    assert "▲ not trusted" in out


@pytest.mark.parametrize("verb", ["show", "test", "run", "trust", "distrust"])
def test_an_unknown_runbook_names_the_nearest(reading: Jarvis, verb: str) -> None:
    said = reading("runbook", verb, "guest-crash", *(["pihole"] if verb in {"test", "run"} else []))
    assert (said.code, said.out) == (6, "")
    assert "There is no runbook 'guest-crash': did you mean guest-crashed?" in said.err
    assert "`jarvis runbook list` shows all." in said.err


BROKEN = """\
name: restart-zigbee
about: Restart the bridge.
condition: service-down
scope: guest
cooldown_min: [10]
steps:
  - {tool: restart_service, args: {node: "{target.host}", service: "{target.unit}"}}
escalate: {say: It stays down.}
"""


def test_a_file_is_checked_without_a_daemon(jarvis: Jarvis, home: Path) -> None:
    file = home / "zigbee.yaml"
    file.write_text(BROKEN)
    said = jarvis("runbook", "check", str(file))
    assert (said.code, said.err) == (2, "")
    assert said.out.startswith("✖ line 5: cooldown_min")
    assert "`cool_down_min`" in said.out
    problems = json.loads(jarvis("runbook", "check", str(file), "--json").out)["problems"]
    assert [problem["line"] for problem in problems] == [5]
    file.write_text(BROKEN.replace("cooldown", "cool_down"))
    said = jarvis("runbook", "check", str(file))
    assert said.code == 0
    assert "can be used.\n  1. restart_service" in said.out
    said = jarvis("runbook", "check", str(home / "nothing.yaml"))
    assert (said.code, said.out) == (6, "")
    assert "Traceback" not in said.err


def test_a_try_prints_every_verdict_in_order_and_changes_nothing(served: Served, jarvis: Jarvis) -> None:
    served.watchtower.decision = "refuse"
    served.watchtower.checks += [
        watch.check("lock", "dev-sandbox is locked (backup).", "refuse"),
        watch.check("cool-down", "The last attempt is 3 min old.", "hold"),
        watch.check("blast radius", "Six repairs in this hour.", "ask"),
    ]
    said = jarvis("runbook", "test", "guest-crashed", "dev-sandbox")
    assert (said.code, said.err) == (5, "")
    names = ("kill switch", "quorum", "nodes", "✖ refuse  lock", "◌ hold    cool-down", "▲ ask     blast radius")
    places = [said.out.index(name) for name in names]
    assert places == sorted(places)
    assert "✖ It would do nothing. dev-sandbox is locked (backup)." in said.out
    assert served.watchtower.acts == []
    document = json.loads(jarvis("runbook", "test", "guest-crashed", "dev-sandbox", "--json").out)
    assert document["target"] == "guest:116"
    assert [check["verdict"] for check in document["checks"]] == ["pass"] * 3 + ["refuse", "hold", "ask"]


@pytest.mark.parametrize(
    ("decision", "code"),
    [("act", 0), ("report", 0), ("ask", 5), ("hold", 5), ("recommend", 5), ("nothing", 5), ("hand_over", 5)],
)
def test_the_exit_code_of_a_try_says_whether_it_would_act(
    served: Served, jarvis: Jarvis, decision: str, code: int
) -> None:
    served.watchtower.decision = decision
    assert jarvis("runbook", "test", "guest-crashed", "--incident", "31").code == code


def test_a_replay_says_so(reading: Jarvis) -> None:
    assert "as it was at 07:00:00" in reading("runbook", "test", "guest-crashed", "--incident", "#31").out


def test_running_one_by_hand(served: Served, jarvis: Jarvis) -> None:
    assert jarvis("runbook", "run", "guest-crashed", "pihole").code == 2
    assert jarvis("runbook", "run", "guest-crashed", "pihole", "--dry-run").code == 0
    assert served.watchtower.acts == []
    assert jarvis("runbook", "run", "guest-crashed", "pihole", "--yes").code == 0
    assert jarvis("runbook", "run", "zigbee", "Home/zigbee2mqtt", "--yes").code == 0
    assert served.watchtower.acts == [
        "run_runbook guest-crashed guest:105", "run_runbook zigbee service:Home/zigbee2mqtt"
    ]  # fmt: skip


def test_trust_wants_the_name_typed_and_binds_the_hash(served: Served, jarvis: Jarvis) -> None:
    said = jarvis("runbook", "trust", "zigbee")
    assert said.code == 2
    assert "the name of the target has to be typed at a terminal" in said.err
    assert served.watchtower.acts == []
    me = Terminal("runbook", "trust", "zigbee")
    me.answer("Type zigbee to go on:", "zigbee")
    assert me.end() == 0
    shown = me.seen.partition("Type zigbee")[0]
    assert "1. restart_service node={target.host} service={target.unit}" in shown
    assert served.watchtower.acts == [f"trust_runbook zigbee {'c' * 64}"]


def test_what_is_broken_cannot_be_trusted_and_what_is_trusted_need_not_be(served: Served, jarvis: Jarvis) -> None:
    said = jarvis("runbook", "trust", "typo")
    assert said.code == 5
    assert "line 4" in said.err
    assert "jarvis runbook check /etc/jarvis/runbooks/typo.yaml" in said.err
    said = jarvis("runbook", "trust", "guest-crashed")
    assert (said.code, said.err) == (0, "guest-crashed is trusted already, as it stands now.\n")
    assert jarvis("runbook", "distrust", "guest-crashed").code == 0
    assert served.watchtower.acts == ["distrust_runbook guest-crashed"]


def test_a_daemon_without_a_watchman_says_what_it_lacks(served: Served, jarvis: Jarvis) -> None:
    async def forget() -> None:
        served.bus.state("approvals").remove("autonomy", "autonomy:main")
        for method in ("repair.list", "runbook.list"):
            served.bus._handlers.pop(method)

    served.do(forget())
    said = jarvis("autonomy", "show")
    assert said.code == 1
    assert "This daemon repairs nothing" in said.err
    assert "WATCHMAN" not in jarvis("status").out
    assert json.loads(jarvis("status", "--json").out)["autonomy"] is None
    assert jarvis("incident", "show", "1").code == 0
    said = jarvis("history")
    assert said.code == 1
    assert "`jarvis daemon restart`" in said.err


def test_without_a_daemon(jarvis: Jarvis, home: Path) -> None:
    for line in ("history", "autonomy show", "autonomy set 3 --yes", "runbook list", "runbook run a b --yes"):
        said = jarvis(*line.split(), "-o", "json")
        assert (said.code, said.out) == (3, ""), line
        assert "`jarvis daemon start`" in said.err


def test_a_moment_among_the_evidence_is_told_as_one() -> None:
    from jarvis_cli.commands.incident import _told_fact

    assert _told_fact("seen_at", homelab.NOW - 60.0, homelab.NOW) == "07:59:00"
    assert _told_fact("format", 1.5, homelab.NOW) == "1.5"
    assert _told_fact("seen_at", None, homelab.NOW) == "None"
