"""What every mode's screen has: header, tabs, a body of panels, the status line, and the prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.events import Resize
from textual.geometry import Size
from textual.layout import Layout
from textual.screen import Screen
from textual.widget import Widget

from jarvis_cli.hud.panels.bars import Clock, Header, Keys, Status, Tabs, bottom_plan, top_plan
from jarvis_cli.hud.panels.base import Panel
from jarvis_cli.hud.screens.plan import Form, Plan, PlanLayout, Planner, form_of
from jarvis_cli.hud.states import Entity
from jarvis_cli.hud.widgets.pane import Pane
from jarvis_cli.hud.widgets.prompt import Prompt, PromptLine

if TYPE_CHECKING:
    from jarvis_cli.hud.app import HudApp
    from jarvis_cli.hud.themes.palette import Palette


class Planned(Widget):
    """Holds panes where ``planner`` puts them."""

    def __init__(self, *panes: Pane, planner: Planner, id: str) -> None:  # noqa: A002
        super().__init__(*panes, id=id)
        self._plan = PlanLayout(planner)

    @property
    def layout(self) -> Layout:
        """Ours, not one of the stylesheet: styles accept only the layouts that Textual ships."""
        return self._plan


class Framed(Screen[None]):
    """Header, tabs, body and status line around panels. Sub-classes give ``panels`` and ``plan``."""

    MODE: ClassVar[str] = ""
    FIRST: ClassVar[str | None] = None
    """Id of the panel that has the focus at first."""
    AUTO_FOCUS = ""
    ESCAPE_TO_MINIMIZE = False

    def __init__(self) -> None:
        super().__init__()
        self.panes: list[Pane] = []

    @property
    def hud(self) -> HudApp:
        return cast("HudApp", self.app)

    def panels(self) -> list[Panel]:
        raise NotImplementedError

    def plan(self, size: Size, form: Form) -> Plan:
        raise NotImplementedError

    def hints(self) -> list[str]:
        """Keys worth telling, the most useful first."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        hud = self.hud
        panels = self.panels()
        header, clock = Header(hud.model, hud.palette, id="header"), Clock(hud.model, hud.palette, id="clock")
        tabs = Tabs(hud.model, hud.palette, self.MODE, hud.modes, id="tabs")
        self.keys = Keys(hud.palette, self.hints(), id="keys")
        self.status = Status(hud.model, hud.palette.bright(), hud.cost, id="status")
        self.panes = [header, clock, tabs, *panels, self.keys, self.status]
        for pane in self.panes:
            pane.ascii_only = hud.options.ascii_only
        yield Planned(header, clock, planner=top_plan, id="top")
        yield tabs
        yield Planned(*panels, planner=self.plan_now, id="body")
        yield Planned(self.keys, self.status, planner=bottom_plan, id="bottom")

    def on_mount(self) -> None:
        if self.FIRST:
            self.query_one(f"#{self.FIRST}").focus()

    def on_screen_resume(self) -> None:
        """In front again: what came in meanwhile was drawn on another screen."""
        if self.panes:
            self.redraw()

    # --- layout --------------------------------------------------------------------------------------------

    @property
    def form(self) -> Form:
        return form_of(*self.app.size)

    def plan_now(self, size: Size) -> Plan:
        return self.plan(size, self.form)

    def replan(self) -> None:
        """The sizes or the panels that are shown changed."""
        body = next(iter(self.query("#body").results(Planned)), None)
        if body is None or not body.children:
            return  # not put together yet, or on its way out
        plan = self.plan_now(body.size)
        frameless = self.form == "phone"
        for pane in self.panes:
            if isinstance(pane, Panel):
                pane.display = pane.id in plan
                if pane.frameless != frameless:
                    pane.frameless = frameless
                    pane.repaint()
        # A widget's own arrangement is kept until one of its children asks for a layout.
        next(iter(body.children)).refresh(repaint=False, layout=True)

    def on_resize(self, event: Resize) -> None:
        self.replan()

    # --- drawing -------------------------------------------------------------------------------------------

    def redraw(self, topics: set[str] | None = None) -> None:
        """Repaint the panes that depend on one of ``topics``; all of them without."""
        for pane in self.panes:
            if pane.display and (topics is None or pane.due(topics)):
                pane.repaint()

    def recolour(self, palette: Palette) -> None:
        """Take another palette. The status line is never dimmed: it tells why the rest is."""
        for pane in self.panes:
            pane.recolour(palette.bright() if pane is self.status else palette)

    def say(self, text: str, role: str = "text") -> None:
        self.keys.say(text, role)

    def tell_hints(self) -> None:
        """The keys that there are have changed."""
        if self.panes:
            self.keys.hints = self.hints()
            self.keys.repaint()


class ModeScreen(Framed):
    """One question at a time, with a prompt for commands and filters."""

    FILTERED: ClassVar[str | None] = None
    """Id of the panel that ``/`` filters."""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "back", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.zoomed: str | None = None

    def hints(self) -> list[str]:
        return self.hud.hints(self.FILTERED is not None)

    def plan_now(self, size: Size) -> Plan:
        plan = super().plan_now(size)
        if self.zoomed in plan:
            plan = {str(self.zoomed): size.region}
        return plan

    # --- prompt and back -----------------------------------------------------------------------------------

    async def ask(self, kind: str) -> None:
        """Open the prompt: ``:`` for a command, ``/`` for a filter, ``why`` for the reason of the kill switch.

        When this returns the prompt has the focus: what was typed ahead then is text, not keys.
        """
        for old in self.query(PromptLine):
            await old.remove()
        prompt = Prompt(kind, self.hud.completions() if kind == ":" else [])
        await self.mount(PromptLine(prompt))
        self.set_focus(prompt)

    def on_prompt_changed_text(self, message: Prompt.ChangedText) -> None:
        if message.kind == "/":
            self.filter(message.text)

    def on_prompt_done(self, message: Prompt.Done) -> None:
        for line in self.query(PromptLine):
            line.remove()
        if message.kind == "/":
            self.filter("" if message.cancelled else message.text)
        target = self.FILTERED if message.kind == "/" else self.FIRST
        if target and self.query_one(f"#{target}").display:
            self.query_one(f"#{target}").focus()
        if message.kind == ":" and not message.cancelled:
            self.hud.obey(message.text)
        elif message.kind == "why" and message.text.strip():
            self.hud.hands.kill(message.text.strip())

    def filter(self, pattern: str) -> None:
        if self.FILTERED:
            self.query_one(f"#{self.FILTERED}", Panel).filter(pattern)

    def select(self, entity: Entity) -> None:
        """Put the cursor on a row and open it, where the mode can."""

    def close_opened(self) -> bool:
        """Close what was opened beside the table; False when nothing was."""
        return False

    def action_back(self) -> None:
        """One step back: prompt, zoom, opened panel, filter, overview."""
        if self.zoomed:
            self.zoomed = None
            self.replan()
        elif not self.close_opened() and not self._unfilter() and self.MODE != "overview":
            self.hud.show_mode("overview")

    def _unfilter(self) -> bool:
        if not self.FILTERED or not self.query_one(f"#{self.FILTERED}", Panel).filtered_by():
            return False
        self.filter("")
        return True

    def zoom(self) -> None:
        focused = self.focused
        zoomable = isinstance(focused, Panel) and not self.zoomed
        self.zoomed = focused.id if focused is not None and zoomable else None
        self.replan()
