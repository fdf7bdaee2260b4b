"""What a confirm screen says: an order, an approval, the kill switch. Lines only; the screens hold the keys."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from jarvis_cli import levels
from jarvis_cli.hud.states import Entity
from jarvis_cli.hud.units import clock, stopwatch
from jarvis_cli.hud.verbs import kind_of, undo_words
from jarvis_cli.hud.widgets.cells import wrap
from jarvis_cli.hud.widgets.lines import Line, Run, join

if TYPE_CHECKING:
    from jarvis_cli.hud.model import Model
    from jarvis_cli.hud.order import Order

LABEL: Final = 14
TIERS: Final = {
    "green": ("GREEN", "good", "reads"),
    "yellow": ("YELLOW", "warn", "reversible"),
    "red": ("RED", "bad", "disrupts"),
    "black": (" BLACK ", "bad@", "destroys"),
}


def tier_runs(tier: str) -> tuple[Run, ...]:
    """``RED disrupts``: colour and word."""
    word, role, means = TIERS.get(tier, TIERS["black"])
    return ((word, role), (f" {means}", "faint"))


def told(label: str, text: str, width: int, role: str = "text", lines: int = 4) -> list[Line]:
    """A labelled text, wrapped under itself."""
    first, *rest = wrap(text, max(12, width - LABEL - 2), lines) or [""]
    return [
        join((f"  {label:<{LABEL - 2}} ", "faint"), (first, role)),
        *(join((" " * (LABEL + 1), "faint"), (part, role)) for part in rest),
    ]


def listed(label: str, texts: Iterable[str], width: int, role: str = "text") -> list[Line]:
    out: list[Line] = []
    for text in texts:
        out += told("" if out else label, text, width, role)
    return out


def choices(keys: Iterable[tuple[str, str]], width: int) -> list[Line]:
    """``[y] reboot it   [esc] leave it``, broken where the line ends."""
    out: list[list[Run]] = [[]]
    used = 2
    for key, text in keys:
        cells = len(key) + len(text) + 6
        if used + cells > width and out[-1]:
            out.append([])
            used = 2
        out[-1] += [("  " if not out[-1] else "   ", "faint"), (f"[{key}]", "light"), (f" {text}", "text")]
        used += cells
    return [join(*runs) for runs in out if runs]


def field(label: str, value: str, *, secret: bool = False) -> Line:
    """What is being typed, with a cursor at its end."""
    shown = "*" * len(value) if secret else value
    return join((f"  {label:<{LABEL - 2}} ", "faint"), (f" {shown}_ ", "light@"))


def target_words(model: Model, target: Entity) -> str:
    """``container 103 plex on agent1, run``: as it is now, not as it was when the screen was opened."""
    if str(target["id"]).startswith("autonomy:"):
        return f"what Jarvis repairs without asking, now {levels.in_short(model.autonomy() or {})}"
    if kind_of(target) == "node":
        now = model.collection("nodes").get(str(target["id"]), target)
        state = model.node_state(now)
        return f"node {now.get('name')}, {model.glyphs[state.mark]} {state.word}"
    now = model.collection("guests").get(str(target["id"]), target)
    state = model.guest_state(now)
    kind = "VM" if now.get("kind") == "vm" else "container"
    word = f"{model.glyphs[state.mark]} {state.word} {state.note}".rstrip()
    return f"{kind} {now.get('vmid')} {now.get('name')} on {now.get('node')}, {word}"


def of_order(order: Order, model: Model, width: int) -> list[Line]:
    """The whole card of an order without its keys."""
    plan = order.plan
    lines: list[Line] = [()]
    if plan:
        lines += told("will happen", str(plan.get("text") or "").removeprefix("Would: "), width, "jarvis")
    lines += told("to", target_words(model, order.wish.target), width)
    if plan:
        lines += listed("touches", [str(e) for e in plan.get("effects") or ()] or ["nothing else that is known"],
                        width, "warn" if plan.get("effects") else "faint")  # fmt: skip
        undo = undo_words(plan.get("undo"))
        lines += told("undo", undo or "nothing takes this back", width, "text" if undo else "warn")
    if order.stage == "asking":
        lines += [(), join((f"  {model.glyphs['more']} asking the gate what it would do", "faint"))]
    elif order.stage == "plan":
        lines += told("gate wants", wants(order), width)
    elif order.stage == "running":
        since = stopwatch(model.now() - (order.started_at or model.now()))
        lines += [(), join((f"  {model.glyphs['run']} running {since}", "light"))]
    else:
        lines += [(), *_outcome(order, model, width)]
    return [*lines, ()]


def wants(order: Order) -> str:
    parts = [f"the name {order.needs_name} typed" if order.needs_name else "your yes"]
    if order.needs_pin:
        parts.append("your pin")
    return " and ".join(parts)


def _outcome(order: Order, model: Model, width: int) -> list[Line]:
    mark, role = order.mark
    outcome = order.outcome
    text = f"{model.glyphs[mark]} {outcome.get('text') or outcome.get('outcome')}"
    lines: list[Line] = [join((f"  {part}", role)) for part in wrap(text, max(12, width - 3), 5)]
    if outcome.get("why"):
        lines += told("why", str(outcome["why"]), width)
    if outcome.get("next") and role != "good":
        lines += told("next", str(outcome["next"]), width)
    undo = undo_words(outcome.get("undo"))
    if undo and order.plan:
        lines += told("undo", undo, width)
    if order.started_at is not None and order.ended_at is not None:
        word = f"{outcome.get('outcome')} after {stopwatch(order.ended_at - order.started_at)}"
        lines += told("outcome", word, width, "faint")
    return lines


def of_approval(model: Model, approval: Entity, width: int) -> list[Line]:
    """An approval in full: what it is, who asks, with which arguments, how long it waits."""
    state = str(approval.get("status"))
    lines: list[Line] = [(), *told("will happen", str(approval.get("summary")), width, "jarvis")]
    target = str(approval.get("target") or "")
    lines += told("to", f"{approval.get('target_name') or 'everything'}{f'  ({target})' if target else ''}", width)
    effects = [str(effect) for effect in approval.get("effects") or ()]
    lines += listed("touches", effects or ["nothing else that is known"], width, "warn" if effects else "faint")
    lines += told("asked by", f"{approval.get('asked_by')} at {clock(approval.get('asked_at'))}", width)
    args = ", ".join(f"{key}={value}" for key, value in (approval.get("args") or {}).items())
    lines += told("tool", f"{approval.get('tool')} {args}".strip(), width, "faint")
    if state == "pending":
        left = time_left(model, approval)
        lines += told("time left", stopwatch(left), width, "warn" if left < 60 else "text")
    else:
        by = f" by {who(approval.get('answered_by'))}" if approval.get("answered_by") else ""
        lines += told("answer", f"{state}{by}", width, "good" if state == "approved" else "warn")
    if approval.get("outcome"):
        lines += told("outcome", str(approval["outcome"]), width)
    return lines


def time_left(model: Model, approval: Entity) -> float:
    return max(0.0, float(approval.get("expires_at") or 0.0) - model.now())


def who(by: Any) -> str:
    """``operator:jarvis-hud:1000`` as a person reads it."""
    parts = str(by or "").split(":")
    return parts[1] if len(parts) > 1 and parts[1] else parts[0] or "somebody"
