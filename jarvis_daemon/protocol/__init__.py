"""The contract between the daemon and everything that attaches to it.

This package imports nothing here on purpose: a client takes only the module it needs.

* ``state``     what is known: nodes, guests, storages, tasks, incidents, with ids and units
* ``messages``  what is said on the wire: hello, welcome, subscribe, snapshot, delta, event
* ``errors``    every error a client can get: code, number, exit code, what to do next
* ``mirror``    a client's copy of state, built from snapshots and deltas
* ``health``    one judgement, "healthy, degraded or critical", from such a copy
* ``client``    the asynchronous client (websockets)
* ``plain``     the blocking client of the CLI (standard library only)
* ``locate``    where the socket lies (standard library only)
* ``text``      cleaning of text that came from outside (standard library only)
"""
