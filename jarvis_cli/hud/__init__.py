"""The head-up display: a full-screen terminal picture of the cluster, drawn from the daemon's state.

Nothing else in the project imports textual. Of the daemon only ``jarvis_daemon.protocol`` is used.
"""
