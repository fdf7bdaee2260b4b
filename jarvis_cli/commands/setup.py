"""`jarvis setup`: connect to a Proxmox cluster, step by step; with options and ``--no-input`` for scripts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from jarvis_cli.group import Command, verb
from jarvis_cli.session import session
from jarvis_cli.wizard import Answers, Wizard

app = verb()

EXAMPLES = """
jarvis setup
jarvis setup --no-input --endpoint https://192.168.1.50:8006 --fingerprint AA:BB:… --token-file secret.txt --no-ssh
pass show pve | jarvis setup --no-input --endpoint pve.lan --token-file - --ca-file pve-root-ca.pem --no-ssh
"""


@app.command("setup", cls=Command, epilog=EXAMPLES)
def setup(
    ctx: typer.Context,
    endpoint: Annotated[
        list[str] | None, typer.Option("--endpoint", help="API address of a node; may be repeated.", metavar="URL")
    ] = None,
    fingerprint: Annotated[
        list[str] | None,
        typer.Option("--fingerprint", help="Certificate to trust; may be repeated.", metavar="SHA256"),
    ] = None,
    ca_file: str | None = typer.Option(None, "--ca-file", help="CA to trust instead.", metavar="FILE"),
    insecure: bool = typer.Option(False, "--insecure", help="Trust any certificate: a lab without value."),
    name: str | None = typer.Option(None, "--name", help="What the cluster is called."),
    token_id: str | None = typer.Option(None, "--token-id", help="Like jarvis@pve!daemon.", metavar="ID"),
    token_file: Annotated[
        Path | None, typer.Option("--token-file", help="File with the secret; - is standard input.", metavar="FILE")
    ] = None,
    runs_on: str | None = typer.Option(None, "--runs-on", help="Node or guest that carries this daemon."),
    ssh: bool | None = typer.Option(None, "--ssh/--no-ssh", help="Temperatures and services by SSH."),
    ssh_user: str | None = typer.Option(None, "--ssh-user", help="The account on the nodes."),
    ssh_key: str | None = typer.Option(None, "--ssh-key", help="The private key.", metavar="FILE"),
    ssh_host: Annotated[
        list[str] | None,
        typer.Option("--ssh-host", help="Where a node's SSH is, if not at its address.", metavar="NODE=ADDRESS"),
    ] = None,
    accept_host_keys: bool = typer.Option(False, "--accept-host-keys", help="Pin the host keys shown now."),
    autonomy: int | None = typer.Option(None, "--autonomy", min=0, max=4, help="What may be repaired by itself."),
    accept_missing: bool = typer.Option(False, "--accept-missing", help="Go on without some privileges."),
) -> None:
    """Connect to a Proxmox cluster, step by step.

    Asks for an address, shows its certificate, shows the commands that make a token with the least rights,
    tests it, and writes the settings and the secret so that only you can read them.
    """
    run = session(ctx)
    run.local_only("setup")
    answers = Answers(
        endpoints=endpoint or [], fingerprints=fingerprint or [], ca_file=ca_file, insecure=insecure, name=name,
        token_id=token_id, token_file=token_file, runs_on=runs_on, ssh=ssh, ssh_user=ssh_user, ssh_key=ssh_key,
        ssh_hosts=ssh_host or [], accept_host_keys=accept_host_keys, autonomy=autonomy,
        accept_missing=accept_missing,
    )  # fmt: skip
    Wizard(run, answers).go()
