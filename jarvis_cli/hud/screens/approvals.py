"""Approvals in full: what waits, what was answered lately, and beside it why."""

from __future__ import annotations

from jarvis_cli.hud.panels.approvals import ApprovalTable
from jarvis_cli.hud.panels.card import of_approval, tier_runs
from jarvis_cli.hud.panels.table import TablePanel
from jarvis_cli.hud.screens.split import SplitScreen
from jarvis_cli.hud.states import Entity


class Approvals(SplitScreen):
    MODE = "approvals"
    TABLE = FILTERED = FIRST = "approvals"
    BELOW = True

    def table(self) -> TablePanel:
        model, palette = self.hud.model, self.hud.palette
        return ApprovalTable(model, palette, may_act=self.hud.hands.may_act, whole=True, id="approvals")

    def hints(self) -> list[str]:
        own = ["a authorize", "d deny", "enter why"] if self.hud.hands.may_act else ["enter why"]
        return [*own, *super().hints()]

    async def look(self, entity: Entity) -> None:
        self._show(entity)

    def redraw(self, topics: set[str] | None = None) -> None:
        super().redraw(topics)
        if self.opened is not None and (topics is None or topics & ApprovalTable.DEPENDS):
            fresh = self.hud.model.collection("approvals").get(self.opened["id"], self.opened)
            self._show(fresh)

    def _show(self, approval: Entity) -> None:
        self.side.show(
            lambda width: of_approval(self.hud.model, approval, width),
            heading="WHY", remark=tier_runs(str(approval.get("tier"))),
        )  # fmt: skip
