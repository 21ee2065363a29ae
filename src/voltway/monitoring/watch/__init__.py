"""The watch: follows the facts, keeps every EVSE's timeline, and holds the rules against what it sees.

    store (what changed) ─▶ memory (what is known of each station) ─▶ engine ─▶ timeline, symptoms, incidents ─▶ store

`engine` and `memory` do no I/O; `service` is the worker's loop around them.
"""
