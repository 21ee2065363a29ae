"""Lists by cursor: `limit` and `cursor` in, `{"items", "next_cursor"}` and a Link header out.

A cursor is opaque: it holds the sort key of the last row shown, so a page stays right while rows come and go before it.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

import orjson
from fastapi import Depends, Query, Request, Response
from pydantic import BaseModel

from voltway.kernel.errors import Fault, InvalidInput

Item = TypeVar("Item")
DEFAULT_LIMIT = 100
MAX_LIMIT = 1000


class Page(BaseModel, Generic[Item]):
    """One page of a list; `next_cursor` is null on the last."""

    items: list[Item]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which page a caller wants: at most `limit` items that follow the sort key `after` (None: from the start)."""

    limit: int = DEFAULT_LIMIT
    after: tuple[Any, ...] | None = None

    @property
    def fetch(self) -> int:
        """How many rows to read: one more than shown, which tells whether another page follows."""
        return self.limit + 1

    def after_texts(self, count: int) -> tuple[str, ...] | None:
        """Return the key as `count` texts, None for the first page; raise InvalidInput for another list's cursor."""
        if self.after is None:
            return None
        if len(self.after) != count or not all(isinstance(part, str) for part in self.after):
            raise _not_ours()
        return self.after

    def after_numbers(self, count: int) -> tuple[int, ...] | None:
        """Return the key as `count` whole numbers (instants are microseconds), None for the first page."""
        if self.after is None:
            return None
        if len(self.after) != count or not all(type(part) is int and abs(part) < 2**63 for part in self.after):
            raise _not_ours()
        return self.after


def encode_cursor(key: Sequence[Any]) -> str:
    """Write the sort key of the last item as an opaque cursor."""
    return urlsafe_b64encode(orjson.dumps(list(key))).decode().rstrip("=")


def decode_cursor(cursor: str) -> tuple[Any, ...]:
    """Read a cursor; raise InvalidInput where it is none of ours."""
    try:
        key = orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, Base64Error) as error:
        raise _not_ours() from error
    if not isinstance(key, list) or not key:
        raise _not_ours()
    return tuple(key)


def page_of(rows: Sequence[Item], wanted: PageRequest, key: Callable[[Item], Sequence[Any]]) -> Page[Item]:
    """Make a page of at most `limit` of the rows that were read with `wanted.fetch`."""
    shown = list(rows[: wanted.limit])
    more = len(rows) > wanted.limit
    return Page(items=shown, next_cursor=encode_cursor(key(shown[-1])) if more else None)


@dataclass(frozen=True, slots=True)
class Pager:
    """The page a request asks for, and the way to name the next one in its answer."""

    wanted: PageRequest
    request: Request
    response: Response

    def linked(self, page: Page[Item]) -> Page[Item]:
        """Return the page, having added the Link header where another follows."""
        if page.next_cursor is not None:
            url = self.request.url.include_query_params(cursor=page.next_cursor)
            self.response.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
        return page


def _pager(
    request: Request,
    response: Response,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="How many items at most.")] = DEFAULT_LIMIT,
    cursor: Annotated[str | None, Query(max_length=500, description="`next_cursor` of the page before.")] = None,
) -> Pager:
    return Pager(PageRequest(limit, decode_cursor(cursor) if cursor else None), request, response)


WantedPage = Annotated[Pager, Depends(_pager)]


def _not_ours() -> InvalidInput:
    return InvalidInput("this cursor is not one of ours", [Fault("/cursor", "take next_cursor of the page before")])
