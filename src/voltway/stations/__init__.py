"""Locations, stations, EVSEs, connectors, device model, findings, raw messages, commands."""
