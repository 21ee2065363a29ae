"""Seeded dice: the one place where made-up cars, days and faults get their randomness, the same for the same words."""

from random import Random


def seeded(*words: object) -> Random:
    """Return dice that roll alike whenever the same words are given, on every machine and in every process."""
    return Random("|".join(map(str, words)))  # noqa: S311 - made-up cars, no secrets
