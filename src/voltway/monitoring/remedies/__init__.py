"""Ladders of remedies: what is tried against a fault, within which limits, and whether it helped."""
