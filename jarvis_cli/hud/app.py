"""HudApp: modes, keys, themes, and the link that feeds the model."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Input

from jarvis_cli.hud import commands, watch
from jarvis_cli.hud.cost import Cost, counting
from jarvis_cli.hud.hands import Hands
from jarvis_cli.hud.model import TOPICS, Model
from jarvis_cli.hud.options import Options, detect
from jarvis_cli.hud.panels.approvals import ApprovalTable
from jarvis_cli.hud.panels.bars import TABS, Tabs, modes_of
from jarvis_cli.hud.panels.base import Panel
from jarvis_cli.hud.panels.guests import GuestTable
from jarvis_cli.hud.rings import POINTS, SPAN_S, Rings
from jarvis_cli.hud.screens.base import Framed, ModeScreen
from jarvis_cli.hud.screens.overview import Overview
from jarvis_cli.hud.states import Entity
from jarvis_cli.hud.talk import Said, Talk
from jarvis_cli.hud.themes.palette import PALETTES, Palette, palette
from jarvis_cli.hud.themes.textual_theme import theme_of
from jarvis_daemon.protocol.client import Link
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.spawn import spawn
from jarvis_daemon.protocol.version import VERSION

SEED_EVERY_S = 3600.0


Connect = Callable[[Callable[[str], None]], Link]
"""Makes the link, given what to call after each change."""


def _screen(module: str, name: str) -> Callable[[], Screen[Any]]:
    """A screen whose module is imported when it is first shown: the first paint waits for none of them."""

    def make() -> Screen[Any]:
        found: Screen[Any] = getattr(import_module(f"jarvis_cli.hud.screens.{module}"), name)()
        return found

    return make


class HudApp(App[int]):
    """The app runs the link that ``connect`` makes."""

    TITLE = "jarvis"
    CSS_PATH = "themes/hud.tcss"
    DEFAULT_MODE = "overview"
    MODES: ClassVar[dict[str, Callable[[], Screen[Any]]]] = {  # type: ignore[assignment]
        "overview": Overview,
        "guests": _screen("split", "Guests"), "storage": _screen("lists", "Storages"),
        "tasks": _screen("split", "Tasks"), "incidents": _screen("split", "Incidents"),
        "nodes": _screen("lists", "Nodes"), "feed": _screen("lists", "Feed"),
        "approvals": _screen("approvals", "Approvals"), "chat": _screen("chat", "Chat"),
    }  # fmt: skip
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(str(number), f"mode('{mode}')", mode, show=False) for number, mode in enumerate(TABS, start=1)),
        # With priority they are done before the next key is looked at, so that what is typed ahead is text.
        Binding("colon", "command", "command", show=False, priority=True),
        Binding("slash", "filter", "filter", show=False, priority=True),
        Binding("ctrl+k", "kill", "kill switch", show=False, priority=True),
        Binding("question_mark", "help", "keys", show=False),
        Binding("left_square_bracket", "turn(-1)", "mode before", show=False),
        Binding("right_square_bracket", "turn(1)", "mode after", show=False),
        Binding("z", "zoom", "zoom", show=False),
        Binding("p", "pause", "pause", show=False),
        Binding("t", "theme", "theme", show=False),
        Binding("q,ctrl+q", "detach", "detach", show=False, priority=False),
    ]

    def __init__(self, connect: Connect, options: Options | None = None, *, cost: Cost | None = None) -> None:
        self.options = options or detect()
        self.palette: Palette = palette(self.options.theme, self.options.depth)
        self.cost = cost or Cost()
        super().__init__(ansi_color=True if self.options.depth in {"16", "none"} else None)
        self.driver_class = counting(self.driver_class, self.cost)
        self.connect = connect
        self.link = connect(self.on_link_change)
        self.model = Model(self.link, ascii_only=self.options.ascii_only, simulated=self.options.simulated)
        self.hands = Hands(self)
        self.talk = Talk(self)
        self._pending: set[str] = set()
        self._drawing_due = False
        self._paused = False
        self._link_task: asyncio.Task[None] | None = None
        self._seeded_boot: str | None = None
        if not self.options.motion:
            self.animation_level = "none"
        for name in PALETTES:
            self.register_theme(theme_of(palette(name, self.options.depth)))
        self.theme = theme_of(self.palette).name

    # --- life ----------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        self._link_task = spawn(self.link.run(), name="hud-link")
        self.set_interval(1.0 / min(1.0, self.options.max_hz), self.tick)
        if self.options.boot:
            self.push_screen(_screen("boot", "BootScreen")())

    def on_unmount(self) -> None:
        if self._link_task is not None:
            self._link_task.cancel()

    def on_link_change(self, topic: str) -> None:
        """State, events or the link changed: draw it within this turn of the loop."""
        if topic == "chat":
            self.talk.take()
        else:
            self.model.touch(topic)
        if topic == "link":
            self._link_changed()
        elif topic == "approvals":
            self.hands.watch()
        self.due(topic)

    def due(self, topic: str) -> None:
        """What depends on ``topic`` is drawn within this turn of the loop."""
        self._pending.add(topic)
        if not self._drawing_due:
            self._drawing_due = True
            self.call_later(self._draw_pending)

    def _draw_pending(self) -> None:
        self._drawing_due = False
        topics, self._pending = self._pending, set()
        if self._paused:
            self._pending = topics
            topics = topics & {"link", "approvals", "chat"}
        if topics:
            self.redraw(topics)

    def redraw(self, topics: set[str] | None = None) -> None:
        for screen in self.screen_stack[-1:]:  # none while the app comes and goes
            if (redraw := getattr(screen, "redraw", None)) is not None:
                redraw(topics)

    def tick(self) -> None:
        """A second passed: clocks and ages move, and what became stale by that."""
        if isinstance(self.screen, Framed):
            self.screen.keys.age_word()
            self.screen.keys.tell_trouble(self._trouble())
        aged = self.model.tick()
        self.redraw(None if aged and not self._paused else {"tick"})

    def _trouble(self) -> str:
        error = self.link.error
        return "" if self.link.status == "up" or error is None else f"{error.sentence()}. {error.next}"

    def _link_changed(self) -> None:
        dimmed = self.link.status in {"lost", "refused"}
        if dimmed != self.palette.dimmed:
            self._recolour(self.palette.name, dimmed=dimmed)
        boot_id = str(self.link.welcome.get("boot_id") or "")
        if self.link.status == "up":
            spawn(self.hands.learn(), name="hud-tools")
            self.talk.attach()
        if self.link.status == "up" and boot_id != self._seeded_boot:
            self._seeded_boot = boot_id
            spawn(self._seed(), name="hud-seed")

    async def _seed(self) -> None:
        """Fill the sparklines from the daemon's history, once the nodes are known."""
        await self.link.wait_for(lambda link: bool(link.mirror.state.get("cluster", {}).get("nodes")), 60.0)
        ids = [node["id"] for node in self.model.nodes()]
        params = {"ids": ids, "metrics": list(Rings.METRICS), "span_s": SPAN_S, "points": POINTS}
        try:
            self.model.rings.seed(await self.link.call("metrics.history", params))
        except JarvisError as error:
            self.log.warning(f"no history for the sparklines: {error.sentence()}")
            return
        self.redraw()

    # --- colours -------------------------------------------------------------------------------------------

    def palette_names(self) -> list[str]:
        return list(PALETTES)

    def set_palette(self, name: str | None) -> bool:
        """The named palette, or the next one; False when there is none of that name."""
        names = self.palette_names()
        if name is None:
            name = names[(names.index(self.palette.name) + 1) % len(names)]
        if name not in names:
            return False
        self._recolour(name, dimmed=self.palette.dimmed)
        return True

    def _recolour(self, name: str, *, dimmed: bool) -> None:
        self.palette = palette(name, self.options.depth, dimmed=dimmed)
        self.theme = theme_of(self.palette).name
        for stack in self._screen_stacks.values():
            for screen in stack:
                if (recolour := getattr(screen, "recolour", None)) is not None:
                    recolour(self.palette)

    # --- modes and acts ------------------------------------------------------------------------------------

    def modes(self) -> list[str]:
        """The modes that this HUD has."""
        return modes_of(may_act=self.hands.may_act)

    def press_mode(self, number: int) -> None:
        """The mode of a number key."""
        self.action_mode(TABS[number - 1])

    def show_mode(self, mode: str, *, filter: str | None = None) -> None:  # noqa: A002
        """Switch to a mode; ``filter`` replaces the filter there."""
        if mode not in self.modes():
            self.say("this HUD only looks: a conversation is at an operator's terminal", "warn")
            return
        while len(self.screen_stack) > 1:
            self.pop_screen()
        self.switch_mode(mode)
        self._then(lambda screen: screen.filter(filter or "") if filter is not None else None)

    def open_entity(self, table: str, entity: Entity) -> None:
        """Show a row where its mode shows it in full."""
        mode = {"guests": "guests", "tasks": "tasks", "incidents": "incidents", "storage": "storage",
                "approvals": "approvals"}[table]  # fmt: skip
        self.show_mode(mode)

        self._then(lambda screen: screen.select(entity))

    def _then(self, act: Callable[[ModeScreen], object]) -> None:
        """Do ``act`` with the current mode's screen once it is mounted."""

        def do() -> None:
            if isinstance(self.screen, ModeScreen):
                act(self.screen)
                self.screen.redraw()

        self.call_after_refresh(do) if not self.screen.is_mounted else self.call_later(do)

    def say(self, text: str, role: str = "text") -> None:
        """A word on the status line; under a help page it waits there."""
        for screen in reversed(self.screen_stack):
            if isinstance(screen, Framed):
                screen.say(text, role)
                return

    def tell_hints(self) -> None:
        """The keys that there are have changed."""
        for stack in self._screen_stacks.values():
            for screen in stack:
                if isinstance(screen, Framed):
                    screen.tell_hints()

    def hints(self, filtered: bool) -> list[str]:
        """Keys worth telling, the most useful first."""
        parts = [
            "? keys", ": command", "/ filter" if filtered else "", "ctrl+k kill" if self.hands.may_act else "",
            "" if self.options.kiosk else "q detach",
        ]  # fmt: skip
        return [part for part in parts if part]

    def completions(self) -> list[str]:
        return commands.completions(self)

    def obey(self, text: str) -> None:
        commands.obey(self, text)

    def on_tabs_chosen(self, message: Tabs.Chosen) -> None:
        self.show_mode(message.mode)

    def on_guest_table_acted(self, message: GuestTable.Acted) -> None:
        self.hands.want(message.word, message.guest)

    def on_approval_table_answered(self, message: ApprovalTable.Answered) -> None:
        if message.approve:
            self.hands.authorize(message.approval)
        else:
            self.hands.answer(message.approval, approve=False)

    def on_panel_wanted(self, message: Panel.Wanted) -> None:
        self.show_mode(message.mode)

    def action_mode(self, mode: str) -> None:
        if isinstance(self.screen, ModeScreen):
            self.show_mode(mode)

    def action_turn(self, step: int) -> None:
        if isinstance(self.screen, ModeScreen):
            modes = self.modes()
            self.show_mode(modes[(modes.index(self.screen.MODE) + step) % len(modes)])

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A sign typed into an input line, or where there is no prompt, is text."""
        if action not in {"command", "filter"}:
            return True
        front = self.screen_stack[-1:]  # empty while the app comes and goes
        return bool(front) and isinstance(front[0], ModeScreen) and not isinstance(self.focused, Input)

    def ask_word(self, turn: Said, call: Entity) -> None:
        """A call of a conversation asks: show its card, unless one is in front already."""
        if isinstance(self.screen, ModeScreen):
            self.push_screen(import_module("jarvis_cli.hud.screens.chat").WordScreen(turn, call))

    async def action_kill(self) -> None:
        await self.hands.toggle()

    async def ask_why(self) -> None:
        """The reason of what was done already; where there is no prompt, nothing is asked."""
        if isinstance(self.screen, ModeScreen):
            await self.screen.ask("why")

    async def action_command(self) -> None:
        if isinstance(self.screen, ModeScreen):
            await self.screen.ask(":")

    async def action_filter(self) -> None:
        if isinstance(self.screen, ModeScreen) and self.screen.FILTERED:
            await self.screen.ask("/")

    def action_help(self) -> None:
        if isinstance(self.screen, ModeScreen):
            from jarvis_cli.hud.screens.help import Help  # only when asked for

            self.push_screen(Help(self.model, self.palette, kiosk=self.options.kiosk, hands=self.hands))

    def action_zoom(self) -> None:
        if isinstance(self.screen, ModeScreen):
            self.screen.zoom()

    def action_pause(self) -> None:
        self._paused = not self._paused
        if isinstance(self.screen, ModeScreen):
            self.screen.keys.paused = self._paused
            self.screen.keys.repaint()
        if not self._paused:
            self._draw_pending()

    def action_theme(self) -> None:
        self.set_palette(None)

    def action_detach(self) -> None:
        if self.options.kiosk:
            self.say("this is a kiosk: no key leaves it", "warn")
        else:
            self.exit(0)

    async def action_quit(self) -> None:
        self.action_detach()

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        for mode in self.modes():
            yield SystemCommand(mode.capitalize(), commands.COMMANDS[mode], lambda mode=mode: self.show_mode(mode))
        yield SystemCommand("History", commands.COMMANDS["history"], lambda: watch.history(self))
        yield SystemCommand("Autonomy", "the level that holds, and why", lambda: watch.autonomy(self))
        yield SystemCommand("Keys", "keys and commands", self.action_help)
        yield SystemCommand("Theme", "the next theme", self.action_theme)
        yield SystemCommand("Pause", "hold the picture, or let it go on", self.action_pause)
        yield SystemCommand("Zoom", "the focused panel alone, or all of them", self.action_zoom)
        for title, about, act in self.hands.palette():
            yield SystemCommand(title, about, act, discover=False)
        if self.hands.may_act:
            yield SystemCommand("Kill switch", "engage it; release it where it is engaged", self.action_kill)
        if not self.options.kiosk:
            yield SystemCommand("Detach", "leave; the daemon lives on", self.action_detach)


def run(
    socket_path: Path, *, kiosk: bool = False, boot: bool = True, simulated: bool = False,
    theme: str | None = None,
    start_daemon: Callable[[], Awaitable[None]] | None = None,
) -> int:  # fmt: skip
    """Open the HUD on the terminal until the person detaches; returns the exit code.

    ``simulated`` labels the picture before the daemon has told whether it is; ``start_daemon`` is called at
    most once an outage when nothing listens on the socket.
    """
    options = detect(kiosk=kiosk, boot=boot, simulated=simulated, theme=theme)

    def connect(on_change: Callable[[str], None]) -> Link:
        return Link(
            socket_path, client="jarvis-hud", version=VERSION, role="viewer" if kiosk else "operator",
            topics=list(TOPICS), max_hz=options.max_hz, on_change=on_change, start_daemon=start_daemon,
        )  # fmt: skip

    result = HudApp(connect, options).run()
    return 1 if result is None else result
