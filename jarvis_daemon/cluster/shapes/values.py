"""Reading single values out of replies that keep no schema.

PVE 5 to 9 send the same field as number, as text, as ``""``, as ``null`` or not at all. Each reader answers
None for "not known" and never raises.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.text import clean

Row = Mapping[str, Any]
Dropped = Counter[str]
"""Why rows were left out, and how many: ``{"guest without a vmid": 1}``."""


_LARGEST: Final = 2**63 - 1
"""What travels as JSON and fits SQLite; larger is nonsense."""


def integer(value: Any) -> int | None:
    """An int from a number or text; None for anything else, for ``""`` and for not-a-number."""
    if type(value) is not int:
        found = number(value)
        if found is None:
            return None
        value = int(found)
    return value if -_LARGEST <= value <= _LARGEST else None


def number(value: Any) -> float | None:
    """A finite float from a number or text."""
    if type(value) is float or type(value) is int:
        try:
            found = float(value)
        except OverflowError:
            return None
        return found if math.isfinite(found) else None
    if isinstance(value, str):
        try:
            found = float(value)
        except ValueError:
            return None
        return found if math.isfinite(found) else None
    return None


def size(value: Any) -> int | None:
    """A total in bytes or a count: as ``integer``; what is not above 0 is "not known" (no total of ours can be)."""
    found = integer(value)
    return found if found is not None and found > 0 else None


def flag(value: Any) -> bool:
    """PVE's booleans: 1, "1", true; everything else, the missing one too, is False."""
    return value in (1, "1", "true")


def maybe(value: Any) -> bool | None:
    """As ``flag``, but None where nothing was said."""
    return None if value is None or value == "" else flag(value)


def text(value: Any, *, limit: int = 400) -> str | None:
    """One clean line; None for nothing. Numbers become text, since old servers swap the two."""
    if type(value) is str:
        if value.isascii() and value.isprintable() and len(value) <= limit:
            return value.strip() or None  # what clean() would answer, at a tenth of its price
        return clean(value, limit=limit) or None
    if type(value) is int or type(value) is float:
        return str(value)
    return None


def name(value: Any) -> str | None:
    """As ``text``, interned: the same node is named by thousands of rows."""
    found = text(value)
    return None if found is None else sys.intern(found)


def parts(value: Any, separator: str) -> list[str]:
    """``a;b`` as ``["a", "b"]``: clean, in the order given, without empty and double ones."""
    if not isinstance(value, str) or not value:
        return []
    return list(_parts(value, separator))


@lru_cache(maxsize=4096)
def _parts(value: str, separator: str) -> tuple[str, ...]:
    """Kept: thousands of guests bear the same few tags, poll after poll."""
    found = (text(part) for part in value.replace(separator, " ").split())
    return tuple(dict.fromkeys(part for part in found if part))


def vmids(value: Any) -> list[int]:
    """``101,102`` as numbers."""
    found = (integer(part) for part in parts(str(value) if isinstance(value, int) else value, ","))
    return [vmid for vmid in found if vmid is not None]


def section(row: Row, key: str) -> Row:
    """A nested object, or an empty one."""
    found = row.get(key)
    return found if isinstance(found, dict) else {}


def rows(data: Any, what: str, dropped: Dropped | None = None) -> Iterator[Row]:
    """The objects of a list. Raises ``cluster_unreachable`` when ``data`` is no list at all."""
    if not isinstance(data, list):
        raise wrong_shape(what, "a list", data)
    for row in data:
        if isinstance(row, dict):
            yield row
        else:
            drop(dropped, f"{what}: not an object")


def mapping(data: Any, what: str) -> Row:
    """The object itself. Raises ``cluster_unreachable`` when ``data`` is none."""
    if not isinstance(data, dict):
        raise wrong_shape(what, "an object", data)
    return data


def drop(dropped: Dropped | None, reason: str) -> None:
    if dropped is not None:
        dropped[reason] += 1


def wrong_shape(what: str, wanted: str, data: Any) -> JarvisError:
    """The error for a reply whose outermost shape is not what the call answers."""
    seen = {dict: "an object", list: "a list", str: "text", type(None): "nothing"}.get(type(data), "a number")
    return JarvisError(
        "cluster_unreachable",
        f"The answer about {what} has the wrong shape",
        why=f"{wanted} expected, {seen} came",
        next="Check that the endpoint is a Proxmox VE node: `jarvis doctor`.",
    )
