"""Approvals: what others want done and may not do without the operator's word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from jarvis_cli.hud.panels.card import TIERS, choices, tier_runs, time_left, told, who
from jarvis_cli.hud.panels.table import TablePanel
from jarvis_cli.hud.states import Entity
from jarvis_cli.hud.units import stopwatch
from jarvis_cli.hud.widgets.lines import Line, Run
from jarvis_cli.hud.widgets.table import Column, View

if TYPE_CHECKING:
    from jarvis_cli.hud.model import Model
    from jarvis_cli.hud.themes.palette import Palette

DETAIL_ROWS = 3
"""Rows under the list that tell of the chosen one: who asks, what it touches, the keys."""


class ApprovalTable(TablePanel):
    """``whole``: answered ones too (the mode); else what waits, with a word on the chosen one (overview).
    ``may_act``: whether this HUD answers at all; a kiosk does not."""

    TITLE = "APPROVALS"
    DEPENDS = frozenset({"approvals", "tick"})
    EMPTY: ClassVar[str] = "nothing waits for you"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "answer(True)", "authorize", show=False),
        Binding("d", "answer(False)", "deny", show=False),
    ]

    class Answered(Message):
        """An answer is wanted: authorize opens the card, deny is told at once."""

        def __init__(self, approval: Entity, approve: bool) -> None:
            super().__init__()
            self.approval = approval
            self.approve = approve

    def __init__(
        self, model: Model, palette: Palette, *, may_act: bool, whole: bool = False, id: str | None = None  # noqa: A002
    ) -> None:  # fmt: skip
        super().__init__(model, palette, View(columns_of(model), haystack=haystack), id=id)
        self.may_act = may_act
        self.whole = whole

    def entities(self) -> Sequence[Entity]:
        return self.model.approvals() if self.whole else self.model.pending()

    def due(self, topics: set[str]) -> bool:
        return super().due(topics if self.model.pending() else topics - {"tick"})

    def title(self) -> tuple[Run, ...]:
        count = len(self.model.pending())
        return (*super().title(), (f"  {count} waiting", "warn")) if count else super().title()

    def body(self, width: int, height: int) -> list[Line]:
        chosen = self.view.chosen or next(iter(self.view.rows), None)
        if self.whole or chosen is None or height < DETAIL_ROWS + 2:
            return super().body(width, height)
        effects = " · ".join(str(effect) for effect in chosen.get("effects") or ()) or "touches nothing else"
        keys = [("a", "authorize"), ("d", "deny"), ("enter", "why")] if self.may_act else [("enter", "why")]
        foot = [*told("asked by", who_asks(chosen), width, "text", 1), *told("touches", effects, width, "text", 1)]
        rows = super().body(width, height - DETAIL_ROWS)
        return [*rows, *foot, *choices(keys, width)]

    def action_answer(self, approve: bool) -> None:
        chosen = self.view.chosen
        if self.may_act and chosen is not None and chosen.get("status") == "pending":
            self.post_message(self.Answered(chosen, approve))


def who_asks(approval: Entity) -> str:
    """``mcp:desk`` as the gate wrote it."""
    return str(approval.get("asked_by") or "somebody")


def haystack(approval: Entity) -> str:
    fields = (approval.get("summary"), approval.get("tool"), approval.get("tier"), approval.get("asked_by"),
              approval.get("status"), approval.get("target_name"))  # fmt: skip
    return " ".join(str(field) for field in fields).casefold()


def columns_of(model: Model) -> list[Column]:
    def tier(approval: Entity) -> Run:
        return tier_runs(str(approval.get("tier")))[0]

    def left(approval: Entity) -> Run:
        if approval.get("status") != "pending":
            return "", "faint"
        seconds = time_left(model, approval)
        return stopwatch(seconds), "warn" if seconds < 60 else "text"

    def state(approval: Entity) -> Run:
        status = str(approval.get("status"))
        if status == "pending":
            return f"{model.glyphs['warn']} waiting", "warn"
        mark, role = {"approved": ("ok", "good"), "denied": ("down", "faint")}.get(status, ("stop", "faint"))
        by = f" by {who(approval['answered_by'])}" if approval.get("answered_by") else ""
        return f"{model.glyphs[mark]} {status}{by}", role

    return [
        Column("tier", "tier", 7, tier, lambda a: list(TIERS).index(a["tier"]) if a.get("tier") in TIERS else 9,
               keep=9),
        Column("what", "what", 20, lambda a: (str(a.get("summary")), "text"), lambda a: str(a.get("summary")),
               keep=10, grow=True),
        Column("by", "asked by", 10, lambda a: (who_asks(a), "faint"), who_asks, keep=5, grow=True),
        Column("state", "state", 9, state, lambda a: str(a.get("status")), keep=6, grow=True),
        Column("left", "left", 5, left, lambda a: float(a.get("expires_at") or 0.0), ">", 8),
    ]  # fmt: skip
