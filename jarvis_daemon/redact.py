"""Secrets out of text and plain data: for logs, the audit and whatever else leaves the daemon."""

from __future__ import annotations

import re
from typing import Any, Final

_SECRETS: Final = re.compile(
    r"(PVEAPIToken=[^!\s]+![^=\s]+=)[^\s\"',}]+"
    r"|((?:passw(?:or)?d|passphrase|secret|ticket|token|authorization|(?:api|private)[_-]?key)[\"']?\s*[:=]\s*[\"']?"
    r"(?:(?:bearer|basic)\s+)?)[^\s\"',}]{4,}"
    r"|(://[^/\s:@]+:)[^@\s/]+(?=@)"
    r"|(--(?:passw(?:or)?d|passphrase|secret|token|api-?key)(?:\s+|\]\s\[)[\"']?)[^\s\"',}\]-][^\s\"',}\]]{3,}"
    r"|(\bbearer\s+)[a-z0-9._~+/=-]{12,}",
    re.IGNORECASE,
)
_SECRET_NAMES: Final = re.compile(
    r"passw(or)?d|passphrase|secret|ticket|token$|authorization|(api|private)[_-]?key|^pin$", re.IGNORECASE
)


def redact(text: str) -> str:
    """Replace what looks like a secret: tokens, passwords, user info in URLs."""
    return _SECRETS.sub(lambda match: f"{next(kept for kept in match.groups() if kept)}***", text)


def redact_tree(value: Any) -> Any:
    """``redact`` in every string of plain data; what stands under a secret's name goes whole."""
    if isinstance(value, dict):
        return {k: "***" if _SECRET_NAMES.search(str(k)) else redact_tree(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [redact_tree(item) for item in value]
    return redact(value) if isinstance(value, str) else value
