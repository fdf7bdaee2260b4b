"""The conversation: what was said above, the line to say something in below, and the card of a call that asks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.events import Key, Paste
from textual.message import Message
from textual.widgets import Input, Static

from jarvis_cli.hud.panels.base import Panel
from jarvis_cli.hud.panels.card import listed, tier_runs, told
from jarvis_cli.hud.panels.transcript import Transcript
from jarvis_cli.hud.screens.card import CardScreen
from jarvis_cli.hud.screens.lists import OnePanel
from jarvis_cli.hud.states import Entity
from jarvis_cli.hud.talk import Said
from jarvis_cli.hud.verbs import undo_words
from jarvis_cli.hud.widgets.lines import Line, Run

BREAK: Final = "\u2424"
"""Stands for the end of a line in what was pasted; it is one again when it is said."""
SAY_MAX: Final = 200_000


class SayLine(Input):
    """What is being said. On an empty line the keys of the HUD are keys: digits and brackets change the mode, ``:``
    opens the command line, ``?`` the help, ``y`` the card of a call that asks."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "recall(-1)", "what was said before", show=False),
        Binding("down", "recall(1)", "what was said after", show=False),
    ]

    class Keyed(Message):
        """A key of the HUD on an empty line."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    class Spoken(Message):
        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self) -> None:
        super().__init__(select_on_focus=False, compact=True, max_length=SAY_MAX, id="say")
        self.cursor_blink = False
        self.past: list[str] = []
        self.asks = False
        """Whether a call waits for a yes."""
        self._place = 0

    def on_key(self, event: Key) -> None:
        keys = "123456789[]:?" + ("y" if self.asks else "")
        if not self.value and event.character and event.character in keys:
            event.stop()
            event.prevent_default()
            self.post_message(self.Keyed(event.character))

    def _on_paste(self, event: Paste) -> None:
        """All of it on this line, whatever lines it has."""
        event.stop()
        event.prevent_default()
        self.insert_text_at_cursor(BREAK.join(event.text.splitlines())[:SAY_MAX])

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        text = event.value.replace(BREAK, "\n").strip()
        if text:
            self.post_message(self.Spoken(text))

    def action_recall(self, step: int) -> None:
        """The line before or after among what was said."""
        self._place = max(0, min(len(self.past), (self._place or 0) - step))
        self.value = self.past[-self._place].replace("\n", BREAK) if self._place else ""
        self.cursor_position = len(self.value)

    def emptied(self) -> None:
        """What stood there was said, or left."""
        self.value, self._place = "", 0


class Chat(OnePanel):
    MODE = "chat"
    PANEL = "transcript"
    FIRST = "say"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("pagedown", "scroll_panel(10)", "a page on", show=False),
        Binding("pageup", "scroll_panel(-10)", "a page back", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.line = SayLine()

    def panels(self) -> list[Panel]:
        return [Transcript(self.hud.model, self.hud.palette, lambda: self.hud.talk, id="transcript")]

    def compose(self) -> ComposeResult:
        for widget in super().compose():
            if widget.id == "bottom":
                sign = Static(" > ", id="say-sign", markup=False)
                yield Horizontal(sign, self.line, id="say-line")
            yield widget

    def hints(self) -> list[str]:
        return ["enter says it", "esc stops, leaves", "pgup pgdn scroll", "empty line: 1-9 : ?", *super().hints()]

    def redraw(self, topics: set[str] | None = None) -> None:
        super().redraw(topics)
        if topics is None or "chat" in topics:
            self.line.past = self.hud.talk.asked()
            self.line.asks = self._asks() is not None

    def _asks(self) -> tuple[Said, Entity] | None:
        for turn in reversed(self.hud.talk.turns):
            if (call := turn.asking()) is not None and not turn.open:
                return turn, call
        return None

    def on_say_line_spoken(self, message: SayLine.Spoken) -> None:
        if self.hud.talk.say(message.text):
            self.line.emptied()
            self.query_one("#transcript", Transcript).to_end()

    async def on_say_line_keyed(self, message: SayLine.Keyed) -> None:
        key = message.key
        if key == ":":
            await self.hud.action_command()
        elif key == "?":
            self.hud.action_help()
        elif key == "y":
            if (found := self._asks()) is not None:
                self.hud.ask_word(*found)
        elif key in "[]":
            self.hud.action_turn(1 if key == "]" else -1)
        else:
            self.hud.press_mode(int(key))

    def action_scroll_panel(self, by: int) -> None:
        self.query_one("#transcript", Transcript).action_scroll_text(by)

    def action_back(self) -> None:
        """Stop the answer; else empty the line; else one step back."""
        if self.hud.talk.cancel():
            return
        if self.line.value:
            self.line.emptied()
        else:
            super().action_back()


class WordScreen(CardScreen):
    """A call that the person ordered in words asks for a yes, the name, the pin."""

    def __init__(self, turn: Said, call: Entity) -> None:
        super().__init__()
        self.turn, self.call = turn, call
        self.asking = "name" if call.get("needs") == "typed_name" else ""
        self._typed_name = ""

    def heading(self) -> str:
        return "SHALL I?"

    def remark(self) -> tuple[Run, ...]:
        return tier_runs(str(self.call.get("tier")))

    def lines(self, width: int) -> Sequence[Line]:
        call = self.call
        effects = [str(effect) for effect in call.get("effects") or ()]
        undo = undo_words(call.get("undo"))
        target, ident = str(call.get("target_name") or ""), str(call.get("target") or "")
        wants = [f"the name {target} typed" if call.get("needs") == "typed_name" else "your yes"]
        wants += ["your pin"] if call.get("pin_needed") else []
        return [
            (),
            *told("you said", self.turn.asked, width),
            *told("will happen", str(call.get("text") or "").removeprefix("Would: "), width, "jarvis"),
            *told("to", f"{target}  ({ident})" if target and ident else target or ident, width),
            *listed("touches", effects or ["nothing else that is known"], width, "warn" if effects else "faint"),
            *told("undo", undo or "nothing takes this back", width, "text" if undo else "warn"),
            *told("gate wants", " and ".join(wants), width),
            (),
        ]

    def keys_now(self) -> list[tuple[str, str]]:
        if self.asking:
            return [("enter", "confirm"), ("esc", "leave it")]
        return [("y", "yes, do it"), ("esc", "leave it")]

    def press(self, key: str) -> None:
        if key == "y" and self.call.get("pin_needed"):
            self.ask_for("pin")
        elif key == "y":
            self._answer()

    def submit(self, what: str, text: str) -> None:
        if what == "name" and text.strip() != str(self.call.get("target_name") or ""):
            self.complaint = "that is another name"
        elif what == "name" and self.call.get("pin_needed"):
            self._typed_name = text.strip()
            self.ask_for("pin")
        elif what == "name":
            self._answer(typed=text.strip())
        else:
            self._answer(typed=self._typed_name, pin=text)

    def _answer(self, *, typed: str = "", pin: str = "") -> None:
        super().leave()
        self.hud.talk.confirm(self.turn, self.call, approve=True, typed=typed, pin=pin)

    def leave(self) -> None:
        """Not now: nothing is done, and the turn says so."""
        super().leave()
        self.hud.talk.confirm(self.turn, self.call, approve=False)
