"""Voltway runs EV charging networks: it connects stations, meters and prices sessions, and explains every bill."""

__version__ = "0.1.0"
