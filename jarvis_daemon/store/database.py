"""``Database`` of sqlite-utils, without what that would load beside it."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlite_utils import Database
else:

    def _load() -> Any:
        """sqlite-utils loads numpy where it is installed, 20 MB for types that we never write: it is not to be
        found meanwhile."""
        hidden = "numpy" not in sys.modules
        if hidden:
            sys.modules["numpy"] = None
        try:
            return importlib.import_module("sqlite_utils").Database
        finally:
            if hidden:
                del sys.modules["numpy"]

    Database = _load()

__all__ = ["Database"]
