"""MCP: the tools of the gate for any MCP client. A client of the contract, nothing more.

    server.py     the MCP server, generated from what the daemon tells; ``front`` serves the same one over HTTP
    __main__.py   `jarvis mcp`: the server over standard input and output

Whoever calls here is an *agent*: the gate decides, and only an operator approves.
"""
