"""Tasks of Proxmox: what runs now, then what ended last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from jarvis_cli.hud.panels.table import TablePanel
from jarvis_cli.hud.states import Entity, task_state
from jarvis_cli.hud.units import moment, percent, span
from jarvis_cli.hud.widgets.lines import Run
from jarvis_cli.hud.widgets.spark import gauge
from jarvis_cli.hud.widgets.table import Column, View

if TYPE_CHECKING:
    from jarvis_cli.hud.model import Model
    from jarvis_cli.hud.themes.palette import Palette


class TaskTable(TablePanel):
    TITLE = "TASKS"
    DEPENDS = frozenset({"tasks", "tick"})
    EMPTY: ClassVar[str] = "no task has run lately"

    def __init__(self, model: Model, palette: Palette, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(model, palette, View(columns_of(model), haystack=haystack), id=id)

    def entities(self) -> Sequence[Entity]:
        return self.model.tasks()

    def due(self, topics: set[str]) -> bool:
        running = any(task.get("status") == "running" for task in self.model.tasks())
        return super().due(topics if running else topics - {"tick"})

    def title(self) -> tuple[Run, ...]:
        running = sum(task.get("status") == "running" for task in self.model.tasks())
        return (*super().title(), (f"  {running} running", "faint")) if running else super().title()


def haystack(task: Entity) -> str:
    fields = (task.get("type"), task.get("target"), task.get("node"), task.get("user"), task.get("status"),
              task.get("exit_text") or "")  # fmt: skip
    return " ".join(str(field) for field in fields).casefold()


def columns_of(model: Model) -> list[Column]:
    def state(task: Entity) -> Run:
        found = task_state(task)
        return f"{model.glyphs[found.mark]} {found.word}", found.role

    def lasted(task: Entity) -> float:
        return max(0.0, float(task.get("ended_at") or model.now()) - float(task.get("started_at") or 0.0))

    def outcome(task: Entity) -> Run:
        progress = task.get("progress")
        if task.get("status") == "running":
            if progress is None:
                return "", "faint"
            full, rest = gauge(progress, 10, ascii_only=model.ascii_only)
            return f"{full}{rest} {percent(progress)}", "light"
        return str(task.get("exit_text") or ""), "faint" if task.get("status") == "ok" else "warn"

    def target(task: Entity) -> str:
        """What it is about; a guest with its name."""
        found = str(task.get("target") or "")
        guest = model.collection("guests").get(f"guest:{found}")
        return f"{found} {guest.get('name')}" if guest else found

    return [
        Column("at", "at", 6, lambda t: (moment(t.get("started_at"), model.now()), "faint"),
               lambda t: t.get("started_at") or 0.0, ">", 8),
        Column("type", "task", 10, lambda t: (str(t.get("type")), "text"), lambda t: str(t.get("type")), keep=10),
        Column("target", "of", 12, lambda t: (target(t), "text"), target, keep=9, grow=True),
        Column("node", "node", 7, lambda t: (str(t.get("node")), "faint"), lambda t: str(t.get("node")).casefold(),
               keep=4),
        Column("state", "state", 10, state, lambda t: str(t.get("status")), keep=10),
        Column("took", "took", 7, lambda t: (span(lasted(t)), "faint"), lasted, ">", 7),
        Column("outcome", "outcome", 15, outcome, lambda t: str(t.get("exit_text") or ""), keep=6, grow=True),
        Column("user", "by", 12, lambda t: (str(t.get("user")), "faint"), lambda t: str(t.get("user")), keep=1),
    ]  # fmt: skip
