"""Telephone numbers: one spelling for each, and which two are one line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voltway.identity.phones import normalise_phone, phone_tail, same_line
from voltway.kernel.errors import InvalidInput

_INTERNATIONAL = st.from_regex(r"\+[1-9][0-9]{8,14}", fullmatch=True)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("+49 30 1234567", "+49301234567"),
        ("0049 30 1234567", "+49301234567"),
        ("+49 (0)30 123-4567", "+49301234567"),
        ("0049(0)30/1234567", "+49301234567"),
        (" 030 / 123.45.67 ", "0301234567"),
        ("(030) 1234567", "0301234567"),
        ("\u202a+49\u00a030\u20111234567\u202c", "+49301234567"),
        ("1234567", "1234567"),
    ],
)
def test_a_number_has_one_spelling(written: str, kept: str) -> None:
    """Spaces, dashes, brackets and what a copied contact brings along fall away; 00 is +."""
    assert normalise_phone(written) == kept
    assert normalise_phone(kept) == kept


@pytest.mark.parametrize("written", ["", "+", "12345", "030 12a4567", "1234567890123456", "\u0663" * 7])
def test_what_is_no_number_is_refused_in_a_sentence(written: str) -> None:
    with pytest.raises(InvalidInput, match="a telephone number has"):
        normalise_phone(written)


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("+49301234567", "+49301234567", True),
        ("+49301234567", "0301234567", True),
        ("0301234567", "+49301234567", True),
        ("+49301234567", "1234567", True),
        ("+49301234567", "+43301234567", False),
        ("+49301234567", "0311234567", False),
        ("0301234567", "0301234567", True),
        ("+49301234567", "234567", True),
        ("000123456", "000000", False),
    ],
)
def test_two_numbers_are_one_line(one: str, other: str, is_same: bool) -> None:  # noqa: FBT001 - a table's column
    """A national number matches by its last digits; two countries never match."""
    assert same_line(one, other) is is_same
    assert same_line(other, one) is is_same


@given(_INTERNATIONAL, st.integers(1, 3))
def test_a_national_spelling_finds_its_international_one(number: str, country_digits: int) -> None:
    """The lookup by the last six digits never loses a number that is the same line."""
    national = "0" + number[1 + country_digits :].lstrip("0")
    if len(national) < 7:
        return
    assert same_line(number, national)
    assert phone_tail(number) == phone_tail(national)


@given(_INTERNATIONAL)
def test_punctuation_changes_nothing(number: str) -> None:
    spaced = "00" + " - ".join(number[1:])
    assert normalise_phone(spaced) == number
