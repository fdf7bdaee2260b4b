"""Servers that speak the protocols of model providers as a script says, over real HTTP on loopback.

async with Scripted() as server:
    server.answers.append(openai.stream("Hello", ", sir."))
    …  # ask f"{server.url}/v1"
    assert server.asked[0].body["messages"] == …
"""

from tests.scripted import anthropic, openai
from tests.scripted.server import Answer, Asked, Hold, Scripted

__all__ = ["Answer", "Asked", "Hold", "Scripted", "anthropic", "openai"]
