"""The room: its tools through the gate, levels and trust that are the operator's, and what people ask of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from jarvis_daemon.bus import Principal
from jarvis_daemon.incidents import Incidents
from jarvis_daemon.protocol import messages as m
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.locate import base_places
from jarvis_daemon.protocol.spawn import spawn
from jarvis_daemon.remediation.room import Remediation, start_level
from tests.unit.remediation.ward import AGENT, OPERATOR, RUNBOOK, SETTINGS, START, Ward

VIEWER = Principal(session="s-vi", role="viewer", client="kiosk", uid=0)


class Den(Ward):
    """A ward whose engine is the room's, with one runbook of its own in the folder."""

    async def open(self) -> None:
        await super().open()
        await self.engine.stop()
        places = base_places({"JARVIS_HOME": str(self.path)})
        self.file = places.config_dir / "runbooks" / "own.yaml"
        if not self.file.exists():
            self.file.parent.mkdir(parents=True, mode=0o700)
            self.file.write_text(START)
            self.file.chmod(0o600)
        self.settings.remediation.enabled = False  # the test calls the rounds
        self.incidents_room = Incidents(self.store, self.bus, self.feed, self.clock, self.settings)
        await self.incidents_room.start()
        self.room = Remediation(
            self.settings, places, self.bus, self.store, self.feed, self.clock, self.tools,
            ask_second=self._second, ask_orders=self._orders, in_window=lambda now: self.window,
        )  # fmt: skip
        await self.room.start()
        self.engine = self.room.engine  # type: ignore[assignment]
        self.levels = self.room.levels
        self.publish()

    async def close(self) -> None:
        await self.room.stop()
        await self.incidents_room.stop()
        await super().close()

    async def call(self, tool: str, who: Principal = OPERATOR, /, **more: Any) -> m.ToolOutcome:
        given = {k: more.pop(k) for k in ("confirm", "typed", "dry_run") if k in more}
        call = m.ToolCall(name=tool, args=more, **given)
        return await self.tools.gate.call(call, who, lambda data: None)

    async def confirmed(self, tool: str, /, **args: Any) -> m.ToolOutcome:
        plan = await self.call(tool, dry_run=True, **args)
        return await self.call(tool, confirm=plan.digest, typed=plan.target_name, **args)

    def sha(self) -> str:
        return self.room.shelf.get("guest-crashed").sha256

    async def trust(self) -> None:
        assert (
            await self.confirmed("trust_runbook", name="guest-crashed", sha256=self.sha())
        ).outcome == "verified"


@pytest.fixture
async def den(tmp_path: Path) -> AsyncIterator[Den]:
    made = Den(tmp_path, level=2)
    await made.open()
    yield made
    await made.close()


# --- levels --------------------------------------------------------------------------------------------------


async def test_less_is_chosen_at_once_more_wants_a_confirmation(den: Den) -> None:
    assert (await den.call("set_autonomy", level=1)).outcome == "verified"
    more = await den.call("set_autonomy", level=3)
    assert (more.outcome, more.needs, more.tier) == ("refused", "confirm", "red")
    assert den.levels.state.level == 1
    done = await den.confirmed("set_autonomy", level=3)
    assert (done.outcome, done.text) == ("verified", "Autonomy of everything is L3.")
    assert done.undo == {"name": "set_autonomy", "args": {"level": 1}}
    await den.restart()
    assert (den.levels.state.level, den.levels.state.by) == (3, "operator:cli")


async def test_before_more_is_chosen_it_shows_what_it_would_have_done(den: Den) -> None:
    await den.trust()
    den.crash()
    await den.poll(2)
    assert (den.acts, await den.kinds()) == ([], ["recommended"])
    plan = await den.call("set_autonomy", dry_run=True, level=3)
    assert "It would have: pihole: pihole has stopped by itself. I would start pihole." in " ".join(plan.effects)
    den.crash("plex", number="2")
    den.change("plex", lock="backup")
    await den.poll(2)
    plan = await den.call("set_autonomy", dry_run=True, level=4)
    assert "plex" not in " ".join(plan.effects), "a guardrail would have held that back"
    other = await den.call("set_autonomy", dry_run=True, level=3, condition="service-down")
    assert "nothing it would have done" in " ".join(other.effects)
    asked = m.AutonomyPreview(level=3)
    preview = await den.bus.ask("autonomy.preview", asked, VIEWER)
    assert [r.target_name for r in preview.would_have] == ["pihole"]
    assert (await den.bus.ask("autonomy.preview", m.AutonomyPreview(level=2), VIEWER)).would_have == []


@pytest.mark.parametrize("who", [AGENT, VIEWER, RUNBOOK], ids=lambda p: p.role)
@pytest.mark.parametrize("tool", ["set_autonomy", "unset_autonomy", "trust_runbook", "distrust_runbook"])
async def test_it_is_the_operator_s_alone_not_even_by_an_approval(den: Den, tool: str, who: Principal) -> None:
    await den.call("set_autonomy", level=1, target="pihole")
    every: dict[str, dict[str, Any]] = {
        "set_autonomy": {"level": 0}, "unset_autonomy": {"target": "pihole"},
        "trust_runbook": {"name": "guest-crashed", "sha256": den.sha()},
        "distrust_runbook": {"name": "guest-crashed"},
    }  # fmt: skip
    if tool == "distrust_runbook":
        await den.trust()
    outcome = await den.call(tool, who, **every[tool])
    assert (outcome.outcome, den.pending()) == ("refused", [])
    assert outcome.code in {"forbidden", "refused"}
    assert (den.levels.state.level, den.levels.state.targets) == (2, {"guest:105": 1})


async def test_a_condition_and_a_target_may_have_their_own_and_drop_it(den: Den) -> None:
    done = await den.call("set_autonomy", level=1, condition="service-down")
    assert done.undo == {"name": "unset_autonomy", "args": {"condition": "service-down"}}
    assert (await den.call("set_autonomy", level=0, target="105")).target == "autonomy:target/guest:105"
    await den.restart()
    state = den.levels.state
    assert (state.conditions, state.targets) == ({"service-down": 1}, {"guest:105": 0})
    again = await den.call("set_autonomy", level=0, target="pihole")
    assert again.text == "Autonomy of guest:105 is L0 already."
    rises = await den.call("unset_autonomy", target="pihole")
    assert (rises.outcome, rises.needs) == ("refused", "confirm"), "it would do more than before"
    assert (await den.confirmed("unset_autonomy", target="pihole")).outcome == "verified"
    await den.restart()
    assert den.levels.state.targets == {}


@pytest.mark.parametrize(
    ("tool", "args", "code"),
    [
        ("set_autonomy", {"level": 1, "condition": "service-down", "target": "pihole"}, "invalid_params"),
        ("set_autonomy", {"level": 5}, "invalid_params"), ("set_autonomy", {"level": -1}, "invalid_params"),
        ("set_autonomy", {"level": 1, "target": "nowhere"}, "not_found"),
        ("unset_autonomy", {}, "refused"), ("unset_autonomy", {"target": "pihole"}, "refused"),
        ("run_runbook", {"runbook": "guest-crashd", "target": "pihole"}, "not_found"),
        ("run_runbook", {"runbook": "guest-crashed", "target": "nowhere"}, "not_found"),
        ("trust_runbook", {"name": "guest-crashed", "sha256": "0" * 64}, "refused"),
        ("distrust_runbook", {"name": "guest-crashed"}, "refused"),
    ],
)  # fmt: skip
async def test_what_makes_no_sense_is_refused(den: Den, tool: str, args: dict[str, Any], code: str) -> None:
    outcome = await den.confirmed(tool, **args)
    assert (outcome.outcome, outcome.code) == ("refused", code)


def test_a_real_cluster_starts_at_two_a_simulated_one_at_three_unless_it_is_set() -> None:
    real = SETTINGS.model_copy(deep=True)
    assert start_level(real) == 2
    assert real.cluster is not None
    real.cluster.simulated = True
    assert start_level(real) == 3
    real.autonomy.level = 1
    assert start_level(real) == 1


# --- trust ---------------------------------------------------------------------------------------------------


async def test_trust_wants_the_name_typed_and_an_edit_revokes_it(den: Den) -> None:
    await den.confirmed("set_autonomy", level=3)
    plan = await den.call("trust_runbook", dry_run=True, name="guest-crashed", sha256=den.sha())
    assert (plan.tier, plan.needs) == ("black", "typed_name")
    wrong = await den.call(
        "trust_runbook", confirm=plan.digest, typed="yes", name="guest-crashed", sha256=den.sha()
    )
    assert wrong.outcome == "refused"
    await den.trust()
    await den.restart()
    assert den.room.shelf.get("guest-crashed").trusted, "it outlives the daemon"
    den.file.write_text(START.replace("Start a guest", "Start any guest"))
    await den.room.runbooks(None)
    assert not den.room.shelf.get("guest-crashed").trusted
    den.crash()
    await den.poll(3)
    assert den.acts == []
    assert "The runbook guest-crashed is not trusted." in den.story().text
    await den.trust()
    await den.poll(3)
    assert den.acts == ["start pihole"]
    assert (await den.call("distrust_runbook", name="guest-crashed")).outcome == "verified"
    assert not den.room.shelf.get("guest-crashed").trusted


async def test_the_file_changes_between_looking_and_trusting(den: Den) -> None:
    seen = den.sha()
    plan = await den.call("trust_runbook", dry_run=True, name="guest-crashed", sha256=seen)
    den.file.write_text(START.replace("within_s: 120", "within_s: 60"))
    await den.room.runbooks(None)
    args = {"name": "guest-crashed", "sha256": seen}
    outcome = await den.call("trust_runbook", confirm=plan.digest, typed="guest-crashed", **args)
    assert outcome.outcome == "refused"
    assert "not the file that you looked at" in outcome.text


# --- by hand -------------------------------------------------------------------------------------------------


async def finish(den: Den, name: str, who: Principal, **args: Any) -> m.ToolOutcome:
    asked = spawn(den.call(name, who, **args), name="call")
    await den.poll_until(asked.done)
    outcome: m.ToolOutcome = await asked
    return outcome


async def test_run_by_hand_answers_how_it_ended(den: Den) -> None:
    den.crash()
    await den.poll()
    done = await finish(den, "run_runbook", OPERATOR, runbook="guest-crashed", target="pihole")
    assert (done.outcome, den.acts) == ("verified", ["start pihole"])
    assert "pihole is mended" in done.text
    assert den.story().by == "operator:cli"


async def test_run_by_hand_without_an_incident_and_on_what_is_well(den: Den) -> None:
    outcome = await den.call("run_runbook", runbook="guest-crashed", target="pihole")
    assert outcome.outcome in {"refused", "failed"}
    assert "guest.status is running; it has to be stopped" in outcome.text + outcome.why
    assert den.acts == []
    den.change("plex", status="stopped")
    den.publish()
    done = await finish(den, "run_runbook", OPERATOR, runbook="guest-crashed", target="103")
    assert (done.outcome, den.acts) == ("verified", ["start plex"])
    assert den.story().incident == ""


async def test_an_agent_needs_an_approval_to_run_one(den: Den) -> None:
    den.crash()
    await den.poll()
    outcome = await den.call("run_runbook", AGENT, runbook="guest-crashed", target="pihole")
    assert outcome.outcome == "awaiting"
    assert den.acts == []
    (asked,) = den.pending()
    assert any("step 1: start_guest" in effect for effect in asked.effects)


@pytest.mark.parametrize("alone", ["", "yellow", "red"])
async def test_a_runbook_runs_no_runbook(den: Den, alone: str) -> None:
    den.crash()
    await den.poll()
    who = Principal(session="repair:1:x", role="runbook", client="guest-crashed", alone=alone)
    outcome = await den.call("run_runbook", who, runbook="guest-crashed", target="pihole")
    assert (outcome.outcome, den.acts) == ("refused", [])


# --- questions -----------------------------------------------------------------------------------------------


async def test_what_people_ask(den: Den) -> None:
    den.cluster.quorate = False
    den.crash()
    await den.poll(2)
    listed = await den.bus.ask("runbook.list", m.RunbookList(), VIEWER)
    assert "guest-crashed" in [info.name for info in listed.runbooks]
    shown = await den.bus.ask("runbook.show", m.RunbookShow(name="guest-crashed"), VIEWER)
    assert (shown.text, shown.info.trusted) == (START, False)
    stories = await den.bus.ask("repair.list", m.RepairList(), VIEWER)
    assert [r.status for r in stories.repairs] == ["refused"]
    tool = await den.call("get_repairs", VIEWER, hours=1)
    assert [r["status"] for r in tool.result["repairs"]] == ["refused"]
    assert tool.tainted


async def test_a_test_prints_each_verdict_and_does_nothing(den: Den) -> None:
    den.crash()
    den.publish()
    tested = await den.bus.ask("runbook.test", m.RunbookTest(name="guest-crashed", target="pihole"), VIEWER)
    assert (tested.decision, tested.steps, tested.replayed) == ("recommend", ["start pihole"], False)
    assert len(tested.checks) == 18
    den.second = "disagrees"
    tested = await den.bus.ask("runbook.test", m.RunbookTest(name="guest-crashed", target="pihole"), VIEWER)
    assert tested.decision == "refuse"
    assert "A second endpoint disagrees: pve says so." in [c.text for c in tested.checks]
    assert (den.acts, await den.audit("intent")) == ([], [])
    with pytest.raises(JarvisError, match="What is it to be tested on"):
        await den.room.test(m.RunbookTest(name="guest-crashed"))


async def test_a_recorded_incident_is_judged_by_its_own_facts(den: Den) -> None:
    den.cluster.quorate = False
    den.crash()
    await den.poll()
    den.cluster.quorate = True
    den.change("pihole", status="running")
    await den.poll(3)
    tested = await den.bus.ask("runbook.test", m.RunbookTest(name="guest-crashed", incident="1"), VIEWER)
    assert (tested.decision, tested.replayed, tested.target_name) == ("refuse", True, "pihole")
    assert tested.text == "The cluster has no quorum."
    with pytest.raises(JarvisError, match="There is no incident '99'"):
        await den.room.test(m.RunbookTest(name="guest-crashed", incident="99"))
