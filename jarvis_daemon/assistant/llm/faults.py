"""What a model's server says when it cannot, as ``Failed``: one reason for us, one sentence for a person."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from jarvis_daemon.assistant.llm.contract import Failed, Why
from jarvis_daemon.redact import safe_line

RETRY_MAX_S: Final = 3600.0
_OVERFLOW: Final = re.compile(
    r"exceed_context_size|context_length_exceeded|maximum context length|exceeds? the (?:available )?context"
    r"|context (?:size|length|window) (?:has been )?exceeded|context the overflows|prompt is too long",
    re.IGNORECASE,
)
_WINDOW: Final = re.compile(r"(?:context length is|context size \(|n_ctx[^\d]{0,4})\s*(\d+)", re.IGNORECASE)
_PROMPT: Final = re.compile(r"(?:request \(|requested |prompt contains (?:at least )?)(\d+)", re.IGNORECASE)
_NO_MODEL: Final = re.compile(
    r"model\b.{0,80}\b(?:not found|does not exist|not loaded)|no such model", re.IGNORECASE
)
_LOADING: Final = re.compile(r"loading model|model is loading", re.IGNORECASE)
_WORDS: Final[Mapping[Why, str]] = {
    "auth": "refuses our key",
    "rate_limit": "wants fewer questions",
    "overloaded": "is overloaded",
    "missing": "does not have this model",
    "overflow": "cannot hold so long a conversation",
    "refused": "refuses the question",
    "bad_reply": "answers what nobody understands",
}


def of_status(who: str, status: int, payload: bytes, headers: Mapping[str, str]) -> Failed:
    """Of an HTTP answer that is none; ``who`` begins the sentence."""
    error = _error(payload)
    retry = _retry(headers.get("retry-after", ""))
    return of_error(who, error, status=status, retry_after_s=retry)


def of_error(
    who: str, error: Mapping[str, Any], *, status: int | None = None, retry_after_s: float | None = None
) -> Failed:
    """Of the ``error`` object of an answer, or of one within a stream."""
    text = str(error.get("message") or "")
    kind = str(error.get("type") or error.get("code") or "")
    if status is None:
        status = _int(error.get("code")) or 500
    why = _why(status, f"{kind} {text}")
    said = safe_line(text, limit=200).rstrip(".")
    if _LOADING.search(text):
        sentence = f"{who} is still loading its model"
    else:
        sentence = f"{who} {_WORDS[why]}: {said or f'HTTP {status}'}"
    if why != "overflow":
        return Failed(why, sentence, retry_after_s=retry_after_s)
    return Failed(
        why, sentence, prompt_tokens=_int(error.get("n_prompt_tokens")) or _found(_PROMPT, text),
        window=_int(error.get("n_ctx")) or _found(_WINDOW, text),
    )  # fmt: skip


def _why(status: int, told: str) -> Why:
    if status in {400, 413, 422, 500} and _OVERFLOW.search(told):
        return "overflow"
    if status in {401, 403}:
        return "auth"
    if status == 404 or (status == 400 and _NO_MODEL.search(told)):
        return "missing"
    if status == 429:
        return "rate_limit"
    if status in {408, 409, 425} or status >= 500:
        return "overloaded"
    return "refused" if status >= 300 else "bad_reply"


def _error(payload: bytes) -> Mapping[str, Any]:
    """Servers write ``{"error": {…}}``, ``{"error": "…"}``, ``{"message": …}``, ``{"detail": …}`` or a page."""
    try:
        told = json.loads(payload)
    except (ValueError, RecursionError):
        return {"message": payload[:400].decode(errors="replace") if b"<html" not in payload[:400].lower() else ""}
    if not isinstance(told, dict):
        return {}
    error = told.get("error")
    if isinstance(error, dict):
        return error
    message = error if isinstance(error, str) else told.get("message") or told.get("detail") or ""
    return {"message": message if isinstance(message, str) else json.dumps(message)}


def _retry(told: str) -> float | None:
    """Seconds of ``Retry-After``; a date is not worth a clock."""
    try:
        seconds = float(told)
    except ValueError:
        return None
    return min(seconds, RETRY_MAX_S) if seconds >= 0 else None


def _int(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _found(pattern: re.Pattern[str], text: str) -> int | None:
    match = pattern.search(text)
    return int(match[1][:9]) if match else None
