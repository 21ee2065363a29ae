"""Uptime, usage and KPIs, computed from the timeline and the sessions."""
