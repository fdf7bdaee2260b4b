"""A runbook's file, read: YAML of a safe kind, the shape of ``runbook.py``, and sense.

``read`` answers a runbook or raises; ``look`` answers every mistake, as ``jarvis runbook check`` tells them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import msgspec

from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.text import clean
from jarvis_daemon.remediation import sense, shape
from jarvis_daemon.remediation.runbook import Runbook
from jarvis_daemon.remediation.tree import BrokenError, Mistake, parse
from jarvis_daemon.tools import Registry

check = sense.check


def look(text: bytes, registry: Registry | None = None) -> tuple[Runbook | None, list[Mistake]]:
    """The runbook, None where it has no such shape, and all its mistakes by line.

    Without a ``registry`` tools, their arguments and facts are not looked at.
    """
    try:
        tree = parse(text)
    except BrokenError as error:
        return None, [error.mistake]
    if found := shape.mistakes(tree.data):
        return None, _sorted(replace(one, line=tree.line(one.at)) for one in found)
    runbook = msgspec.convert(tree.data, Runbook)
    if registry is None:
        return runbook, []
    return runbook, _sorted(replace(one, line=tree.line(one.at)) for one in sense.check(runbook, registry))


def read(text: bytes, where: str, registry: Registry | None = None) -> Runbook:
    """The runbook in ``text``. Raises ``config_invalid``: file, line, key path and the nearest known name."""
    runbook, found = look(text, registry)
    if found or runbook is None:
        raise broken(where, found)
    return runbook


def broken(where: str, found: list[Mistake]) -> JarvisError:
    """One error for all mistakes of a file: the first one in words, each in ``data``."""
    first, where = found[0], clean(where, limit=300)
    more = f" ({len(found) - 1} more)" if len(found) > 1 else ""
    return JarvisError(
        "config_invalid", f"{where}, line {first.line}: {first.sentence()}{more}", why=first.hint,
        next=f"Mend it; `jarvis runbook check {where}` lists every mistake.",
        data={"file": where, "line": first.line, "problems": [told(one) for one in found]},
    )  # fmt: skip


def told(mistake: Mistake) -> dict[str, str | int]:
    """A mistake as it travels; ``text`` is the whole of it in a sentence."""
    hint = f" ({mistake.hint})" if mistake.hint else ""
    return {
        "line": mistake.line, "path": mistake.path, "what": mistake.text, "hint": mistake.hint,
        "text": f"{mistake.sentence()}{hint}",
    }  # fmt: skip


def _sorted(found: Iterable[Mistake]) -> list[Mistake]:
    return sorted(found, key=lambda one: one.line)
