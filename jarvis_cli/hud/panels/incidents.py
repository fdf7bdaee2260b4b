"""Open incidents: what is wrong, since when, and who knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from jarvis_cli.hud.panels.table import TablePanel
from jarvis_cli.hud.states import SEVERITY_ORDER, Entity, repair_state, severity_state
from jarvis_cli.hud.units import clock_s, span
from jarvis_cli.hud.widgets.lines import Run
from jarvis_cli.hud.widgets.table import Column, View

if TYPE_CHECKING:
    from jarvis_cli.hud.model import Model
    from jarvis_cli.hud.themes.palette import Palette


URGENT = frozenset({"acting", "verifying", "asking"})
"""Repairs that are told of whoever knows of the incident."""


class IncidentTable(TablePanel):
    TITLE = "INCIDENTS"
    DEPENDS = frozenset({"incidents", "cluster", "tick"})
    EMPTY: ClassVar[str] = "all is well"

    def __init__(self, model: Model, palette: Palette, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(model, palette, View(columns_of(model), haystack=haystack), id=id)

    def entities(self) -> Sequence[Entity]:
        return self.model.incidents()

    def due(self, topics: set[str]) -> bool:
        return super().due(topics if self.model.incidents() else topics - {"tick"})

    def title(self) -> tuple[Run, ...]:
        count = len(self.model.incidents())
        return (*super().title(), (f"  {count} open", "warn")) if count else super().title()


def haystack(incident: Entity) -> str:
    fields = (incident.get("title"), incident.get("condition"), incident.get("target"), incident.get("severity"))
    return " ".join(str(field) for field in fields).casefold()


def columns_of(model: Model) -> list[Column]:
    def severity(incident: Entity) -> Run:
        found = severity_state(incident.get("severity"))
        return f"{model.glyphs[found.mark]} {found.word}", found.role

    def title_role(incident: Entity) -> str:
        quiet = incident.get("acked_at") or _silenced(incident, model.now())
        return "faint" if quiet else severity_state(incident.get("severity")).role

    def handled(incident: Entity) -> Run:
        repairs = model.repairs_of(str(incident.get("id")))
        state = repair_state(repairs[-1]) if repairs else None
        told: Run = (f"{model.glyphs[state.mark]} {state.word}", state.role) if state else ("new", "text")
        if state is not None and repairs[-1].get("status") in URGENT:
            return told
        if _silenced(incident, model.now()):
            return f"silent {span(float(incident['silenced_until']) - model.now())}", "faint"
        if incident.get("acked_at"):
            return f"seen by {incident.get('acked_by') or 'somebody'}", "faint"
        return told

    def age(incident: Entity) -> float:
        return model.now() - float(incident.get("opened_at") or model.now())

    return [
        Column("severity", "severity", 10, severity, lambda i: SEVERITY_ORDER.get(str(i.get("severity")), 9),
               keep=9),
        Column("title", "what", 20, lambda i: (str(i.get("title")), title_role(i)), lambda i: str(i.get("title")),
               keep=10, grow=True),
        Column("since", "since", 8, lambda i: (clock_s(i.get("opened_at")), "faint"),
               lambda i: i.get("opened_at") or 0.0, ">", 5),
        Column("age", "for", 7, lambda i: (span(age(i)), "text"), age, ">", 8),
        Column("target", "target", 14, lambda i: (str(i.get("target")), "faint"), lambda i: str(i.get("target")),
               keep=2, grow=True),
        Column("handled", "handled", 13, handled, lambda i: str(i.get("acked_by") or ""), keep=6),
    ]  # fmt: skip


def _silenced(incident: Entity, now: float) -> bool:
    return (incident.get("silenced_until") or 0.0) > now
