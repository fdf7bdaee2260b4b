"""Whether a runbook makes sense: its tools and their arguments exist, its facts too, and it stays within its scope.

Reads the registry and the structs of the state; runs nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Final

import msgspec

from jarvis_daemon.cluster.conditions import JUDGES
from jarvis_daemon.remediation import braces
from jarvis_daemon.remediation.known import Fact, fact, kind_of, kinds, quoted
from jarvis_daemon.remediation.runbook import Choice, Runbook, Step, When
from jarvis_daemon.remediation.shape import choices, misfit, near
from jarvis_daemon.remediation.tree import At, Mistake
from jarvis_daemon.tools import Registry, Tier, ToolSpec

NODE_LEVEL: Final = frozenset({
    "wake_node", "drain_node", "reboot_node", "shutdown_node", "apply_updates", "execute_ssh",
})  # fmt: skip
"""They touch, or may touch, a whole node: only in a runbook of scope ``node``, which goes alone."""
NEVER: Final = frozenset({"run_runbook", "silence_incident", "unsilence_incident"})
"""They start a repair, or move a bound of all repairs: that is a person's."""
SUBJECTS: Final = ("guest", "node")
"""The argument that names what is acted upon; the first of them that a tool has."""
_COMPARED: Final = {
    "is": "equals", "one_of": "one_of", "none_of": "none_of", "at_least": "at_least", "at_most": "at_most",
    "known": "known",
}  # fmt: skip


def check(runbook: Runbook, registry: Registry, conditions: Collection[str] = tuple(JUDGES)) -> list[Mistake]:
    """Every mistake of sense, in the order of the file; without lines."""
    return list(_check(runbook, registry, conditions))


def _check(runbook: Runbook, registry: Registry, conditions: Collection[str]) -> Iterator[Mistake]:
    if runbook.condition not in conditions:
        why = f"there is no condition {quoted(runbook.condition)}"
        yield Mistake(("condition",), why, near(runbook.condition, conditions) or "`jarvis runbook list` has some")
    if braces.paths(runbook.about):
        yield Mistake(("about",), "facts are not filled in here", "put them into `say`")
    for number, when in enumerate(runbook.when):
        yield from _when(when, ("when", number))
    for number, step in enumerate(runbook.steps):
        yield from _step(runbook, step, registry, ("steps", number))
    if runbook.scope != "report" and not _may_act(runbook, registry):
        yield Mistake(("scope",), f"it is `{runbook.scope}`, but no step acts", "a runbook that reads: `report`")
    for number, when in enumerate(runbook.verify.facts):
        yield from _when(when, ("verify", "facts", number))
    for number, (before, after) in enumerate(zip(runbook.cool_down_min, runbook.cool_down_min[1:], strict=False)):
        if after < before:
            why = f"a cool-down is never shorter than the one before: {after:g} after {before:g}"
            yield Mistake(("cool_down_min", number + 1), why, "write them from short to long: `[10, 30, 60]`")
    yield from _text(runbook.escalate.say, ("escalate", "say"))


def _step(runbook: Runbook, step: Step, registry: Registry, at: At) -> Iterator[Mistake]:
    tools: list[ToolSpec] = []
    for name, place in _named(step, (*at, "tool")):
        if name in registry:
            tools.append(registry.get(name))
            yield from _allowed(runbook, tools[-1], place)
        else:
            hint = near(name, [spec.name for spec in registry.all()])
            yield Mistake(place, f"there is no tool {quoted(name)}", hint or "`jarvis tool list` shows all")
    if isinstance(step.tool, Choice):
        yield from _choice(step.tool, (*at, "tool"))
    seen: set[tuple[At, str]] = set()
    for tool in tools:
        for mistake in _args(tool, step.args, (*at, "args")):
            if (mistake.at, mistake.text) not in seen:
                seen.add((mistake.at, mistake.text))
                yield mistake
    yield from _texts(step.args, (*at, "args"))
    if step.say is not None:
        yield from _text(step.say, (*at, "say"))
    for number, when in enumerate(step.when):
        yield from _when(when, (*at, "when", number))


def _named(step: Step, at: At) -> list[tuple[str, At]]:
    if isinstance(step.tool, str):
        return [(step.tool, at)]
    return [(name, (*at, "tools", key)) for key, name in step.tool.tools.items()]


def _may_act(runbook: Runbook, registry: Registry) -> bool:
    """Some step acts, or names a tool that is not known: that is told already."""
    names = [name for step in runbook.steps for name, _ in _named(step, ())]
    return any(name not in registry or registry.get(name).writes for name in names)


def _allowed(runbook: Runbook, tool: ToolSpec, at: At) -> Iterator[Mistake]:
    name = f"`{tool.name}`"
    if tool.operator_only or tool.name in NEVER:
        yield Mistake(at, f"{name} is for an operator only, never for a runbook", "")
    elif tool.base_tier is Tier.BLACK:
        yield Mistake(at, f"{name} is BLACK: a runbook never runs it", "tell a person with `escalate` instead")
    elif runbook.scope == "report" and tool.writes:
        why = f"{name} is {tool.base_tier.name}, but `scope: report` only reads"
        yield Mistake(at, why, "`scope: guest`, or `node` for what touches a whole node")
    elif runbook.scope == "guest" and tool.name in NODE_LEVEL:
        yield Mistake(at, f"{name} touches a whole node, but the scope is `guest`", "`scope: node`")


def _choice(choice: Choice, at: At) -> Iterator[Mistake]:
    found = fact(choice.by)
    if not isinstance(found, Fact):
        yield Mistake((*at, "by"), *found)
        return
    for key in choice.tools:
        if found.words and key not in found.words:
            yield Mistake((*at, "tools", key), f"`{choice.by}` is never {quoted(key)}", near(key, found.words))


# --- arguments ----------------------------------------------------------------------------------------------


def _args(tool: ToolSpec, args: dict[str, Any], at: At) -> Iterator[Mistake]:
    fields = {field.encode_name: field for field in msgspec.structs.fields(tool.args)}
    for name, value in args.items():
        if name in fields:
            yield from _arg(tool, name, value, fields[name].type, (*at, name))
        else:
            hint = near(name, fields) if fields else "it takes none"
            yield Mistake((*at, name), f"`{tool.name}` has no argument {quoted(name)}", hint)
    for name, field in fields.items():
        if field.required and name not in args:
            yield Mistake(at, f"`{tool.name}` wants `{name}`", f"known: {', '.join(fields)}")
    subject = next((name for name in SUBJECTS if name in fields), None)
    if tool.writes and subject in args and not _has_fact(args[subject]) and "{" not in str(args[subject]):
        why = f"`{tool.name}` would act on {quoted(str(args[subject]))}, whatever is ill"
        yield Mistake((*at, str(subject)), why, 'name it by a fact: "{guest.vmid}", "{incident.evidence.node}"')


def _arg(tool: ToolSpec, name: str, value: Any, kind: Any, at: At) -> Iterator[Mistake]:
    """Whether the argument takes it; that its facts exist is looked at elsewhere."""
    if isinstance(value, str) and "{" in value:
        found = fact(path) if (path := braces.whole(value)) is not None else Fact("text")
        if isinstance(found, Fact) and not _fits(found, kind):
            yield Mistake(at, f"`{tool.name}` wants {_wanted(kind)} as `{name}`, and this is {found.said()}", "")
    elif not _has_fact(value) and (why := misfit(value, kind)):
        text = isinstance(value, int | float) and not misfit(str(value), kind)
        words = choices(kind)
        hint = f'put it in quotes: "{value}"' if text else near(str(value), words) if words else ""
        yield Mistake(at, why, hint)


def _has_fact(value: Any) -> bool:
    if isinstance(value, str):
        return bool(braces.paths(value))
    if isinstance(value, dict):
        return any(_has_fact(one) for one in value.values())
    return isinstance(value, list) and any(_has_fact(one) for one in value)


def _fits(found: Fact, kind: Any) -> bool:
    """Whether a fact of this kind can become such an argument (``plan.fill`` makes numbers text and back)."""
    takes = kinds(kind)
    if found.kind == "any" or "any" in takes or found.kind in takes:
        return True
    return found.kind == "number" and "text" in takes


def _wanted(kind: Any) -> str:
    return " or ".join(Fact(one).said() for one in sorted(kinds(kind) - {"nothing"})) or "nothing"


# --- facts and comparisons ----------------------------------------------------------------------------------


def _text(text: str, at: At) -> Iterator[Mistake]:
    if braces.is_odd(text):
        yield Mistake(at, "a brace stands alone here", 'facts are written as "{guest.vmid}"')
    for path in braces.paths(text):
        if not isinstance(found := fact(path), Fact):
            yield Mistake(at, *found)


def _texts(value: Any, at: At) -> Iterator[Mistake]:
    """The facts of an argument, at every depth."""
    if isinstance(value, str):
        yield from _text(value, at)
    elif isinstance(value, list | dict):
        for key, one in enumerate(value) if isinstance(value, list) else value.items():
            yield from _texts(one, (*at, key))


def _when(when: When, at: At) -> Iterator[Mistake]:
    found = fact(when.fact)
    if not isinstance(found, Fact):
        yield Mistake((*at, "fact"), *found)
        found = Fact()
    given = {key: getattr(when, name) for key, name in _COMPARED.items() if getattr(when, name) is not None}
    if len(given) != 1:
        what = " and ".join(f"`{key}`" for key in given) or "nothing"
        hint = f"exactly one of {', '.join(_COMPARED)}; `known: false` for what must not be known"
        yield Mistake(at, f"`{when.fact}` is compared with {what}", hint)
    for key, wanted in given.items():
        for value in wanted if isinstance(wanted, list) else [wanted]:
            yield from _compared(when.fact, found, key, value, (*at, key))


def _compared(path: str, found: Fact, key: str, value: Any, at: At) -> Iterator[Mistake]:
    if key == "known" or found.kind == "any":
        return
    if isinstance(value, str) and braces.paths(value):
        yield Mistake(at, "facts are not filled in here", "compare with what is written")
    elif key in {"at_least", "at_most"}:
        if found.kind != "number":
            yield Mistake(at, f"`{path}` is {found.said()}, and has no more and less", "`is` or `one_of`")
    elif found.kind != kind_of(value):
        yield Mistake(at, f"`{path}` is {found.said()}, never {quoted(str(value))}", _as(found, value))
    elif found.words and value not in found.words:
        yield Mistake(at, f"`{path}` is never {quoted(value)}", near(value, found.words))


def _as(found: Fact, value: Any) -> str:
    """How the value would have to be written."""
    if found.kind == "text" and not isinstance(value, str):
        return f'put it in quotes: "{value}"'
    if found.kind == "number" and isinstance(value, str) and value.lstrip("-").isdigit():
        return f"without quotes: {value}"
    return "write `true` or `false`" if found.kind == "boolean" else ""
