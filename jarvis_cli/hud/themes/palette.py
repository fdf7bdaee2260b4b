"""What each role looks like. Panels name roles, never colours.

Roles: ``text`` ``faint`` ``light`` ``soft`` (charts, focus) ``frame`` ``good`` ``warn`` ``bad`` ``jarvis``, and
``head`` and ``big`` (``light`` and ``jarvis`` in bold). A trailing ``@`` puts the role on the cursor's bar.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from rich.style import Style

Depth = Literal["true", "256", "16", "none"]


class Ink(NamedTuple):
    """One colour at three depths; ``plain`` are the attributes that stand in where there is no colour."""

    true: str
    c256: int
    c16: str
    plain: str = ""


BOLD_ROLES: Final = {"head": "light", "big": "jarvis"}


class Palette:
    """Styles by role, made once each. ``dimmed`` is the picture of a lost link."""

    def __init__(self, name: str, inks: dict[str, Ink], *, depth: Depth = "true", dimmed: bool = False) -> None:
        self.name = name
        self.inks = inks
        self.depth: Depth = depth
        self.dimmed = dimmed
        self._styles: dict[str, Style] = {}

    def bright(self) -> Palette:
        """The same, not dimmed."""
        return Palette(self.name, self.inks, depth=self.depth) if self.dimmed else self

    def style(self, role: str) -> Style:
        found = self._styles.get(role)
        if found is None:
            found = self._styles[role] = self._make(role)
        return found

    def colour(self, role: str) -> str:
        """The colour of a role as CSS understands it at this depth."""
        ink = self.inks[role]
        if self.depth in {"16", "none"}:
            return "ansi_" + ink.c16
        return ink.true

    def _make(self, role: str) -> Style:
        name, bar = role.rstrip("@"), role.endswith("@")
        ink = self.inks[BOLD_ROLES.get(name, name)]
        bold = name in BOLD_ROLES or name == "bad"
        if self.depth == "none":
            style = Style.parse(ink.plain or "none")
            return style + Style(
                bold=True if bold else None, reverse=True if bar else None, dim=True if self.dimmed else None
            )
        ground = self.inks["bar" if bar else "ground"]
        if self.depth == "16":
            if self.dimmed and name != "ground":
                ink = self.inks["faint"]
            if bar and ink.c16 == ground.c16:
                ink = self.inks["text"]
            # A frame in full cyan would shout louder than what it frames.
            return Style(color=ink.c16, bgcolor=ground.c16, bold=bold or None, dim=name == "frame" or None)
        if self.depth == "256":
            number = self.inks["faint"].c256 if self.dimmed else ink.c256
            return Style(color=f"color({number})", bgcolor=f"color({ground.c256})", bold=bold or None)
        colour = _mix(ink.true, self.inks["ground"].true, 0.55) if self.dimmed else ink.true
        return Style(color=colour, bgcolor=ground.true, bold=bold or None)


def _mix(colour: str, ground: str, share: float) -> str:
    """``colour`` moved ``share`` of the way towards ``ground``."""
    parts = [(int(colour[i : i + 2], 16), int(ground[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in parts)


TRON: Final = {
    "ground": Ink("#05080d", 232, "black"),
    "bar": Ink("#0d2c38", 236, "blue"),
    "frame": Ink("#12404f", 23, "cyan", "dim"),
    "light": Ink("#27d3f5", 45, "bright_cyan"),
    "soft": Ink("#1a8fa8", 31, "cyan"),
    "text": Ink("#b8e6f0", 152, "white"),
    "faint": Ink("#4a6a78", 60, "bright_black", "dim"),
    "good": Ink("#4bffa5", 85, "green"),
    "warn": Ink("#ffb000", 214, "yellow", "bold"),
    "bad": Ink("#ff4b4b", 203, "red", "bold"),
    "jarvis": Ink("#e8f9ff", 195, "bright_white"),
}
HORIZON: Final = {
    # Blue against orange: told apart with red-green and with blue-yellow blindness alike.
    "ground": Ink("#06080f", 232, "black"),
    "bar": Ink("#12294a", 236, "blue"),
    "frame": Ink("#1f3a63", 24, "blue", "dim"),
    "light": Ink("#6db3ff", 75, "bright_blue"),
    "soft": Ink("#3c74b8", 67, "blue"),
    "text": Ink("#d5e2f2", 189, "white"),
    "faint": Ink("#61728c", 60, "bright_black", "dim"),
    "good": Ink("#8fc7ff", 117, "bright_cyan"),
    "warn": Ink("#ffc46b", 221, "yellow", "bold"),
    "bad": Ink("#ff7a00", 208, "bright_yellow", "bold"),
    "jarvis": Ink("#f4f8ff", 195, "bright_white"),
}
PALETTES: Final = {"tron": TRON, "horizon": HORIZON}


def palette(name: str, depth: Depth, *, dimmed: bool = False) -> Palette:
    return Palette(name, PALETTES[name], depth=depth, dimmed=dimmed)
