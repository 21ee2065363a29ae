"""The support desk: sessions, tokens and stations found, and explained in one sentence."""
