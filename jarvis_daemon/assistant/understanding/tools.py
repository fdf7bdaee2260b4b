"""The tools of this folder: the operator's own words for things."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from jarvis_daemon.assistant.understanding.aliases import Aliases, normal
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.tools import Act, Context, Registry, Target, Tier, ToolSpec, Undo, Verdict
from jarvis_daemon.tools.spec import Args, Output, Risk, Sentences

Word = Annotated[str, Meta(min_length=1, max_length=60, description="the word, as it is said")]
Thing = Annotated[str, Meta(min_length=1, max_length=200, description="entity id, or a name that is unique")]


class SetAliasArgs(Args):
    word: Word
    target: Thing


class UnsetAliasArgs(Args):
    word: Word


class AliasOutput(Output):
    word: str
    target: str


def register(registry: Registry, aliases: Aliases) -> None:
    tools = _Tools(aliases)
    registry.add(
        ToolSpec(
            name="set_alias", room="assistant", tier=Tier.YELLOW, args=SetAliasArgs, output=AliasOutput,
            description="Call something by a word of one's own.", resolve=tools.resolve_set, risk=tools.risk_set,
            run=tools.set, verify=tools.is_set, undo=tools.undo_set, operator_only=True, idempotent=True,
            sentences=Sentences("Take {target} as a name", "{target} is a name now."),
        ),
        ToolSpec(
            name="unset_alias", room="assistant", tier=Tier.YELLOW, args=UnsetAliasArgs, output=AliasOutput,
            description="Forget a word of one's own for something.", resolve=tools.resolve_unset,
            run=tools.unset, verify=tools.is_unset, undo=tools.undo_unset, operator_only=True,
            sentences=Sentences("Forget the name {target}", "{target} is no name any more."),
        ),
    )  # fmt: skip


class _Tools:
    def __init__(self, aliases: Aliases) -> None:
        self._aliases = aliases

    def resolve_set(self, args: SetAliasArgs, ctx: Context) -> Target:
        """Raises ``not_found`` for a thing that is not there, ``refused`` for a word that is taken."""
        thing = self._aliases.check(args.word, args.target)
        return self._target(args.word, ctx, thing)

    def risk_set(self, args: SetAliasArgs, target: Target, ctx: Context) -> Risk:
        before = target.facts["before"]
        meant = f"It will mean {target.facts['thing']}."
        return Risk(effects=(meant,) if before is None else (meant, f"It meant {before}."))

    async def set(self, args: SetAliasArgs, target: Target, act: Act) -> AliasOutput:
        thing = target.facts["thing"]
        async with act.step(f"lets {target.name} mean {thing}"):
            await self._aliases.set(args.word, thing, target.facts["now"])
        return AliasOutput(word=target.name, target=thing)

    def is_set(self, args: SetAliasArgs, target: Target, result: Any, ctx: Context) -> Verdict:
        there = self._aliases.own(args.word) == target.facts["thing"]
        return Verdict("verified" if there else "contradicted")

    def undo_set(self, args: SetAliasArgs, target: Target, result: Any) -> Undo:
        before = target.facts["before"]
        if before is None:
            return Undo("unset_alias", {"word": target.name})
        return Undo("set_alias", {"word": target.name, "target": before})

    def resolve_unset(self, args: UnsetAliasArgs, ctx: Context) -> Target:
        if self._aliases.own(args.word) is None:
            in_settings = normal(args.word) in self._aliases.all()
            raise JarvisError(
                "not_found", f"{normal(args.word)} is no name that was set",
                next="It stands in the settings, [assistant.aliases]." if in_settings else "",
            )  # fmt: skip
        return self._target(args.word, ctx, "")

    async def unset(self, args: UnsetAliasArgs, target: Target, act: Act) -> AliasOutput:
        async with act.step(f"forgets the name {target.name}"):
            await self._aliases.unset(args.word)
        return AliasOutput(word=target.name, target=target.facts["before"])

    def is_unset(self, args: UnsetAliasArgs, target: Target, result: Any, ctx: Context) -> Verdict:
        return Verdict("verified" if self._aliases.own(args.word) is None else "contradicted")

    def undo_unset(self, args: UnsetAliasArgs, target: Target, result: Any) -> Undo:
        return Undo("set_alias", {"word": target.name, "target": target.facts["before"]})

    def _target(self, word: str, ctx: Context, thing: str) -> Target:
        facts = {"thing": thing, "before": self._aliases.own(word), "now": ctx.now}
        said = normal(word)
        return Target(f"alias:{said}", said, f"alias {thing}".strip(), observed_at=ctx.now, facts=facts)
