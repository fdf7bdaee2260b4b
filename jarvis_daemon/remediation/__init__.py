"""Runbooks, their guardrails and the engine that runs them, step by step, through the gate of ``tools``.

Reads state and incidents from the bus; has no way of its own to a node.
"""
