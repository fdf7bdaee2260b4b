"""Jarvis as an MCP client: tools of other servers, under a prefix, through the gate like every other.

    room.py      starts the worker, takes what it tells, registers tools
    foreign.py   a tool of another server as a ``ToolSpec``
    pins.py      the definitions as they were when the operator let them in

The process that speaks MCP is ``mcp_bridge/foreign.py``; here nothing of it is imported.
"""
