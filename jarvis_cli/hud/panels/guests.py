"""The guests: every VM and container with its state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from jarvis_cli.hud.panels.table import TablePanel
from jarvis_cli.hud.states import Entity, share_of
from jarvis_cli.hud.units import percent, size, span
from jarvis_cli.hud.verbs import VERBS
from jarvis_cli.hud.widgets.lines import Run
from jarvis_cli.hud.widgets.table import Column, View

if TYPE_CHECKING:
    from jarvis_cli.hud.model import Model
    from jarvis_cli.hud.themes.palette import Palette

RANK = {"unknown": 0, "lock": 1, "paused": 1, "suspended": 1, "run": 2, "stop": 3, "template": 4}
FAULTY = frozenset({"unknown", "lock", "paused", "suspended"})
ACTING: list[BindingType] = [
    Binding(verb.key, f"act('{verb.word}')", verb.about, show=False)
    for verb in VERBS.values()
    if verb.key and verb.vm
]
"""Keys that open a confirm screen; each does nothing where the daemon has no tool for it."""


class GuestTable(TablePanel):
    """``by_rank``: what needs a look comes first (overview); else by vmid."""

    TITLE = "GUESTS"
    DEPENDS = frozenset({"cluster", "incidents"})
    EMPTY: ClassVar[str] = "no guests are known yet"
    BINDINGS: ClassVar[list[BindingType]] = ACTING

    class Acted(Message):
        """A person wants ``word`` done to a guest."""

        def __init__(self, word: str, guest: Entity) -> None:
            super().__init__()
            self.word = word
            self.guest = guest

    def __init__(
        self, model: Model, palette: Palette, *, by_rank: bool = False, id: str | None = None  # noqa: A002
    ) -> None:  # fmt: skip
        view = View(columns_of(model), haystack=haystack, order=self._rank if by_rank else None)
        super().__init__(model, palette, view, id=id)

    def entities(self) -> Sequence[Entity]:
        return self.model.guests()

    def title(self) -> tuple[Run, ...]:
        counts = self.model.guest_counts()
        parts = [
            f"{counts[word]} {word}" for word in ("run", "stop", "lock", "unknown", "template") if counts[word]
        ]
        head: tuple[Run, ...] = ((" GUESTS", "light"), ("  " + " · ".join(parts), "faint"))
        return head if not self.model.ascii_only else tuple((text.replace("·", "-"), role) for text, role in head)

    def note(self) -> tuple[Run, ...]:
        if self.view.only is not None and not self.view.pattern:
            return ((f"faults only {len(self.view.rows)} of {self.view.total}", "warn"),)
        return super().note()

    def is_old(self, entity: Entity) -> bool:
        return self.model.freshness(entity) != "fresh"

    def action_act(self, word: str) -> None:
        if (guest := self.view.chosen) is not None:
            self.post_message(self.Acted(word, guest))

    def show_faults_only(self, on: bool) -> None:
        self.view.only = self.is_faulty if on else None
        self.repaint()

    def is_faulty(self, guest: Entity) -> bool:
        return self.model.guest_state(guest).word in FAULTY or self.model.incident_of(guest["id"]) is not None

    def _rank(self, guest: Entity) -> tuple[int, int]:
        rank = RANK.get(self.model.guest_state(guest).word, 2)
        if self.model.incident_of(guest["id"]) is not None:
            rank = min(rank, 1)
        return rank, int(guest.get("vmid") or 0)


def haystack(guest: Entity) -> str:
    """What the filter looks at."""
    fields = [guest.get("vmid"), guest.get("name"), guest.get("kind"), guest.get("node"), guest.get("status"),
              guest.get("lock") or "", guest.get("pool") or "", *(guest.get("tags") or ())]  # fmt: skip
    return " ".join(str(field) for field in fields).casefold()


def columns_of(model: Model) -> list[Column]:
    """The columns of a guest table, the essential ones with the highest ``keep``."""

    def shown(guest: Entity) -> bool:
        return guest.get("status") == "running" and model.guest_state(guest).word in {"run", "lock"}

    def state(guest: Entity) -> Run:
        found = model.guest_state(guest)
        incident = model.incident_of(guest["id"])
        role = found.role
        if incident is not None and found.word != "unknown":
            role = "bad" if incident.get("severity") in {"critical", "error"} else "warn"
        return f"{model.glyphs[found.mark]} {found.word}", role

    def about(guest: Entity) -> Run:
        if model.freshness(guest) != "fresh":
            seen = guest.get("last_seen_at")
            return (f"seen {span(model.now() - seen)} ago" if seen else "not seen"), "faint"
        if guest.get("lock"):
            return str(guest["lock"]), "warn"
        return " ".join(guest.get("tags") or ()), "faint"

    def number(text: Any, guest: Entity) -> Run:
        return (str(text), "text") if shown(guest) else ("", "faint")

    def uptime(guest: Entity) -> Run:
        started = guest.get("started_at")
        return number(span(model.now() - started) if started else "", guest)

    def disk(guest: Entity) -> Run:
        if guest.get("kind") == "vm" or model.guest_state(guest).word == "unknown":
            return "n/a", "faint"
        share = share_of(guest.get("disk_used_bytes"), guest.get("disk_total_bytes"))
        return percent(share), "faint" if share is None else "warn" if share > 0.9 else "text"

    def memory_share(guest: Entity) -> float:
        return share_of(guest.get("memory_used_bytes"), guest.get("memory_total_bytes")) or -1.0

    return [
        Column("vmid", "vmid", 5, lambda g: (str(g.get("vmid")), "faint"), lambda g: g.get("vmid") or 0, ">", 9),
        Column("name", "name", 12, lambda g: (str(g.get("name")), "text"), lambda g: str(g.get("name")).casefold(),
               keep=10, grow=True),
        Column("kind", "", 2, lambda g: (str(g.get("kind")), "faint"), lambda g: str(g.get("kind")), keep=4),
        Column("node", "node", 7, lambda g: (str(g.get("node")), "faint"), lambda g: str(g.get("node")).casefold(),
               keep=7, grow=True),
        Column("state", "state", 10, state, lambda g: RANK.get(model.guest_state(g).word, 9), keep=10),
        Column("cpu", "cpu", 4, lambda g: number(percent(g.get("cpu")), g), lambda g: g.get("cpu") or -1.0, ">", 8),
        Column("memory", "mem", 5, lambda g: number(size(g.get("memory_used_bytes")), g),
               lambda g: g.get("memory_used_bytes") or -1, ">", 8),
        Column("share", "mem%", 5, lambda g: number(percent(share_of(g.get("memory_used_bytes"),
               g.get("memory_total_bytes"))), g), memory_share, ">", 3),
        Column("disk", "disk", 5, disk, lambda g: share_of(g.get("disk_used_bytes"), g.get("disk_total_bytes"))
               or -1.0, ">", 2),
        Column("uptime", "up", 7, uptime, lambda g: -(g.get("started_at") or 0.0), ">", 2),
        Column("about", "tags", 14, about, lambda g: " ".join(g.get("tags") or ()), keep=1, grow=True),
    ]  # fmt: skip
