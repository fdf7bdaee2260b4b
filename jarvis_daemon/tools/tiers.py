"""Tiers, and who may run what. The whole table of tools is pinned by a test; so is this one."""

from __future__ import annotations

from enum import IntEnum
from typing import Final, Literal

from jarvis_daemon.protocol.messages import Role


class Tier(IntEnum):
    """Higher is graver; a tier is only ever raised."""

    GREEN = 1
    YELLOW = 2
    RED = 3
    BLACK = 4

    @property
    def word(self) -> str:
        return self.name.lower()

    def raised(self) -> Tier:
        """One graver; BLACK stays."""
        return Tier(min(self + 1, Tier.BLACK))


Rule = Literal["run", "confirm", "type_name", "approval", "refuse"]
"""run: at once; confirm: the asking person confirms the plan; type_name: and types the target's name;
approval: an operator's other session answers; refuse: never by this caller."""

_RULES: Final[dict[Role, dict[Tier, Rule]]] = {
    "operator": {Tier.GREEN: "run", Tier.YELLOW: "run", Tier.RED: "confirm", Tier.BLACK: "type_name"},
    "agent": {Tier.GREEN: "run", Tier.YELLOW: "approval", Tier.RED: "approval", Tier.BLACK: "refuse"},
    "front": {Tier.GREEN: "run", Tier.YELLOW: "approval", Tier.RED: "approval", Tier.BLACK: "refuse"},
    "viewer": {Tier.GREEN: "run", Tier.YELLOW: "refuse", Tier.RED: "refuse", Tier.BLACK: "refuse"},
    "runbook": {Tier.GREEN: "run", Tier.YELLOW: "approval", Tier.RED: "approval", Tier.BLACK: "refuse"},
    "worker": {Tier.GREEN: "refuse", Tier.YELLOW: "refuse", Tier.RED: "refuse", Tier.BLACK: "refuse"},
}


def rule(
    role: Role, tier: Tier, *, agents_run_yellow: bool = False, alone: str = "", operator_only: bool = False
) -> Rule:
    """What stands between this caller and a call of this tier; an unknown role is refused.

    ``alone``: the gravest tier that a runbook's run may use without an approval; of a model's call ``yellow``,
    where the operator's own words named what it acts upon, else ``never``: then ``agents_run_yellow``, which is for
    agents of the operator's choice, does not hold for it. ``operator_only``: of the tool.
    """
    if operator_only and role != "operator":
        return "refuse"
    found = _RULES.get(role, {}).get(tier, "refuse")
    if role == "runbook":
        allowed = {"yellow": Tier.YELLOW, "red": Tier.RED}.get(alone, Tier.GREEN)
        return "run" if found == "approval" and tier <= allowed else found
    if found == "approval" and tier is Tier.YELLOW and alone != "never":
        return "run" if agents_run_yellow or (role == "agent" and alone == "yellow") else found
    return found
