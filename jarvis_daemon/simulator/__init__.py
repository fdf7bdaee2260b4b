"""A homelab that is not there: Proxmox VE endpoints and SSH nodes on loopback, driven by a pure world.

It speaks only network protocols and imports no other room; only its own entry point and tests import it.
"""
