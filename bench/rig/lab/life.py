"""A site's month: cars come, stations fall away and return, faults strike, we close and update. Events in order of
receipt, lazily; the truth is told when the month is over."""

import heapq
from collections.abc import Iterator

from rig.lab import habits, strikes
from rig.lab.cars import Outlet, idle_flow
from rig.lab.fullness import full_spells
from rig.lab.links import Down, Downs, downs_of, outages_of_site
from rig.lab.network import SiteSpec, StationSpec
from rig.lab.planning import DAY_S, Fault
from rig.lab.ranges import Recipe
from rig.lab.sessions import Bay
from rig.lab.site import SiteLife
from rig.lab.stream import Event, Label, LinkClosed, LinkOpened
from rig.lab.visitors import plan_day
from rig.lab.voice import Post, Voice
from rig.lab.wording import booted, idle_metered, said_status
from voltway.vehicles.seeds import seeded

Stamped = tuple[float, int, Event]
DETECTED_S = (0.0, 45.0)
"""How long after a loss the gateway notices."""


def life_of(
    site: SiteSpec, recipe: Recipe, faults: list[Fault], *, days: int, seed: int, truth: list[Label]
) -> Iterator[Stamped]:
    """Yield what is received from a site in a month; its labels are added to `truth` at the end."""
    dice = seeded("lab life", seed, site.location_id)
    life = SiteLife(site, recipe, days, dice, Post(recipe, dice), faults)
    _set_up(life)
    while life.agenda:
        at_s, _, act = heapq.heappop(life.agenda)
        yield from life.post.due(at_s)
        if at_s < days * DAY_S:
            act(at_s)
    yield from life.post.due(days * DAY_S)
    truth.extend(life.labels)
    truth.extend(full_spells(life))


def _set_up(life: SiteLife) -> None:
    outages = outages_of_site(life.faults, life.recipe, life.dice, life.days)
    for station in life.site.stations:
        _equip(life, station, outages)
    for fault in life.faults:
        strikes.prepare(life, fault)
    for station in life.site.stations:
        habits.prepare(life, station)
        for bay in life.bays_of(station):
            bay.cuts.sort()
    for station in life.site.stations:
        _connect(life, station)
    for day in range(life.days):
        life.then(day * DAY_S, lambda at_s: plan_day(life, at_s))


def _equip(life: SiteLife, station: StationSpec, outages: list[Down]) -> None:
    own = [it for it in life.faults if it.station is station]
    found = downs_of(station, outages, own, life.recipe, life.dice, days=life.days)
    found += habits.restarts_of(life, station)
    downs = Downs(found)
    voice = life.voices[station.station_id] = Voice(station, downs, own, life.post)
    life.firmware[station.station_id] = station.firmware
    lost_power = [(down.begin_s, "PowerLoss") for down in downs.spans if not down.has_power]
    for evse in station.evses:
        touching = [it for it in own if it.evse is evse]
        register = life.dice.uniform(0.5e9, 40e9)
        outlet = Outlet(evse, station.vendor, register, life.dice.uniform(10, 24), touching)
        bay = Bay(voice, evse, outlet, cuts=list(lost_power))
        bay.closed.extend((it.begin_s, it.end_s + 120) for it in downs.spans if not _charges(station, it))
        bay.out.extend((it.begin_s, it.end_s) for it in downs.spans if it.end_s - it.begin_s > 300)
        life.bays[station.station_id, evse.evse_id] = bay


def _charges(station: StationSpec, down: Down) -> bool:
    """Whether a station lets drivers start while it is without connection."""
    return down.has_power and (station.starts_offline or down.end_s - down.begin_s < 60)


def _connect(life: SiteLife, station: StationSpec) -> None:
    """Plan its links, first words, returns, and readings between sessions."""
    voice = life.voices[station.station_id]
    life.then(life.dice.uniform(0, 60), lambda at_s: _arrive(life, station, at_s, reason="PowerUp"))
    for down in voice.downs.spans:
        gone_s = min(down.end_s - 1, down.begin_s + life.dice.uniform(*DETECTED_S))
        life.then(max(gone_s, down.begin_s + 0.5), lambda at_s: _leave(life, station, at_s))
        reason = "Unknown" if down.has_power else "PowerUp"
        life.then(down.end_s, lambda at_s, reason=reason: _arrive(life, station, at_s, reason=reason))  # type: ignore[misc]
    if station.vendor.idle_meter_s:
        life.then(station.vendor.idle_meter_s, lambda at_s: _meter_idle(life, station, at_s))


def _leave(life: SiteLife, station: StationSpec, at_s: float) -> None:
    life.post.put(at_s, station.station_id, LinkClosed(station.station_id))


def _arrive(life: SiteLife, station: StationSpec, at_s: float, *, reason: str) -> None:
    """Connect; boot where the station did or always does; tell every connector's status."""
    voice, dice = life.voices[station.station_id], life.dice
    life.post.put(at_s, station.station_id, LinkOpened(station.station_id))
    if reason != "Unknown" or station.vendor.boots_on_reconnect:
        boot = booted(station, firmware=life.firmware[station.station_id], reason=reason)
        life.post.put(at_s + 0.5, station.station_id, boot)
    for evse in station.evses:
        bay, told_s = life.bays[station.station_id, evse.evse_id], at_s + 1 + dice.random()
        if not voice.is_away(told_s):
            code = life.code_at(station, evse, told_s)
            status = said_status(station, evse, voice.stamp(told_s), bay.status_at(told_s), code)
            life.post.put(told_s + 0.2, station.station_id, status)


def _meter_idle(life: SiteLife, station: StationSpec, at_s: float) -> None:
    voice = life.voices[station.station_id]
    for bay in life.bays_of(station):
        is_taken = bay.taken and bay.taken[-1][0] <= at_s < bay.taken[-1][1]
        if not is_taken:
            strikes.leak(bay.outlet, at_s - station.vendor.idle_meter_s, at_s)
            flow = idle_flow(bay.outlet, None, at_s)
            fact = idle_metered(station, bay.spec, voice.stamp(at_s), flow, voice.digest())
            voice.say(at_s + 2, fact, is_kept=False)
    life.then(at_s + station.vendor.idle_meter_s, lambda next_s: _meter_idle(life, station, next_s))
