"""docs/configuration.md: every setting, its default and what it means."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, get_args, get_origin

import pydantic
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from jarvis_daemon import settings
from scripts.docgen.source import cell, class_doc, field_types, one_line

INTRODUCTION = """\
# Settings

Written by `scripts/generate-contract` from `jarvis_daemon/settings/`: change the code, not this page.

Settings stand in `config.toml` (`jarvis config path` tells where). The environment goes before the file:
`JARVIS_CLUSTER__NAME=lab` is `name` in `[cluster]`, with two underscores between section and key; lists and
numbers are written as in TOML. `jarvis config show --origin` tells where each value came from,
`jarvis config check` whether the file is sound. An unknown key is an error that names the nearest known one.

Secrets never stand in the file: `token_secret_file` names a file of mode 0600 (relative to the config folder), or
`JARVIS_CLUSTER__TOKEN_SECRET` or the systemd credential `pve-token` gives the secret.

Variables that are no settings:

| variable | what it does |
|---|---|
| `JARVIS_HOME` | config, data, state and socket lie together in this folder |
| `JARVIS_NO_AUTOSTART=1` | no command starts the daemon by itself |
| `JARVIS_HOST` | the machine whose daemon is asked, as `--host` |
| `JARVIS_APT=1` | `scripts/bootstrap`, as root, installs missing Debian packages |
| `JARVIS_PYTHON` | the interpreter `scripts/bootstrap` uses |
| `NO_COLOR`, `FORCE_COLOR` | no colour; colour even without a terminal |
"""


def render() -> str:
    """The page as Markdown."""
    sections: list[str] = []
    for name, field in settings.Settings.model_fields.items():
        model = _model(field.annotation)
        assert model is not None, f"the top level holds sections only, not {name}"
        sections += _section(name, model)
    return "\n".join([INTRODUCTION, *sections])


def _section(path: str, model: type[BaseModel]) -> Iterator[str]:
    yield f"## `[{path}]`\n"
    if doc := class_doc(model):
        yield f"{doc}\n"
    ours = [base for base in reversed(model.__mro__) if issubclass(base, settings.Section)]
    types = {name: written for base in ours for name, written in field_types(base).items()}
    nested: list[tuple[str, type[BaseModel]]] = []
    yield "| key | type | default | |\n|---|---|---|---|"
    for name, field in model.model_fields.items():
        below = _model(field.annotation)
        if below is not None:
            each = ".NAME" if get_origin(field.annotation) is dict else ""
            nested.append((f"{path}.{name}{each}", below))
            continue
        row = (f"`{name}`", f"`{_type(types[name])}`", _default(field), one_line(field.description or ""))
        yield "| " + " | ".join(cell(part) for part in row) + " |"
    yield ""
    for section, below in nested:
        yield from _section(section, below)


def _type(written: str) -> str:
    """``Annotated[float, Field(gt=0, le=60)]`` reads ``float, gt=0, le=60``."""
    if not written.startswith("Annotated["):
        return written.replace("pydantic.SecretStr", "secret")
    kind, _, limits = written.removeprefix("Annotated[").removesuffix("]").partition(", Field(")
    return f"{kind}, {limits.removesuffix(')')}"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value: Any = field.get_default(call_default_factory=True)
    return "" if value is None else f"`{json.dumps(value, ensure_ascii=False)}`"


def _model(annotation: Any) -> type[BaseModel] | None:
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, pydantic.BaseModel):
            return candidate
    return None
