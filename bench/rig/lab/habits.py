"""What a healthy station goes through: planned closures at our wish, updates that succeed, fresh certificates."""

from collections.abc import Iterator
from datetime import timedelta

from rig.lab.links import Down
from rig.lab.network import StationSpec
from rig.lab.planning import DAY_S, HOUR_S
from rig.lab.site import SiteLife
from rig.lab.stream import Asked, CertificateSeen
from rig.lab.wording import firmware_status
from voltway.kernel.facts import ConnectorStatus

CERTIFICATE = "station"
FRESH_DAYS = (90, 700)
AFTER_UPDATE = (("Downloading", -900.0), ("Downloaded", -420.0), ("Installing", -30.0))
"""Statuses before the restart, in seconds relative to it; "Installed" follows."""


def restarts_of(life: SiteLife, station: StationSpec) -> list[Down]:
    """Draw the station's successful updates and return the absences that they cause."""
    dice, recipe = life.dice, life.recipe
    found = []
    for at_s in _drawn(life, recipe.rate("updates_a_month") / 30):
        until_s = at_s + recipe.draw("restart_s", dice)
        if life.is_quiet(station, at_s, until_s, margin_s=2 * HOUR_S):
            life.updates.setdefault(station.station_id, []).append(at_s)
            found.append(Down(at_s, until_s, has_power=False))
    return found


def prepare(life: SiteLife, station: StationSpec) -> None:
    """Plan what the station goes through without any fault."""
    dice = life.dice
    life.then(120.0, lambda at_s: see_certificate(life, station, at_s, dice.uniform(*FRESH_DAYS)))
    for at_s in life.updates.get(station.station_id, ()):
        _plan_update(life, station, at_s)
    for at_s in _drawn(life, life.recipe.rate("closures_a_day")):
        until_s = at_s + life.recipe.draw("closure_h", dice) * HOUR_S
        if life.is_quiet(station, at_s, until_s, margin_s=2 * HOUR_S):
            _plan_closure(life, station, at_s, until_s)


def see_certificate(life: SiteLife, station: StationSpec, at_s: float, days: float) -> None:
    """Let the gateway see when the station's certificate expires."""
    expires_at = life.recipe.begin + timedelta(seconds=at_s, days=days)
    life.post.put(at_s, station.station_id, CertificateSeen(CERTIFICATE, expires_at))


def _plan_update(life: SiteLife, station: StationSpec, at_s: float) -> None:
    voice = life.voices[station.station_id]
    down = voice.downs.at(at_s)
    assert down is not None, "an update restarts the station"
    for status, before_s in AFTER_UPDATE:
        life.then(
            max(60.0, at_s + before_s),
            lambda now_s, status=status: voice.say(now_s, firmware_status(station, voice.stamp(now_s), status)),  # type: ignore[misc]
        )
    life.then(at_s, lambda _: _install(life, station))
    life.then(
        down.end_s + 20, lambda now_s: voice.say(now_s, firmware_status(station, voice.stamp(now_s), "Installed"))
    )


def _install(life: SiteLife, station: StationSpec) -> None:
    life.firmware[station.station_id] = f"{life.firmware[station.station_id].split('+')[0]}+{life.dice.randint(1, 99)}"


def _plan_closure(life: SiteLife, station: StationSpec, at_s: float, until_s: float) -> None:
    """Close one EVSE or the station; who charges there has left by then."""
    bays = life.bays_of(station)
    whole = life.dice.random() < 0.5
    struck = bays if whole else [life.dice.choice(bays)]
    evse_id = 0 if whole else struck[0].spec.evse_id
    if life.voices[station.station_id].is_away(at_s) or life.voices[station.station_id].is_away(until_s):
        return
    for bay in struck:
        bay.cuts.append((at_s - 90, "Remote"))
        bay.closed.append((at_s - 90, until_s + 30))
        bay.out.append((at_s, until_s))

    def turn(now_s: float, *, operative: bool) -> None:
        life.post.put(now_s, station.station_id, Asked(evse_id, operative, "Accepted"))
        status = ConnectorStatus.AVAILABLE if operative else ConnectorStatus.UNAVAILABLE
        for bay in struck:
            bay.say(now_s + 3, status)

    life.then(at_s, lambda now_s: turn(now_s, operative=False))
    life.then(until_s, lambda now_s: turn(now_s, operative=True))


def _drawn(life: SiteLife, daily: float) -> Iterator[float]:
    """Yield instants of a rare thing, from the second day on and not in the last hours."""
    at_s = DAY_S
    while True:
        at_s += life.dice.expovariate(daily) * DAY_S
        if at_s > life.days * DAY_S - 14 * HOUR_S:
            return
        yield at_s
