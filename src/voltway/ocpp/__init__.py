"""The OCPP wire, sans I/O: bytes to facts and replies to bytes, for 1.6, 2.0.1 and 2.1.

`protocol.Protocol` is the door: `gateway` and the simulator need little else. Nothing below it
touches a socket or a clock.
"""
