"""Stations that behave like real ones, good and bad; made history."""
