"""JSON with exact numbers."""

from decimal import Decimal

import pytest

from voltway.kernel.errors import InvalidInput
from voltway.tariffs.exact_json import dumps, loads


@pytest.mark.parametrize(
    "text", ['{"a":[0.10,1,-2.50,true,null,"é\\n"],"b":{}}', "[]", "0.000000000000000000000000001", '""']
)
def test_what_is_read_is_written_again(text: str) -> None:
    """No digit is lost and none is won."""
    assert dumps(loads(text)) == text


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "{", "", b"\xff", "[" * 100_000])
def test_what_is_no_json_is_refused(text: str | bytes) -> None:
    """NaN and Infinity are no JSON either."""
    with pytest.raises(InvalidInput):
        loads(text)


def test_exponents_are_written_out() -> None:
    """Contracts.md: decimals without exponent."""
    assert dumps([Decimal("1E+3"), Decimal("1E-3")]) == "[1000,0.001]"
