"""JSON with exact numbers."""

from decimal import Decimal

import pytest

from voltway.kernel.errors import InvalidInput
from voltway.tariffs.exact_json import dumps, loads


@pytest.mark.parametrize(
    "text",
    [
        '{"a":[0.10,1,-2.50,true,null,"é\\n"],"b":{}}',
        "[]",
        "0.000000000000000000000000001",
        '""',
        "[" * 200 + "]" * 200,
    ],
)
def test_what_is_read_is_written_again(text: str) -> None:
    """No digit is lost and none is won."""
    assert dumps(loads(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        *("NaN", "[Infinity]", "{", "", b"\xff", "[" * 100_000),
        *("1E999999999999999999999", "[1e401]", "1E-401", "0E-5000"),
        *("[" * 201 + "]" * 201, '{"a":' * 201 + "1" + "}" * 201),
    ],
)
def test_what_is_no_json_is_refused(text: str | bytes) -> None:
    """NaN and Infinity are no JSON either; what nobody could write again is refused at the door."""
    with pytest.raises(InvalidInput):
        loads(text)


def test_exponents_are_written_out() -> None:
    """Contracts.md: decimals without exponent."""
    assert dumps([Decimal("1E+3"), Decimal("1E-3")]) == "[1000,0.001]"


def test_half_a_surrogate_pair_stays_escaped() -> None:
    """It has no UTF-8: written as a letter it could be neither sent nor stored."""
    text = '{"\\ud800":"é\\udfff","x":"😀"}'
    assert dumps(loads(text)).encode() == '{"\\ud800":"\\u00e9\\udfff","x":"😀"}'.encode()
