"""What facts a runbook may name, and of which kind each is: read from the structs of the state."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, get_args, get_origin

import msgspec

from jarvis_daemon.protocol.state import Cluster, Guest, Incident, Node, Storage
from jarvis_daemon.protocol.text import clean
from jarvis_daemon.remediation.shape import choices, near

ROOTS: Final[dict[str, type[msgspec.Struct]]] = {
    "incident": Incident, "guest": Guest, "node": Node, "storage": Storage, "cluster": Cluster,
}  # fmt: skip
TARGET: Final = ("id", "name", "kind", "host", "unit")
"""What ``target.`` knows: see ``facts.lookup``."""
_FORM: Final = re.compile(r"[a-z_][a-z0-9_]*(\.[A-Za-z0-9_/-]+)*")
_WORDS: Final = {
    "text": "text", "number": "a number", "boolean": "true or false", "list": "a list", "table": "a table",
}  # fmt: skip


@dataclass(frozen=True)
class Fact:
    """What is known of a fact beforehand. ``kind``: text, number, boolean, list, table, or any."""

    kind: str = "any"
    words: tuple[str, ...] = ()
    """The only words it can be, where the state says so."""

    def said(self) -> str:
        return _WORDS.get(self.kind, "something else")


def fact(path: str) -> Fact | tuple[str, str]:
    """What a path names, or why it names nothing, with a hint."""
    head, dot, rest = path.partition(".")
    if not _FORM.fullmatch(path):
        return f"{quoted(path)} is no fact", "a fact is written as `guest.status`"
    if head not in ROOTS and head != "target":
        return f"{quoted(path)} is no fact", near(head, [*ROOTS, "target"])
    if not dot or not rest:
        return f"{quoted(path)} is no fact but a whole {head}", f"say which part: `{head}.…`"
    if head == "target":
        return Fact("text") if rest in TARGET else (f"{quoted(path)} is no fact", _near(rest, TARGET, "target"))
    if path == "incident.age_s":
        return Fact("number")
    name, _, below = rest.partition(".")
    fields = {field.name: field.type for field in msgspec.structs.fields(ROOTS[head])}
    if name not in fields:
        known = [*fields, "age_s"] if head == "incident" else list(fields)
        return f"{quoted(path)} is no fact", _near(name, known, head)
    found = _of(fields[name])
    if below:
        table = found.kind == "table"
        return Fact() if table else (f"`{head}.{name}` has no parts", f"did you mean `{head}.{name}`?")
    return found


def _of(kind: Any) -> Fact:
    found = kinds(kind) - {"nothing"}
    return Fact(next(iter(found)) if len(found) == 1 else "any", choices(kind))


def kinds(kind: Any) -> frozenset[str]:
    """``text`` ``number`` ``boolean`` ``list`` ``table`` ``nothing``, or ``any``: of an annotation."""
    origin = get_origin(kind)
    if origin is Annotated:
        return kinds(get_args(kind)[0])
    if origin is Literal:
        return frozenset(kind_of(one) for one in get_args(kind))
    if origin in {list, dict}:
        return frozenset({"list" if origin is list else "table"})
    if origin is not None:
        return frozenset().union(*(kinds(part) for part in get_args(kind)))
    simple = {str: "text", int: "number", float: "number", bool: "boolean", type(None): "nothing"}
    return frozenset({simple.get(kind, "any")})


def kind_of(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "text" if isinstance(value, str) else "number" if isinstance(value, int | float) else "any"


def _near(name: str, known: Collection[str], root: str) -> str:
    hint = near(name, known)
    if hint.startswith("did"):
        return hint.replace("`", f"`{root}.", 1)
    return hint or "docs/runbooks.md lists the facts"


def quoted(text: str) -> str:
    return f"`{clean(text, limit=60)}`"
