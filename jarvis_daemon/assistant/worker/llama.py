"""``python -m jarvis_daemon.assistant.worker.llama``: llama.cpp's server at a unix socket, 0600, and nowhere else.

One line of JSON comes in: ``{model, socket, n_ctx, threads}``. It says ``up`` once it listens, or why it does not,
and ends when its input does: with whoever started it.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any


def main() -> int:
    given: dict[str, Any] = json.loads(sys.stdin.readline())
    os.umask(0o177)  # before the socket is made
    Path(given["socket"]).unlink(missing_ok=True)
    try:
        server = serve(given)
    except ImportError as error:
        print(f"the extra local-llm is not whole: {error}", flush=True)
        return 1
    except RuntimeError:
        print(f"{given['model']} is no model that can be loaded, or too large for this machine", flush=True)
        return 1
    if not str(server.listening_address).startswith("unix://"):
        print("it would listen on the network", flush=True)
        return 1
    print("up", flush=True)
    sys.stdin.read()
    Path(given["socket"]).unlink(missing_ok=True)
    os._exit(0)  # its threads are the library's, and wait for no one


def serve(given: dict[str, Any]) -> Any:
    """Load the model and listen. Raises ``RuntimeError`` and ``ImportError``."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = given["model"]
    params.hostnames, params.port = [given["socket"]], 1  # the port is not used, and may not be 0
    params.n_ctx, params.n_parallel = int(given["n_ctx"]), 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = int(given["threads"])
    params.n_threads_http, params.verbosity = 2, 1
    params.use_jinja, params.offline = True, True
    params.ui = params.endpoint_slots = params.endpoint_props = params.endpoint_metrics = False
    params.model_alias = {Path(given["model"]).stem}
    return xllamacpp.Server(params)


if __name__ == "__main__":
    sys.exit(main())
