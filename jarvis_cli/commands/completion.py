"""`jarvis completion`: the script that a shell reads."""

from __future__ import annotations

from typing import Literal

import typer

from jarvis_cli.group import Command, verb
from jarvis_cli.session import session

app = verb()


@app.command(
    "completion", cls=Command,
    epilog='bash: echo \'eval "$(jarvis completion bash)"\' >> ~/.bashrc\n'
    'zsh:  echo \'eval "$(jarvis completion zsh)"\' >> ~/.zshrc\n'
    "fish: jarvis completion fish > ~/.config/fish/completions/jarvis.fish",
)  # fmt: skip
def completion(
    ctx: typer.Context, shell: Literal["bash", "zsh", "fish"] = typer.Argument(help="Your shell.")
) -> None:
    """Print the completion script of a shell; names of guests and nodes are completed live."""
    import importlib

    module = importlib.import_module("typer.completion")
    script = module.get_completion_script(prog_name="jarvis", complete_var="_JARVIS_COMPLETE", shell=shell)
    session(ctx).out.line(str(script))
