"""The base of all parameters and results."""

from __future__ import annotations

import msgspec


class Message(msgspec.Struct, kw_only=True, omit_defaults=False):
    """Base of all parameters and results."""
