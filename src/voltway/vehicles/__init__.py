"""Battery, charging-curve and arrival models; pure."""
