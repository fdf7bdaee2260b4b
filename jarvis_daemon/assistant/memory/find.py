"""Finding by words: full-text index, stemmed (porter), any word counts, the rarer the more (bm25).

What fits equally well is ordered by how lately it happened and how far it is trusted. Optional vectors are mixed in
by rank (``fuse``). Everything here runs inside the caller's transaction.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from jarvis_daemon.assistant.memory.table import COLUMNS, item
from jarvis_daemon.protocol.mind import MemoryItem
from jarvis_daemon.store.database import Database

WORDS_MAX: Final = 24
POOL: Final = 60
"""Hits that are put in order."""
_HALF_LIFE_S: Final = 14 * 86400.0
_FOR_AGE: Final = 0.08
_FOR_TRUST: Final = {"operator": 0.05, "system": 0.03, "tainted": 0.0}
_FUSE: Final = 60.0
"""Constant of rank fusion, as usual: how little the first ranks stand out."""
_WORD: Final = re.compile(r"\w+")
_STOP_WORDS: Final = """
    a about after again all also am an and any anything are as at be because been before being but by can
    cannot could did do does doing done down for from further get had has have having he her here hers him
    his how i if in into is it its itself just know let like me more most my myself no nor not now of off on
    once only or other our ours out over own please recall remember remembered same say said she should show
    since so some something such tell than that the their them then there these they thing things this those
    through to too under until up us very was we were what whatever when where which while who whom whose why
    will with would you your yours happen happened happening happens jarvis ago ever
"""
_STOP: Final = frozenset(_STOP_WORDS.split())


def words(text: str) -> list[str]:
    """The words of a question that carry it, at most ``WORDS_MAX``, each once."""
    found = (word for word in _WORD.findall(text.casefold()) if word not in _STOP)
    return list(dict.fromkeys(found))[:WORDS_MAX]


def search(
    db: Database, query: str, now: float, *, limit: int, since: float | None = None, until: float | None = None,
    session: str | None = None, near: Sequence[int] = (),
) -> list[MemoryItem]:  # fmt: skip
    """What fits ``query``, the best first; bounded by when it happened. ``near``: numbers of memories near it in
    meaning, the nearest first. Empty where no word of it carries anything."""
    asked = words(query)
    hits = _hits(db, asked, now, since, until, session) if asked else []
    if near:
        marks = ", ".join("?" * len(near))
        rows = db.execute(
            f"select {COLUMNS} from memories m where m.id in ({marks}) and {_FITS}",  # noqa: S608
            [*near, *_bounds(now, since, until, session)],
        )
        known = {found.id: found for found in (item(row) for row in rows)} | {found.id: found for found in hits}
        hits = [known[number] for number in fuse([found.id for found in hits], near) if number in known]
    return hits[:limit]


def fuse(*ranked: Sequence[int]) -> list[int]:
    """Several orders made one: the sum of 1 / (60 + rank)."""
    scores: dict[int, float] = {}
    for order in ranked:
        for rank, number in enumerate(order):
            scores[number] = scores.get(number, 0.0) + 1.0 / (_FUSE + rank)
    return sorted(scores, key=lambda number: -scores[number])


_FITS: Final = (
    "(m.expires_at is null or m.expires_at > ?) and m.superseded_by is null "
    "and (m.tier != 'working' or m.session = ?) and m.happened_at >= ? and m.happened_at < ?"
)


def _bounds(now: float, since: float | None, until: float | None, session: str | None) -> list[object]:
    return [now, session, float("-inf") if since is None else since, float("inf") if until is None else until]


def _hits(
    db: Database, asked: Sequence[str], now: float, since: float | None, until: float | None, session: str | None
) -> list[MemoryItem]:
    expression = " OR ".join(f'"{word}"' for word in asked)
    rows = db.execute(
        f"select {COLUMNS}, bm25(memories_fts, 2.0, 1.0) as score "  # noqa: S608
        f"from memories_fts join memories m on m.id = memories_fts.rowid where memories_fts match ? and {_FITS} "
        "order by score limit ?",
        [expression, *_bounds(now, since, until, session), POOL],
    ).fetchall()
    if not rows:
        return []
    best = max(-rows[0][-1], 1e-9)
    scored = [(item(row[:-1]), -row[-1] / best) for row in rows]
    scored.sort(key=lambda pair: -(pair[1] + _tie(pair[0], now)))
    return [found for found, _ in scored]


def _tie(found: MemoryItem, now: float) -> float:
    """A little for the young and for the trusted: less than a word more would give."""
    age = max(0.0, now - found.happened_at)
    return float(_FOR_AGE * 0.5 ** (age / _HALF_LIFE_S)) + _FOR_TRUST[found.trust]
