"""The tools of memory: search, list, remember, forget, import an edited page.

Who says a thing decides how far it is trusted: the operator's words are his. What a model, an MCP client or a page
in a browser has remembered is kept as a conversation is, at most, and counts as text from outside unless all of it
is from the operator's words of that turn.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from jarvis_daemon.assistant.memory import answer  # noqa: F401  # enters its question into the table
from jarvis_daemon.assistant.memory.memory import Memory, stale_diff
from jarvis_daemon.assistant.memory.page import PAGE_MAX
from jarvis_daemon.assistant.memory.statement import SUBJECT_MAX, TEXT_MAX
from jarvis_daemon.assistant.memory.table import Trust
from jarvis_daemon.bus import Principal
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.mind import MemoryItem, MemoryKind
from jarvis_daemon.tools import Act, Context, Registry, Target, Tier, ToolSpec, Undo, Verdict
from jarvis_daemon.tools.spec import Args, Output, Risk, Sentences

LINES_SHOWN: Final = 40
"""Of a diff, in the plan."""
KeptTier = Literal["conversation", "episodic", "lasting"]
Number = Annotated[int, Meta(ge=1, le=2**53, description="number of the memory")]
Moment = Annotated[float, Meta(ge=0, le=1e11, description="Unix seconds")]


class SearchArgs(Args):
    query: Annotated[str, Meta(max_length=400, description="words, and a time such as 'last week'")]
    limit: Annotated[int, Meta(ge=1, le=50)] = 10


class ListArgs(Args):
    tier: Literal["working", "conversation", "episodic", "lasting"] | None = None
    kind: MemoryKind | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50


class Memories(Output):
    memories: list[MemoryItem]


class RememberArgs(Args):
    text: Annotated[str, Meta(min_length=1, max_length=TEXT_MAX, description="one sentence that states it")]
    kind: MemoryKind | None = None
    subject: Annotated[str, Meta(max_length=SUBJECT_MAX, description="what it is about")] | None = None
    tier: KeptTier | None = None
    """How long it is kept: 7 days, 30 days, without end."""
    manner: Literal["prefers", "always", "never"] | None = None
    """Put before the text, which is then a preference."""
    trust: Literal["operator", "system", "tainted"] | None = None
    """Only ever less than who asks has."""
    happened_at: Moment | None = None


class RememberOutput(Output):
    memory: MemoryItem
    how: Literal["new", "again", "changed"]
    replaced: MemoryItem | None = None


class ForgetArgs(Args):
    memory: Number


class ForgetOutput(Output):
    memory: int
    holds_again: list[int] = msgspec.field(default_factory=list)
    """What the forgotten one had replaced."""


class ImportArgs(Args):
    markdown: Annotated[str, Meta(max_length=PAGE_MAX, description="the edited page")]
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$", description="of the comparison that was shown")]


class ImportOutput(Output):
    added: int
    changed: int
    forgotten: int
    diff: list[str] = msgspec.field(default_factory=list)


def register(registry: Registry, memory: Memory) -> None:
    tools = _Tools(memory)
    registry.add(
        ToolSpec(
            name="search_memory", room="assistant", tier=Tier.GREEN, args=SearchArgs, output=Memories,
            description="What is remembered that fits some words, the best first; 'last week' bounds it.",
            resolve=tools.all_of_it, run=tools.search, idempotent=True, tainted=True, concurrency=8,
        ),
        ToolSpec(
            name="list_memories", room="assistant", tier=Tier.GREEN, args=ListArgs, output=Memories,
            description="What is remembered, the newest first.", resolve=tools.all_of_it, run=tools.list,
            idempotent=True, tainted=True, concurrency=8,
        ),
        ToolSpec(
            name="remember", room="assistant", tier=Tier.YELLOW, args=RememberArgs, output=RememberOutput,
            description="Remember one sentence: a fact or a preference that the operator states.",
            resolve=tools.new, risk=tools.risk_of_new, run=tools.remember, verify=tools.is_remembered,
            undo=tools.undo_remember, sentences=Sentences("Remember: {target}", "I shall remember that."),
        ),
        ToolSpec(
            name="forget_memory", room="assistant", tier=Tier.YELLOW, args=ForgetArgs, output=ForgetOutput,
            description="Forget one memory, by its number.", resolve=tools.known, risk=tools.risk_of_forgetting,
            run=tools.forget, verify=tools.is_forgotten, undo=tools.undo_forget,
            sentences=Sentences("Forget {target}", "{target} is forgotten."),
        ),
        ToolSpec(
            name="import_memories", room="assistant", tier=Tier.YELLOW, args=ImportArgs, output=ImportOutput,
            description="Make memory what an edited export says, exactly as a comparison has shown it.",
            resolve=tools.page, risk=tools.risk_of_import, run=tools.import_, verify=tools.is_imported,
            operator_only=True, sentences=Sentences("Import {target}", "{target} is imported."),
        ),
    )  # fmt: skip


def voice(principal: Principal, wish: Trust | None = None) -> Trust:
    """How far what this caller has remembered is trusted; a wish can only lower it."""
    mine: Trust = "operator"
    if principal.role != "operator":
        mine = "system" if principal.role == "agent" and principal.alone == "yellow" else "tainted"
    order: tuple[Trust, ...] = ("tainted", "system", "operator")
    return mine if wish is None else min(mine, wish, key=order.index)


def readable(memories: Sequence[MemoryItem], by: Principal) -> list[MemoryItem]:
    """What this caller may read: an agent that is not our own model has no part in the operator's conversations, so
    it reads what the house itself has seen, and nothing that he said. ``alone`` is given by our rooms only."""
    if by.role == "operator" or (by.role == "agent" and by.alone):
        return list(memories)
    return [one for one in memories if one.tier in {"episodic", "lasting"} and one.kind in {"event", "incident"}]


class _Tools:
    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    # --- reads -------------------------------------------------------------------------------------------

    def all_of_it(self, args: SearchArgs | ListArgs, ctx: Context) -> Target:
        """A picture on the wall does not read what the operator has said."""
        if ctx.principal.role == "viewer":
            raise JarvisError("forbidden", "A viewer does not read what is remembered")
        return Target("memory", "memory", "memory", observed_at=ctx.now, facts={"by": ctx.principal})

    async def search(self, args: SearchArgs, target: Target, act: Act) -> Memories:
        found = await self._memory.search(args.query, limit=args.limit)
        return Memories(memories=readable(found, target.facts["by"]))

    async def list(self, args: ListArgs, target: Target, act: Act) -> Memories:
        found = await self._memory.list_all(tier=args.tier, kind=args.kind, limit=args.limit)
        return Memories(memories=readable(found, target.facts["by"]))

    # --- remember ----------------------------------------------------------------------------------------

    def new(self, args: RememberArgs, ctx: Context) -> Target:
        text = self._memory.check(_said(args), kind=_kind(args))
        name = hashlib.sha256(text.casefold().encode()).hexdigest()[:12]
        by = ctx.principal
        return Target(
            f"memory:new/{name}", text, "memory", observed_at=ctx.now,
            facts={"trust": voice(by, args.trust), "operator": by.role == "operator", "by": by},
        )  # fmt: skip

    def risk_of_new(self, args: RememberArgs, target: Target, ctx: Context) -> Risk:
        if target.facts["trust"] == "tainted":
            return Risk(effects=("It counts as text from outside: data, never an order.",))
        return Risk()

    async def remember(self, args: RememberArgs, target: Target, act: Act) -> RememberOutput:
        trust, mine, by = target.facts["trust"], target.facts["operator"], target.facts["by"]
        kind = _kind(args)
        if not mine and kind == "preference":
            kind = "fact"  # what is told to a model first is the operator's alone
        source = "operator" if mine else f"{by.role}:{by.client}"
        async with act.step("remembers a sentence"):
            done = await self._memory.remember(
                _said(args), kind=kind if mine else kind or "fact", subject=args.subject,
                tier=(args.tier or "lasting") if mine else "conversation", trust=trust, source=source,
                happened_at=args.happened_at,
            )  # fmt: skip
        how: Literal["new", "again", "changed"] = done.how
        return RememberOutput(memory=done.item, how=how, replaced=done.instead)

    async def is_remembered(self, args: RememberArgs, target: Target, result: Any, ctx: Context) -> Verdict:
        if result is None:
            return Verdict("contradicted")
        kept = await self._memory.get(result.memory.id)
        if kept.text != result.memory.text:
            return Verdict("contradicted", f"Memory {kept.id} says otherwise.")
        text = {
            "new": f"I shall remember that, as memory {kept.id}.",
            "again": f"I knew that already: memory {kept.id}.",
            "changed": f"I shall remember that, as memory {kept.id}.",
        }[result.how]
        if result.replaced is not None:
            text += f" It replaces memory {result.replaced.id}."
        return Verdict("verified", text)

    def undo_remember(self, args: RememberArgs, target: Target, result: Any) -> Undo | None:
        if result.how == "again":
            return None
        return Undo("forget_memory", {"memory": result.memory.id})

    # --- forget ------------------------------------------------------------------------------------------

    async def known(self, args: ForgetArgs, ctx: Context) -> Target:
        kept = await self._memory.get(args.memory)
        return Target(
            f"memory:{kept.id}", f"memory {kept.id}", "memory", observed_at=ctx.now, facts={"memory": kept}
        )

    def risk_of_forgetting(self, args: ForgetArgs, target: Target, ctx: Context) -> Risk:
        kept: MemoryItem = target.facts["memory"]
        return Risk(effects=(f"It says: {kept.text}",))

    async def forget(self, args: ForgetArgs, target: Target, act: Act) -> ForgetOutput:
        async with act.step(f"forgets {target.name}"):
            _, again = await self._memory.forget(args.memory)
        return ForgetOutput(memory=args.memory, holds_again=again)

    async def is_forgotten(self, args: ForgetArgs, target: Target, result: Any, ctx: Context) -> Verdict:
        left = await self._memory.traces(args.memory)
        if left:
            return Verdict("contradicted", f"There is still something of it: {', '.join(left)}.")
        again = ", ".join(str(number) for number in (result.holds_again if result else []))
        return Verdict("verified", f"{target.name} is forgotten." + (f" Holds again: {again}." if again else ""))

    def undo_forget(self, args: ForgetArgs, target: Target, result: Any) -> Undo | None:
        kept: MemoryItem = target.facts["memory"]
        if kept.tier == "working":
            return None
        return Undo("remember", {
            "text": kept.text, "kind": kept.kind, "subject": kept.subject, "tier": kept.tier, "trust": kept.trust,
            "happened_at": kept.happened_at,
        })  # fmt: skip

    # --- import ------------------------------------------------------------------------------------------

    async def page(self, args: ImportArgs, ctx: Context) -> Target:
        diff = await self._memory.compare(args.markdown)
        if diff.sha256 != args.sha256:
            raise stale_diff()
        return Target(
            f"memory:page/{args.sha256[:12]}", "the edited page", "memory", observed_at=ctx.now,
            facts={"diff": diff},
        )  # fmt: skip

    def risk_of_import(self, args: ImportArgs, target: Target, ctx: Context) -> Risk:
        diff = target.facts["diff"]
        if diff.empty:
            return Risk(refuse="The page changes nothing", next="Edit a line of it first.")
        more = len(diff.lines) - LINES_SHOWN
        tail = (f"and {more} more",) if more > 0 else ()
        return Risk(effects=(*diff.lines[:LINES_SHOWN], *tail))

    async def import_(self, args: ImportArgs, target: Target, act: Act) -> ImportOutput:
        async with act.step("imports the edited page"):
            diff = await self._memory.apply(args.markdown, args.sha256)
        return ImportOutput(
            added=len(diff.added), changed=len(diff.changed), forgotten=len(diff.forgotten), diff=list(diff.lines)
        )

    async def is_imported(self, args: ImportArgs, target: Target, result: Any, ctx: Context) -> Verdict:
        diff = target.facts["diff"]
        there = {one.id: one.text for one in await self._memory.everything()}
        texts = set(there.values())
        held = all(there.get(line.id) == line.text for line in diff.changed)
        held = held and not any(number in there for number in diff.forgotten)
        held = held and all(line.text in texts for line in diff.added)
        if result is None or not held:
            return Verdict("contradicted", "What is remembered is not what the page says.")
        return Verdict(
            "verified", f"{result.added} added, {result.changed} changed, {result.forgotten} forgotten.",
            msgspec.to_builtins({"added": result.added, "changed": result.changed, "forgotten": result.forgotten}),
        )  # fmt: skip


def _said(args: RememberArgs) -> str:
    return f"{args.manner} {args.text}" if args.manner else args.text


def _kind(args: RememberArgs) -> MemoryKind | None:
    return "preference" if args.manner else args.kind
