"""How a station answers the server's calls: the two tables of `answers16` and `answers201`, and what both do alike.

An action that is in neither table, or a payload that makes no sense, is answered by CALLERROR as the standard asks.
"""

from voltway.simulator.answers16 import ANSWERS_16
from voltway.simulator.answers201 import ANSWERS_201
from voltway.simulator.calls import CallRefused, Json
from voltway.simulator.specs import Version
from voltway.simulator.station import Station


def answer_call(station: Station, action: str, payload: Json) -> Json:
    """Return the answer to a call; raise CallRefused where the answer is a CALLERROR."""
    is_16 = station.spec.version is Version.V16
    handler = (ANSWERS_16 if is_16 else ANSWERS_201).get(action)
    if handler is None:
        raise CallRefused("NotImplemented", f"this station has no {action}")
    try:
        return handler(station, payload)
    except (KeyError, ValueError, TypeError, AttributeError) as fault:
        code = "FormationViolation" if is_16 else "FormatViolation"
        raise CallRefused(code, f"{action}: {type(fault).__name__} at {fault}") from fault
