"""docs/commands.md: the tree of commands, as `jarvis --spec` tells it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from scripts.docgen.source import cell, one_line

INTRODUCTION = """\
# Commands

Written by `scripts/generate-contract` from `jarvis --spec`: change the code, not this page. `-h` on any command
says the same, with examples.
"""


def render() -> str:
    """The page as Markdown."""
    run = subprocess.run(
        [sys.executable, "-m", "jarvis_cli", "--spec"], capture_output=True, text=True, check=True, timeout=60
    )
    spec = json.loads(run.stdout)
    lines = [INTRODUCTION, "| every command takes | |\n|---|---|"]
    lines += [f"| {_flags(option)} | {cell(option['help'])} |" for option in spec["global_options"]]
    lines += ["| `-o` `--output` | of a command that reads: table, json, yaml or jsonl (`--json`) |", ""]
    for command in spec["commands"]:
        lines += _command(f"jarvis {command['name']}", command, 2)
    lines += ["## Exit codes\n", "| code | meaning |\n|---|---|"]
    lines += [f"| {code} | {cell(meaning)} |" for code, meaning in spec["exit_codes"].items()]
    return "\n".join(lines) + "\n"


def _command(path: str, command: dict[str, Any], depth: int) -> Iterator[str]:
    if "commands" in command:
        yield f"{'#' * depth} `{path}`\n"
        yield f"{one_line(command['help'])}\n"
        yield from _options(command)
        for below in command["commands"]:
            yield from _command(f"{path} {below['name']}", below, depth + 1)
        return
    words = [_word(argument) for argument in command["arguments"]]
    yield f"{'#' * depth} `{' '.join([path, *words])}`\n"
    yield f"{one_line(command['help'])}\n"
    yield from _options(command)


def _options(command: dict[str, Any]) -> Iterator[str]:
    if command["options"]:
        yield "| option | |\n|---|---|"
        yield from (f"| {_flags(option)} | {cell(option['help'])} |" for option in command["options"])
        yield ""


def _word(argument: dict[str, Any]) -> str:
    name = argument["name"].upper()
    return name if argument["required"] else f"[{name}]"


def _flags(option: dict[str, Any]) -> str:
    flags = " ".join(f"`{name}`" for name in option["name"])
    return flags + (f" {' '.join(option['choices'])}" if option["choices"] else "")
