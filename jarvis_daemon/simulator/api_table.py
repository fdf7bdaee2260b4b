"""The calls that the simulated nodes know, and the check of parameters as PVE makes it.

The table lies in ``data/pve_api.txt``; a contract test holds it against the published schemas of 8.4 and 9.1.3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any, Final

from jarvis_daemon.simulator.errors import Refused

UNDECLARED: Final = "property is not defined in schema and the schema does not allow additional properties"
FORMATS: Final = {
    "pve-node": (r"[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?", "value does not look like a valid node name"),
    "pve-vmid": (r"[1-9][0-9]{2,8}", "value does not look like a valid VM ID"),
    "pve-vmid-list": (r"[1-9][0-9]{2,8}([,; ][1-9][0-9]{2,8})*", "value does not look like a valid VM ID"),
    "pve-storage-id": (r"(?i:[a-z][a-z0-9\-_.]*[a-z0-9])", "storage ID '{value}' contains illegal characters"),
    "pve-configid": (r"(?i:[a-z][a-z0-9_-]+)", "invalid configuration ID '{value}'"),
}
PATH_PARAMETERS: Final = {
    "node": ("string", "pve-node"),
    "vmid": ("integer", "pve-vmid"),
    "storage": ("string", "pve-storage-id"),
    "snapname": ("string", "pve-configid"),
}


@dataclass(frozen=True)
class Parameter:
    """One declared parameter. ``since9``: PVE 8.4 answers 400 to it."""

    name: str
    type: str
    optional: bool = False
    minimum: int | None = None
    maximum: int | None = None
    max_length: int | None = None
    format: str | None = None
    enum: tuple[str, ...] = ()
    requires: str | None = None
    pattern: str | None = None
    since9: bool = False


@dataclass(frozen=True)
class Call:
    """One method of one path. ``check``: None (any token), ``special``, or (path, privileges, any)."""

    method: str
    path: str
    check: tuple[str, tuple[str, ...], bool] | str | None
    proxied: bool
    since9: bool
    parameters: dict[str, Parameter] = field(default_factory=dict)

    @property
    def path_names(self) -> tuple[str, ...]:
        return tuple(re.findall(r"{(\w+)}", self.path))


@cache
def calls() -> dict[tuple[str, str], Call]:
    """Every call by (method, path template)."""
    text = resources.files("jarvis_daemon.data").joinpath("pve_api.txt").read_text("utf-8")
    table: dict[tuple[str, str], Call] = {}
    call: Call | None = None
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        if line.startswith("  "):
            assert call is not None
            parameter = _parameter(line.split())
            call.parameters[parameter.name] = parameter
        else:
            call = _call(line.split())
            table[call.method, call.path] = call
    return table


def _call(words: list[str]) -> Call:
    method, path, permission, *flags = words
    check: tuple[str, tuple[str, ...], bool] | str | None = None
    if permission == "special":
        check = permission
    elif permission != "user":
        where, _, names = permission.partition(":")
        check = (where, tuple(re.split(r"[,|]", names)), "|" in names)
    return Call(method, path, check, "proxy" in flags, "9+" in flags)


def _parameter(words: list[str]) -> Parameter:
    name, kind, *options = words
    given = dict(option.split("=", 1) for option in options if "=" in option)
    return Parameter(
        name=name.rstrip("?"), type=kind, optional=name.endswith("?"),
        minimum=int(given["min"]) if "min" in given else None,
        maximum=int(given["max"]) if "max" in given else None,
        max_length=int(given["maxlen"]) if "maxlen" in given else None,
        format=given.get("format"), enum=tuple(given["enum"].split(",")) if "enum" in given else (),
        requires=given.get("requires"), pattern=given.get("pattern"), since9="9+" in options,
    )  # fmt: skip


_SLASHES: Final = ("(?P<volume>[^/]+)", "(?P<volume>.+)")
"""A volume's id may hold slashes."""


@cache
def _matcher() -> list[tuple[re.Pattern[str], str]]:
    paths = sorted({path for _, path in calls()})
    return [(re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", path).replace(*_SLASHES)), path) for path in paths]


def find(method: str, path: str) -> tuple[Call, dict[str, str]]:
    """The call behind a path such as ``/nodes/pve/status``. Raises Refused 501 as PVE does."""
    for pattern, template in _matcher():
        match = pattern.fullmatch(path)
        if match is not None and (method, template) in calls():
            return calls()[method, template], match.groupdict()
    raise Refused(501, f"Method '{method} {path}' not implemented")


def validate(call: Call, from_path: Mapping[str, str], given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters with their types. Raises Refused 400 with PVE's text for each wrong one."""
    errors: dict[str, str] = {}
    values: dict[str, Any] = {}
    for name, value in from_path.items():
        kind, shape = PATH_PARAMETERS.get(name, ("string", None))
        values[name] = _checked(Parameter(name, kind, format=shape), value, errors)
    for name, value in given.items():
        parameter = call.parameters.get(name)
        if parameter is None:
            if name not in from_path:
                errors[name] = UNDECLARED
            continue
        values[name] = _checked(parameter, value, errors)
        if parameter.requires is not None and parameter.requires not in given:
            errors[parameter.requires] = f"missing property - '{name}' requires this property"
    for name, parameter in call.parameters.items():
        if not parameter.optional and name not in given:
            errors[name] = "property is missing and it is not optional"
    if errors:
        raise Refused(400, "Parameter verification failed.\n", errors)
    return values


def _checked(parameter: Parameter, value: Any, errors: dict[str, str]) -> Any:
    text = str(value)
    complaint = _type_complaint(parameter.type, value, text) or _bounds_complaint(parameter, text)
    if complaint is not None:
        errors[parameter.name] = complaint
        return None
    if parameter.type == "integer":
        return int(text)
    if parameter.type == "boolean":
        return text == "1"
    return float(text) if parameter.type == "number" else text


def _type_complaint(kind: str, value: Any, text: str) -> str | None:
    failed = f"type check ('{kind}') failed - got '{text}'"
    if isinstance(value, bool):
        return f"type check ('{kind}') failed - got JSON::PP::Boolean"
    if kind == "integer" and not re.fullmatch(r"[+-]?\d+", text):
        return failed
    if kind == "number" and not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text):
        return failed
    if kind == "boolean" and text not in {"0", "1"}:
        return failed
    return None


def _bounds_complaint(parameter: Parameter, text: str) -> str | None:
    if parameter.type in {"integer", "number"}:
        if parameter.minimum is not None and float(text) < parameter.minimum:
            return f"value must have a minimum value of {parameter.minimum}"
        if parameter.maximum is not None and float(text) > parameter.maximum:
            return f"value must have a maximum value of {parameter.maximum}"
    if parameter.max_length is not None and len(text) > parameter.max_length:
        return f"value may only be {parameter.max_length} characters long"
    if parameter.pattern is not None and not re.fullmatch(parameter.pattern.strip("^$"), text):
        return "value does not match the regex pattern"
    if parameter.format in FORMATS:
        pattern, complaint = FORMATS[parameter.format]
        if not re.fullmatch(pattern, text):
            return f"invalid format - {complaint.format(value=text)}\n"
    if parameter.enum and text not in parameter.enum:
        return f"value '{text}' does not have a value in the enumeration '{', '.join(parameter.enum)}'"
    return None
