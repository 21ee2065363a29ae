"""Routes that price and lint documents: the inputs of `voltway price` and `voltway tariff lint` as one JSON object."""

from collections.abc import Mapping
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from voltway.httpapi.caller import Reader
from voltway.kernel.errors import Fault, InvalidInput
from voltway.tariffs.explain import Document
from voltway.tariffs.lint_request import LintRequest, linted_request
from voltway.tariffs.ocpi import loads
from voltway.tariffs.price_request import PriceRequest, priced_request

_TEXT = {"type": "string"}
_TARIFF = {"description": 'An OCPI Tariff, or {"document": Tariff, "extension": {"idle", "price_lock"}}.'}
_PRICE_KEYS = {
    "cdr": {"type": "object", "description": "An OCPI CDR (2.1.1, 2.2.1 or 2.3.0)."},
    "tariff": {"description": "A Tariff or an array of them, instead of the CDR's own."},
    "ocpi": {"enum": ["2.1.1", "2.2.1", "2.3.0"]},
    "time_zone": _TEXT,
    "reservation_expired": {"type": "boolean"},
}
_LINT_KEYS = {
    "tariff": _TARIFF,
    "ocpi": {"enum": ["2.1.1", "2.2.1", "2.3.0"]},
    "time_zone": _TEXT,
    "rules": {"type": "array", "items": {"enum": ["ocpi", "afir", "nevi", "uk", "de"]}},
}


def add_price_routes(routes: APIRouter) -> None:
    """Add the routes that price and lint documents; nothing is stored."""

    @routes.post("/price", summary="Price a CDR by its tariff", openapi_extra=_described(_PRICE_KEYS, "cdr"))
    async def price_cdr(_: Reader, request: Request) -> Response:
        body = _object(await request.body(), _PRICE_KEYS, "cdr")
        asked = PriceRequest(
            cdr=body["cdr"],
            tariff=body.get("tariff"),
            ocpi=_text(body, "ocpi"),
            time_zone=_text(body, "time_zone"),
            reservation_expired=_flag(body, "reservation_expired"),
        )
        return _written(await run_in_threadpool(lambda: priced_request(asked).document()))

    @routes.post("/tariffs/lint", summary="Lint a tariff", openapi_extra=_described(_LINT_KEYS, "tariff"))
    async def lint_tariff(_: Reader, request: Request) -> Response:
        body = _object(await request.body(), _LINT_KEYS, "tariff")
        asked = LintRequest(body["tariff"], _text(body, "ocpi"), _text(body, "time_zone"), _rules(body))
        return _written(await run_in_threadpool(lambda: linted_request(asked).document()))


def _described(keys: Mapping[str, object], required: str) -> dict[str, Any]:
    schema = {"type": "object", "required": [required], "properties": keys, "additionalProperties": False}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _object(raw: bytes, keys: Mapping[str, object], required: str) -> Mapping[str, object]:
    """Read the body with exact numbers; raises InvalidInput where it is no object with these keys."""
    found = loads(raw)
    if not isinstance(found, Mapping):
        raise InvalidInput("the body must be a JSON object", [Fault("", f"write an object with {', '.join(keys)}")])
    faults = [Fault(f"/{key}", "there is no such key") for key in found if key not in keys]
    if found.get(required) is None:
        faults.append(Fault(f"/{required}", f"{required} is missing"))
    if faults:
        raise InvalidInput("the body has faults", faults)
    return found


def _text(body: Mapping[str, object], key: str) -> str | None:
    found = body.get(key)
    if found is None or isinstance(found, str):
        return found
    raise InvalidInput("the body has faults", [Fault(f"/{key}", f"{key} must be a text")])


def _flag(body: Mapping[str, object], key: str) -> bool:
    found = body.get(key)
    if found is None or isinstance(found, bool):
        return found is True
    raise InvalidInput("the body has faults", [Fault(f"/{key}", f"{key} must be true or false")])


def _rules(body: Mapping[str, object]) -> tuple[str, ...]:
    """Read the rule sets: a list, or one text with commas as the command takes it."""
    found = body.get("rules")
    if found is None:
        return ("ocpi",)
    names = found.split(",") if isinstance(found, str) else found
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InvalidInput("the body has faults", [Fault("/rules", "rules must be a list of rule sets")])
    return tuple(name.strip() for name in names)


def _written(document: Document | Mapping[str, object]) -> Response:
    return Response(orjson.dumps(document), media_type="application/json")
