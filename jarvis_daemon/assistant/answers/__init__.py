"""Questions answered from state, and how outcomes are told."""
