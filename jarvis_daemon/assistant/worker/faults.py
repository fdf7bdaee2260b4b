"""What went wrong with a cloud model, from litellm's exceptions: one reason of ours, the provider's words, no key.

litellm's classes lie at times (a refused connection is an InternalServerError, a redirect an APIConnectionError),
so the HTTP status and the chain of causes count before the class.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from jarvis_daemon.protocol.text import clean

TEXT_MAX: Final = 200
RETRY_MAX_S: Final = 3600.0
_KEYS: Final = re.compile(r"\b(?:sk|pk|rk|gsk|xai|AIza)[-_A-Za-z0-9*]{6,}")
_UNREACHED: Final = frozenset({
    "ConnectError", "ConnectTimeout", "ClientConnectorError", "ConnectionRefusedError", "gaierror", "ProxyError",
})  # fmt: skip
_LATE: Final = frozenset({
    "Timeout", "APITimeoutError", "ReadTimeout", "WriteTimeout", "PoolTimeout", "TimeoutError",
})  # fmt: skip
_OVERFLOW: Final = re.compile(
    r"prompt is too long|context_length_exceeded|maximum context length|input is too long|exceeds? the context",
    re.IGNORECASE,
)
_COUNTS: Final = (
    re.compile(r"(?P<prompt>\d+) tokens > (?P<window>\d+)"),
    re.compile(r"maximum context length is (?P<window>\d+)\D+?(?P<prompt>\d+) tokens"),
)
_NO_CREDIT: Final = re.compile(
    r"credit balance|insufficient_quota|exceeded your current quota|billing", re.IGNORECASE
)
_NO_MODEL: Final = re.compile(r"LLM Provider NOT provided|model_not_found|not a valid model", re.IGNORECASE)


def failure(error: BaseException, key: str, *, begun: bool) -> dict[str, Any]:
    """``{why, text, retry_after_s, prompt_tokens, window}``. ``begun``: the model had said something, so whatever
    happened, the reply is cut."""
    chain = list(_chain(error))
    names = {type(one).__name__ for one in chain}
    said = str(error)
    told: dict[str, Any] = {"why": "cut", "text": hidden(_words(said), key)}
    if begun:
        return told
    told["why"] = why = _why(_status(chain), names, said)
    if why == "overflow":
        told |= next((_numbers(match) for counts in _COUNTS if (match := counts.search(said))), {})
    if (seconds := _retry_after(chain)) is not None:
        told["retry_after_s"] = seconds
    if why == "auth" and not _NO_CREDIT.search(said):
        told["text"] = ""  # providers repeat the key there, and there is nothing else to learn from it
    return told


def _why(status: int | None, names: set[str], said: str) -> str:
    if names & _UNREACHED:
        return "unreachable"
    if "MidStreamFallbackError" in names and names & {"JSONDecodeError", "UnicodeDecodeError"}:
        return "bad_reply"
    if "ContextWindowExceededError" in names or status == 413 or (status == 400 and _OVERFLOW.search(said)):
        return "overflow"
    if status in {401, 402, 403} or _NO_CREDIT.search(said):
        return "auth"
    if status == 404 or _NO_MODEL.search(said):
        return "missing"
    if status == 429:
        return "rate_limit"
    if status == 408 or names & _LATE:
        return "timeout"
    if status is None or (status in {200, 500} and "APIResponseValidationError" in names):
        return "bad_reply"
    return "overloaded" if status >= 500 else "refused" if status >= 300 else "bad_reply"


def hidden(text: str, key: str) -> str:
    """``text`` without the key, and without anything that looks like one."""
    if key:
        text = text.replace(key, "***")
    return _KEYS.sub("***", text)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or one.__context__


def _status(chain: list[BaseException]) -> int | None:
    """The one that the server sent, where one is at hand; else what litellm made of it."""
    for one in reversed(chain):
        response = getattr(one, "response", None)
        if type(one).__name__ == "HTTPStatusError" and response is not None:
            return int(response.status_code)
    for one in reversed(chain):
        if isinstance(status := getattr(one, "status_code", None), int):
            return status
    return None


def _retry_after(chain: list[BaseException]) -> float | None:
    for one in chain:
        response = getattr(one, "response", None)
        for headers in (getattr(one, "litellm_response_headers", None), getattr(response, "headers", None)):
            told = headers.get("retry-after") if headers else None
            try:
                seconds = float(told) if told else -1.0
            except ValueError:  # a date
                continue
            if seconds >= 0:
                return min(seconds, RETRY_MAX_S)
    return None


def _numbers(match: re.Match[str]) -> dict[str, int]:
    return {"prompt_tokens": int(match["prompt"][:9]), "window": int(match["window"][:9])}


def _words(said: str) -> str:
    """The provider's own message out of what litellm wraps around it."""
    start, end = said.find("{"), said.rfind("}")
    if 0 <= start < end:
        try:
            told = json.loads(said[start : end + 1])
        except (ValueError, RecursionError):
            told = None
        error = told.get("error") if isinstance(told, dict) else None
        if isinstance(error, dict) and isinstance(error.get("message"), str):
            return clean(error["message"], limit=TEXT_MAX)
    said = re.sub(r"^(?:(?:litellm\.)?[A-Za-z]+(?:Error|Exception)\s*[:-]\s*)+", "", said)
    said = re.sub(r"^[A-Za-z]+(?:Exception|Error) - ", "", said).partition(" Original exception:")[0]
    said = said.partition(". Handle with `litellm")[0].partition(" Pass model as E.g.")[0]
    return clean(said, limit=TEXT_MAX)
