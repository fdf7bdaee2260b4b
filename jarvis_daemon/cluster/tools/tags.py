"""The tags of a guest. Tags that carry policy (protection, what Jarvis may touch, who may see) make it RED."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, Final

from msgspec import Meta, field

from jarvis_daemon.cluster.shapes import parse_guest_config
from jarvis_daemon.cluster.tools.hands import HANDS_OFF, GuestRef, Hands
from jarvis_daemon.protocol.state import Guest
from jarvis_daemon.tools import Act, Context, Target, Tier, ToolSpec, Undo, Verdict
from jarvis_daemon.tools.spec import Args, Output, Risk, Sentences

Tag = Annotated[
    str,
    Meta(min_length=1, max_length=60, pattern="^[a-z0-9_][a-z0-9_+.-]*$", description="a tag, lower case"),
]
POLICY_TAGS: Final = frozenset({
    HANDS_OFF, "protected", "no-backup", "no-migrate", "no-remediation", "critical", "jarvis-managed",
})  # fmt: skip
"""What people and runbooks decide by."""
POLICY_PREFIXES: Final = ("jarvis", "no-", "policy")


class TagsArgs(Args):
    """Either the whole list, or what to add and to remove."""

    guest: GuestRef
    tags: Annotated[list[Tag], Meta(max_length=30)] | None = None
    """The whole new list; with it neither ``add`` nor ``remove``."""
    add: Annotated[list[Tag], Meta(max_length=30)] = field(default_factory=list)
    remove: Annotated[list[Tag], Meta(max_length=30)] = field(default_factory=list)


class TagsSet(Output):
    before: list[str]
    tags: list[str]


def specs(hands: Hands) -> list[ToolSpec]:
    return [ToolSpec(
        name="set_guest_tags", room="cluster", tier=Tier.YELLOW, args=TagsArgs, output=TagsSet,
        description="Set, add or remove tags of a guest. Tags that carry policy ask for more.",
        resolve=_resolve(hands), risk=_risk(hands), run=_run(hands), verify=_verify(hands), undo=_undo,
        sentences=Sentences("Change the tags of {target}", "The tags of {target} are changed."),
        timeout_s=60.0, freshness_s=60.0, idempotent=True,
    )]  # fmt: skip


def _resolve(hands: Hands) -> Any:
    async def resolve(args: TagsArgs, ctx: Context) -> Target:
        target = await hands.live_target(args.guest)
        return replace(target, facts={**target.facts, "tags": await tags_of(hands, target.facts["guest"])})

    return resolve


async def tags_of(hands: Hands, guest: Guest) -> list[str]:
    """From the guest's configuration now, sorted."""
    reply = await hands.scene.px.call(f"{guest.kind}_config", node=guest.node, vmid=guest.vmid)
    return sorted(parse_guest_config(reply).tags)


def carries_policy(tag: str, protected: list[str]) -> bool:
    """Whether somebody decides by this tag; ``protected`` are the settings' entries (``tag:NAME``)."""
    plain = tag.casefold()
    return plain in POLICY_TAGS or plain.startswith(POLICY_PREFIXES) or f"tag:{tag}" in protected


def _wanted(args: TagsArgs, before: list[str]) -> list[str]:
    if args.tags is not None:
        return sorted(set(args.tags))
    return sorted((set(before) | set(args.add)) - set(args.remove))


def _risk(hands: Hands) -> Callable[[Any, Target, Context], Risk]:
    def risk(args: TagsArgs, target: Target, ctx: Context) -> Risk:
        before: list[str] = target.facts["tags"]
        common = hands.guest_risk(target, disrupts=False, template=True)
        if common.refuse:
            return common
        if args.tags is not None and (args.add or args.remove):
            return Risk(refuse="Give either the whole list of tags, or what to add and remove")
        after = _wanted(args, before)
        if after == before:
            return Risk(refuse=f"The tags of {target.name} are so already: {', '.join(before) or 'none'}")
        protected = hands.scene.settings.tools.protected
        policy = [tag for tag in sorted(set(before) ^ set(after)) if carries_policy(tag, protected)]
        effects = (f"Tags: {', '.join(before) or 'none'} → {', '.join(after) or 'none'}.",)
        if policy:
            why = "; ".join(part for part in (common.why, f"{', '.join(policy)} carries policy") if part)
            return Risk(max(Tier.RED, common.tier), why, (*effects, *common.effects))
        return replace(common, effects=(*effects, *common.effects))

    return risk


def _run(hands: Hands) -> Any:
    async def run(args: TagsArgs, target: Target, act: Act) -> TagsSet:
        guest: Guest = target.facts["guest"]
        before: list[str] = target.facts["tags"]
        after = _wanted(args, before)
        what = f"tags {target.name} ({target.vmid}): {', '.join(after) or 'none'}"
        tags = ";".join(after)
        await hands.scene.px.write(act, what, f"{guest.kind}_set", node=guest.node, vmid=guest.vmid, tags=tags)
        return TagsSet(before=before, tags=after)

    return run


def _verify(hands: Hands) -> Any:
    async def verify(args: TagsArgs, target: Target, result: Any, ctx: Context) -> Verdict:
        found = await tags_of(hands, target.facts["guest"])
        if found != _wanted(args, target.facts["tags"]):
            return Verdict("contradicted", f"The tags of {target.name} are {', '.join(found) or 'none'}.")
        return Verdict("verified", evidence={"tags": found})

    return verify


def _undo(args: TagsArgs, target: Target, result: Any) -> Undo:
    return Undo("set_guest_tags", {"guest": str(target.vmid), "tags": list(target.facts["tags"])})
