"""Cars that come to a site: they take a free EVSE, wait a little, or drive on; some drivers fumble with their cards."""

from datetime import timedelta

from rig.lab.cars import drawn_visit
from rig.lab.planning import DAY_S, HOUR_S
from rig.lab.sessions import Bay, play, present
from rig.lab.site import SiteLife
from voltway.kernel.facts import TokenStatus
from voltway.vehicles.arrivals import PlaceKind, intensity

PATIENCE_S = 480.0
QUIET_ON_HOLIDAYS = frozenset({PlaceKind.WORK, PlaceKind.SHOP})
BEFORE_CUT_S = 180.0


def plan_day(life: SiteLife, midnight_s: float) -> None:
    """Draw the day's cars, hour by hour."""
    site, dice = life.site, life.dice
    day = int(midnight_s // DAY_S)
    quiet = 0.12 if day in life.recipe.holidays and site.place in QUIET_ON_HOLIDAYS else 1.0
    mean = site.daily * quiet * sum(evse.weight for station in site.stations for evse in station.evses)
    for hour in range(24):
        local = life.recipe.begin + timedelta(seconds=midnight_s + hour * HOUR_S)
        rate = mean / 24 * intensity(site.place, local)
        at_h = dice.expovariate(rate) if rate else 2.0
        while at_h < 1.0:
            life.then(midnight_s + (hour + at_h) * HOUR_S, lambda at_s: welcome(life, at_s))
            at_h += dice.expovariate(rate)


def welcome(life: SiteLife, at_s: float, *, is_waiting: bool = False) -> None:
    """Send a car to a free EVSE; else it waits a little or drives on."""
    free = [bay for bay in life.bays.values() if bay.is_open(at_s)]
    if not free:
        soonest_s = min(bay.free_s for bay in life.bays.values())
        if not is_waiting and at_s < soonest_s < at_s + PATIENCE_S and life.dice.random() < 0.5:
            life.then(soonest_s + 1, lambda later_s: welcome(life, later_s, is_waiting=True))
        else:
            life.turned_away.append(at_s)
        return
    bay = life.dice.choices(free, [it.spec.weight for it in free])[0]
    begin_s = fumble(life, bay, at_s)
    if begin_s is None or bay.next_cut(at_s)[0] < begin_s + BEFORE_CUT_S:
        return
    visit = drawn_visit(life.recipe, life.dice, life.site.place, begin_s=begin_s, dc=life.site.dc)
    stalled = bay.outlet.fault("no_delivery", begin_s)
    if stalled is not None:
        visit.leaves_s = begin_s + stalled.size * 60 * life.dice.uniform(0.7, 1.3)
    play(bay, visit, life.new_transaction())


def fumble(life: SiteLife, bay: Bay, at_s: float) -> float | None:
    """Return when the car begins: at once, or after another card; None where its driver gives up."""
    dice = life.dice
    if dice.random() >= life.recipe.rate("refused_share"):
        return at_s
    token = f"05{dice.randrange(16**10):010X}"
    tries = dice.randint(2, 3)
    for number in range(tries):
        present(bay.voice, at_s + 12 * number, token, dice.choice((TokenStatus.BLOCKED, TokenStatus.UNKNOWN)))
    return at_s + 12 * tries + 10 if dice.random() < 0.6 else None
