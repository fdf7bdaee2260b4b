"""From a case to a decision: level, trust, preconditions, guardrails. Pure; a replay is the same call again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from jarvis_daemon.protocol.state import Autonomy, Check, Cluster
from jarvis_daemon.remediation.facts import Case, Facts
from jarvis_daemon.remediation.guardrails import HANDS_OVER, ask_all
from jarvis_daemon.remediation.plan import holds
from jarvis_daemon.remediation.runbook import Kept
from jarvis_daemon.remediation.words import why_not

Verdict = Literal["act", "ask", "hold", "refuse", "hand_over", "recommend", "report", "nothing"]
ALONE: Final[Mapping[int, str]] = {3: "yellow", 4: "red"}
"""Level -> the gravest tier a trusted runbook uses without an approval."""


@dataclass(frozen=True)
class Decision:
    verdict: Verdict
    text: str = ""
    guardrail: str = ""
    """Which one it hangs on."""
    level: int = 2
    alone: str = ""
    """As ``Principal.alone``: empty where every step is asked for."""
    when: list[Check] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)


def chosen_level(autonomy: Autonomy, condition: str, target: str) -> int:
    """The level that was chosen: of the target, else of the condition, else of all."""
    if target in autonomy.targets:
        return autonomy.targets[target]
    return autonomy.conditions.get(condition, autonomy.level)


def ceiling(cluster: Cluster) -> tuple[int, str]:
    """The highest level that may hold now, and why: with one reachable endpoint nobody can agree."""
    if cluster.standalone:
        return 4, ""
    reachable = (cluster.endpoints_total or 0) - len(cluster.endpoints_failed)
    if reachable <= 1:
        what = "no endpoint" if reachable < 1 else "only one endpoint"
        return 2, f"{what} of the cluster can be reached, so nobody can confirm what it says"
    return 4, ""


def effective_level(autonomy: Autonomy, facts: Facts, condition: str, target: str) -> tuple[int, str]:
    """The level that holds for a fault now, and why it is lower than what was chosen."""
    level = chosen_level(autonomy, condition, target)
    if target not in autonomy.targets:  # what lies on a machine that was set lower is no freer than it
        level = min(
            [level, *(autonomy.targets[one] for one in _machines(facts, target) if one in autonomy.targets)]
        )
    most, why = ceiling(facts.cluster)
    return (most, why) if level > most else (level, "")


def _machines(facts: Facts, target: str) -> list[str]:
    """Ids of the node or guest that a service, container, storage or disk lies on."""
    kind, _, rest = target.partition(":")
    host, slash, _ = rest.partition("/")
    if not slash or kind not in {"service", "container", "storage", "disk"}:
        return []
    guests = [g.id for g in facts.guests.values() if host in {g.name, str(g.vmid)}] if kind == "container" else []
    return [f"node:{host}", *guests]


def judge(case: Case, level: int, level_why: str = "") -> Decision:
    """What is to be done about one incident by one runbook."""
    when = [holds(one, case) for one in case.runbook.when]
    if any(check.verdict != "pass" for check in when):
        return Decision("nothing", why_not(when), level=level, when=when)
    if level <= 0 and not case.by_hand:
        return Decision("nothing", "At level 0 it is only observed.", level=level, when=when)
    if case.runbook.scope == "report":
        return Decision("report", case.runbook.about, level=level, when=when)
    if level == 1 and not case.by_hand:
        return Decision("nothing", "At level 1 it is only told.", level=level, when=when)
    checks = ask_all(case)
    found = _gravest(checks)
    if found is not None and found.verdict in {"refuse", "hold"}:
        handed = found.verdict == "refuse" and found.guardrail in HANDS_OVER
        verdict: Verdict = "hand_over" if handed else "refuse" if found.verdict == "refuse" else "hold"
        if level >= 3 or case.by_hand or verdict == "refuse":
            return Decision(verdict, found.text, found.guardrail, level, when=when, checks=checks)
    if not case.kept.trusted and not case.by_hand:
        why = f"The runbook {case.runbook.name} is not trusted."
        return Decision("recommend", why, "trust", level, when=when, checks=checks)
    if level == 2 and not case.by_hand:
        return Decision("recommend", level_why, "level", level, when=when, checks=checks)
    if found is not None and found.verdict == "ask":
        return Decision("ask", found.text, found.guardrail, level, when=when, checks=checks)
    alone = "red" if case.by_hand else ALONE.get(level, "")
    return Decision("act", "", "", level, alone, when, checks)


def withdrawn(begun: Kept, now: Kept | None, level: int, level_why: str = "") -> Check | None:
    """Why what was begun alone may not go on: ``now`` is the runbook of that name as it is on the shelf."""
    if now is None or now.sha256 != begun.sha256 or not now.trusted:
        text = f"The runbook {begun.runbook.name} was changed, or its trust was taken away."
        return Check(guardrail="trust", verdict="refuse", text=text)
    if level not in ALONE:
        why = f": {level_why}" if level_why else ""
        return Check(guardrail="level", verdict="refuse", text=f"Autonomy is L{level} now{why}.")
    return None


def _gravest(checks: list[Check]) -> Check | None:
    for verdict in ("refuse", "hold", "ask"):
        for check in checks:
            if check.verdict == verdict:
                return check
    return None
