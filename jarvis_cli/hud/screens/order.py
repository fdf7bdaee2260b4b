"""The confirm screen of an order, its log while it runs, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence

from jarvis_cli.hud.order import Order
from jarvis_cli.hud.panels.card import of_order, tier_runs
from jarvis_cli.hud.screens.card import CardScreen
from jarvis_cli.hud.widgets.lines import Line, Run, join
from jarvis_daemon.protocol.spawn import spawn


class OrderScreen(CardScreen):
    """Shows one order. Leaving it while it runs leaves the order running."""

    def __init__(self, order: Order) -> None:
        super().__init__()
        self.order = order

    def heading(self) -> str:
        return f"{self.order.wish.verb.word.upper()} {self.order.wish.target.get('name')}"

    def remark(self) -> tuple[Run, ...]:
        return tier_runs(self.order.tier) if self.order.plan else ()

    def lines(self, width: int) -> Sequence[Line]:
        lines = of_order(self.order, self.hud.model, width)
        switch = self.hud.model.killswitch()
        if self.order.stage == "plan" and switch is not None and switch.get("engaged"):
            lines.insert(-1, join(("  The kill switch is engaged: nothing is done until it is released.", "bad")))
        return lines

    def log_lines(self) -> Sequence[str]:
        return self.order.lines

    def keys_now(self) -> list[tuple[str, str]]:
        order = self.order
        if self.asking:
            return [("enter", "confirm"), ("esc", "leave it")]
        if order.stage == "plan":
            verb = order.wish.verb
            keys = [("y", f"yes, {verb.word}")]
            if self._graver():
                keys.append(("s", f"{verb.graver} instead: at once, unsaved data is lost"))
            return [*keys, ("esc", "leave it")]
        if order.stage == "running":
            return [("esc", "leave it running")]
        if order.stage == "ended":
            keys = [("enter", "close")]
            if order.lost:
                keys.append(("r", "ask again; it is never done twice"))
            elif order.outcome.get("outcome") == "refused":
                keys.append(("r", "look at the plan as it is now"))
            if order.outcome.get("undo"):
                keys.append(("u", "undo"))
            return keys
        return [("esc", "leave it")]

    def changed(self) -> None:
        """The order went on: a name that has to be typed is asked for as soon as the plan is there."""
        if self.order.stage == "plan" and self.order.needs_name and not self.asking:
            self.asking = "name"
        elif self.order.stage != "plan":
            self.asking = self.complaint = ""
        self.refresh_card()

    def press(self, key: str) -> None:
        order, hands = self.order, self.hud.hands
        if order.stage == "plan" and key == "y":
            self.ask_for("pin") if order.needs_pin else self._confirm("", "")
        elif order.stage == "plan" and key == "s" and self._graver():
            self.leave()
            hands.want(order.wish.verb.graver, order.wish.target)
        elif order.stage == "ended":
            self._after(key)

    def _after(self, key: str) -> None:
        order, hands = self.order, self.hud.hands
        if key in {"enter", "q"}:
            self.leave()
        elif key == "r" and order.lost:
            spawn(order.send(), name="hud-order")
        elif key == "r" and order.outcome.get("outcome") == "refused":
            self.leave()
            hands.begin(order.wish)
        elif key == "u" and order.outcome.get("undo"):
            self.leave()
            hands.take_back(order)

    def submit(self, what: str, text: str) -> None:
        if what == "name":
            if text.strip() != self.order.needs_name:
                self.complaint = f"that is not its name; type {self.order.needs_name}, or esc leaves it"
                return
            self._name = text
            self.ask_for("pin") if self.order.needs_pin else self._confirm(text, "")
        else:
            self._confirm(getattr(self, "_name", ""), text)

    def _confirm(self, typed: str, pin: str) -> None:
        self.asking = ""
        spawn(self.order.confirm(typed, pin), name="hud-order")

    def _graver(self) -> bool:
        return self.hud.hands.can(self.order.wish.verb.graver, self.order.wish.target)
