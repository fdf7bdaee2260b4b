"""The line at the bottom that takes a command or a filter."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.events import Key
from textual.message import Message
from textual.suggester import SuggestFromList
from textual.widgets import Input, Static


class Prompt(Input):
    """``kind`` is ``:`` or ``/``, or a word for what is asked. `tab` or `right` takes the suggestion; backspace in
    an empty line leaves it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "cancel", show=False),
        Binding("tab", "cursor_right", "take the suggestion", show=False),
    ]

    class ChangedText(Message):
        def __init__(self, kind: str, text: str) -> None:
            super().__init__()
            self.kind = kind
            self.text = text

    class Done(ChangedText):
        """Submitted, or left (``cancelled``)."""

        def __init__(self, kind: str, text: str, *, cancelled: bool = False) -> None:
            super().__init__(kind, text)
            self.cancelled = cancelled

    def __init__(self, kind: str, completions: list[str]) -> None:
        suggester = SuggestFromList(completions, case_sensitive=False) if completions else None
        super().__init__(suggester=suggester, select_on_focus=False, compact=True, id="prompt")
        self.cursor_blink = False
        self.kind = kind
        self._over = False

    def on_key(self, event: Key) -> None:
        """Keys that were typed right behind the end of the line are meant for what comes after it."""
        if self._over:
            event.stop()
            event.prevent_default()
            self.app.simulate_key(event.key)
        elif event.key == "backspace" and not self.value:
            self.action_cancel()
        elif event.key in {"enter", "escape"}:
            self._over = True

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.ChangedText(self.kind, event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.post_message(self.Done(self.kind, event.value))

    def action_cancel(self) -> None:
        self._over = True
        self.post_message(self.Done(self.kind, "", cancelled=True))


class PromptLine(Horizontal):
    """The prompt behind its sign."""

    def __init__(self, prompt: Prompt) -> None:
        super().__init__(id="prompt-line")
        self.prompt = prompt

    def compose(self) -> ComposeResult:
        kind = self.prompt.kind
        yield Static(f" {kind}" if len(kind) == 1 else f" {kind}? ", id="prompt-sign", markup=False)
        yield self.prompt
