"""A contract for availability, as data that an operator writes: what counts as down, when, where and how it is weighed.

`parse_contract` reads a document and says all its faults at once. Pure.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import time, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from fractions import Fraction
from typing import Any

from voltway.kernel.errors import Fault, InvalidInput
from voltway.monitoring.numbers.exclusions import ExclusionCause
from voltway.monitoring.numbers.uptime_calendar import Month, ServiceWindow
from voltway.monitoring.numbers.uptime_model import DOWN_STATES, Port
from voltway.monitoring.timeline.model import OperatorState

LONGEST_GRACE = timedelta(days=7)


class Period(StrEnum):
    """Over how long a contract is judged, by the calendar of the site."""

    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"

    @property
    def months(self) -> int:
        """Return its length in calendar months."""
        return {Period.MONTH: 1, Period.QUARTER: 3, Period.YEAR: 12}[self]

    def holding(self, month: Month) -> Month:
        """Return the first month of the period that holds a month."""
        return Month(month.year, (month.month - 1) // self.months * self.months + 1)


class Weighting(StrEnum):
    """How the ports' figures become one: each port alike, by service time, by rated power × time, or the worst port."""

    PORT = "port"
    TIME = "time"
    POWER = "power"
    WORST = "worst"


@dataclass(frozen=True, slots=True)
class Contract:
    """A service level as agreed; empty sets of places mean all of them."""

    code: str
    name: str
    target_percent: Decimal
    period: Period = Period.MONTH
    down_states: frozenset[OperatorState] = DOWN_STATES
    low_power_is_down: bool = False
    grace: timedelta = timedelta()
    windows: tuple[ServiceWindow, ...] = ()
    excluded_causes: frozenset[ExclusionCause] = frozenset()
    weighting: Weighting = Weighting.PORT
    locations: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    min_power_w: int | None = None

    @property
    def target(self) -> Fraction:
        """Return the target exactly."""
        return Fraction(self.target_percent)

    def covers(self, port: Port) -> bool:
        """Say whether the contract is about this port."""
        if self.locations and port.location_id not in self.locations:
            return False
        if self.groups and not self.groups.intersection(port.groups):
            return False
        return self.min_power_w is None or (port.max_power_w or 0) >= self.min_power_w


def parse_contract(code: str, document: Mapping[str, Any]) -> Contract:
    """Read a contract's document; raise InvalidInput with every fault in it."""
    reading = _Reading(document)
    contract = Contract(
        code=code,
        name=reading.take("name", _text, code),
        target_percent=reading.take("target_percent", _percent, None),
        period=reading.take("period", Period, Period.MONTH),
        down_states=reading.take("down_states", _set_of(OperatorState, 1), DOWN_STATES),
        low_power_is_down=reading.take("low_power_is_down", _flag, False),
        grace=reading.take("grace_s", _grace, timedelta()),
        windows=reading.take("windows", _windows, ()),
        excluded_causes=reading.take("excluded_causes", _set_of(ExclusionCause), frozenset()),
        weighting=reading.take("weighting", Weighting, Weighting.PORT),
        locations=reading.take("locations", _set_of(_text), frozenset()),
        groups=reading.take("groups", _set_of(_text), frozenset()),
        min_power_w=reading.take("min_power_w", _watts, None),
    )
    reading.finish()
    return contract


class _Reading:
    """Takes fields out of a document and gathers what is wrong with them."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._left = dict(document)
        self._faults: list[Fault] = []
        if "target_percent" not in document:
            self._faults.append(Fault("/target_percent", "say the target in percent, e.g. 98.5"))

    def take(self, name: str, read: Callable[[Any], Any], default: Any) -> Any:
        """Return a field as read, the default where it is absent or wrong."""
        value = self._left.pop(name, None)
        if value is None:
            return default
        try:
            return read(value)
        except (ValueError, TypeError, InvalidOperation) as error:
            self._faults.append(Fault(f"/{name}", _sentence(read, error)))
            return default

    def finish(self) -> None:
        """Raise InvalidInput where anything was wrong."""
        faults = [*self._faults, *(Fault(f"/{name}", "a contract has no such field") for name in self._left)]
        if faults:
            raise InvalidInput(f"the contract has {len(faults)} fault(s)", faults)


def _sentence(read: Callable[[Any], Any], error: Exception) -> str:
    if isinstance(read, type) and issubclass(read, StrEnum):
        return f"write one of {', '.join(read)}"
    return str(error) if isinstance(error, ValueError) else "this is not of the right kind"


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > 200:
        raise ValueError("write a text of 1 to 200 characters")
    return value


def _percent(value: Any) -> Decimal:
    number = Decimal(str(value)) if isinstance(value, str | int | float) and not isinstance(value, bool) else None
    if number is None or not number.is_finite() or not 0 < number <= 100:
        raise ValueError("write a percentage above 0 and up to 100")
    return number


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("write true or false")  # noqa: TRY004 - gathered as a fault
    return value


def _whole(value: Any, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"write a whole number from {low} to {high}")
    return value


def _grace(value: Any) -> timedelta:
    return timedelta(seconds=_whole(value, 0, int(LONGEST_GRACE.total_seconds())))


def _watts(value: Any) -> int:
    return _whole(value, 1, 10_000_000)


def _set_of(read: Callable[[Any], Any], least: int = 0) -> Callable[[Any], frozenset[Any]]:
    def read_set(value: Any) -> frozenset[Any]:
        if not isinstance(value, list) or len(value) < least:
            raise ValueError(f"write a list of at least {least}" if least else "write a list")
        try:
            return frozenset(read(item) for item in value)
        except (ValueError, TypeError) as error:
            raise ValueError(f"in the list: {_sentence(read, error)}") from error

    return read_set


def _windows(value: Any) -> tuple[ServiceWindow, ...]:
    if not isinstance(value, list):
        raise ValueError("write a list of windows")  # noqa: TRY004 - gathered as a fault
    return tuple(_window(item) for item in value)


def _window(item: Any) -> ServiceWindow:
    form = 'write {"weekdays": [1, 2, 3, 4, 5], "begin": "06:00", "end": "22:00"}, Monday being 1'
    if (
        not isinstance(item, dict)
        or set(item) != {"weekdays", "begin", "end"}
        or not isinstance(item["weekdays"], list)
    ):
        raise ValueError(form)
    weekdays = frozenset(_whole(day, 1, 7) for day in item["weekdays"])
    return ServiceWindow(weekdays, _clock_time(item["begin"], form), _clock_time(item["end"], form))


def _clock_time(value: Any, form: str) -> time:
    if not isinstance(value, str) or len(value) != 5:
        raise ValueError(form)
    return time() if value == "24:00" else time.fromisoformat(value)
