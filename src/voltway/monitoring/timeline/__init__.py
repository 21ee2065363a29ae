"""What each EVSE was, from when to when, and how we know."""
