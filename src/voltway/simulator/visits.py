"""Cars that come to an EVSE: who, when, how long and what goes wrong, planned from the seed before it happens. Pure."""

from dataclasses import dataclass
from datetime import datetime
from random import Random
from zoneinfo import ZoneInfo

from voltway.simulator.specs import EvseSpec, StationSpec
from voltway.vehicles.arrivals import intensity
from voltway.vehicles.catalogue import CarModel, pick_car
from voltway.vehicles.seeds import seeded

LOCAL_ZONE = ZoneInfo("Europe/Berlin")
"""Where the made-up city lies."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How lively it is, in seconds: ranges are (least, most); shares are of visits, `first_gap_share` of a gap."""

    gap_s: tuple[float, float]
    draw_s: tuple[float, float]
    overstay_s: tuple[float, float]
    sample_interval_s: int
    overstay_share: float = 0.3
    fault_share: float = 0.02
    fault_s: tuple[float, float] = (5, 20)
    offline_share: float = 0.04
    offline_s: tuple[float, float] = (3, 12)
    follows_the_day: bool = False
    first_gap_share: float = 1.0


QUICK = Pace(gap_s=(1.5, 8), draw_s=(8, 30), overstay_s=(2, 8), sample_interval_s=5)
"""For tests and trials: a session every half a minute at each EVSE."""
CITY = Pace(
    gap_s=(60, 600),
    draw_s=(180, 900),
    overstay_s=(30, 150),
    sample_interval_s=15,
    overstay_share=0.25,
    fault_share=0.03,
    fault_s=(40, 180),
    offline_share=0.04,
    offline_s=(20, 90),
    follows_the_day=True,
    first_gap_share=0.15,
)
"""The demo's city: short top-ups, so that with two hundred stations a session starts or ends every second or two."""
PACES = {"quick": QUICK, "city": CITY}


@dataclass(frozen=True, slots=True)
class Visit:
    """One planned visit: seconds count from the moment the car is plugged in, `gap_s` from the end of the last visit.

    `draw_s`: how long the car draws; `overstay_s`: how long it stays plugged in after that (0: it leaves at once).
    `fault_after_s` and `offline_after_s`: None if nothing of the kind happens.
    """

    number: int
    gap_s: float
    car: CarModel
    soc: float
    token: str
    draw_s: float
    overstay_s: float
    fault_after_s: float | None = None
    fault_s: float = 0.0
    offline_after_s: float | None = None
    offline_s: float = 0.0


def plan_visit(station: StationSpec, evse: EvseSpec, number: int, *, plan: "Plan", at: datetime) -> Visit:
    """Plan visit `number` (from 1) of an EVSE; `at` matters only where the pace follows the hours of the day."""
    dice = seeded(plan.seed, station.identity, evse.evse_id, number)
    pace, draw_s = plan.pace, dice.uniform(*plan.pace.draw_s)
    crowd = intensity(station.place, at.astimezone(LOCAL_ZONE)) if pace.follows_the_day else 1.0
    if pace.first_gap_share < 1 and number == 1:
        draw_s *= dice.uniform(0.1, 1.0)  # else the first cars would all leave at the same time
    crowd, first = max(0.6, min(1.8, crowd)), pace.first_gap_share
    stays, fault, offline = (dice.random() for _ in range(3))
    return Visit(
        number=number,
        gap_s=_whole_ms(_seconds(dice, pace.gap_s) * (first if number == 1 else 1 / crowd)),
        car=pick_car(dice, dc=evse.dc),
        soc=dice.uniform(0.08, 0.72),
        token=dice.choice(plan.tokens),
        draw_s=_whole_ms(draw_s),
        overstay_s=_seconds(dice, pace.overstay_s) if stays < pace.overstay_share else 0.0,
        fault_after_s=_whole_ms(draw_s * 0.6) if fault < pace.fault_share else None,
        fault_s=_seconds(dice, pace.fault_s),
        offline_after_s=_whole_ms(draw_s * 0.3) if offline < pace.offline_share else None,
        offline_s=_seconds(dice, pace.offline_s),
    )


@dataclass(frozen=True, slots=True)
class Plan:
    """What all visits of a run share: the seed, the pace and the tokens that drivers hold."""

    seed: int
    pace: Pace
    tokens: tuple[str, ...]


def numbered_tokens(prefix: str, count: int = 40) -> tuple[str, ...]:
    """Return the tokens of the simulator's own drivers: PREFIX-T-0001… (at most 20 characters, as 1.6 asks)."""
    return tuple(f"{prefix[:12]}-T-{k:04d}" for k in range(1, count + 1))


def _seconds(dice: Random, span: tuple[float, float]) -> float:
    return _whole_ms(dice.uniform(*span))


def _whole_ms(seconds: float) -> float:
    return round(seconds, 3)
