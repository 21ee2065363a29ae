"""The session state machine, registers to energy, charging periods, CDRs."""
