"""``python -m jarvis_daemon.admin`` is ``python -m jarvis_daemon admin``."""

from __future__ import annotations

import sys

from jarvis_daemon.admin import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
