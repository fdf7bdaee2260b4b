"""What a row of the table of API calls is made of."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from jarvis_daemon.cluster.shapes import Version


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of query or body, as PVE spells it; ``since`` is the first version that takes it."""

    name: str
    optional: bool = True
    since: str | None = None


@dataclass(frozen=True, slots=True)
class Privilege:
    """``name`` on ``path`` (a template as the call's own); ``since``/``until`` bound the versions that ask it."""

    name: str
    path: str
    since: str | None = None
    until: str | None = None

    def asked_by(self, version: Version) -> bool:
        if self.since is not None and not version.at_least(self.since):
            return False
        return self.until is None or not version.at_least(self.until)


@dataclass(frozen=True, slots=True)
class Call:
    """One call. ``path`` holds ``{node}`` ``{vmid}`` … for the arguments that belong into it."""

    name: str
    path: str
    reply: Literal["list", "object", "text", "number", "nothing"]
    """``number``: an integer, which PVE also sends as text."""
    parameters: tuple[Parameter, ...] = ()
    privileges: tuple[Privilege, ...] = ()
    """What the server demands (403 without)."""
    reveals: tuple[Privilege, ...] = ()
    """What the server does not demand but silently hides rows or numbers without."""
    inside: tuple[Privilege, ...] = ()
    """What the call's own code demands on top, or decides by parameters, without the schema telling it (403)."""
    method: Literal["GET", "POST", "PUT", "DELETE"] = "GET"
    since: str | None = None

    @property
    def writes(self) -> bool:
        return self.method != "GET"

    @property
    def arguments(self) -> tuple[str, ...]:
        """Names of the path's placeholders, in order."""
        return tuple(re.findall(r"\{(\w+)\}", self.path))

    @property
    def node_scoped(self) -> bool:
        """True: the endpoint hands it on to the node that is named, which may be dead."""
        return "{node}" in self.path
