"""Maps what stations say of a fault to the ChargeX minimum required error codes (MREC). The mapping is data.

A code that is already one (`CX002`, whoever sends it) wins over a vendor's own code, that over 1.6's coarse errorCode.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from voltway.kernel.errors import Fault, InvalidInput

_CODE = re.compile(r"\bCX0\d\d\b")
FIXERS = ("driver", "ev", "evse", "network")


@dataclass(frozen=True, slots=True)
class Mrec:
    """One code: its name, who can mend it, what to tell the driver, and what the operator does."""

    code: str
    name: str
    fix: str
    driver: str
    runbook: str


@dataclass(frozen=True, slots=True)
class MrecMapping:
    """A mapping: the codes, 1.6's error codes, and vendors' own codes by vendor (lower case)."""

    codes: Mapping[str, Mrec] = field(default_factory=dict)
    ocpp16: Mapping[str, str] = field(default_factory=dict)
    vendor: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@cache
def shipped() -> MrecMapping:
    """Return the shipped mapping."""
    text = files("voltway.monitoring.incidents").joinpath("data/mrec.toml").read_text("utf-8")
    return parse_mapping(tomllib.loads(text))


def parse_mapping(document: Mapping[str, Any], base: MrecMapping | None = None) -> MrecMapping:
    """Read a mapping in the form of `data/mrec.toml`, added to another one.

    Raises:
        InvalidInput: with every fault at once: a code without its words, or one that is mapped to and not known.
    """
    known = base or MrecMapping()
    faults: list[Fault] = []
    codes = dict(known.codes)
    for code, words in document.get("codes", {}).items():
        missing = [name for name in ("name", "fix", "driver", "runbook") if not words.get(name)]
        faults += [Fault(f"/codes/{code}/{name}", "must be a text") for name in missing]
        if not missing and words["fix"] not in FIXERS:
            faults.append(Fault(f"/codes/{code}/fix", f"must be one of {', '.join(FIXERS)}"))
        codes[code] = Mrec(code, *(str(words.get(name, "")) for name in ("name", "fix", "driver", "runbook")))
    ocpp16 = {**known.ocpp16, **document.get("ocpp16", {})}
    vendors = {name: dict(own) for name, own in known.vendor.items()}
    for vendor, own in document.get("vendor", {}).items():
        vendors.setdefault(vendor.lower(), {}).update(own)
    tables = {"ocpp16": ocpp16, **{f"vendor/{name}": own for name, own in vendors.items()}}
    faults += [
        Fault(f"/{table}/{said}", f"{code} is no code of /codes")
        for table, own in tables.items()
        for said, code in own.items()
        if code not in codes
    ]
    if faults:
        raise InvalidInput(f"the mapping has {len(faults)} fault(s)", faults)
    return MrecMapping(codes, ocpp16, vendors)


def mrec_of(
    vendor: str | None, error_code: str, vendor_error_code: str, info: str, mapping: MrecMapping | None = None
) -> Mrec | None:
    """Return the code of a fault; None where nothing is known.

    >>> mrec_of("Acme", "OtherError", "CX020", "").name
    'PartialInsertion'
    >>> mrec_of(None, "GroundFailure", "", "").code
    'CX002'
    """
    known = mapping or shipped()
    for text in (vendor_error_code, info, error_code):
        said = _CODE.search(text)
        if said is not None and said.group() in known.codes:
            return known.codes[said.group()]
    own = {**known.vendor.get("everest", {}), **known.vendor.get((vendor or "").lower(), {})}
    code = own.get(vendor_error_code) or own.get(error_code) or known.ocpp16.get(error_code)
    return known.codes[code] if code is not None else None
