"""Rules, symptoms and incidents: faults found, grouped, and followed until they are over."""
