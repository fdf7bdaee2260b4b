"""How this HUD is to look and behave, worked out from the command line and the environment."""

from __future__ import annotations

import codecs
import locale
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from jarvis_cli.hud.themes.palette import Depth


@dataclass(frozen=True)
class Options:
    """Everything that is fixed for the run."""

    kiosk: bool = False
    """Read-only, and no key leaves."""
    boot: bool = True
    motion: bool = True
    ascii_only: bool = False
    depth: Depth = "true"
    theme: str = "tron"
    max_hz: float = 1.0
    simulated: bool = False
    """Known to be the demo before the daemon has said so."""


def detect(
    environ: Mapping[str, str] | None = None, *, kiosk: bool = False, boot: bool = True,
    simulated: bool = False, theme: str | None = None,
) -> Options:  # fmt: skip
    """The options for this terminal. On SSH: no motion, no boot, half the rate."""
    env = os.environ if environ is None else environ
    ssh = bool(env.get("SSH_CONNECTION"))
    still = ssh or env.get("TEXTUAL_ANIMATIONS", "").lower() == "none" or bool(env.get("JARVIS_REDUCED_MOTION"))
    return Options(
        kiosk=kiosk,
        boot=boot and not (ssh or still),
        motion=not still,
        ascii_only=not speaks_utf8(env),
        depth=colour_depth(env),
        theme=theme or env.get("JARVIS_THEME") or "tron",
        max_hz=0.5 if ssh else 1.0,
        simulated=simulated,
    )


def speaks_utf8(env: Mapping[str, str]) -> bool:
    """Whether the terminal is said to read UTF-8: by the locale's variables, else by Python's own finding."""
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        if value := env.get(name):
            return "UTF8" in value.upper().replace("-", "")
    encoding = getattr(sys.stdout, "encoding", None) or locale.getpreferredencoding(False)
    return codecs.lookup(encoding).name == "utf-8"


def colour_depth(env: Mapping[str, str]) -> Depth:
    """What the terminal can show, in the order in which people can say it."""
    if "NO_COLOR" in env:
        return "none"
    told = env.get("TEXTUAL_COLOR_SYSTEM", "auto").lower()
    if told in {"standard", "256", "truecolor"}:
        return {"standard": "16", "256": "256", "truecolor": "true"}[told]  # type: ignore[return-value]
    if env.get("COLORTERM", "").strip().lower() in {"truecolor", "24bit"}:
        return "true"
    term = env.get("TERM", "").lower()
    if term in {"dumb", "unknown", ""}:
        return "none"
    return "256" if "256color" in term or "kitty" in term or "direct" in term else "16"
