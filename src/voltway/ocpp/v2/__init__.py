"""OCPP 2.0.1, and 2.1 where it is the same. Blocks: `stations` (boot, status, device model), `transactions`, `notices`.

`replies` writes our answers, `commands` our requests.
"""
