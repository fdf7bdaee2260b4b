"""What is taken back while a repair is under way: trust, the file as it was read, the level."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from msgspec.structs import replace

from jarvis_daemon.remediation.runbook import Kept, Step
from tests.unit.remediation.ward import FOUR, Ward, kept

GUEST = {"guest": "{guest.vmid}"}
Change = Callable[[Ward], Awaitable[None]]


def _book(changed: Kept | None) -> Change:
    async def change(ward: Ward) -> None:
        ward.books[:] = [changed] if changed is not None else []

    return change


async def _lower(ward: Ward) -> None:
    await ward.levels.set("all", "", 2, "operator:cli")


async def _lower_for_it(ward: Ward) -> None:
    await ward.levels.set("target", ward.guest("pihole").id, 0, "operator:cli")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_book(kept(FOUR, trusted=False)), "The runbook four-steps was changed, or its trust was taken away."),
        (_book(replace(kept(FOUR), sha256="1" * 64)), "The runbook four-steps was changed"),
        (_book(None), "The runbook four-steps was changed"),
        (_lower, "Autonomy is L2 now."),
        (_lower_for_it, "Autonomy is L0 now."),
    ],
)
async def test_taken_back_during_step_two_the_third_is_never_begun(ward: Ward, change: Change, told: str) -> None:
    async def meanwhile(word: str) -> None:
        if word == "mark two":
            await change(ward)

    ward.books[:] = [kept(FOUR)]
    ward.before_act = meanwhile
    ward.crash()
    await ward.poll(10)
    assert ward.acts == ["mark one", "mark two"]
    assert await ward.audit("intent") == ["mark_guest", "mark_guest"]
    (story,) = [r for r in ward.shown() if r.status == "cancelled"]
    assert story.text.startswith(f"I stopped before step 3: {told}")


@pytest.mark.parametrize("change", [_book(replace(kept(), sha256="1" * 64)), _lower])
async def test_taken_back_while_a_person_is_asked_the_yes_starts_nothing(ward: Ward, change: Change) -> None:
    ward.books[:] = [kept(steps=[Step(tool="start_guest", args=GUEST, approval="always")])]
    ward.crash()
    await ward.poll()
    await change(ward)
    await ward.answer(approve=True)
    assert (ward.acts, await ward.audit("intent")) == ([], [])


async def test_lowered_from_four_to_three_a_red_step_is_asked_for(ward: Ward) -> None:
    async def meanwhile(word: str) -> None:
        await ward.levels.set("all", "", 3, "operator:cli")

    steps = [Step(tool="mark_guest", args={**GUEST, "word": "one"}), Step(tool="reboot_guest", args=GUEST)]
    await ward.levels.set("all", "", 4, "operator:cli")
    ward.books[:] = [kept(steps=steps)]
    ward.before_act = meanwhile
    ward.crash()
    await ward.poll(3)
    assert ward.acts == ["mark one"]
    assert [one.tool for one in ward.pending()] == ["reboot_guest"]
