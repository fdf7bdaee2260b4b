"""Where panels lie at each size: plain functions from a size to regions, and the layout that obeys them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal

from textual.geometry import NULL_OFFSET, NULL_SPACING, Region, Size
from textual.layout import ArrangeResult, Layout, WidgetPlacement

if TYPE_CHECKING:
    from textual.widget import Widget

Form = Literal["phone", "ssh", "desk", "wall"]
Plan = dict[str, Region]
Planner = Callable[[Size], Plan]


def form_of(width: int, height: int) -> Form:
    """The form of a terminal of this size (not of the body)."""
    if width < 80:
        return "phone"
    if width >= 200 and height >= 50:
        return "wall"
    return "desk" if width >= 120 and height >= 40 else "ssh"


def stack(x: int, width: int, height: int, parts: Mapping[str, int]) -> Plan:
    """A column of panels: a positive number is a height in rows, a negative one a share of the rest. Parts
    that no longer fit are left out, the last ones first."""
    fixed = sum(size for size in parts.values() if size > 0)
    shares = -sum(size for size in parts.values() if size < 0)
    spare = max(0, height - fixed)
    plan: Plan = {}
    y = 0
    for index, (name, size) in enumerate(parts.items()):
        rows = size if size > 0 else spare * -size // shares
        if index == len(parts) - 1 and size < 0:
            rows = height - y
        rows = min(rows, height - y)
        if rows < 3:
            continue
        plan[name] = Region(x, y, width, rows)
        y += rows
    return plan


def overview(
    size: Size, form: Form, *, nodes: int, guests: int, storages: int, incidents: int, approvals: int = 0
) -> Plan:
    """The overview's panels. Approvals have one while some wait and where there is room; the header tells too."""
    width, height = size
    nodes = max(1, nodes)
    if form == "phone":
        return stack(0, width, height, {
            "room": min(2 * nodes + 1, height // 2), "incidents": min(1 + 1 + max(1, incidents), 5), "activity": -1,
        })  # fmt: skip
    if form == "ssh":
        return stack(0, width, height, {
            "room": min(nodes + 2, height // 2), "incidents": min(3 + max(1, incidents), 6), "activity": -1,
        })  # fmt: skip
    if form == "desk":
        left = width * 53 // 100
        room = min(max(2 * nodes + 2, min(6 * nodes + 2, height - guests - 3)), height * 55 // 100)
        room = (room - 2) // nodes * nodes + 2 if room - 2 >= nodes else room
        core = min(17, height * 45 // 100)
        alarm = min(3 + max(1, incidents), 8)
        tasks = 7 if height >= 34 else 5
        waiting = {"approvals": min(6 + approvals, 9)} if approvals else {}
        core = 5 if approvals else core
        return stack(0, left, height, {"room": room, "guests": -1}) | stack(left, width - left, height, {
            "core": core, **waiting, "incidents": alarm, "activity": -1, "tasks": tasks,
        })  # fmt: skip
    left = width * 34 // 100
    right = width * 33 // 100
    middle = width - left - right
    room = min(max(nodes + 2, min(9 * nodes + 2, height - guests - 3)), height * 60 // 100)
    alarm = min(3 + max(1, incidents), 12)
    waiting = {"approvals": min(6 + approvals, 12)} if approvals else {}
    core = min(middle // 2 + 2, height - alarm - sum(waiting.values()) - 8)
    store = min(storages + 3, height // 4)
    return (
        stack(0, left, height, {"room": room, "guests": -1})
        | stack(left, middle, height, {"core": core, **waiting, "incidents": alarm, "load": -1})
        | stack(left + middle, right, height, {"activity": -1, "tasks": min(14, height // 4), "storage": store})
    )


def split(size: Size, form: Form, main: str, side: str, *, opened: bool, below: bool = False) -> Plan:
    """A table, and beside it (or below, or in its place where it is narrow) what was opened."""
    width, height = size
    if not opened:
        return {main: Region(0, 0, width, height)}
    if form == "phone" or (form == "ssh" and not below):
        return {side: Region(0, 0, width, height)}
    if below:
        upper = height * 45 // 100
        return {main: Region(0, 0, width, upper), side: Region(0, upper, width, height - upper)}
    left = width * 60 // 100
    return {main: Region(0, 0, left, height), side: Region(left, 0, width - left, height)}


class PlanLayout(Layout):
    """Places children by their id; a child that the plan does not name is not shown."""

    name = "plan"

    def __init__(self, planner: Planner) -> None:
        self._planner = planner

    def arrange(self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True) -> ArrangeResult:
        plan = self._planner(size)
        return [
            WidgetPlacement(plan[child.id], NULL_OFFSET, NULL_SPACING, child)
            for child in children
            if child.id in plan
        ]
