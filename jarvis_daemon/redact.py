"""Secrets out of text and plain data: for logs, the audit and whatever else leaves the daemon."""

from __future__ import annotations

import re
from typing import Any, Final

_SECRETS: Final = re.compile(
    r"(PVEAPIToken=[^!\s]+![^=\s]+=)[^\s\"',}]+"
    r"|((?:password|secret|ticket|token|authorization|api[_-]?key)[\"']?\s*[:=]\s*[\"']?)[^\s\"',}]{4,}"
    r"|(://[^/\s:@]+:)[^@\s/]+(?=@)",
    re.IGNORECASE,
)
_SECRET_NAMES: Final = re.compile(r"password|secret|ticket|token$|authorization|api[_-]?key", re.IGNORECASE)


def redact(text: str) -> str:
    """Replace what looks like a secret: tokens, passwords, user info in URLs."""
    return _SECRETS.sub(lambda match: f"{match[1] or match[2] or match[3]}***", text)


def redact_tree(value: Any) -> Any:
    """``redact`` in every string of plain data; what stands under a secret's name goes whole."""
    if isinstance(value, dict):
        return {k: "***" if _SECRET_NAMES.search(str(k)) else redact_tree(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [redact_tree(item) for item in value]
    return redact(value) if isinstance(value, str) else value
