"""The tree of commands as data, for documentation and tool lists: `jarvis --spec`."""

from __future__ import annotations

from typing import Any

from jarvis_cli.group import Command, global_options, output_options
from jarvis_daemon.protocol.errors import EXIT_CODES
from jarvis_daemon.protocol.version import VERSION


def tree(ctx: Any) -> dict[str, Any]:
    """``{name, version, exit_codes, global_options, format_options, commands: [{name, help, arguments, options,
    formats, commands}]}``"""
    root = ctx.find_root()
    return {
        "name": "jarvis",
        "version": VERSION,
        "exit_codes": {str(code): meaning for code, meaning in EXIT_CODES.items()},
        "global_options": [_parameter(option) for option in global_options()],
        "format_options": [_parameter(option) for option in output_options()],
        "commands": [
            _command(name, root.command.get_command(root, name), root) for name in root.command.list_commands(root)
        ],
    }  # fmt: skip


def _command(name: str, command: Any, ctx: Any) -> dict[str, Any]:
    shared = {id(o) for name in ("global_params", "format_params") for o in getattr(command, name, [])}
    own = [p for p in command.params if id(p) not in shared]
    out: dict[str, Any] = {"name": name, "help": command.help or ""}
    if hasattr(command, "list_commands"):
        out["options"] = [_parameter(p) for p in own if p.param_type_name == "option"]
        out["commands"] = [_command(sub, command.get_command(ctx, sub), ctx) for sub in command.list_commands(ctx)]
        return out
    out["arguments"] = [_parameter(p) for p in own if p.param_type_name == "argument"]
    out["options"] = [_parameter(p) for p in own if p.param_type_name == "option"]
    out["formats"] = isinstance(command, Command) and command.reading
    return out


def _parameter(parameter: Any) -> dict[str, Any]:
    choices = getattr(parameter.type, "choices", None)
    return {
        "name": parameter.name if parameter.param_type_name == "argument" else parameter.opts,
        "help": parameter.help or "",
        "required": bool(parameter.required),
        "flag": bool(getattr(parameter, "is_flag", False)),
        "choices": [getattr(choice, "value", choice) for choice in choices] if choices else None,
    }
