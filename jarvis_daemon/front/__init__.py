"""The process with the only TCP port: MCP over streamable HTTP at ``/mcp``. A client of the contract.

guard.py    who may knock: Host, Origin, bearer token
app.py      the routes
worker.py   the process, under the supervisor
"""
