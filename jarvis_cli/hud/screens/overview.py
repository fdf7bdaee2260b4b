"""The overview: is everything well, and if not, what is not."""

from __future__ import annotations

from textual.geometry import Size

from jarvis_cli.hud.panels.activity import Activity
from jarvis_cli.hud.panels.approvals import ApprovalTable
from jarvis_cli.hud.panels.base import Panel
from jarvis_cli.hud.panels.core import Core
from jarvis_cli.hud.panels.guests import GuestTable
from jarvis_cli.hud.panels.incidents import IncidentTable
from jarvis_cli.hud.panels.load import Load
from jarvis_cli.hud.panels.nodes import MachineRoom
from jarvis_cli.hud.panels.storages import StorageTable
from jarvis_cli.hud.panels.table import TablePanel
from jarvis_cli.hud.panels.tasks import TaskTable
from jarvis_cli.hud.screens import plan
from jarvis_cli.hud.screens.base import ModeScreen


class Overview(ModeScreen):
    MODE = "overview"
    FILTERED = "guests"

    def __init__(self) -> None:
        super().__init__()
        self._shape: tuple[int, ...] = ()

    def panels(self) -> list[Panel]:
        model, palette = self.hud.model, self.hud.palette
        return [
            MachineRoom(model, palette, id="room"),
            GuestTable(model, palette, by_rank=True, id="guests"),
            Core(model, palette, motion=self.hud.options.motion, id="core"),
            ApprovalTable(model, palette, may_act=self.hud.hands.may_act, id="approvals"),
            IncidentTable(model, palette, id="incidents"),
            Load(model, palette, id="load"),
            Activity(model, palette, id="activity"),
            TaskTable(model, palette, id="tasks"),
            StorageTable(model, palette, id="storage"),
        ]

    def plan(self, size: Size, form: plan.Form) -> plan.Plan:
        nodes, guests, storages, incidents, approvals = self._counts()
        return plan.overview(
            size, form, nodes=nodes, guests=guests, storages=storages, incidents=incidents, approvals=approvals
        )

    def redraw(self, topics: set[str] | None = None) -> None:
        if self._counts() != self._shape:
            self._shape = self._counts()
            self.replan()
        super().redraw(topics)

    def filter(self, pattern: str) -> None:
        if self.query_one("#guests").display:
            super().filter(pattern)
        else:
            self.hud.show_mode("guests", filter=pattern)

    def on_table_panel_opened(self, message: TablePanel.Opened) -> None:
        self.hud.open_entity(str(message.panel.id), message.entity)

    def _counts(self) -> tuple[int, int, int, int, int]:
        model = self.hud.model
        return (
            len(model.nodes()), len(model.guests()), len(model.storages()), len(model.incidents()),
            len(model.pending()),
        )  # fmt: skip
