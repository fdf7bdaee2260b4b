"""The drill: a private simulated homelab is broken at random, in time that passes as fast as the work is done.

Real rooms over real network protocols, in this process; the simulator is a process of its own in a temporary
folder. Nobody's home, store or demo is touched, nobody is notified.
"""
