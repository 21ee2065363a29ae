"""JSON with exact numbers: decimals are read as Decimal and written as JSON numbers, so that no price meets a float.

Stands at the edge of `tariffs.ocpi`; the standard library reads Decimals but cannot write them.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal, InvalidOperation

from voltway.kernel.errors import Fault, InvalidInput

_GREATEST_EXPONENT = 400
"""Beyond what a double holds; a partner's 1E999999999 would be written out as a gigabyte of zeros."""
_DEEPEST = 200


def loads(text: str | bytes) -> object:
    """Read JSON with every fraction as Decimal; raises InvalidInput where it is no JSON (NaN and Infinity are none).

    Refused too: numbers beyond 1E±400 and documents deeper than 200 levels, which nobody could write again.
    """
    try:
        value: object = json.loads(text, parse_float=_decimal, parse_constant=_refuse)
        _check_depth(value)
        return value
    except (ValueError, RecursionError) as error:
        raise InvalidInput("this is not JSON", [Fault("", f"this is not JSON: {error}")]) from error


def dumps(value: object) -> str:
    """Write JSON without spaces; Decimals as plain numbers without exponent and with all their digits.

    >>> dumps({"price": Decimal("0.390"), "volumes": [1, Decimal("1E-7"), None]})
    '{"price":0.390,"volumes":[1,0.0000001,null]}'
    """
    return "".join(_pieces(value))


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is not a JSON number")


def _decimal(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise ValueError(f"{text} is out of range") from error
    if abs(number.adjusted()) > _GREATEST_EXPONENT:
        raise ValueError(f"{text} is out of range")
    return number


def _check_depth(value: object) -> None:
    level = [value]
    for _ in range(_DEEPEST):
        level = [item for outer in level for item in _inner(outer)]
        if not level:
            return
    raise ValueError(f"it is nested deeper than {_DEEPEST} levels")


def _inner(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _text(value: object) -> str:
    """Write a text as it is; half a surrogate pair has no UTF-8 and stays escaped."""
    plain = json.dumps(value, ensure_ascii=False, allow_nan=False)
    if plain.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in plain):
        return plain
    return json.dumps(value)


def _pieces(value: object) -> Iterator[str]:
    match value:
        case Decimal():
            assert value.is_finite(), "NaN has no JSON form"
            yield format(value, "f")
        case Mapping():
            yield "{"
            for index, (key, item) in enumerate(value.items()):
                yield f"{',' if index else ''}{_text(str(key))}:"
                yield from _pieces(item)
            yield "}"
        case list() | tuple():
            yield "["
            for index, item in enumerate(value):
                yield "," if index else ""
                yield from _pieces(item)
            yield "]"
        case _:
            yield _text(value)
