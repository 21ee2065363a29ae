"""JSON with exact numbers: decimals are read as Decimal and written as JSON numbers, so that no price meets a float.

Stands at the edge of `tariffs.ocpi`; the standard library reads Decimals but cannot write them.
"""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal

from voltway.kernel.errors import Fault, InvalidInput


def loads(text: str | bytes) -> object:
    """Read JSON with every fraction as Decimal; raises InvalidInput where it is no JSON (NaN and Infinity are none)."""
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_refuse)
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


def _pieces(value: object) -> Iterator[str]:
    match value:
        case Decimal():
            assert value.is_finite(), "NaN has no JSON form"
            yield format(value, "f")
        case Mapping():
            yield "{"
            for index, (key, item) in enumerate(value.items()):
                yield f"{',' if index else ''}{json.dumps(str(key), ensure_ascii=False)}:"
                yield from _pieces(item)
            yield "}"
        case list() | tuple():
            yield "["
            for index, item in enumerate(value):
                yield "," if index else ""
                yield from _pieces(item)
            yield "]"
        case _:
            yield json.dumps(value, ensure_ascii=False, allow_nan=False)
