"""A runbook run by hand does what was agreed to, as it was shown, and nothing graver."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace as changed

from jarvis_daemon.protocol.spawn import spawn
from jarvis_daemon.tools import Context, Target, Tier
from jarvis_daemon.tools.spec import Risk
from tests.unit.remediation.test_room import Den
from tests.unit.remediation.ward import AGENT, OPERATOR, START


@pytest.fixture
async def den(tmp_path: Path) -> AsyncIterator[Den]:
    made = Den(tmp_path)
    await made.open()
    await made.poll()
    yield made
    await made.close()


def graver_here(den: Den) -> None:
    """A tool that is YELLOW in the list and RED on this target, as a command over SSH may be."""

    def risk(args: Any, target: Target, ctx: Context) -> Risk:
        return Risk(Tier.RED, "it is RED here")

    spec = den.tools.registry.get("start_guest")
    den.tools.registry.remove("start_guest")
    den.tools.registry.add(replace(spec, risk=risk))


@pytest.mark.parametrize("who", [AGENT, OPERATOR])
async def test_a_step_that_turns_out_graver_than_was_agreed_to_is_asked_for(den: Den, who: Any) -> None:
    graver_here(den)
    den.tools.gate.settings.agents_run_yellow = True
    den.crash()
    await den.poll()
    call = spawn(den.call("run_runbook", who, runbook="guest-crashed", target="pihole"), name="call")
    await den.poll_until(lambda: bool(den.pending()))
    assert den.acts == []
    assert [(one.tool, one.tier) for one in den.pending()] == [("start_guest", "red")]
    await den.answer(approve=True)
    await den.poll_until(call.done)
    assert (await call).outcome == "verified"
    assert den.acts == ["start pihole"]


async def test_one_that_asks_at_every_level_is_red(den: Den) -> None:
    den.file.write_text(START.replace("    say: start", "    approval: always\n    say: start"))
    await den.room.shelf.refresh()
    den.tools.gate.settings.agents_run_yellow = True
    den.crash()
    await den.poll()
    plan = await den.call("run_runbook", runbook="guest-crashed", target="pihole", dry_run=True)
    assert (plan.tier, plan.needs) == ("red", "confirm")
    asked = await den.call("run_runbook", AGENT, runbook="guest-crashed", target="pihole")
    assert (asked.outcome, den.acts) == ("awaiting", [])


async def test_an_edit_after_the_last_look_is_not_what_runs(den: Den) -> None:
    """Between the gate's judgement and the room's own turn the intent is written: time enough for the shelf."""
    den.crash()
    await den.poll()
    real = den.tools.gate.runner.write

    async def edited(*given: Any, **more: Any) -> Any:
        kept = den.room.shelf.kept["guest-crashed"]
        (step,) = kept.runbook.steps
        other = changed(kept.runbook, steps=[changed(step, tool="reboot_guest")])
        den.room.shelf.kept["guest-crashed"] = changed(kept, runbook=other, sha256="1" * 64)
        return await real(*given, **more)

    den.tools.gate.runner.write = edited  # type: ignore[method-assign]
    call = spawn(den.call("run_runbook", OPERATOR, runbook="guest-crashed", target="pihole"), name="call")
    await den.poll_until(call.done)
    assert den.acts == ["start pihole"]
