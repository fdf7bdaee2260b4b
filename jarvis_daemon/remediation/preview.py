"""What a higher level would have done so far: shown before it is chosen."""

from __future__ import annotations

from collections.abc import Iterable

from jarvis_daemon.protocol.state import Repair

ACTING_LEVEL = 3


def would_have(stories: Iterable[Repair], level: int) -> list[Repair]:
    """Stories in which only the level stood in the way, the newest first.

    Reports touch nothing and are made at every level; what a guardrail held back would have been held back as well.
    """
    if level < ACTING_LEVEL:
        return []
    return [
        story for story in stories
        if story.level < ACTING_LEVEL and story.attempt == 0 and story.by == "watchman" and story.checks
        and all(check.verdict == "pass" for check in story.checks)
    ]  # fmt: skip
