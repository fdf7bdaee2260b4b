"""Commands that carry commands: ``sudo`` ``env`` ``sh -c`` … are opened, and what they carry is judged as well.

``carried(argv)`` yields the vector itself and every vector inside it; a ``str`` instead says why it cannot be told
what would run. Where it is not known which arguments of a carrier are its own, every tail is tried: too much is
judged rather than too little.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from typing import Final

VECTORS_MAX: Final = 400
_CARRIERS: Final = frozenset(
    [
        "sudo",
        "doas",
        "su",
        "runuser",
        "setpriv",
        "env",
        "nohup",
        "nice",
        "ionice",
        "chrt",
        "taskset",
        "time",
        "timeout",
        "stdbuf",
        "setsid",
        "exec",
        "command",
        "builtin",
        "busybox",
        "toybox",
        "watch",
        "xargs",
        "parallel",
        "strace",
        "ltrace",
        "flock",
        "unbuffer",
        "script",
        "systemd-run",
        "systemd-inhibit",
        "ssh",
        "lxc-attach",
        "start-stop-daemon",
        "faketime",
        "choom",
        "prlimit",
        "numactl",
        "cgexec",
        "firejail",
        "setarch",
        "linux64",
        "linux32",
        "catchsegv",
        "pct",
        "qm",
        "ssh-agent",
        "dbus-run-session",
        "eval",
        "tsp",
        "ts",
        "dtach",
        "valgrind",
        "sg",
        "newgrp",
        "daemonize",
        "logsave",
        "chronic",
        "proot",
        "bwrap",
        "unshare",
        "nsenter",
        "chroot",
        "capsh",
        "coproc",
        "find",
        "fd",
        "fdfind",
        "machinectl",
        "systemd-nspawn",
        "pkexec",
        "run0",
        "sshpass",
        "autossh",
        "cpulimit",
        "trickle",
        "eatmydata",
    ]
)
"""Programs among whose arguments another command may stand."""
_SHELLS: Final = frozenset([
    "sh", "bash", "dash", "ash", "zsh", "ksh", "mksh", "fish", "csh", "tcsh", "rbash", ".", "source", "yash",
    "posh", "lksh", "oksh", "ksh93", "bash-static", "zsh-static", "sash", "static-sh", "mksh-static", "nu",
])  # fmt: skip
_HIDING: Final = frozenset(
    [
        "screen",
        "tmux",
        "gdb",
        "expect",
        "socat",
        "run-parts",
        "entr",
        "byobu",
        "perf",
        "nc",
        "ncat",
        "netcat",
        "vi",
        "vim",
        "emacs",
        "ed",
        "red",
        "ex",
        "view",
        "rvim",
        "rview",
        "nvim",
        "editor",
        "make",
        "gmake",
        "npx",
        "pwsh",
        "dc",
        "java",
        "mysql",
        "mariadb",
        "mysqladmin",
        "mariadb-admin",
        "psql",
        "dropdb",
        "mongo",
        "mongosh",
        "redis-cli",
        "valkey-cli",
        "influx",
    ]
)
_EVALUATING: Final = frozenset(
    ["trap", "let", "compgen", "complete", "mapfile", "readarray", "bind", "enable", "hash", "alias", "jobs", "fc"]
)
"""Builtins of the login shell at the other end that run or evaluate what they are given, quoted or not."""
_SUBSCRIPTS: Final = frozenset(
    [
        "test",
        "[",
        "[[",
        "printf",
        "declare",
        "typeset",
        "local",
        "export",
        "readonly",
        "unset",
        "read",
        "wait",
        "getopts",
    ]
)
"""Builtins that evaluate the index of a variable: ``test -v 'a[$(x)]'``."""
_INTERPRETERS: Final = re.compile(
    r"(python|pypy|perl|ruby|node|nodejs|php|lua|tclsh|wish|awk|gawk|mawk|nawk|m4|guile|julia|r|rscript|deno|bun|ocaml"
    r"|ghci|jshell|groovy|scala|racket|ipython|bpython|sqlite|luajit|gjs|qjs|erl|elixir|sbcl|clisp|raku|micropython"
    r"|original-awk|goawk)[0-9.]*(-.*|m|d)?|(vim|emacs)[.-].*"
)
_LOADER: Final = re.compile(r"ld(-linux.*|-musl.*|-[0-9.]+)?\.so[0-9.]*")
"""The dynamic loader: it runs the program that it is given."""
_BY_OPTION: Final = frozenset([
    "git", "tar", "bsdtar", "rsync", "scp", "sftp", "zip", "apt", "apt-get", "aptitude", "dpkg", "man", "less",
    "more", "tcpdump", "split", "sort", "wget", "curl", "nmap", "cpio", "logrotate", "rclone", "openssl", "ffmpeg",
    "borg", "restic", "ip6tables-apply", "iptables-apply",
])  # fmt: skip
"""Programs that run what one of their options or settings says."""
_OF_PACKAGES: Final = frozenset(["apt", "apt-get", "aptitude", "dpkg"])
_SED_RUNS: Final = re.compile(r"(^|[;{}\n/0-9$,!])\s*[eWw]($|[\s;}])|[eEsS].*[/|,#@:!][gpiImM0-9]*[ew]($|[\s;}])")
"""A script of sed whose command ``e`` runs a program or whose ``w`` writes a file, as far as that can be seen."""
_ONLY_BY_VERB: Final = {"pct": "exec", "qm": "guest", "machinectl": "shell"}
"""Of these programs only one verb carries a command."""
HIDDEN: Final = "what it would run is hidden in a program or script"
BUILT: Final = "what it would run is built at run time"
NESTED: Final = "it is nested too deeply to be judged"
_WORDS_OF_SHELLS: Final = frozenset(
    ["{", "}", "!", "then", "do", "else", "elif", "fi", "done", "if", "while", "until", "time"]
)
Vector = tuple[str, ...]


def carried(argv: Sequence[str]) -> Iterator[Vector | str]:
    """``argv`` and what it carries, each once. Never raises."""
    waiting: list[Vector] = [tuple(argv)]
    seen: set[Vector] = set(waiting)
    while waiting:
        words = _plain(waiting.pop())
        if not words:
            continue
        yield words
        for inner in _inside(words):
            if isinstance(inner, str):
                yield inner
            elif inner not in seen:
                seen.add(inner)
                waiting.append(inner)
        if len(seen) > VECTORS_MAX:
            yield NESTED
            return


def _plain(words: Vector) -> Vector:
    """Without assignments before the program."""
    index = 0
    while index < len(words) and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*=.*", words[index], re.DOTALL):
        index += 1
    return words[index:] if index < len(words) and words[index] else ()


def _inside(words: Vector) -> Iterator[Vector | str]:
    program, args = words[0].rpartition("/")[2].casefold(), words[1:]
    if program in _SHELLS:
        yield from _of_shell(args)
    elif program in _EVALUATING or (program in _SUBSCRIPTS and any(re.search("[$`]", arg) for arg in args)):
        yield HIDDEN
    elif program in _HIDING or _INTERPRETERS.fullmatch(program):
        if not _tells_only(args):
            yield HIDDEN
    elif program in {"sed", "gsed"}:
        if "--sandbox" not in args and any(_SED_RUNS.search(arg) for arg in _scripts(args)):
            yield HIDDEN
    elif program in _BY_OPTION:
        for arg in args:
            yield from _of_setting(arg)
        if program not in _OF_PACKAGES:  # what follows -y there is the name of a package
            yield from _after_options(args)
    elif _LOADER.fullmatch(program):
        yield from (args[index:] for index in range(len(args)))
    elif program in _CARRIERS and _ONLY_BY_VERB.get(program, "") in ("", *args):
        for index, arg in enumerate(args):
            yield from _of_argument(arg, args[index:])


def _of_argument(arg: str, tail: Vector) -> Iterator[Vector | str]:
    if valued := re.fullmatch(r"(?:--[A-Za-z-]+=|-[A-Za-z])(.+)", arg, re.DOTALL):
        yield from _of_text(valued[1])
        yield from _of_setting(valued[1])
        for at in range(1, min(len(arg), 8)):  # bundled: -vSTEXT
            if not arg.startswith("--") and arg[1 : at + 1].isalpha() and re.search(r"\s", arg):
                yield from _of_text(arg[at + 1 :])
    elif not arg.startswith("-"):
        if re.search(r"[\s;&|<>$`]", arg):
            yield from _of_text(arg)
        yield from _of_setting(arg)
        yield tail


def _of_setting(arg: str) -> Iterator[Vector | str]:
    """``name=text``, as often as there is a ``=``: the text may be a command."""
    parts = arg.split("=")
    for index in range(1, min(len(parts), 5)):
        text = "=".join(parts[index:]).lstrip("!|: ")
        if text:
            yield from _of_text(text) if re.search(r"[\s;&|<>$`]", text) else [(text,)]


def _after_options(args: Vector) -> Iterator[Vector | str]:
    """An option's value that is a command: ``-e 'rm x'``, ``-z /bin/rm``, ``+!rm``."""
    for index, arg in enumerate(args):
        if arg.startswith(("+!", "-!")):
            yield from _of_text(arg[2:])
        elif index and args[index - 1].startswith("-") and "=" not in arg and not arg.startswith("-"):
            yield from _of_text(arg.lstrip("!|")) if re.search(r"\s", arg) else [(arg,)]


def _scripts(args: Vector) -> list[str]:
    """What may be a script of sed: anything but names of files by their path."""
    return [re.sub(r"^(-[a-zA-Z]*e|--expression=)", "", arg) for arg in args if not arg.startswith(("/", "./"))]


def _of_shell(args: Vector) -> Iterator[Vector | str]:
    """``sh -c TEXT`` is opened; a shell with a script, or one that reads its input, hides what it does."""
    for index, arg in enumerate(args):
        if re.fullmatch(r"[-+][A-Za-z]*c[A-Za-z]*", arg):
            texts = [text for text in args[index + 1 :] if not text.startswith(("-", "+"))]
            yield from [HIDDEN] if not texts else _of_text(texts[0])
            return
    if not _tells_only(args):
        yield HIDDEN


def _of_text(text: str) -> Iterator[Vector | str]:
    """A text that a shell would run: each of its commands, or that it cannot be told."""
    if re.search(r"[$`*?\[\]\r\n\\~]|<\(|<<|\{[^ }]*[,.]", text):
        yield BUILT
        return
    lexer = shlex.shlex(text, posix=True, punctuation_chars=";&|<>()")
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        words = list(lexer)
    except ValueError:
        yield BUILT
        return
    command: list[str] = []
    for word in [*words, ";"]:
        if ">" in word and set(word) <= set("<>&|"):
            yield "it writes into a file by redirection"
            return
        if set(word) <= set(";&|()"):
            yield tuple(command)
            command = []
        elif command or word not in _WORDS_OF_SHELLS:
            command.append(word)


def _tells_only(args: Sequence[str]) -> bool:
    """It only tells its version or help."""
    return list(args) in (["--version"], ["-V"], ["--help"], ["-h"])
