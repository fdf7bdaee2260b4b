"""Telling people: what of the feed goes to whom, when, and until it has arrived.

``follower`` turns the feed into messages, ``outbox`` keeps them, ``sender`` decides what goes out now, a channel
(``smtp``, ``services``) takes it or says why not. ``report`` writes the daily one. ``worker`` is the process in
which Apprise lives.
"""
