"""Processes with heavy libraries: litellm, xllamacpp. Of the daemon they import the contract, nothing else."""
