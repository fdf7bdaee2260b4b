"""Colours by role, at four depths: truecolour, 256, 16 and none."""

from jarvis_cli.hud.themes.palette import PALETTES, Depth, Palette, palette

__all__ = ["PALETTES", "Depth", "Palette", "palette"]
