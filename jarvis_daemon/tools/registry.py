"""All tools by name. A name is registered once; what is not here does not exist and counts as BLACK."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.messages import ToolInfo
from jarvis_daemon.tools.spec import ToolSpec

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{2,62}")


class Registry:
    """Filled by rooms at start; ``info`` is what a client sees."""

    def __init__(self) -> None:
        self._specs: dict[str, ToolSpec] = {}
        self._sentences: dict[str, Path] = {}

    def add_sentences(self, room: str, folder: Path) -> None:
        """The folder of a room's sentence files (``<room>/intents/*.yaml``): how a person orders its tools and what
        may be asked about its facts. Read by ``assistant``; ``docs/assistant.md`` has the format."""
        self._sentences[room] = folder

    def sentences(self) -> Mapping[str, Path]:
        """Room -> folder of sentence files."""
        return self._sentences

    def add(self, *specs: ToolSpec) -> None:
        """Register tools. Raises ``ValueError`` for a name that is taken or badly formed."""
        for spec in specs:
            if not _NAME.fullmatch(spec.name):
                raise ValueError(f"{spec.name!r} is no name for a tool")
            if spec.name in self._specs:
                raise ValueError(f"{spec.name} is registered already")
            if not spec.description.strip():
                raise ValueError(f"{spec.name} has no description")
            self._specs[spec.name] = spec

    def remove(self, name: str) -> None:
        self._specs.pop(name, None)

    def get(self, name: str) -> ToolSpec:
        """Raises ``not_found`` with the nearest names."""
        if (spec := self._specs.get(name)) is not None:
            return spec
        import difflib

        near = difflib.get_close_matches(name, self._specs, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else ""
        raise JarvisError(
            "not_found", f"There is no tool {name[:60]!r}", why=hint, next="`jarvis tool list` shows all."
        )

    def all(self) -> Iterable[ToolSpec]:
        return self._specs.values()

    def __contains__(self, name: str) -> bool:
        return name in self._specs


def info(spec: ToolSpec) -> ToolInfo:
    return ToolInfo(
        name=spec.name, title=spec.title(), description=spec.description, tier=spec.base_tier.word, room=spec.room,
        input_schema=spec.input_schema(), output_schema=spec.output_schema(), idempotent=spec.idempotent,
        open_world=spec.open_world, timeout_s=spec.timeout_s,
    )  # fmt: skip
