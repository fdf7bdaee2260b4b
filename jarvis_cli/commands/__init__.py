"""One noun a file; each has ``app``, a Typer app that the root imports when the command is used."""
