"""The line at the bottom that takes a command or a filter."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.suggester import SuggestFromList
from textual.widgets import Input


class Prompt(Input):
    """``kind`` is ``:`` or ``/`` and stands before the text. `tab` or `right` takes the suggestion."""

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
        """Submitted, or left with escape (``cancelled``)."""

        def __init__(self, kind: str, text: str, *, cancelled: bool = False) -> None:
            super().__init__(kind, text)
            self.cancelled = cancelled

    def __init__(self, kind: str, value: str, completions: list[str]) -> None:
        suggester = SuggestFromList(completions, case_sensitive=False) if completions else None
        super().__init__(kind + value, suggester=suggester, select_on_focus=False, compact=True, id="prompt")
        self.kind = kind

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        if not event.value.startswith(self.kind):
            self.post_message(self.Done(self.kind, "", cancelled=True))
        else:
            self.post_message(self.ChangedText(self.kind, event.value[1:]))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.post_message(self.Done(self.kind, event.value[1:]))

    def action_cancel(self) -> None:
        self.post_message(self.Done(self.kind, "", cancelled=True))
