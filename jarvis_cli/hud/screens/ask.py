"""What has to be known before the gate can be asked: which node, which name. And the other two cards: an approval
to be authorized, the kill switch to be released."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from jarvis_cli.hud.panels.card import of_approval, target_words, tier_runs, told, who
from jarvis_cli.hud.screens.card import CardScreen
from jarvis_cli.hud.states import Entity, share_of
from jarvis_cli.hud.units import clock, percent
from jarvis_cli.hud.widgets.cells import fit
from jarvis_cli.hud.widgets.lines import Line, Run, barred, join

RELEASE = "release"


class NodeScreen(CardScreen):
    """Choose one of ``nodes``; ``then`` gets it."""

    def __init__(self, title: str, question: str, nodes: Sequence[Entity], then: Callable[[Entity], None]) -> None:
        super().__init__()
        self.title_text, self.question = title, question
        self.nodes, self.then = list(nodes), then
        self.cursor = 0

    def heading(self) -> str:
        return self.title_text

    def lines(self, width: int) -> Sequence[Line]:
        out: list[Line] = [(), join((f"  {self.question}", "text")), ()]
        for index, node in enumerate(self.nodes):
            now = self.hud.model.collection("nodes").get(str(node["id"]), node)
            state = self.hud.model.node_state(now)
            memory = share_of(now.get("memory_used_bytes"), now.get("memory_total_bytes"))
            line = join(
                (f"  {fit(str(now.get('name')), 14)} ", "text"),
                (fit(f"{self.hud.model.glyphs[state.mark]} {state.word}", 11), state.role),
                (f" cpu {percent(now.get('cpu')):>4}  mem {percent(memory):>4} ", "faint"),
            )
            out.append(barred(line) if index == self.cursor else line)
        return [*out, ()]

    def keys_now(self) -> list[tuple[str, str]]:
        return [("up down", "choose"), ("enter", "look at the plan"), ("esc", "leave it")]

    def takes(self, key: str) -> bool:
        return key in {"up", "down", "home", "end"}

    def press(self, key: str) -> None:
        last = len(self.nodes) - 1
        moves = {"up": self.cursor - 1, "down": self.cursor + 1, "home": 0, "end": last}
        if key in moves:
            self.cursor = max(0, min(last, moves[key]))
        elif key == "enter":
            self.leave()
            self.then(self.nodes[self.cursor])


class NameScreen(CardScreen):
    """A name to be typed, with one proposed; ``then`` gets it."""

    def __init__(self, title: str, target: Entity, proposed: str, then: Callable[[str], None]) -> None:
        super().__init__()
        self.title_text, self.target, self.then = title, target, then
        self.asking, self.typed = "name", proposed

    def heading(self) -> str:
        return self.title_text

    def lines(self, width: int) -> Sequence[Line]:
        return [(), *told("of", target_words(self.hud.model, self.target), width), ()]

    def keys_now(self) -> list[tuple[str, str]]:
        return [("enter", "look at the plan"), ("ctrl+u", "clear"), ("esc", "leave it")]

    def press(self, key: str) -> None:
        """Every key is text here."""

    def submit(self, what: str, text: str) -> None:
        if not text.strip():
            self.complaint = "it has to have a name"
            return
        self.leave()
        self.then(text.strip())


class AuthorizeScreen(CardScreen):
    """An approval in full; `y` authorizes it, `d` denies it."""

    def __init__(self, approval: Entity) -> None:
        super().__init__()
        self.approval_id = str(approval["id"])
        self._first = approval

    @property
    def approval(self) -> Entity:
        return self.hud.model.collection("approvals").get(self.approval_id, self._first)

    @property
    def open(self) -> bool:
        return self.approval.get("status") == "pending"

    def heading(self) -> str:
        return "AUTHORIZE?"

    def remark(self) -> tuple[Run, ...]:
        return tier_runs(str(self.approval.get("tier")))

    def lines(self, width: int) -> Sequence[Line]:
        if not self.open:
            self.asking = ""
        return [*of_approval(self.hud.model, self.approval, width), ()]

    def keys_now(self) -> list[tuple[str, str]]:
        if self.asking:
            return [("enter", "authorize"), ("esc", "leave it")]
        if self.open:
            return [("y", "yes, authorize it"), ("d", "deny it"), ("esc", "leave it waiting")]
        return [("enter", "close")]

    def press(self, key: str) -> None:
        if not self.open:
            if key in {"enter", "q"}:
                self.leave()
        elif key == "y" and self.approval.get("pin_needed"):
            self.ask_for("pin")
        elif key in {"y", "d"}:
            self.leave()
            self.hud.hands.answer(self.approval, approve=key == "y")

    def submit(self, what: str, text: str) -> None:
        self.leave()
        self.hud.hands.answer(self.approval, approve=True, pin=text)


class ReleaseScreen(CardScreen):
    """The kill switch is engaged; the word that releases it has to be typed."""

    def __init__(self) -> None:
        super().__init__()
        self.asking = RELEASE

    def heading(self) -> str:
        return "RELEASE THE KILL SWITCH?"

    def lines(self, width: int) -> Sequence[Line]:
        switch = self.hud.model.killswitch() or {}
        since = clock(switch.get("since_at"))
        return [
            (),
            *told("engaged", f"since {since} by {who(switch.get('by'))}", width, "bad"),
            *told("because", str(switch.get("reason") or "no reason was given"), width),
            *told("will happen", "Jarvis, its runbooks and everybody else may act again, through the gate.", width),
            *told("undo", "ctrl+k engages it again, at once", width),
            *told("wants", f"the word {RELEASE} typed", width),
            (),
        ]

    def keys_now(self) -> list[tuple[str, str]]:
        return [("enter", "release"), ("esc", "leave it engaged")]

    def press(self, key: str) -> None:
        """Every key is text here."""

    def submit(self, what: str, text: str) -> None:
        if what == RELEASE and text.strip().casefold() != RELEASE:
            self.complaint = f"type {RELEASE}, or esc leaves it engaged"
            return
        self.hud.hands.release(text if what == "pin" else "", on_pin=lambda: self.ask_for("pin"), done=self.leave)
