"""The plain modes: storages, nodes, feed."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.geometry import Size

from jarvis_cli.hud.panels.activity import Activity
from jarvis_cli.hud.panels.base import Panel
from jarvis_cli.hud.panels.grid import SparkGrid
from jarvis_cli.hud.panels.storages import StorageTable
from jarvis_cli.hud.screens.base import ModeScreen
from jarvis_cli.hud.screens.plan import Form, Plan


class OnePanel(ModeScreen):
    """A mode of a single panel that fills the body."""

    PANEL: ClassVar[str] = ""

    def plan(self, size: Size, form: Form) -> Plan:
        return {self.PANEL: size.region}


class Storages(OnePanel):
    MODE = "storage"
    PANEL = FILTERED = FIRST = "storages"

    def panels(self) -> list[Panel]:
        return [StorageTable(self.hud.model, self.hud.palette, id="storages")]


class Scrolled(OnePanel):
    """A mode whose panel scrolls by lines."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "scroll_panel(1)", "on", show=False),
        Binding("up", "scroll_panel(-1)", "back", show=False),
        Binding("pagedown", "scroll_panel(20)", "a page on", show=False),
        Binding("pageup", "scroll_panel(-20)", "a page back", show=False),
        Binding("home", "scroll_panel(-999999)", "first", show=False),
        Binding("end", "scroll_panel(999999)", "last", show=False),
    ]

    def action_scroll_panel(self, by: int) -> None:
        self.query_one(f"#{self.PANEL}").advance(by)  # type: ignore[attr-defined]


class Nodes(Scrolled):
    MODE = "nodes"
    PANEL = FILTERED = FIRST = "grid"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("W", "wake", "wake a node", show=False)]

    def hints(self) -> list[str]:
        own = [f"{verb.key} {verb.word}" for verb in self.hud.hands.verbs("node") if verb.key]
        return [*own, *super().hints()]

    def action_wake(self) -> None:
        self.hud.hands.wake()

    def panels(self) -> list[Panel]:
        return [SparkGrid(self.hud.model, self.hud.palette, id="grid")]


class Feed(Scrolled):
    MODE = "feed"
    PANEL = FILTERED = FIRST = "feed"

    def panels(self) -> list[Panel]:
        return [Activity(self.hud.model, self.hud.palette, whole=True, id="feed")]
