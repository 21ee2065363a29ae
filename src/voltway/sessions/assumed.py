"""The session that a quote assumes: how fast the EVSE charges, how long, and in plain words why. Pure.

The model is as simple as it is honest: one constant power while the car charges, then nothing. `AssumedSession.course`
gives it the form of a real session's readings, so that it is cut and priced by the very functions that bill one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from statistics import median
from typing import NamedTuple

from voltway.kernel.energy import MILLIWH_PER_WH, Energy
from voltway.kernel.errors import Conflict, Fault, InvalidInput
from voltway.kernel.facts import ChargingState
from voltway.kernel.money import decimal_text, scaled_half_up
from voltway.sessions.periods import Course, Sample
from voltway.sessions.registers import MAX_POWER_W

MIN_CHARGES = 5
"""Fewer earlier sessions say more about their cars than about the EVSE."""
MAX_STAY = timedelta(days=7)
_MICROSECOND = timedelta(microseconds=1)
_MICROS_PER_MINUTE = 60_000_000
_WATT_MICROS_PER_MILLIWH = 3_600_000
_QUANTUM_MILLIWH = 100
"""An energy that we choose is cut down to 0.1 Wh, as in charging periods: four decimals of a kWh carry it."""


class AssumptionCode(StrEnum):
    """What a quote takes for granted."""

    POWER_MEASURED = "power_measured"
    POWER_RATED = "power_rated"
    POWER_MEAN = "power_mean"
    CONSTANT_POWER = "constant_power"
    LEAVES_WHEN_CHARGED = "leaves_when_charged"
    CHARGES_THROUGHOUT = "charges_throughout"
    IDLE_AFTER = "idle_after"
    ENERGY_CUT = "energy_cut"
    TARIFF_OF_GROUP = "tariff_of_group"
    TARIFF_WITHOUT_GROUP = "tariff_without_group"
    TOKEN_NOT_ACCEPTED = "token_not_accepted"  # noqa: S105 - a code, no secret
    CURRENT_UNKNOWN = "current_unknown"
    NO_TARIFF = "no_tariff"


class Assumption(NamedTuple):
    """One thing that is taken for granted, with a sentence for people."""

    code: AssumptionCode
    text: str


_CONSTANT = Assumption(AssumptionCode.CONSTANT_POWER, "the car draws that power constantly until it is charged")
_THROUGHOUT = Assumption(AssumptionCode.CHARGES_THROUGHOUT, "the car charges the whole time")
_LEAVES = Assumption(AssumptionCode.LEAVES_WHEN_CHARGED, "the car leaves when it is charged")


class ImpossibleWish(InvalidInput):
    """No sane session comes of what is asked for; each fault points to a parameter, `/kwh` or `/minutes`."""


@dataclass(frozen=True, slots=True)
class Charge:
    """What an earlier session drew, and for how many hours: the time in which its car idled is not in them."""

    energy: Energy
    charging_h: Decimal


@dataclass(frozen=True, slots=True)
class AssumedPower:
    """The power of an EVSE in W, and where it comes from."""

    power_w: int
    assumption: Assumption


@dataclass(frozen=True, slots=True)
class Wish:
    """What a quote is asked for: at least one of an energy and how long the car stays."""

    started_at: datetime
    energy: Energy | None = None
    stay: timedelta | None = None


@dataclass(frozen=True, slots=True)
class AssumedSession:
    """A session as it is assumed: charging from start to `charging_ends_at`, idle from there to its end."""

    started_at: datetime
    charging_ends_at: datetime
    ends_at: datetime
    energy: Energy
    power_w: int
    assumptions: tuple[Assumption, ...]

    def course(self) -> Course:
        """Return the readings and states that a real session of this kind would have sent."""
        samples = [Sample(self.started_at, 0, float(self.power_w))]
        history = [(self.started_at, ChargingState.CHARGING)]
        if self.charging_ends_at < self.ends_at:
            samples.append(Sample(self.charging_ends_at, self.energy.milliwh, 0.0))
            history.append((self.charging_ends_at, ChargingState.SUSPENDED_EV))
        return Course(self.started_at, self.ends_at, 0, self.energy.milliwh, samples, history)


def real_power(rated_power_w: int | None, charges: Sequence[Charge], *, since: datetime) -> AssumedPower | None:
    """Return what sessions at an EVSE really drew, never more than its rated power; None where nothing is known.

    `charges` are those of its recent sessions, all that began after `since`.
    """
    powers = [Fraction(it.energy.milliwh, MILLIWH_PER_WH) / Fraction(it.charging_h) for it in charges if it.charging_h]
    if len(powers) >= MIN_CHARGES:
        return _measured(powers, rated_power_w, since)
    if rated_power_w is None:
        return None
    text = f"rated power {kw_text(rated_power_w)} kW: fewer than {MIN_CHARGES} sessions since {since:%Y-%m-%d}"
    return AssumedPower(rated_power_w, Assumption(AssumptionCode.POWER_RATED, text))


def _measured(powers: Sequence[Fraction], rated_power_w: int | None, since: datetime) -> AssumedPower:
    middle = median(powers)
    middle_w = max(scaled_half_up(middle.numerator, middle.denominator, 0), 1)
    text = f"median of {len(powers)} sessions since {since:%Y-%m-%d}: {kw_text(middle_w)} kW"
    power_w = middle_w
    if rated_power_w is not None and middle_w > rated_power_w:
        power_w = rated_power_w
        text += f", more than the rated power of {kw_text(rated_power_w)} kW, which is assumed"
    return AssumedPower(power_w, Assumption(AssumptionCode.POWER_MEASURED, text))


def assumed_session(wish: Wish, power: AssumedPower | None) -> AssumedSession:
    """Return the session that a wish comes to at a power.

    Raises:
        Conflict: the power is not known, and the wish does not say it either.
        ImpossibleWish: charging would take longer than MAX_STAY, no energy would flow, or no EVSE is that strong.
    """
    if power is None:
        return _mean_session(wish)
    if wish.energy is None:
        assert wish.stay is not None, "a wish names an energy or a stay"
        return _session(wish, power, _drawn(power.power_w, wish.stay), charging=wish.stay, then=_THROUGHOUT)
    charging = _time_for(power.power_w, wish.energy)
    if wish.stay is None:
        if charging > MAX_STAY:
            message = f"at {kw_text(power.power_w)} kW that takes longer than {MAX_STAY.days} days; ask for less"
            raise ImpossibleWish("a quote is for a week at most", [Fault("/kwh", message)])
        return _session(wish, power, wish.energy, charging=charging, then=_LEAVES)
    if charging > wish.stay:
        energy = _drawn(power.power_w, wish.stay)
        return _session(wish, power, energy, charging=wish.stay, then=_cut(wish.energy, wish.stay, power, energy))
    then = _idle(charging, wish.stay) if charging < wish.stay else _THROUGHOUT
    return _session(wish, power, wish.energy, charging=charging, then=then)


def _cut(asked: Energy, stay: timedelta, power: AssumedPower, drawn: Energy) -> Assumption:
    limit = f"{minutes_text(stay, 1)} minutes at {kw_text(power.power_w)} kW"
    text = f"{asked.kwh} kWh do not fit into {limit}: {drawn.kwh} kWh are assumed"
    return Assumption(AssumptionCode.ENERGY_CUT, text)


def _idle(charging: timedelta, stay: timedelta) -> Assumption:
    text = f"charged after {minutes_text(charging, 1)} minutes, the car idles for {minutes_text(stay - charging, 1)}"
    return Assumption(AssumptionCode.IDLE_AFTER, text)


def _session(
    wish: Wish, power: AssumedPower, energy: Energy, *, charging: timedelta, then: Assumption
) -> AssumedSession:
    return AssumedSession(
        started_at=wish.started_at,
        charging_ends_at=wish.started_at + charging,
        ends_at=wish.started_at + (charging if wish.stay is None else wish.stay),
        energy=energy,
        power_w=power.power_w,
        assumptions=(power.assumption, _CONSTANT, then),
    )


def _mean_session(wish: Wish) -> AssumedSession:
    """Nothing is known of the EVSE: the wish itself says how fast it charges, if it names both."""
    if wish.energy is None or wish.stay is None:
        raise Conflict(
            "how fast this EVSE charges is not known: it has no max_power_w and too few sessions."
            " Enter its max_power_w, or ask for both kwh and minutes"
        )
    mean_w = max(scaled_half_up(wish.energy.milliwh * _WATT_MICROS_PER_MILLIWH, wish.stay // _MICROSECOND, 0), 1)
    if mean_w > MAX_POWER_W:
        message = f"that is a mean of {kw_text(mean_w)} kW, more than any EVSE gives; ask for less, or longer"
        raise ImpossibleWish("too much energy for the time", [Fault("/kwh", message)])
    text = f"the power of this EVSE is not known: {kw_text(mean_w)} kW, the energy over the time"
    power = AssumedPower(mean_w, Assumption(AssumptionCode.POWER_MEAN, text))
    return _session(wish, power, wish.energy, charging=wish.stay, then=_THROUGHOUT)


def _time_for(power_w: int, energy: Energy) -> timedelta:
    """Return how long an energy takes, up to the next microsecond."""
    return -(-energy.milliwh * _WATT_MICROS_PER_MILLIWH // power_w) * _MICROSECOND


def _drawn(power_w: int, stay: timedelta) -> Energy:
    """Return the energy that flows in a stay, cut down to 0.1 Wh."""
    milliwh = power_w * (stay // _MICROSECOND) // _WATT_MICROS_PER_MILLIWH
    drawn = milliwh // _QUANTUM_MILLIWH * _QUANTUM_MILLIWH
    if not drawn:
        # Nothing is owed where nothing flows (billing note 58): there is nothing to quote.
        message = f"at {kw_text(power_w)} kW not even 0.1 Wh flows in that time; ask for longer"
        raise ImpossibleWish("too short for any energy", [Fault("/minutes", message)])
    return Energy(drawn)


def kw_text(power_w: int) -> str:
    """Write a power in kW as a decimal string, every watt of it.

    >>> kw_text(10_800)
    '10.8'
    """
    return decimal_text(Fraction(power_w, 1000))


def minutes_text(stay: timedelta, places: int = 10) -> str:
    """Write a stretch of time in minutes as a decimal string.

    >>> minutes_text(timedelta(seconds=90))
    '1.5'
    """
    return decimal_text(Fraction(stay // _MICROSECOND, _MICROS_PER_MINUTE), places)
