"""`python -m jarvis_cli` is `jarvis`."""

import gc

gc.disable()  # nothing that the imports make is garbage; looking for it costs a command several ms
from jarvis_cli.main import main  # noqa: E402  after the switch above

gc.freeze()
gc.enable()

__all__ = ["main"]

if __name__ == "__main__":
    main()
