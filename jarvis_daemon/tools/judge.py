"""The judgement of a call: its target as it is now, its tier, and the plan a person would be shown."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.text import clean
from jarvis_daemon.tools.approvals import digest
from jarvis_daemon.tools.spec import Context, Risk, Target, ToolSpec
from jarvis_daemon.tools.tiers import Tier

T = TypeVar("T")
NOTHING = Target(id="", name="", kind="nothing")
"""Of reads that are about everything."""


@dataclass(frozen=True)
class Judgement:
    """What the gate decides upon, and shows."""

    target: Target
    tier: Tier
    reasons: tuple[str, ...] = ()
    """Why the tier is graver than the tool's own."""
    effects: tuple[str, ...] = ()
    refuse: str = ""
    next: str = ""
    summary: str = ""
    digest: str = ""
    plan: list[str] = field(default_factory=list)


async def judge(spec: ToolSpec, args: Any, ctx: Context, principal_key: str, protected: Iterable[str]) -> Judgement:
    """Resolve, weigh, describe. Raises ``JarvisError`` for a target that is not to be found or not fresh."""
    target = NOTHING if spec.resolve is None else await settle(spec.resolve(args, ctx))
    _check_fresh(spec, target, ctx.now)
    risk = Risk() if spec.risk is None else await settle(spec.risk(args, target, ctx))
    tier = max(spec.base_tier, risk.tier)
    reasons = [risk.why] if risk.why else []
    if spec.writes and is_protected(target, protected):
        tier = tier.raised()
        reasons.append(f"{target.name} is protected")
    summary = sentence(spec.sentences.doing if spec.sentences else spec.title(), args, target)
    effects = (*risk.effects, *ctx.principal.origins)
    plan = [summary, *reasons, *effects]
    return Judgement(
        target, tier, tuple(reasons), effects, risk.refuse, risk.next, summary,
        digest(spec.name, msgspec.to_builtins(args), target, tier, principal_key, plan), plan,
    )  # fmt: skip


def is_protected(target: Target, protected: Iterable[str]) -> bool:
    """By id, name, vmid, node of a node target, or ``tag:NAME``."""
    names = {target.id, target.name, target.id.partition(":")[2], *target.labels}
    if target.vmid is not None:
        names.add(str(target.vmid))
    return not names.isdisjoint({entry.strip() for entry in protected})


def sentence(template: str, args: Any, target: Target) -> str:
    """Fill ``{target}`` and argument names; a name that is not there stays as written."""
    values = {key: clean(str(value), limit=200) for key, value in msgspec.to_builtins(args).items()}
    return template.format_map(_Kept(values | {"target": target.name or "everything"}))


async def settle(answer: Any) -> Any:
    """A room's function may be plain or asynchronous."""
    return await answer if inspect.isawaitable(answer) else answer


def _check_fresh(spec: ToolSpec, target: Target, now: float) -> None:
    if spec.freshness_s is None or not spec.writes:
        return
    if target.observed_at is None or now - target.observed_at > spec.freshness_s:
        age = "never" if target.observed_at is None else f"{now - target.observed_at:.0f} s ago"
        raise JarvisError(
            "refused", f"What is known of {target.name} is too old to act upon",
            why=f"it was last seen {age}; {spec.name} wants at most {spec.freshness_s:g} s",
            next="`jarvis status` shows what does not answer.",
        )  # fmt: skip


class _Kept(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "{" + key + "}"
