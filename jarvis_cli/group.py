"""The shape of the command line: groups that load late, options that every command takes, near names.

``Root`` knows each sub-command by name, module and one line of help, and imports its module when it is used.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, cast

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from jarvis_cli.output import FORMATS
from jarvis_cli.session import Session
from jarvis_cli.values import parse_duration
from jarvis_daemon.protocol.text import clean

CONTEXT: Final[dict[Any, Any]] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

UsageError: Final = cast(type[Exception], typer.BadParameter.__base__)


def usage_error(what: str, why: str, ctx: Any) -> Exception:
    """A wrong use of ``ctx``'s command."""
    return cast(Exception, cast(Any, UsageError)(f"{what}: {why}" if why else what, ctx))


def _set(name: str, convert: Callable[[Any], Any] = lambda value: value) -> Callable[[Any, Any, Any], None]:
    """A callback that puts a given value into the session; what is not given leaves it alone."""

    def callback(ctx: Any, param: Any, value: Any) -> None:
        found = ctx.find_root().obj
        if value is None or value is False or not isinstance(found, Session):
            return
        owner: Any = found.out if hasattr(found.out, name) else found
        setattr(owner, name, convert(value))

    return callback


def _format(value: str) -> str:
    if value not in FORMATS:
        near = difflib.get_close_matches(value, FORMATS, n=1, cutoff=0.3)
        raise typer.BadParameter(
            f"{value!r} is no format; " + (f"did you mean {near[0]}?" if near else f"one of {', '.join(FORMATS)}")
        )
    return value


def _host(value: str) -> str:
    from jarvis_cli.remote import check_host

    return check_host(value)


def _timeout(value: str) -> float:
    try:
        seconds = parse_duration(value)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if not 0 < seconds <= 3600:
        raise typer.BadParameter("a timeout lies between 0 and 1 hour")
    return seconds


def _option(
    *names: str, text: str, field: str, flag: bool = False, convert: Any = None, **more: Any
) -> TyperOption:
    callback = _set(field, convert) if convert else _set(field)
    return TyperOption(
        param_decls=list(names), help=text, is_flag=flag, expose_value=False, callback=callback,
        default=None, show_default=False, **more,
    )  # fmt: skip


def output_options() -> list[TyperOption]:
    """The options of a command that reads."""
    return [
        _option(
            "-o", "--output", text="table, json, yaml or jsonl.", field="format", convert=_format, metavar="FORMAT",
            autocompletion=lambda ctx, args, incomplete: list(FORMATS),
        ),
        _option("--json", text="The same as -o json.", field="format", flag=True, convert=lambda _: "json"),
    ]  # fmt: skip


def global_options() -> list[TyperOption]:
    """The options of every command; they stand before or after its name."""
    return [
        _option("-q", "--quiet", text="Say only what was asked for.", field="quiet", flag=True),
        _option("-v", "--verbose", text="Say more.", field="verbose", flag=True, convert=lambda _: 1),
        _option("--no-color", text="No colour (as NO_COLOR=1).", field="color", flag=True, convert=lambda _: False),
        _option("--no-input", text="Never ask; fail instead.", field="no_input", flag=True),
        _option("--timeout", text="Longest wait for an answer, like 5s.", field="timeout_s", convert=_timeout,
                metavar="TIME"),
        _option("--host", text="Attach to the daemon of another machine over SSH.", field="host", convert=_host,
                metavar="USER@BOX"),
        _option("--no-autostart", text="Do not start the daemon.", field="autostart", flag=True,
                convert=lambda _: False),
    ]  # fmt: skip


def _sections(command: Any, ctx: Any, formatter: Any) -> None:
    """Arguments, the command's own options, then those that every command takes."""
    shared = {id(option) for option in command.global_params}
    arguments: list[tuple[str, str]] = []
    own: list[tuple[str, str]] = []
    every: list[tuple[str, str]] = []
    for param in command.get_params(ctx):
        record = param.get_help_record(ctx)
        if record is None:
            continue
        target = arguments if param.param_type_name == "argument" else every if id(param) in shared else own
        target.append(record)
    for title, rows in (("Arguments", arguments), ("Options", own), ("Every command takes", every)):
        if rows:
            with formatter.section(title):
                formatter.write_dl(rows)


def _examples(command: Any, formatter: Any) -> None:
    if command.epilog:
        with formatter.section("Examples"):
            for line in command.epilog.strip().splitlines():
                formatter.write(f"{'':>{formatter.current_indent}}{line.strip()}\n")


class Command(TyperCommand):
    """A command that acts."""

    reading = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.context_settings = {**CONTEXT, **self.context_settings}
        for param in self.params:
            if param.param_type_name == "argument" and param.metavar is None and param.name:
                name = param.name.rstrip("_").upper()
                param.metavar = name if param.required else f"[{name}]"
        own = {name for param in self.params for name in param.opts}
        self.global_params = [option for option in global_options() if not own & set(option.opts)]
        self.format_params = [o for o in output_options() if not own & set(o.opts)] if self.reading else []
        self.params = [*self.params, *self.format_params, *self.global_params]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        _sections(self, ctx, formatter)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        _examples(self, formatter)


class Reading(Command):
    """A command that reads: it takes ``-o`` and ``--json`` too."""

    reading = True


class Group(TyperGroup):
    """A noun: its verbs, with "did you mean"."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.context_settings = {**CONTEXT, **self.context_settings}
        self.global_params = [*output_options(), *global_options()]
        self.params = [*self.params, *self.global_params]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        self.format_commands(ctx, formatter)
        _sections(self, ctx, formatter)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        _examples(self, formatter)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name = args[0] if args else ""
        if name and not name.startswith("-") and self.get_command(ctx, name) is None and not ctx.resilient_parsing:
            near = difflib.get_close_matches(name, self.list_commands(ctx), n=1, cutoff=0.5)
            hint = f"did you mean `{ctx.command_path} {near[0]}`?" if near else ""
            raise usage_error(f"There is no `{ctx.command_path} {clean(name, limit=60)}`", hint, ctx)
        return super().resolve_command(ctx, args)


class Entry(NamedTuple):
    module: str
    help: str
    panel: str


class Root(Group):
    """The root: sub-commands are imported when they are used."""

    entries: dict[str, Entry] = {}  # noqa: RUF012  filled once by main.py

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.entries)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in self.entries:
            return None
        if cmd_name not in self.commands:
            module = importlib.import_module(f"jarvis_cli.commands.{self.entries[cmd_name].module}")
            command = typer.main.get_command(module.app)
            command.name = cmd_name
            self.commands[cmd_name] = command
        return self.commands[cmd_name]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        panels: dict[str, list[tuple[str, str]]] = {}
        for name, entry in self.entries.items():
            panels.setdefault(entry.panel, []).append((name, entry.help))
        for panel, rows in panels.items():
            with formatter.section(panel):
                formatter.write_dl(rows)


def noun(name: str, text: str) -> typer.Typer:
    """A Typer app for one noun; its commands take ``cls=Reading`` or ``cls=Command``."""
    return typer.Typer(
        name=name, help=text, cls=Group, no_args_is_help=True, add_completion=False, rich_markup_mode=None,
        context_settings=CONTEXT, callback=_nothing,
    )  # fmt: skip


def verb() -> typer.Typer:
    """A Typer app for a command that stands alone."""
    return typer.Typer(add_completion=False, rich_markup_mode=None)


def _nothing() -> None:
    """A callback, so that a noun with one verb stays a group."""


def nearest(name: str, known: Sequence[str], *, n: int = 3) -> list[str]:
    """The known names nearest to ``name``, the best first, whatever their case."""
    folded = {item.lower(): item for item in known}
    return [folded[hit] for hit in difflib.get_close_matches(name.lower(), list(folded), n=n, cutoff=0.5)]
