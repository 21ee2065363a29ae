"""The fault laboratory: a made-up network's month as facts, its faults as labels kept apart, and the scoring of what a
detector makes of it."""
