"""What a runbook is: data, read from YAML (``reading.py``), never code.

A runbook names the condition it answers, what has to hold (``when``), the tool calls it makes (``steps``), what
shows that it worked (``verify``), and what a person is told when it did not (``escalate``). Values in braces are
facts (``facts.lookup``): ``{guest.vmid}``, ``{node.name}``, ``{incident.evidence.unit}``.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from jarvis_daemon.protocol.state import Severity

NAME: Final = "^[a-z][a-z0-9-]{1,47}$"
Scope = Literal["report", "guest", "node"]
"""What a repair touches: nothing; one guest, service or container; a whole node. It decides the blast radius."""
Text = Annotated[str, Meta(min_length=1, max_length=400)]
Path = Annotated[str, Meta(pattern="^[a-z_][a-z0-9_]*([.][A-Za-z0-9_/-]+)*$", max_length=120)]
"""A fact: ``guest.status``, ``incident.age_s``, ``cluster.quorate``."""


class Part(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Base: a key that is not declared is a mistake, and is named."""


class When(Part, kw_only=True):
    """One precondition: a fact, and exactly one comparison. A fact that is not known does not hold."""

    fact: Path
    equals: str | bool | float | int | None = msgspec.field(default=None, name="is")
    one_of: Annotated[list[str | float | int | bool], Meta(min_length=1, max_length=50)] | None = None
    none_of: Annotated[list[str | float | int | bool], Meta(min_length=1, max_length=50)] | None = None
    at_least: float | None = None
    at_most: float | None = None
    known: bool | None = None
    """True: it has to be known; False: it must not be."""


class Choice(Part, kw_only=True):
    """The tool by a fact: ``by: guest.kind``, ``tools: {vm: start_vm, ct: start_container}``."""

    by: Path
    tools: Annotated[dict[str, str], Meta(min_length=1, max_length=20)]


class Step(Part, kw_only=True):
    """One tool call. A read (GREEN) gathers evidence; what acts goes through the gate with its tier."""

    tool: str | Choice
    args: Annotated[dict[str, Any], Meta(max_length=30)] = {}
    say: Text | None = None
    """What it does, in words; facts may stand in braces."""
    approval: Literal["by-tier", "always"] = "by-tier"
    """always: a person is asked, at every autonomy level."""
    optional: bool = False
    """True: the next step is taken even when this one is refused or fails."""
    when: Annotated[list[When], Meta(max_length=20)] = []
    """The step is left out where these do not hold."""


class Verify(Part, kw_only=True):
    """What has to be seen in two fresh samples, taken after the last step, besides that the fault is gone."""

    facts: Annotated[list[When], Meta(max_length=20)] = []
    within_s: Annotated[float, Meta(ge=10, le=7200)] = 180.0
    """Later than this counts as failed."""


class Escalate(Part, kw_only=True):
    """What a person is told when it did not work, or is not Jarvis's to do."""

    severity: Severity = "error"
    say: Text


class Runbook(Part, kw_only=True):
    """One runbook."""

    name: Annotated[str, Meta(pattern=NAME)]
    version: Annotated[int, Meta(ge=1, le=1)] = 1
    """Of this format."""
    about: Text
    condition: Annotated[str, Meta(pattern=NAME)]
    scope: Scope
    when: Annotated[list[When], Meta(max_length=20)] = []
    steps: Annotated[list[Step], Meta(min_length=1, max_length=12)]
    verify: Verify = msgspec.field(default_factory=Verify)
    cool_down_min: Annotated[list[Annotated[float, Meta(ge=10, le=1440)]], Meta(min_length=1, max_length=5)] = (
        msgspec.field(default_factory=lambda: [10.0, 30.0, 60.0])
    )
    """Minutes after the first, second, third attempt; the last one holds for all that follow."""
    attempts: Annotated[int, Meta(ge=1, le=3)] = 3
    escalate: Escalate


class Kept(msgspec.Struct, kw_only=True, frozen=True):
    """A runbook with where it is from. ``sha256``: of the file's bytes."""

    runbook: Runbook
    sha256: str
    path: str
    shipped: bool
    trusted: bool


def tools_of(step: Step) -> list[str]:
    """Every tool that a step may call."""
    return [step.tool] if isinstance(step.tool, str) else list(step.tool.tools.values())
