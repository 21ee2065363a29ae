"""Telephone numbers as people write them, and when two of them are the same line. Pure.

A number is stored as `+` and digits where its country is known, else as the digits that were given (a national number).
"""

import re

from voltway.kernel.errors import InvalidInput

LEAST_DIGITS = 6
"""Fewer name too many people, and the index holds the last six."""
MOST_DIGITS = 15
"""E.164: a number has at most 15 digits."""
_PUNCTUATION = re.compile(r"[\s\-./()\u00a0\u2010-\u2015\u202a-\u202e\u2060-\u2069\ufeff]+")
_TRUNK = re.compile(r"\(\s*0\s*\)")


def normalise_phone(text: str) -> str:
    """Return a number without punctuation, `+` first where it names its country; raise InvalidInput for no number.

    >>> normalise_phone("0049 (0)30 / 123-4567"), normalise_phone("030 1234567")
    ('+49301234567', '0301234567')
    """
    # "+49 (0)30": the trunk zero is for callers within the country only.
    plain = _PUNCTUATION.sub("", _TRUNK.sub("", text) if text.strip()[:1] == "+" or text.strip()[:2] == "00" else text)
    if plain.startswith("00"):
        plain = "+" + plain[2:]
    digits = plain.removeprefix("+")
    if not digits.isascii() or not digits.isdecimal():
        raise InvalidInput("a telephone number has digits, spaces and - . / ( ), with + or 00 before its country")
    if not LEAST_DIGITS <= len(digits) <= MOST_DIGITS:
        raise InvalidInput(f"a telephone number has {LEAST_DIGITS} to {MOST_DIGITS} digits")
    return plain


def same_line(one: str, other: str) -> bool:
    """Say whether two normalised numbers can be one line; a national number fits any country.

    >>> same_line("+49301234567", "0301234567"), same_line("+49301234567", "+43301234567")
    (True, False)
    """
    if one.startswith("+") and other.startswith("+"):
        return one == other
    short, long = sorted((_significant(one), _significant(other)), key=len)
    return len(short) >= LEAST_DIGITS and long.endswith(short)


def phone_tail(phone: str) -> str:
    """Return what numbers are looked up by: their last six digits."""
    return phone[-LEAST_DIGITS:]


def _significant(phone: str) -> str:
    return phone[1:] if phone.startswith("+") else phone.lstrip("0")
