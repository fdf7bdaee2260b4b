"""The storages: how full each is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from jarvis_cli.hud.panels.table import TablePanel
from jarvis_cli.hud.states import Entity, share_of, storage_state
from jarvis_cli.hud.units import percent, size
from jarvis_cli.hud.widgets.lines import Run
from jarvis_cli.hud.widgets.spark import gauge
from jarvis_cli.hud.widgets.table import Column, View

if TYPE_CHECKING:
    from jarvis_cli.hud.model import Model
    from jarvis_cli.hud.themes.palette import Palette


class StorageTable(TablePanel):
    TITLE = "STORAGE"
    DEPENDS = frozenset({"cluster", "incidents"})
    EMPTY: ClassVar[str] = "no storage is known yet"

    def __init__(self, model: Model, palette: Palette, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(model, palette, View(columns_of(model), haystack=haystack), id=id)

    def entities(self) -> Sequence[Entity]:
        return self.model.storages()

    def is_old(self, entity: Entity) -> bool:
        return self.model.freshness(entity) != "fresh"


def haystack(storage: Entity) -> str:
    fields = [storage.get("name"), storage.get("node") or "shared", storage.get("type"), storage.get("status"),
              *(storage.get("content") or ())]  # fmt: skip
    return " ".join(str(field) for field in fields).casefold()


def columns_of(model: Model) -> list[Column]:
    def share(storage: Entity) -> float | None:
        return share_of(storage.get("used_bytes"), storage.get("total_bytes"))

    def state(storage: Entity) -> Run:
        found = storage_state(storage, model.freshness(storage))
        return f"{model.glyphs[found.mark]} {found.word}", found.role

    def level(storage: Entity) -> str:
        found = storage_state(storage, model.freshness(storage))
        return found.role if found.role in {"warn", "bad", "faint"} else "soft"

    def used(storage: Entity) -> Run:
        role = level(storage)
        return percent(share(storage)), "text" if role == "soft" else role

    def bar(storage: Entity) -> Run:
        full, rest = gauge(share(storage), 14, ascii_only=model.ascii_only)
        return full + rest, level(storage)

    def place(storage: Entity) -> str:
        if storage.get("shared"):
            return "shared"
        return str(storage.get("node") or " ".join(storage.get("nodes") or ()) or "?")

    def free(storage: Entity) -> float | None:
        used, total = storage.get("used_bytes"), storage.get("total_bytes")
        return None if used is None or total is None else total - used

    return [
        Column("name", "name", 11, lambda s: (str(s.get("name")), "text"), lambda s: str(s.get("name")).casefold(),
               keep=10, grow=True),
        Column("node", "on", 7, lambda s: (place(s), "faint"), lambda s: place(s).casefold(), keep=9),
        Column("state", "state", 9, state, lambda s: str(s.get("status")), keep=6),
        Column("bar", "", 14, bar, lambda s: share(s) or -1.0, keep=7),
        Column("share", "used", 4, used, lambda s: share(s) or -1.0, ">", 10),
        Column("used", "", 5, lambda s: (size(s.get("used_bytes")), "text"), lambda s: s.get("used_bytes") or -1,
               ">", 5),
        Column("free", "free", 5, lambda s: (size(free(s)), "text"), lambda s: free(s) or -1, ">", 8),
        Column("total", "total", 5, lambda s: (size(s.get("total_bytes")), "faint"),
               lambda s: s.get("total_bytes") or -1, ">", 4),
        Column("type", "type", 8, lambda s: (str(s.get("type")), "faint"), lambda s: str(s.get("type")), keep=3),
        Column("content", "content", 10, lambda s: (" ".join(s.get("content") or ()), "faint"),
               lambda s: " ".join(s.get("content") or ()), keep=1, grow=True),
    ]  # fmt: skip
