"""Parts of the guests' tools: sizes of volumes, tags that carry policy, how the tasks' endings are told."""

from __future__ import annotations

import pytest

from jarvis_daemon.bus import Principal
from jarvis_daemon.cluster.tools.endings import with_endings
from jarvis_daemon.cluster.tools.guest_reads import OneGuest
from jarvis_daemon.cluster.tools.hands import TaskDone
from jarvis_daemon.cluster.tools.places import size_of
from jarvis_daemon.cluster.tools.tags import carries_policy
from jarvis_daemon.tools import Act, Context, Target, Tier, ToolSpec, Verdict
from jarvis_daemon.tools.spec import Output, Sentences

PLEX = Target("guest:103", "plex", "ct")
CONTEXT = Context(Principal(session="s", role="operator", client="cli", uid=0), now=0.0)


@pytest.mark.parametrize(
    ("volume", "size"),
    [
        ("local-lvm:vm-100-disk-0,size=32G", 32 * 2**30),
        ("local-lvm:vm-100-disk-0,discard=on,size=1T,ssd=1", 2**40),
        ("local:100/x.qcow2,size=528K", 528 * 1024),
        ("local:100/x.raw,size=1.5G", 3 * 2**29),
        ("local:100/x.raw,size=4194304", 4194304),
        ("local:100/x.raw", 0),
        ("none,media=cdrom", 0),
        ("local:100/x.raw,size=huge", 0),
        ("local:100/x.raw,size=", 0),
    ],
)
def test_the_size_of_a_volume(volume: str, size: int) -> None:
    assert size_of(volume) == size


@pytest.mark.parametrize("tag", ["no-jarvis", "No-Jarvis", "protected", "jarvis", "jarvis-managed", "no-x", "mine"])
def test_tags_by_which_somebody_decides(tag: str) -> None:
    assert carries_policy(tag, ["tag:mine"])


@pytest.mark.parametrize("tag", ["media", "db", "notes", "node1", "unprotected", "mine"])
def test_tags_that_only_describe(tag: str) -> None:
    assert not carries_policy(tag, ["mine", "tag:yours"])


def tool(verdict: Verdict, output: type[Output] = TaskDone) -> ToolSpec:
    async def run(args: OneGuest, target: Target, act: Act) -> TaskDone:
        return TaskDone()

    return with_endings(ToolSpec(
        name="reboot", room="x", tier=Tier.RED, description="x", args=OneGuest, output=output, run=run,
        verify=lambda args, target, result, ctx: verdict, sentences=Sentences("Reboot {target}", "{target} is up."),
    ))  # fmt: skip


async def told(verdict: Verdict, result: TaskDone | None) -> Verdict:
    verify = tool(verdict).verify
    assert verify is not None
    answer = verify(OneGuest(guest="plex"), PLEX, result, CONTEXT)
    assert not isinstance(answer, Verdict)
    return await answer


@pytest.mark.parametrize(
    ("verdict", "status", "outcome", "text"),
    [
        (Verdict("verified"), "ok", "verified", ""),
        (Verdict("verified"), "warnings", "verified", "plex is up. Its task ended with warnings: see its log."),
        (Verdict("verified", "Yes."), "warnings", "verified", "Yes. Its task ended with warnings: see its log."),
        (Verdict("contradicted", "No."), "warnings", "contradicted", "No."),
        (Verdict("contradicted", "No."), None, "unverified", "No. Its task may still run."),
        (Verdict("verified", "Yes."), None, "verified", "Yes."),
    ],
)
async def test_endings(verdict: Verdict, status: str | None, outcome: str, text: str) -> None:
    answer = await told(verdict, TaskDone(status=status) if status is not None else None)
    assert (answer.outcome, answer.text) == (outcome, text)


def test_what_waits_for_no_task_is_left_alone() -> None:
    class Plain(Output):
        pass

    spec = tool(Verdict("verified"), Plain)
    assert spec.verify is not None
    assert spec.verify(None, PLEX, None, CONTEXT) == Verdict("verified")
