"""A command over SSH within a runbook: no guardrail knows what it touches, so a person does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import pytest
from msgspec import Meta
from msgspec.structs import replace

from jarvis_daemon.remediation.runbook import Step
from jarvis_daemon.tools import Act, Context, Target, Tier, ToolSpec
from jarvis_daemon.tools.spec import Args, Risk
from tests.unit.remediation.ward import Seen, Ward, kept

COMMAND = Step(tool="execute_ssh", args={"node": "{guest.node}", "command": "systemctl restart {guest.name}"})


class ShellArgs(Args):
    node: Annotated[str, Meta(max_length=60)]
    command: Annotated[str, Meta(max_length=2000)]


@pytest.fixture
async def ward(tmp_path: Path) -> AsyncIterator[Ward]:
    """At L4, with ``execute_ssh`` as far as the gate sees it: YELLOW in the list, RED by its command."""
    made = Ward(tmp_path, level=4, books=[kept(scope="node", steps=[COMMAND])])
    await made.open()

    def resolve(args: ShellArgs, ctx: Context) -> Target:
        return Target(f"node:{args.node}", args.node, "node", node=args.node, observed_at=ctx.now)

    def risk(args: ShellArgs, target: Target, ctx: Context) -> Risk:
        return Risk(Tier.YELLOW if args.command == "uptime" else Tier.RED)

    async def run(args: ShellArgs, target: Target, act: Act) -> Seen:
        async with act.step(args.command):
            made.acts.append(args.command)
        return Seen()

    made.tools.registry.add(ToolSpec(
        name="execute_ssh", room="ward", tier=Tier.YELLOW, args=ShellArgs, output=Seen, description="Runs.",
        resolve=resolve, risk=risk, run=run, verify=made._verify,
    ))  # fmt: skip
    await made.poll()
    yield made
    await made.close()


async def test_it_is_asked_for_at_the_highest_level(ward: Ward) -> None:
    ward.crash()
    await ward.poll(2)
    assert ward.acts == []
    (asked,) = ward.pending()
    assert asked.args == {"node": "agent", "command": "systemctl restart pihole"}
    await ward.answer(approve=True)
    assert ward.acts == ["systemctl restart pihole"]


async def test_one_that_only_looks_is_not(ward: Ward) -> None:
    looks = Step(tool="execute_ssh", args=COMMAND.args | {"command": "uptime"})
    ward.books[:] = [kept(scope="node", steps=[looks])]
    ward.crash()
    await ward.poll(2)
    assert ward.acts == ["uptime"]


@pytest.mark.parametrize("name", ["a b", "x --now", "--all"])
async def test_a_name_from_outside_adds_no_word_to_it(ward: Ward, name: str) -> None:
    guest = ward.guest("pihole")
    ward.guests[guest.id] = replace(guest, name=name)
    ward.crash(name)
    await ward.poll(2)
    assert (ward.acts, ward.pending()) == ([], [])
    assert "guest.name is not one plain word" in ward.story().text
