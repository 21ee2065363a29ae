"""The OCPP wire without I/O: frames, schemas, versions, wire to facts and back."""
