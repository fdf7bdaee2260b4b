"""A table, and what was opened from it: guests with a description, tasks with their log, incidents with their
evidence."""

from __future__ import annotations

import asyncio
import json
from typing import Any, ClassVar

from textual.binding import Binding, BindingType
from textual.geometry import Size

from jarvis_cli.hud.panels import detail
from jarvis_cli.hud.panels.base import Panel
from jarvis_cli.hud.panels.guests import ACTING, GuestTable
from jarvis_cli.hud.panels.incidents import IncidentTable
from jarvis_cli.hud.panels.table import TablePanel
from jarvis_cli.hud.panels.tasks import TaskTable
from jarvis_cli.hud.panels.text import TextPanel
from jarvis_cli.hud.screens import plan
from jarvis_cli.hud.screens.base import ModeScreen
from jarvis_cli.hud.states import Entity
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.spawn import spawn

LOG_LINES_MAX = 5000


class SplitScreen(ModeScreen):
    """``TABLE`` on one side, ``side`` on the other once something was opened."""

    TABLE: ClassVar[str] = ""
    BELOW: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()
        self.opened: Entity | None = None
        self._work: asyncio.Task[Any] | None = None

    def table(self) -> TablePanel:
        raise NotImplementedError

    def panels(self) -> list[Panel]:
        self.side = TextPanel(self.hud.model, self.hud.palette, id="side")
        return [self.table(), self.side]

    def plan(self, size: Size, form: plan.Form) -> plan.Plan:
        return plan.split(size, form, self.TABLE, "side", opened=self.opened is not None, below=self.BELOW)

    async def look(self, entity: Entity) -> None:
        """Fill the side panel; runs as a task and is cancelled when another row is opened."""
        raise NotImplementedError

    def open_entity(self, entity: Entity) -> None:
        self._stop()
        self.opened = entity
        self.replan()
        self._work = spawn(self._look_safely(entity), name=f"hud-{self.MODE}")
        if not self.query_one(f"#{self.TABLE}").display:
            self.side.focus()

    def select(self, entity: Entity) -> None:
        """Put the cursor on a row and open it."""
        table = self.query_one(f"#{self.TABLE}", TablePanel)
        table.view.pattern = ""
        table.view.cursor_id = entity["id"]
        table.repaint()
        table.view.reveal()
        self.open_entity(entity)

    async def _look_safely(self, entity: Entity) -> None:
        try:
            await self.look(entity)
        except JarvisError as error:
            told = error
            self.side.show(lambda width: detail.of_error(told, width))

    def close_opened(self) -> bool:
        if self.opened is None:
            return False
        self._stop()
        self.opened = None
        self.replan()
        self.query_one(f"#{self.TABLE}").focus()
        return True

    def on_table_panel_opened(self, message: TablePanel.Opened) -> None:
        message.stop()
        self.open_entity(message.entity)

    def on_unmount(self) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._work is not None:
            self._work.cancel()
            self._work = None


class Guests(SplitScreen):
    MODE = "guests"
    TABLE = FILTERED = FIRST = "guests"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f", "faults", "faults only", show=False),
        Binding("y", "raw", "raw state", show=False),
        *ACTING,
    ]

    def hints(self) -> list[str]:
        own = [f"{verb.key} {verb.word}" for verb in self.hud.hands.verbs("vm", "ct") if verb.key]
        return [*own, *super().hints()]

    def action_act(self, word: str) -> None:
        """Pressed in the description: about the guest that is described."""
        self.hud.hands.want(word, self.opened or self.query_one("#guests", GuestTable).view.chosen)

    def table(self) -> TablePanel:
        return GuestTable(self.hud.model, self.hud.palette, id="guests")

    async def look(self, entity: Entity) -> None:
        name = f"{entity.get('name')} {entity.get('vmid')}"
        known = detail.of_guest(self.hud.model, entity)
        self.side.show([*known, (), (("  asking …", "faint"),)], heading=name)
        answer = await self.hud.link.call("guest.describe", {"id": entity["id"]})
        self.side.show([*known, *detail.of_description(answer, self.hud.model)], heading=name)

    def action_faults(self) -> None:
        table = self.query_one("#guests", GuestTable)
        table.show_faults_only(table.view.only is None)

    def action_raw(self) -> None:
        entity = self.query_one("#guests", GuestTable).view.chosen
        if entity is None:
            return
        self._stop()
        self.opened = entity
        self.replan()
        text = json.dumps(entity, indent=2, ensure_ascii=self.hud.options.ascii_only)
        self.side.show([((f" {line}", "text"),) for line in text.splitlines()], heading=f"raw {entity['id']}")


class Tasks(SplitScreen):
    MODE = "tasks"
    TABLE = FILTERED = FIRST = "tasks"
    BELOW = True
    BINDINGS: ClassVar[list[BindingType]] = [Binding("l", "log", "log", show=False)]

    def panels(self) -> list[Panel]:
        panels = super().panels()
        self.side = TextPanel(self.hud.model, self.hud.palette, follow=True, id="side")
        return [panels[0], self.side]

    def table(self) -> TablePanel:
        return TaskTable(self.hud.model, self.hud.palette, id="tasks")

    def action_log(self) -> None:
        self.query_one("#tasks", TaskTable).action_open()

    async def look(self, entity: Entity) -> None:
        """Show the log, and go on showing it until the task has ended."""
        heading = f"LOG {entity.get('type')} {entity.get('target') or ''} on {entity.get('node')}"
        lines: list[str] = []
        self.side.show([(("  asking …", "faint"),)], heading=heading)
        params = {"upid": entity["id"], "follow": True, "limit": LOG_LINES_MAX}
        status = "running"
        async for part in self.hud.link.stream("task.log", params):
            lines = (lines + [str(line) for line in part.get("lines") or ()])[-LOG_LINES_MAX:]
            status = str(part.get("status") or status)
            note = detail.task_note(status, part.get("exit_text"), self.hud.model)
            self.side.show([((f" {line}", "text"),) for line in lines], heading=heading, remark=note)


class Incidents(SplitScreen):
    MODE = "incidents"
    TABLE = FILTERED = FIRST = "incidents"
    BELOW = True

    def table(self) -> TablePanel:
        return IncidentTable(self.hud.model, self.hud.palette, id="incidents")

    async def look(self, entity: Entity) -> None:
        self.side.show(lambda width: detail.of_incident(self.hud.model, entity, width), heading="EVIDENCE")

    def redraw(self, topics: set[str] | None = None) -> None:
        super().redraw(topics)
        if self.opened is not None and (topics is None or "incidents" in topics):
            fresh = self.hud.model.collection("incidents").get(self.opened["id"], self.opened)
            self.side.show(lambda width: detail.of_incident(self.hud.model, fresh, width), heading="EVIDENCE")

    def hints(self) -> list[str]:
        own = [] if self.hud.options.kiosk else ["a acknowledge", "m silence 1 h"]
        return [*own, *super().hints()]

    def on_key(self, event: Any) -> None:
        if self.hud.options.kiosk or event.key not in {"a", "m"}:
            return
        entity = self.query_one("#incidents", IncidentTable).view.chosen
        if entity is not None:
            event.stop()
            spawn(self.answer(event.key, entity), name="hud-incident")

    async def answer(self, key: str, incident: Entity) -> None:
        """Acknowledge, or silence for an hour; the daemon's answer is told on the status line."""
        try:
            if key == "a":
                await self.hud.link.call("incident.ack", {"id": incident["id"]})
                self.say(f"acknowledged: {incident.get('title')}", "good")
            else:
                params = {"id": incident["id"], "duration_s": 3600.0, "reason": "silenced from the HUD"}
                await self.hud.link.call("incident.silence", params)
                self.say(f"silent for an hour: {incident.get('title')}", "good")
        except JarvisError as error:
            self.say(f"{error.sentence()} {error.next}", "warn")
