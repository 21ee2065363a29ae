"""Errors as RFC 9457 problems: the one place where an expected failure becomes an HTTP status.

`type` is `urn:voltway:problem:CODE`, `instance` is the request id that the log and the X-Request-Id header carry, and
`errors` has one entry per fault with a JSON Pointer into the body (or the parameter's name, `in` says which).
"""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Literal, get_args

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from voltway.kernel.errors import (
    Conflict,
    InvalidInput,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    NotReady,
    VoltwayError,
)

STATUS_OF: Mapping[type[VoltwayError], int] = {
    InvalidInput: 422,
    NotFound: 404,
    Conflict: 409,
    NotAllowed: 403,
    NotAuthenticated: 401,
    NotReady: 503,
}
Place = Literal["body", "query", "path", "header", "cookie"]
CONTENT_TYPE = "application/problem+json"


class ProblemFault(BaseModel):
    """One thing that is wrong in a request."""

    pointer: str
    message: str
    location: Place = "body"


class Problem(BaseModel):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    instance: str
    errors: list[ProblemFault] = []


def problem_response(
    status: int, code: str, detail: str, *, request_id: str, faults: Iterable[ProblemFault] = ()
) -> Response:
    """Return the answer for a failure; `detail` is a sentence for people, never a traceback."""
    problem = Problem(
        type=f"urn:voltway:problem:{code}",
        title=_title(status),
        status=status,
        detail=detail,
        code=code,
        instance=request_id,
        errors=list(faults),
    )
    return Response(orjson.dumps(problem.model_dump(mode="json")), status, media_type=CONTENT_TYPE)


def install(app: FastAPI) -> None:
    """Make an application answer every expected failure with a problem."""
    app.add_exception_handler(VoltwayError, _of_domain)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(HTTPException, _of_http)


def status_of(error: VoltwayError) -> int:
    """Return the HTTP status of an expected failure; 500 for one that nobody placed."""
    return next((status for kind, status in STATUS_OF.items() if isinstance(error, kind)), 500)


def request_id_of(request: Request) -> str:
    """Return the id that the envelope gave this request."""
    return str(request.scope.get("state", {}).get("request_id", ""))


async def _of_domain(request: Request, error: Exception) -> Response:
    assert isinstance(error, VoltwayError), "registered for this tree only"
    faults = error.faults if isinstance(error, InvalidInput) else ()
    listed = [ProblemFault(pointer=fault.pointer, message=fault.message) for fault in faults]
    status = status_of(error)
    response = problem_response(status, error.code, error.message, request_id=request_id_of(request), faults=listed)
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = 'Bearer realm="voltway"'
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = "2"
    return response


async def _of_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError), "registered for this kind only"
    faults = [_fault(detail) for detail in error.errors()]
    detail = "; ".join(f"{fault.pointer or '/'}: {fault.message}" for fault in faults[:3])
    return problem_response(422, "invalid_input", detail, request_id=request_id_of(request), faults=faults)


async def _of_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException), "registered for this kind only"
    code = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}.get(error.status_code, "refused")
    detail = str(error.detail)
    if error.status_code == HTTPStatus.NOT_FOUND:
        detail = f"there is nothing at {request.url.path}"
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        detail = f"{request.url.path} does not know {request.method}"
    response = problem_response(error.status_code, code, detail, request_id=request_id_of(request))
    for name, value in (error.headers or {}).items():
        response.headers[name] = value
    return response


def _fault(detail: Mapping[str, Any]) -> ProblemFault:
    where, *path = detail["loc"]
    assert where in get_args(Place), "FastAPI says first where a value stood"
    # A JSON syntax error has the offset as its path: it points into no document.
    parts: list[object] = [] if detail["type"] == "json_invalid" else path
    pointer = "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)
    message = str(detail["msg"]).removeprefix("Value error, ")
    return ProblemFault(pointer=pointer, message=message[:1].lower() + message[1:], location=where)


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
