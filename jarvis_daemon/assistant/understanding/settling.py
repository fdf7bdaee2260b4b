"""From templates that fit to the one thing that was meant, or why it cannot be told."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from jarvis_daemon.assistant.understanding import screens
from jarvis_daemon.assistant.understanding.lists import FREE, GUESTS, PARTS
from jarvis_daemon.assistant.understanding.matching import Hit, kinds
from jarvis_daemon.assistant.understanding.names import Entry
from jarvis_daemon.assistant.understanding.sentences import Filled
from jarvis_daemon.assistant.understanding.understood import Slot, Understood
from jarvis_daemon.assistant.understanding.verbs import FORMS
from jarvis_daemon.tools.registry import Registry
from jarvis_daemon.tools.spec import ToolSpec

WHAT = {
    "guest": "guest", "vm": "guest", "container": "guest", "node": "node", "storage": "storage",
    "service": "service", "docker": "Docker container", "incident": "incident", "silence": "silence",
    "runbook": "runbook", "condition": "condition", "person": "person",
}  # fmt: skip
_PATH = re.compile(r"\$[.](\w+)")
_UNITS = {"mib": "MiB", "gib": "GiB", "bytes": "bytes"}
_SIZES = {"mib": 2**20, "gib": 2**30, "bytes": 1}


class Unclear(Exception):
    """It cannot be told what was meant; the message is for the person."""


@dataclass(frozen=True)
class Settled:
    """What one template makes of the sentence."""

    hit: Hit
    understood: Understood
    writes: bool


def settle(hits: Sequence[Hit], registry: Registry, now: float) -> Settled | Understood | None:
    """The one thing that was meant; a blocked ``Understood`` where that cannot be told; None without a template."""
    if not hits:
        return None
    least = min(hit.free for hit in hits)
    ways: list[Settled] = []
    unclear: dict[str, str] = {}
    for hit in hits:
        if hit.free != least:
            continue
        try:
            ways.append(_settled(hit, registry, now))
        except Unclear as why:
            unclear.setdefault(hit.intent.name, str(why))
    if not ways:
        return Understood("blocked", text=next(iter(unclear.values())))
    meant = _one(ways)
    others = unclear.keys() - {way.understood.intent for way in ways}
    if others and isinstance(meant, Settled) and meant.writes:
        return Understood("blocked", text=unclear[min(others)])
    return meant


def _one(ways: Sequence[Settled]) -> Settled | Understood:
    different: list[Settled] = []
    for way in sorted(ways, key=lambda one: -one.hit.literal):
        if not any(_same(way.understood, other.understood) for other in different):
            different.append(way)
    first = different[0]
    writing = [way for way in different if way.writes and way.understood.kind == "order"]
    if len(different) == 1 or not writing:
        return next((way for way in different if way.understood.kind == "question"), first)
    questions = [way for way in different if way.understood.kind == "question"]
    if questions:
        return questions[0]
    several = " or ".join(dict.fromkeys(_told(way) for way in different))
    return Understood("blocked", text=f"That could mean: {several}. Nothing was done; say which.")


def _same(one: Understood, other: Understood) -> bool:
    if (one.kind, one.intent, one.tool) != (other.kind, other.intent, other.tool):
        return (one.kind, one.tool, one.args) == (other.kind, other.tool, other.args) and one.kind == "order"
    return one.args == other.args if one.kind == "order" else _values(one) == _values(other)


def _values(understood: Understood) -> dict[str, Any]:
    return {name: slot.value for name, slot in understood.slots.items()}


def _told(way: Settled) -> str:
    entries = [value[0] for of, value, _ in way.hit.slots.values() if isinstance(value, tuple)]
    named = ", ".join(f"{WHAT.get(entry.list, entry.list)} {_name(entry)}" for entry in entries)
    return f"{way.understood.tool.replace('_', ' ')} ({named})"


def _settled(hit: Hit, registry: Registry, now: float) -> Settled:
    intent = hit.intent
    if intent.kind == "question":
        slots = {name: Slot(_meant(of, value, said), said) for name, (of, value, said) in hit.slots.items()}
        fixed = {name: Slot(value, "") for name, value in intent.fixed.items()}
        return Settled(hit, Understood("question", intent.name, slots={**fixed, **slots}), writes=False)
    tool = _tool(hit)
    spec = registry.get(tool)
    args: dict[str, Any] = {}
    for name, filled in intent.args.items():
        found = _argument(hit, filled, now)
        if found is not None:
            args[name] = found
    if spec.writes:
        _screen(hit)
    try:
        msgspec.convert(args, spec.args)
    except msgspec.ValidationError as error:
        raise Unclear(_unfit(hit, spec, str(error))) from error
    slots = {name: Slot(_slot(of, value), said) for name, (of, value, said) in hit.slots.items()}
    order = Understood("order", intent.name, tool=tool, args=args, slots=slots, replies=intent.replies)
    return Settled(hit, order, writes=spec.writes)


def _screen(hit: Hit) -> None:
    """Words that a slot let in say nothing that would change the order."""
    for name, (of, _, said) in hit.slots.items():
        if of not in FREE or name in hit.intent.unscreened:
            continue
        words = [word.strip(".,!?;:…").casefold() for word in said.replace("’", "'").split()]
        if of == "word" and screens.no_name(words[0]):
            raise Unclear(f"“{said}” is no name, and there may be a word missing, so nothing was done.")
        found = screens.inside(said, words, FORMS if of == "text" else (), one_word=of == "word")
        if found is not None:
            raise Unclear(screens.TEXTS[found])


def _tool(hit: Hit) -> str:
    tools = hit.intent.tools
    if "" in tools:
        return tools[""]
    _, entries, said = hit.slots["guest"]
    found = kinds(entries)
    if len(found) != 1:
        raise Unclear(_several(entries, said))
    return tools[found.pop()]


def _argument(hit: Hit, filled: Filled, now: float) -> Any:
    if filled.stamp:
        return time.strftime(str(filled.other), time.localtime(now))
    if not filled.slot:
        return filled.other
    if filled.slot not in hit.slots:
        return filled.other if filled.fallback else None
    of, value, said = hit.slots[filled.slot]
    found = _part(of, value, said, filled.part)
    return [found] if filled.many else found


def _part(of: str, value: Any, said: str, part: str) -> Any:
    if isinstance(value, tuple) and of in WHAT:
        part = part or PARTS[of][0]
        several = {entry.parts[part] for entry in value}
        if len(several) != 1 or (of in GUESTS and len(value) != 1):
            raise Unclear(_several(value, said))
        return several.pop()
    if of == "size":
        unit = part or PARTS[of][0]
        if int(value) % _SIZES[unit]:
            raise Unclear(f"“{said}” is no whole number of {_UNITS[unit]}, so nothing was done.")
        return int(value) // _SIZES[unit]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _slot(of: str, value: Any) -> Any:
    if isinstance(value, tuple) and of in WHAT:
        return value[0].id if len(value) == 1 else value[0].parts.get(PARTS[of][0])
    return value


def _meant(of: str, value: Any, said: str) -> Any:
    """The value of a question's slot: an entity's id; the bare name of what is on several nodes."""
    if isinstance(value, tuple) and of in GUESTS | {"person", "incident", "silence"} and len(value) != 1:
        raise Unclear(_several(value, said))
    return _slot(of, value)


def _several(entries: Iterable[Entry], said: str) -> str:
    listed = list(entries)
    what = WHAT[listed[0].list]
    labels = "; ".join(entry.label for entry in listed[:6])
    how = "Say its vmid." if listed[0].list == "guest" else "Say which."
    return f"More than one {what} is called {said}: {labels}. Nothing was done. {how}"


def _name(entry: Entry) -> str:
    return str(entry.parts.get("name") or entry.label)


def _unfit(hit: Hit, spec: ToolSpec, error: str) -> str:
    """Which of what was said does not fit, and what would."""
    path = _PATH.search(error)
    name = path[1] if path else ""
    filled = hit.intent.args.get(name)
    said = hit.slots[filled.slot][2] if filled is not None and filled.slot in hit.slots else "that"
    rules = spec.input_schema().get("properties", {}).get(name, {})
    kinds = (rules, rules.get("items", {}), *rules.get("anyOf", ()))
    wanted = next((one["description"] for one in kinds if "description" in one), "")
    if "regex" not in error and "length" not in error:
        wanted = error.split(" - at ")[0].replace("`", "").removeprefix("Expected ")
        wanted = wanted.replace("int <= ", "at most ").replace("int >= ", "at least ")
    what = filled.slot if filled is not None and filled.many else name.replace("_", " ") or "it"
    return f"“{said}” does not fit, so nothing was done: {what} is {wanted or 'something else'}."
