"""PostgreSQL's binary array format, packed from Python columns for `unnest` in prepared statements.

A column of NaN (floats) or `NULL_INT` (integers) stands for SQL NULL where the statement says `nullif`: fixed-width
packing without a null bitmap is three times as fast. Source: PostgreSQL's array_recv
(src/backend/utils/adt/arrayfuncs.c).
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from struct import Struct
from typing import Any

BOOL, BYTEA, INT8, INT2, INT4, TEXT, FLOAT4, TIMESTAMPTZ, UUID_OID, JSON = 16, 17, 20, 21, 23, 25, 700, 1184, 2950, 114
ARRAY_OF = {
    BOOL: 1000,
    BYTEA: 1001,
    INT8: 1016,
    INT2: 1005,
    INT4: 1007,
    TEXT: 1009,
    FLOAT4: 1021,
    TIMESTAMPTZ: 1185,
    UUID_OID: 2951,
    JSON: 199,
}
NULL_INT = -(2**63)
"""Written in an int8 column where the value is unknown; statements say `nullif(x, NULL_INT)`."""
PG_EPOCH_MICROS = 946_684_800_000_000
"""PostgreSQL counts microseconds from 2000-01-01."""
_FIXED = {
    UUID_OID: (16, "16s"),
    BOOL: (1, "?"),
    INT2: (2, "h"),
    INT4: (4, "i"),
    INT8: (8, "q"),
    FLOAT4: (4, "f"),
    TIMESTAMPTZ: (8, "q"),
}
_HEADER = Struct(">iiIii").pack
_LENGTH = Struct(">i").pack
_NULL = _LENGTH(-1)
_LENGTHS = tuple(_LENGTH(length) for length in range(4096))
NO_UUID = bytes(16)
"""Written in a uuid column where there is none; statements say `nullif(x, NO_UUID_SQL)`."""
NO_UUID_SQL = "'00000000-0000-0000-0000-000000000000'"


@lru_cache(8192)
def _fixed_packer(code: str, count: int) -> Callable[..., bytes]:
    return Struct(">iiIii" + ("i" + code) * count).pack


def pack_fixed(oid: int, values: Sequence[Any]) -> bytes:
    """Pack numbers, booleans, uuids (16 bytes) or timestamps (microseconds since 2000) into an array, no nulls."""
    size, code = _FIXED[oid]
    count = len(values)
    if not count:
        return _HEADER(0, 0, oid, 0, 1)[:12]
    flat: list[Any] = [size] * (2 * count)
    flat[1::2] = values
    return _fixed_packer(code, count)(1, 0, oid, count, 1, *flat)


def pack_bytes(oid: int, values: Sequence[bytes | None]) -> bytes:
    """Pack byte strings (text already in UTF-8) into a one-dimensional array; None is NULL."""
    count = len(values)
    if not count:
        return _HEADER(0, 0, oid, 0, 1)[:12]
    parts = [_HEADER(1, 1, oid, count, 1)]
    for value in values:
        if value is None:
            parts.append(_NULL)
        else:
            length = len(value)
            parts += (_LENGTHS[length] if length < len(_LENGTHS) else _LENGTH(length), value)
    return b"".join(parts)


def pack(oid: int, values: Sequence[Any]) -> bytes:
    """Pack a column of one type: text as str or None, uuid as its 16 bytes, bytea and json as bytes or None."""
    if oid in _FIXED:
        return pack_fixed(oid, values)
    if oid == TEXT:
        return pack_bytes(oid, [None if value is None else value.encode() for value in values])
    return pack_bytes(oid, values)
