"""What a tool is. A room builds one ``ToolSpec`` a tool and registers it; the gate does the rest.

``args`` and ``output`` are msgspec structs: bounds stand in their annotations (``Annotated[int, Meta(ge=1)]``),
unknown arguments are refused, the JSON Schema is generated. A spec without ``resolve`` is BLACK.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec

from jarvis_daemon.bus import Principal
from jarvis_daemon.tools.tiers import Tier

if TYPE_CHECKING:
    from jarvis_daemon.tools.act import Act


class Args(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Base of all arguments: an argument that is not declared is refused, ``confirmed`` among them."""


class NoArgs(Args):
    """A tool that takes nothing."""


class Output(msgspec.Struct, kw_only=True):
    """Base of all results."""


@dataclass(frozen=True)
class Target:
    """What would be acted on, as it is now. The identity is part of an approval's digest."""

    id: str
    """Entity id: ``guest:104``, ``node:pve``, ``service:Home/smbd``."""
    name: str
    kind: str = ""
    cluster: str = ""
    vmid: int | None = None
    node: str | None = None
    observed_at: float | None = None
    """Unix time of the evidence; None where the tool needs none."""
    labels: tuple[str, ...] = ()
    """Tags and further names by which a target may be protected."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What the room's own functions want to keep from resolving; not part of the identity."""

    def identity(self) -> dict[str, Any]:
        return {"id": self.id, "cluster": self.cluster, "kind": self.kind, "vmid": self.vmid, "node": self.node}


@dataclass(frozen=True)
class Risk:
    """What a room knows of the danger: a tier (only ever a graver one counts), why, and what else is touched."""

    tier: Tier = Tier.GREEN
    why: str = ""
    effects: tuple[str, ...] = ()
    refuse: str = ""
    """One sentence where the call makes no sense now (already running, locked): refused, whoever asks."""
    next: str = ""


@dataclass(frozen=True)
class Verdict:
    """What reading back showed."""

    outcome: Literal["verified", "contradicted", "unverified"]
    text: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Undo:
    """The call that takes it back."""

    name: str
    args: Mapping[str, Any]


@dataclass(frozen=True)
class Context:
    """Who asks, and when. Rooms bind what else they need into their functions."""

    principal: Principal
    now: float
    call_id: str = ""
    dry_run: bool = False


class Resolve(Protocol):
    def __call__(self, args: Any, ctx: Context, /) -> Awaitable[Target] | Target: ...


RiskOf = Callable[[Any, Target, Context], Awaitable[Risk] | Risk]
RunTool = Callable[[Any, Target, "Act"], Awaitable[msgspec.Struct]]
Verify = Callable[[Any, Target, Any, Context], Awaitable[Verdict] | Verdict]
UndoOf = Callable[[Any, Target, Any], Undo | None]


@dataclass(frozen=True)
class Sentences:
    """How a person is told; ``{target}`` and the arguments' names may be used."""

    doing: str
    """``Restart {target}``: the heading of an approval."""
    done: str = ""
    """``{target} has been restarted.``"""


@dataclass(frozen=True)
class ToolSpec:
    """One tool. ``concurrency``: calls of it at once; ``exclusive``: never two writes on one target."""

    name: str
    room: str
    tier: Tier
    description: str
    args: type[msgspec.Struct]
    output: type[msgspec.Struct]
    run: RunTool
    resolve: Resolve | None = None
    risk: RiskOf | None = None
    verify: Verify | None = None
    undo: UndoOf | None = None
    sentences: Sentences | None = None
    timeout_s: float = 30.0
    freshness_s: float | None = None
    """How old the evidence of the target may be; None where the tool reads it itself."""
    concurrency: int = 4
    idempotent: bool = False
    open_world: bool = False
    tainted: bool = False
    """The result holds text from outside."""
    operator_only: bool = False
    """Never of an agent, a runbook or a package, not even by an approval."""
    long: bool = False
    """Reports progress; its time-out is a deadline for waiting, not a failure."""

    @property
    def base_tier(self) -> Tier:
        """A write without a resolver is BLACK, whatever it claims."""
        return self.tier if self.resolve is not None or self.tier is Tier.GREEN else Tier.BLACK

    @property
    def writes(self) -> bool:
        return self.tier is not Tier.GREEN

    def title(self) -> str:
        return self.name.replace("_", " ")

    def input_schema(self) -> dict[str, Any]:
        return _schema(self.args)

    def output_schema(self) -> dict[str, Any]:
        return _schema(self.output)


def _schema(struct: type[msgspec.Struct]) -> dict[str, Any]:
    """One JSON Schema object with its definitions inside, as MCP clients want it."""
    (schema,), definitions = msgspec.json.schema_components([struct], ref_template="#/$defs/{name}")
    name = schema.get("$ref", "").rpartition("/")[2]
    body = dict(definitions.pop(name)) if name in definitions else dict(schema)
    if definitions:
        body["$defs"] = definitions
    return body
