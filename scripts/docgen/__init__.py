"""Writes the documentation that follows from the code, so that it cannot drift.

* ``source``         docstrings of fields, read from the source text
* ``contract``       docs/contract.md from protocol/messages.py, state.py and errors.py
* ``schema``         docs/protocol.schema.json from the same structs
* ``runbooks``       docs/runbook.schema.json from remediation/runbook.py
* ``configuration``  docs/configuration.md from settings/
* ``commands``       docs/commands.md from `jarvis --spec`
* ``faults``         docs/faults.md from the simulator's faults

`scripts/generate-contract` writes all of them; with ``--check`` it only says which are not current.
"""
