"""A model that turns in circles: small ones say the same words again until something ends them."""

from __future__ import annotations

from typing import Final

LOOK_AT: Final = 1200
"""Characters at the end of a reply that are looked at."""
LENGTH: Final = 400
TIMES: Final = 8
"""What is said so often, and makes up so many characters, is no emphasis and no table."""
_STEP: Final = 60
_PROBE: Final = 16


class Circles:
    """Fed with a reply while it comes."""

    def __init__(self) -> None:
        self._end = ""
        self._since = 0

    def take(self, text: str) -> bool:
        """Whether the reply goes round and round by now."""
        self._end = (self._end + text)[-LOOK_AT:]
        self._since += len(text)
        if self._since < _STEP or len(self._end) < LENGTH:
            return False
        self._since = 0
        return _round(self._end)


def _round(text: str) -> bool:
    probe = text[-_PROBE:]
    before = text.rfind(probe, 0, len(text) - 1)
    if before < 0:
        return False
    period = len(text) - _PROBE - before
    size = max(LENGTH, period * TIMES)
    return size <= len(text) and text[-size + period :] == text[-size:-period]
