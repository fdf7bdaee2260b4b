"""Whether data has the shape of a runbook: every mistake at once, each with the nearest known key.

Walks the structs of ``runbook.py``; what stands in a leaf is checked by msgspec with the bounds of its annotation.
"""

from __future__ import annotations

import difflib
import re
import types
from collections.abc import Collection, Iterator
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import msgspec

from jarvis_daemon.protocol.text import clean
from jarvis_daemon.remediation.runbook import Runbook
from jarvis_daemon.remediation.tree import At, Mistake

_NEAR: Final = 0.55
_KINDS: Final = {
    "str": "text", "int": "a whole number", "float": "a number", "bool": "true or false", "null": "nothing",
    "array": "a list", "object": "keys with values",
}  # fmt: skip
_PATTERNS: Final = {
    "^[a-z][a-z0-9-]{1,47}$": "lower-case letters, digits and hyphens, beginning with a letter: `my-runbook`",
    "^[a-z_]": "a fact: `guest.status`, `incident.evidence.unit`",
}
"""Beginning of a regular expression -> what it means."""


def mistakes(data: Any) -> list[Mistake]:
    """Every mistake of shape; empty where ``msgspec.convert(data, Runbook)`` will do."""
    return list(_of(Runbook, data, ()))


def near(name: str, known: Collection[str]) -> str:
    """``did you mean `x`?``, or the whole list where it is short and nothing is near."""
    found = difflib.get_close_matches(name, known, n=1, cutoff=_NEAR)
    if found:
        return f"did you mean `{found[0]}`?"
    return f"known: {', '.join(sorted(known))}" if len(known) <= 24 else ""


def misfit(value: Any, kind: Any) -> str:
    """Why ``value`` is not of ``kind``, in words; empty where it is."""
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        return _worded(str(error), value)
    return ""


def choices(kind: Any) -> tuple[str, ...]:
    """The words that a ``Literal`` allows, optional or not."""
    if get_origin(kind) is Literal:
        return tuple(one for one in get_args(kind) if isinstance(one, str))
    return tuple(word for part in _parts(kind) for word in choices(part))


def _of(kind: Any, value: Any, at: At) -> Iterator[Mistake]:
    before = len(found := list(_inside(kind, value, at)))
    yield from found
    if before == 0 and (why := misfit(value, kind)):
        words = choices(kind)
        yield Mistake(at, why, near(value, words) if words and isinstance(value, str) else _quoted(value, kind))


def _inside(kind: Any, value: Any, at: At) -> Iterator[Mistake]:
    """Mistakes below ``at``."""
    struct, item = _struct(kind), _item(kind)
    if isinstance(value, dict) and struct is not None:
        fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
        for key, one in value.items():
            if key in fields:
                yield from _of(fields[key].type, one, (*at, key))
            else:
                yield Mistake((*at, key), "this key is not known here", near(key, fields))
        for key, field in fields.items():
            if field.required and key not in value:
                yield Mistake(at, f"`{key}` is missing", "")
    elif isinstance(value, list) and item is not None:
        for number, one in enumerate(value):
            yield from _of(item, one, (*at, number))


def _parts(kind: Any) -> tuple[Any, ...]:
    """What an annotation or a union is made of."""
    origin = get_origin(kind)
    if origin is Annotated:
        return (get_args(kind)[0],)
    if origin in {Union, types.UnionType}:
        return get_args(kind)
    return ()


def _struct(kind: Any) -> type[msgspec.Struct] | None:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind
    return next((found for part in _parts(kind) if (found := _struct(part)) is not None), None)


def _item(kind: Any) -> Any:
    if get_origin(kind) is list:
        return get_args(kind)[0]
    return next((found for part in _parts(kind) if (found := _item(part)) is not None), None)


def _quoted(value: Any, kind: Any) -> str:
    """Where quotes would make it fit."""
    if isinstance(value, int | float) and not isinstance(value, bool) and not misfit(str(value), kind):
        return f'put it in quotes: "{value}"'
    if isinstance(value, str) and value.lower() in {"yes", "on", "no", "off"} and not misfit(True, kind):
        return f"write `{'true' if value.lower() in {'yes', 'on'} else 'false'}`"
    return ""


def _worded(message: str, value: Any) -> str:
    """A message of msgspec in the words of a person."""
    message = message.partition(" - at `")[0]
    if "Invalid enum value" in message:
        return f"{clean(str(value), limit=60)!r} is none of the words that are known here"
    if found := re.search(r"matching regex '(.*)'", message):
        meant = next((words for begin, words in _PATTERNS.items() if found[1].startswith(begin)), "")
        return f"{clean(str(value), limit=60)!r} is not of the right form" + (f": {meant}" if meant else "")
    if found := re.search(r"of length (>=|<=) (\d+)", message):
        what = "text" if isinstance(value, str) else "list" if isinstance(value, list) else "table"
        return f"this {what} is too {'short' if found[1] == '>=' else 'long'}: {_bound(*found.groups())}"
    if found := re.fullmatch(r"Expected `(?:int|float)` (>=|<=) (\S+)", message):
        return f"{value} is out of bounds: {_bound(*found.groups())}"
    if found := re.fullmatch(r"Expected `([^`]*)`, got `(\w+)`", message):
        wanted = [_KINDS.get(kind, kind) for kind in found[1].split(" | ") if kind != "null"]
        return f"expected {' or '.join(wanted)}, found {_KINDS.get(found[2], found[2])}"
    if found := re.fullmatch(r"Object missing required field `(\w+)`", message):
        return f"`{found[1]}` is missing"
    return clean(message)


def _bound(sign: str, number: str) -> str:
    return f"{'at least' if sign == '>=' else 'at most'} {float(number):g}"
