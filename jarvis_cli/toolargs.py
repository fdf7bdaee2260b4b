"""Arguments of a tool as typed at a prompt: ``key=value`` words, typed and bounded by its ``input_schema``.

The gate checks all of it again; here the person is told at once, and which argument is meant. Standard library
only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from jarvis_cli.group import nearest
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.text import clean

Schema = dict[str, Any]
_BOOLS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def read(tool: str, schema: Schema, words: Sequence[str], document: str | None = None) -> dict[str, Any]:
    """The arguments that ``document`` (a JSON object) and then ``words`` give. Raises ``invalid_params``."""
    given = _document(document) if document is not None else {}
    several: dict[str, list[str]] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise _wrong(tool, f"{clean(word, limit=60)!r} is no argument", "write it as name=value")
        several.setdefault(name, []).append(value)
    known = schema.get("properties") or {}
    for name, values in several.items():
        _known(tool, name, known)
        given[name] = typed(tool, name, values, known[name], schema)
    for name in given:
        _known(tool, name, known)
    if missing := [name for name in schema.get("required") or [] if name not in given]:
        raise _wrong(tool, f"The argument {missing[0]} of {tool} is missing", f"give {missing[0]}=…")
    for name, value in given.items():
        check(tool, name, value, known[name], schema)
    return given


def typed(tool: str, name: str, values: Sequence[str], part: Schema, schema: Schema) -> Any:
    """The words of one argument as its schema wants them. Raises ``invalid_params``."""
    shapes = _shapes(part, schema)
    if any(shape.get("type") == "array" for shape in shapes):
        item = next(shape for shape in shapes if shape.get("type") == "array").get("items") or {}
        if len(values) == 1 and values[0].lstrip().startswith("["):
            return _json(tool, name, values[0])
        return [typed(tool, name, [value], item, schema) for value in values]
    if len(values) > 1:
        raise _wrong(tool, f"The argument {name} is given {len(values)} times", "it takes one value")
    for shape in shapes:
        found, value = _convert(values[0], shape)
        if found:
            return value
    raise _wrong(
        tool, f"The argument {name} of {tool} cannot be {clean(values[0], limit=60)!r}",
        f"it has to be {describe(part, schema)}",
    )  # fmt: skip


def check(tool: str, name: str, value: Any, part: Schema, schema: Schema) -> None:
    """Type and bounds of one value. Raises ``invalid_params``."""
    if not any(_fits(value, shape, schema) for shape in _shapes(part, schema)):
        raise _wrong(
            tool, f"The argument {name} of {tool} cannot be {clean(str(value), limit=60)!r}",
            f"it has to be {describe(part, schema)}",
        )  # fmt: skip


def describe(part: Schema, schema: Schema) -> str:
    """``an integer from 5 to 3600`` and its like."""
    return " or ".join(dict.fromkeys(_describe(shape, schema) for shape in _shapes(part, schema)))


def _describe(shape: Schema, schema: Schema) -> str:
    if "enum" in shape:
        return "one of " + ", ".join(str(value) for value in shape["enum"])
    kind = str(shape.get("type") or "any")
    low, high = shape.get("minimum"), shape.get("maximum")
    bounds = f" from {low} to {high}" if low is not None and high is not None else ""
    if not bounds:
        bounds = f" of at least {low}" if low is not None else f" of at most {high}" if high is not None else ""
    if kind == "string":
        least, most = shape.get("minLength"), shape.get("maxLength")
        length = f" of {least or 0} to {most} characters" if most is not None else ""
        return f"text{length}" + (f" like {shape['pattern']}" if "pattern" in shape else "")
    if kind == "array":
        return f"a list, each {describe(shape.get('items') or {}, schema)}"
    words = {"integer": "an integer", "number": "a number", "boolean": "true or false", "null": "null"}
    return words.get(kind, "a JSON object" if kind == "object" else "any value") + bounds


def _known(tool: str, name: str, known: Schema) -> None:
    if name not in known:
        near = nearest(name, list(known), n=1)
        why = f"did you mean {near[0]}?" if near else f"it takes {', '.join(known) or 'none'}"
        raise _wrong(tool, f"{tool} has no argument {clean(name, limit=60)!r}", why)


def _shapes(part: Schema, schema: Schema) -> list[Schema]:
    """The alternatives of a part, references followed."""
    if ref := part.get("$ref"):
        found = (schema.get("$defs") or {}).get(str(ref).rpartition("/")[2], {})
        return _shapes(found, schema)
    if options := part.get("anyOf") or part.get("oneOf"):
        return [shape for option in options for shape in _shapes(option, schema)]
    return [part]


def _convert(text: str, shape: Schema) -> tuple[bool, Any]:
    """Whether the text can be read as this shape, and its value."""
    kind = shape.get("type")
    try:
        if "enum" in shape:
            return next(((True, value) for value in shape["enum"] if str(value) == text), (False, None))
        if kind == "integer":
            return True, int(text)
        if kind == "number":
            return True, float(text)
        if kind == "boolean":
            return text.lower() in _BOOLS, _BOOLS.get(text.lower())
        if kind == "null":
            return text == "null", None
        if kind == "string":
            return True, text
        return True, json.loads(text)
    except ValueError:
        return False, None


def _fits(value: Any, shape: Schema, schema: Schema) -> bool:
    kind = shape.get("type")
    types: dict[str, tuple[type, ...]] = {
        "integer": (int,), "number": (int, float), "boolean": (bool,), "string": (str,), "array": (list,),
        "object": (dict,), "null": (type(None),),
    }  # fmt: skip
    if "enum" in shape:
        return value in shape["enum"]
    if kind in types and (
        not isinstance(value, types[kind]) or (isinstance(value, bool) and kind in {"integer", "number"})
    ):
        return False
    if isinstance(value, list):
        return all(any(_fits(v, s, schema) for s in _shapes(shape.get("items") or {}, schema)) for v in value)
    if isinstance(value, str):
        pattern = shape.get("pattern")
        within = shape.get("minLength", 0) <= len(value) <= shape.get("maxLength", len(value))
        return within and (pattern is None or re.search(pattern, value) is not None)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return bool(shape.get("minimum", value) <= value <= shape.get("maximum", value))
    return True


def _document(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise JarvisError("invalid_params", "--json is not JSON", why=str(error)) from None
    if not isinstance(found, dict):
        raise JarvisError("invalid_params", "--json has to be one JSON object of arguments")
    return found


def _json(tool: str, name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise _wrong(tool, f"The argument {name} of {tool} is not JSON", clean(text, limit=60)) from None


def _wrong(tool: str, what: str, why: str) -> JarvisError:
    return JarvisError("invalid_params", what, why=why, next=f"`jarvis tool show {tool}` lists its arguments.")
