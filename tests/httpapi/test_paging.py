"""Lists by cursor show every row once, and a cursor that is none of ours is refused."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voltway.httpapi.paging import PageRequest, decode_cursor, encode_cursor, page_of
from voltway.kernel.errors import InvalidInput

KEYS = st.lists(st.text() | st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=4)


@given(KEYS)
def test_a_cursor_reads_back_what_was_written(key: list[str | int]) -> None:
    assert decode_cursor(encode_cursor(key)) == tuple(key)


@given(st.text(max_size=40))
def test_any_text_is_a_cursor_or_refused(text: str) -> None:
    """No text that a caller may send ends in anything but a key or an InvalidInput."""
    with suppress(InvalidInput):
        assert isinstance(decode_cursor(text), tuple)


@given(st.sets(st.integers(0, 10_000), max_size=60), st.integers(1, 20))
def test_pages_together_are_the_list(numbers: set[int], limit: int) -> None:
    """Following next_cursor shows every row exactly once, in order."""
    rows, seen, cursor = sorted(numbers), [], None
    while True:
        wanted = PageRequest(limit, decode_cursor(cursor) if cursor else None)
        after = wanted.after_numbers(1)
        page = page_of([it for it in rows if after is None or it > after[0]][: wanted.fetch], wanted, lambda it: (it,))
        seen += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == rows


@pytest.mark.parametrize("cursor", ["", "!", "e30", "W10", "é", "bm8"])
def test_a_cursor_that_is_none_of_ours_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        decode_cursor(cursor)
    assert refused.value.faults[0].pointer == "/cursor"


@pytest.mark.parametrize("key", [("a",), ("a", "b", "c"), (1, "b"), (True, "b")])
def test_another_lists_cursor_is_refused(key: tuple[object, ...]) -> None:
    wanted = PageRequest(10, key)
    with pytest.raises(InvalidInput):
        wanted.after_texts(2)
    with pytest.raises(InvalidInput):
        wanted.after_numbers(2)


def test_a_number_that_no_column_holds_is_refused() -> None:
    with pytest.raises(InvalidInput):
        PageRequest(10, (2**63,)).after_numbers(1)
