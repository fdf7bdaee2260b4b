"""`jarvis incident explain N`: evidence, then likely causes with what speaks for and against, then what to do.

All of it is worked out from what was recorded. A model may tell it in better prose, from this document and nothing
else; it adds nothing to the document. Nothing is said of times to come.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from jarvis_daemon.assistant.answers.commands import command_of
from jarvis_daemon.assistant.answers.words import capital, degrees, moment, percent, safe, sentence, size
from jarvis_daemon.assistant.explaining import rules_guests, rules_nodes, rules_watch  # noqa: F401  # each enters its rules
from jarvis_daemon.assistant.explaining.case import Case
from jarvis_daemon.assistant.explaining.findings import RULES, Do, Found
from jarvis_daemon.assistant.explaining.gather import find, gather
from jarvis_daemon.bus import Bus, Principal
from jarvis_daemon.bus.services import DAEMON
from jarvis_daemon.clock import Clock
from jarvis_daemon.incidents.lines import span
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.mind import Advice, Cause, IncidentExplain, IncidentExplained
from jarvis_daemon.redact import redact, safe_block
from jarvis_daemon.tools import Act, Registry, Target, Tier, ToolSpec
from jarvis_daemon.tools.spec import Args, Output

_log = logging.getLogger("jarvis.explain")
Tell = Callable[[str], Awaitable[tuple[str, str]]]
"""The document -> (prose, backend)."""
LISTED: Final = 8
PROSE_MAX: Final = 8000
LABELS: Final = {
    "percent": "in use, %",
    "celsius": "°C",
    "last_running_at": "last seen running",
    "seen_at": "seen",
    "memory_share": "memory before",
    "mute_since_at": "silent since",
    "exit_text": "it ended with",
    "last_at": "last good one",
    "fail_count": "failures in a row",
    "wearout_pct": "life left, %",
    "skew_s": "seconds off",
    "since_at": "since",
    "expires_at": "expires",
    "last_sync_at": "last good run",
    "upid": "task",
}


class ExplainArgs(Args):
    incident: Annotated[str, Meta(pattern="^[0-9]{1,18}$", description="number of the incident")]


class ExplainOutput(Output):
    explained: IncidentExplained


class Explainer:
    """``tell``: a model that puts a document into prose, where there is one."""

    def __init__(self, bus: Bus, clock: Clock, registry: Registry, *, tell: Tell | None = None) -> None:
        self._bus, self._clock, self._registry = bus, clock, registry
        self.tell = tell

    def offer(self) -> None:
        """The service ``incident.explain``."""
        self._bus.offer("incident.explain", self.explain)

    def register(self, registry: Registry) -> None:
        """The GREEN tool ``explain_incident``."""
        registry.add(
            ToolSpec(
                name="explain_incident",
                room="assistant",
                tier=Tier.GREEN,
                args=ExplainArgs,
                output=ExplainOutput,
                description="Why an incident is: evidence, likely causes with what speaks for and against "
                "each, and what could be done.",
                run=self._run,
                idempotent=True,
                tainted=True,
                concurrency=8,
            )
        )

    async def explain(self, params: IncidentExplain, principal: Principal) -> IncidentExplained:
        """Raises ``not_found`` for a number that is none, ``forbidden`` for prose of who is no operator."""
        if params.prose and principal.role != "operator":
            raise JarvisError("forbidden", "Only an operator has a model asked", why="it may cost money")
        incident, known = await find(self._bus, params.id.strip().lstrip("#"), principal)
        case = await gather(self._bus, self._clock.now(), incident, known, principal)
        found = Found()
        RULES.get(incident.condition, _unknown)(case, found)
        explained = IncidentExplained(
            id=incident.id,
            title=safe(incident.title),
            evidence=evidence(case),
            causes=[_clean(c) for c in found.ranked()],
            advice=self._advice(case, found),
        )
        if params.prose and self.tell is not None:
            explained.prose, explained.backend = await self._prose(explained)
        return explained

    def _advice(self, case: Case, found: Found) -> list[Advice]:
        if case.incident.closed_at is not None:
            return [
                Advice(
                    text="It is over: nothing has to be done",
                    command=f"jarvis history --incident {case.incident.id}",
                )
            ]
        told = [self._one(do) for do in found.advice if not do.tool or do.tool in self._registry]
        if case.incident.acked_at is None and "acknowledge_incident" in self._registry:
            told.append(
                self._one(
                    Do(
                        "Take note of it, so that it is not announced again",
                        "acknowledge_incident",
                        {"incident": case.incident.id},
                    )
                )
            )
        return told

    def _one(self, do: Do) -> Advice:
        if not do.tool:
            return Advice(text=redact(do.text), command=do.command)
        tier = self._registry.get(do.tool).base_tier.word
        return Advice(
            text=redact(do.text), tool=do.tool, args=dict(do.args), tier=tier, command=command_of(do.tool, do.args)
        )

    async def _prose(self, explained: IncidentExplained) -> tuple[str, str]:
        """A model's words; none where it fails: the document stands by itself."""
        assert self.tell is not None
        try:
            prose, backend = await self.tell(document(explained))
        except JarvisError as error:
            _log.info("no prose", extra={"data": {"why": error.sentence()}})
            return "", ""
        return safe_block(prose, limit=PROSE_MAX).strip(), backend

    async def _run(self, args: ExplainArgs, target: Target, act: Act) -> ExplainOutput:
        return ExplainOutput(explained=await self.explain(IncidentExplain(id=args.incident), DAEMON))


def _unknown(case: Case, found: Found) -> None:
    found.cause("Of this condition I know no common causes")
    found.do("See its whole story", command=f"jarvis history --incident {case.incident.id}")


def _clean(cause: Cause) -> Cause:
    return Cause(
        text=sentence(redact(cause.text)),
        speaks_for=[sentence(safe(s, 600)) for s in cause.speaks_for],
        against=[sentence(safe(s, 600)) for s in cause.against],
    )


# --- evidence ---------------------------------------------------------------------------------------------------


def evidence(case: Case) -> list[str]:
    """What was seen, a sentence each: its own evidence, figures of before, tasks, lines, other incidents."""
    incident = case.incident
    lines = [
        f"{safe(incident.title)} ({incident.severity}), first seen {moment(case.now, case.began)}, "
        f"{case.ago(case.began)}"
    ]
    if incident.closed_at is not None:
        why = f": {safe(incident.close_reason)}" if incident.close_reason else ""
        lines.append(f"It was over after {span(incident.closed_at - incident.opened_at)}{why}")
    if incident.detail:
        lines.append(safe(incident.detail, 600))
    facts = [told for key, value in incident.evidence.items() if (told := _fact(case, key, value))]
    if facts:
        lines.append(f"Recorded with it: {'; '.join(facts)}")
    lines += [
        told
        for told in (
            case.course("cpu", f"The CPU of {case.node}"),
            case.course("memory", f"The memory of {case.node}"),
            case.course("temperature", f"{case.node}"),
            case.course("guest.memory", f"The memory of {case.name}"),
            case.course("guest.cpu", f"The CPU of {case.name}"),
        )
        if told
    ]
    lines += [
        f"{capital(case.task(t))}: {t.status}{', ' + safe(t.exit_text, 200) if t.exit_text else ''}"
        for t in case.tasks[-LISTED:]
    ]
    lines += [f"About the same time: {case.told(i)}" for i in case.others[:LISTED]]
    lines += [f"The feed, {case.when(e.at)}: {safe(e.text, 300)}" for e in case.events[-LISTED:]]
    lines += [
        f"Repair by {safe(r.runbook or r.by, 60)}: {r.status}; {safe(r.text or r.decided, 300)}"
        for r in case.repairs[-LISTED:]
    ]
    if not case.series and (case.node or incident.target.startswith(("guest:", "storage:"))):
        lines.append("No figures of the time before are kept")
    lines += list(case.unread)
    if case.view.blind and incident.closed_at is None:
        lines.append(f"The cluster is not seen now: {case.view.blind}")
    return [sentence(redact(line)) for line in lines]


def _fact(case: Case, key: str, value: object) -> str:
    """One entry of the incident's evidence; empty for what says nothing."""
    label = LABELS.get(key, safe(key, 60).removesuffix("_bytes").removesuffix("_at").replace("_", " "))
    if value is None or value in ("", [], {}):
        return ""
    if isinstance(value, bool):
        return f"{label}: {'yes' if value else 'no'}"
    if isinstance(value, int | float):
        if key.endswith("_at"):
            return f"{label} {moment(case.now, float(value))}"
        if key.endswith("_bytes"):
            return f"{label} {size(value)}"
        if key == "memory_share":
            return f"{label} {percent(float(value))}"
        return degrees(float(value)) if key == "celsius" else f"{label} {value:g}"
    if isinstance(value, list):
        return f"{label}: {', '.join(safe(one, 60) for one in value[:LISTED])}{' …' if len(value) > LISTED else ''}"
    if isinstance(value, dict):
        return f"{label}: {', '.join(f'{safe(k, 60)} {safe(v, 120)}' for k, v in list(value.items())[:LISTED])}"
    return f"{label}: {safe(value, 200)}"


def document(explained: IncidentExplained) -> str:
    """The whole as plain text: what a model is given, and what a terminal without colours shows."""
    lines = [f"Incident {explained.id}: {explained.title}", "", "Evidence:"]
    lines += [f"- {line}" for line in explained.evidence]
    lines += ["", "Likely causes, the likeliest first:"]
    for cause in explained.causes:
        lines.append(f"- {cause.text}")
        lines += [f"  for: {one}" for one in cause.speaks_for] or ["  for: nothing that was recorded"]
        lines += [f"  against: {one}" for one in cause.against]
    lines += ["", "What could be done:"]
    for advice in explained.advice:
        tier = f" ({advice.tier})" if advice.tier else ""
        lines.append(f"- {sentence(advice.text)}{f' `{advice.command}`{tier}' if advice.command else ''}")
    return "\n".join(lines)


def convert(told: object) -> IncidentExplained:
    """Plain data of the tool's result as the struct. Raises ``msgspec.ValidationError``."""
    return msgspec.convert(told, IncidentExplained)
