"""How a model's server is: the many ways in which servers tell their models, contexts and tokens."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from typing import Any, Final

from jarvis_daemon.assistant.llm.contract import Failed, Place
from jarvis_daemon.notify.loopback import is_loopback
from jarvis_daemon.protocol.text import clean

WINDOW_GUESS: Final = 4096
"""What Ollama gives a model where nobody asks for more, and it does not tell."""
ANSWER_MAX: Final = 16 << 20
Ask = Callable[[str, str], Awaitable[Any]]
"""``(method, path)`` → JSON or ``Failed``."""


def place_of(host: str, *, here: bool = False) -> Place:
    """Where a server is. A public address is not the house, whatever the setting is called; names count as it."""
    if here or is_loopback(host):
        return "here"
    try:
        return "cloud" if ipaddress.ip_address(host.strip("[]")).is_global else "lan"
    except ValueError:
        return "lan"


async def window(ask: Ask, model: str) -> int | None:
    """Tokens of the context that one conversation has; None where the server does not tell."""
    told = await ask("GET", "/props")  # llama-server
    settings = told.get("default_generation_settings") if isinstance(told, dict) else None
    if isinstance(settings, dict) and (found := _size(settings.get("n_ctx"))):
        return found
    if isinstance(told, Failed) and told.why in {"unreachable", "timeout"}:
        return None
    row = _row(await ask("GET", "/v1/models"), model)
    meta = row.get("meta") if row else None
    if row and (found := _size(row.get("max_model_len"))):  # vLLM
        return found
    return _size(meta.get("n_ctx")) if isinstance(meta, dict) else None


def tokens_of(told: Any) -> int | None:
    """Of the answer to ``/tokenize``."""
    if not isinstance(told, dict):
        return None
    if (count := _size(told.get("count"))) is not None:
        return count
    tokens = told.get("tokens")
    return len(tokens) if isinstance(tokens, list) else None


def model_of(told: Any, model: str) -> tuple[str | None, str]:
    """The model of ``/v1/models`` that would answer, or None and what is wrong."""
    rows = _rows(told)
    names = [str(row["id"]) for row in rows if row.get("id")]
    if not rows:
        return None, "names no model"
    if (row := _row(told, model)) is not None and row.get("id"):
        return clean(str(row["id"]), limit=120), ""
    shown = clean(", ".join(names[:5]), limit=200)
    return None, f"has no model {model!r}, but {shown}"


def _row(told: Any, model: str) -> dict[str, Any] | None:
    """The model's own row. llama-server has one model and gives it for any name."""
    rows = _rows(told)
    for row in rows:
        aliases = row.get("aliases")
        if row.get("id") in {model, f"{model}:latest"} or (isinstance(aliases, list) and model in aliases):
            return row
    if len(rows) == 1 and rows[0].get("owned_by") == "llamacpp":
        return rows[0]
    return None


def _rows(told: Any) -> list[dict[str, Any]]:
    data = told.get("data") if isinstance(told, dict) else None
    return [row for row in data if isinstance(row, dict)] if isinstance(data, list) else []


def _size(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 31 else None
