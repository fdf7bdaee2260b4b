"""The prompt of `jarvis chat`: lines in, answers out, a history that only its owner reads."""

from __future__ import annotations

import contextlib
import os
import select
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import typer

from jarvis_cli import talk
from jarvis_cli.commands.ask import after
from jarvis_cli.session import Session
from jarvis_daemon.protocol.errors import JarvisError
from jarvis_daemon.protocol.text import clean, clean_block

HISTORY_MAX: Final = 1000
PASTE_S: Final = 0.05
"""Lines that follow one another so closely were pasted: they are one text."""
TYPED_MAX: Final = 2000
"""A longer line was pasted."""
RECENT: Final = 3
"""Turns that are shown where an old conversation is taken up."""
HELP: Final = """\
Say it in your own words: "how hot is pve", "restart plex", "what happened last night".
  /new       begin another conversation      /sessions  the conversations that were
  /local     no model of a provider          /cloud     the provider's model first
  /auto      the router chooses again        /intents   no model at all
  /trace     where the time of the last answer went
  /quit      leave (so does Ctrl-D)          /help      this
Ctrl-C stops an answer; what was said is kept. What is pasted is one text, however many lines it has."""


class Conversation:
    """``hold`` it; the words behind ``/`` are its methods' names."""

    def __init__(self, run: Session, *, session: str | None, backend: str) -> None:
        self.run, self.session, self.backend = run, session, backend
        self._words: dict[str, Callable[[], None]] = {
            "help": self._help, "new": self._new, "sessions": self._sessions, "trace": self._trace,
            **{name: self._choose(name) for name in ("local", "cloud", "auto", "intents")},
        }  # fmt: skip

    def hold(self) -> int:
        """Until Ctrl-D or /quit; the exit code. Raises what the first call to the daemon raises."""
        self._attach()
        with History(self.run.places.state_dir / "chat_history") as history:
            while True:
                history.forget_answers()
                try:
                    text = ask_line(self._prompt())
                except EOFError:
                    self.run.out.line("")
                    return 0
                except KeyboardInterrupt:
                    self.run.out.line("")
                    continue
                if text.strip() in {"/quit", "/exit", "/q"}:
                    return 0
                history.keep(text)
                if text.strip():
                    self._take(text.strip())

    def _attach(self) -> None:
        """Reach the daemon before the first prompt; show where an old conversation stopped."""
        with self.run.link(role="operator") as link:
            simulated = bool(link.welcome.get("simulated"))
            found = None
            if self.session is not None:
                found = link.call("chat.show", {"session": self.session, "limit": RECENT})
            now = float(link.welcome.get("now") or 0.0)
        if found is not None:
            from jarvis_cli.commands.chat import turn_lines

            self.session = str(found["session"]["id"])
            for turn in found.get("turns") or []:
                self.run.out.lines([*turn_lines(turn, self.run.out.look, now), ""])
        label = "SIMULATED. " if simulated else ""
        self.run.out.note(f"{label}/help tells the words, Ctrl-D ends.")

    def _prompt(self) -> str:
        """Colour lies between marks, so that the line editor counts the visible cells only."""
        look, word = self.run.out.look, f"{'' if self.backend == 'auto' else self.backend}> "
        painted = look.paint(word, "light")
        if painted == word or "readline" not in sys.modules:
            return word
        before, _, after_ = painted.partition(word)
        return f"\x01{before}\x02{word}\x01{after_}\x02"

    def _take(self, text: str) -> None:
        if text.startswith("/") and "\n" not in text and " " not in text:
            act = self._words.get(text[1:].casefold())
            if act is None:
                self.run.out.warn(f"There is no {clean(text, limit=40)}; /help tells the words.")
                return
            self._guarded(act)
            return
        self._guarded(lambda: self._say(text))

    def _say(self, text: str) -> None:
        said = talk.talk(self.run, text, session=self.session, backend=self.backend)
        self.session = str(said.reply.get("session") or "") or self.session
        if not said.stopped:
            after(self.run, said._replace(simulated=False))

    def _guarded(self, act: Callable[[], None]) -> None:
        """What goes wrong ends one line, not the conversation."""
        try:
            act()
        except JarvisError as error:
            self.run.out.error(error)
        except (KeyboardInterrupt, typer.Abort):
            self.run.out.line("")

    # --- the words -----------------------------------------------------------------------------------------

    def _help(self) -> None:
        self.run.out.line(HELP)

    def _new(self) -> None:
        self.session = None
        self.run.out.note("A new conversation.")

    def _choose(self, backend: str) -> Callable[[], None]:
        told = {
            "auto": "The router chooses.", "intents": "No model at all.", "cloud": "The provider's model first.",
            "local": "Nothing leaves the house.",
        }  # fmt: skip

        def choose() -> None:
            self.backend = backend
            self.run.out.note(told[backend])

        return choose

    def _sessions(self) -> None:
        from jarvis_cli.commands.chat import session_table

        with self.run.link(role="operator") as link:
            found = list(link.call("chat.list", {"limit": 10})["sessions"])
            now = float(link.welcome.get("now") or 0.0)
        self.run.out.lines(session_table(found, self.run.out.look, now) if found else ["No conversation yet."])
        if found:
            self.run.out.note("`jarvis chat --session ID` takes one up.")

    def _trace(self) -> None:
        from jarvis_cli.commands.trace import trace_lines

        with self.run.link(role="operator") as link:
            found = link.call("trace.show", {})
        self.run.out.lines(trace_lines(found, self.run.out.look))


def ask_line(prompt: str) -> str:
    """What a person types; the lines of a paste are one text. Raises ``EOFError``, ``KeyboardInterrupt``."""
    lines = [input(prompt)]
    while select.select([sys.stdin], [], [], PASTE_S)[0]:
        try:
            lines.append(input())
        except EOFError:
            break
    return clean_block("\n".join(lines), limit=1 << 21)


class History(contextlib.AbstractContextManager["History"]):
    """The line editor with its history in ``path`` (0600): what was typed, neither what was pasted nor what was
    answered to questions. Without a line editor lines are read as they are."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._kept = 0

    def keep(self, text: str) -> None:
        """What was typed just now stays in the history, unless it was a paste."""
        with contextlib.suppress(ImportError):
            import readline

            if "\n" not in text and len(text) <= TYPED_MAX:
                self._kept = readline.get_current_history_length()

    def forget_answers(self) -> None:
        """Take out what came into the history since ``keep``."""
        with contextlib.suppress(ImportError):
            import readline

            while readline.get_current_history_length() > self._kept:
                readline.remove_history_item(readline.get_current_history_length() - 1)

    def __enter__(self) -> History:
        try:
            import readline
        except ImportError:  # a Python without it
            return self
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
            self.path.chmod(0o600)
            readline.read_history_file(self.path)
        readline.set_history_length(HISTORY_MAX)
        readline.parse_and_bind("set enable-bracketed-paste on")
        self._kept = readline.get_current_history_length()
        return self

    def __exit__(self, *_: object) -> None:
        self.forget_answers()
        with contextlib.suppress(ImportError, OSError):
            import readline

            readline.write_history_file(self.path)
            self.path.chmod(0o600)
