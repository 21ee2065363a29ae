"""OCPP 1.6J: the only place that speaks its words (`idTag`, charge point, connector as the only number).

A connector n of 1.6 is EVSE n, connector 1; connector 0 is the station. Blocks: `core` (status, tokens, transactions),
`notices` (all that becomes an event), `replies`, `commands`.
"""
