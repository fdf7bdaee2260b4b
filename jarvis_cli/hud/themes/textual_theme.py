"""Our palettes as themes of Textual, for its stock widgets (input line, command palette)."""

from __future__ import annotations

from textual.theme import BUILTIN_THEMES, Theme

from jarvis_cli.hud.themes.palette import Palette


def theme_of(palette: Palette) -> Theme:
    """The theme of a palette; its name is the palette's, with ``-16`` where only ANSI colours are used."""
    colour = palette.colour
    ansi = palette.depth in {"16", "none"}
    return Theme(
        name=f"{palette.name}-16" if ansi else palette.name,
        primary=colour("light"),
        secondary=colour("frame"),
        warning=colour("warn"),
        error=colour("bad"),
        success=colour("good"),
        accent=colour("light"),
        foreground=colour("text"),
        background=colour("ground"),
        surface=colour("ground"),
        panel=colour("bar"),
        boost=colour("bar"),
        ansi=ansi,
        variables={
            **(BUILTIN_THEMES["ansi-dark"].variables if ansi else {}),
            "ground": colour("ground"),
            "frame": colour("frame"),
            "light": colour("light"),
            "ink": colour("text"),
            "faint": colour("faint"),
            "bar": colour("bar"),
            "block-cursor-background": colour("bar"),
            "block-cursor-foreground": colour("light"),
            "block-cursor-text-style": "bold",
            "input-cursor-background": colour("light"),
            "input-cursor-foreground": colour("ground"),
        },
    )
