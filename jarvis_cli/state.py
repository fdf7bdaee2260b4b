"""Reading the daemon's state for one command, with a wait for the first picture of a daemon just started."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from jarvis_cli.session import Session
from jarvis_cli.style import Look
from jarvis_cli.views import footer
from jarvis_daemon.protocol.health import State
from jarvis_daemon.protocol.plain import PlainClient

FIRST_PICTURE_S: Final = 15.0
"""How long a command waits for a daemon that has only just started to see its cluster."""


@dataclass
class Picture:
    """The collections of the asked topics; ``now`` is the daemon's clock when it told them."""

    state: State = field(default_factory=dict)
    now: float = 0.0
    simulated: bool = False
    settled: bool = True


def picture(link: PlainClient, *topics: str, wait_s: float = FIRST_PICTURE_S, timeout_s: float = 10.0) -> Picture:
    """The state of ``topics``, and always whether the kill switch is engaged.

    Where the cluster has not been seen yet, wait for it, but at most ``wait_s``: then what is known is told with
    its age, as ever.
    """
    topics = tuple(dict.fromkeys((*topics, "approvals")))
    answer = link.call("state.get", {"topics": list(topics)})
    if "cluster" in topics and wait_s > 0 and not _settled(answer):
        link.settimeout(wait_s + timeout_s)
        link.call("state.get", {"topics": ["cluster"], "wait_s": wait_s})
        answer = link.call("state.get", {"topics": list(topics)})
        link.settimeout(timeout_s)
    found = Picture(
        now=float(answer["now"]), simulated=bool(link.welcome.get("simulated")), settled=_settled(answer)
    )
    for topic in answer["topics"].values():
        found.state.update(topic["state"])
    return found


def _settled(answer: dict[str, Any]) -> bool:
    return bool(answer["topics"].get("cluster", {}).get("settled", True))


def show_picture(
    run: Session, document: Any, found: Picture, table: Callable[[Look], Iterable[str]],
    *, rows: Sequence[Any] | None = None,
) -> None:  # fmt: skip
    """Emit what was made of a picture; for people with its age and kind below."""

    def lines(look: Look) -> Iterator[str]:
        yield from table(look)
        yield from footer(look, found.state, found.now, simulated=found.simulated)

    run.out.emit(document, lines, rows=rows)
