"""Faults as they strike: what each kind does to its place, and the truth about when it was really there."""

from collections.abc import Callable

from rig.lab import habits
from rig.lab.cars import Outlet, Visit, patient_visit
from rig.lab.planning import HOUR_S, Fault
from rig.lab.sessions import Bay, play, present
from rig.lab.site import SiteLife
from rig.lab.visitors import welcome
from rig.lab.wording import firmware_status, told_problem
from voltway.kernel.facts import ConnectorStatus, TokenStatus

ROOM_S = 700.0
"""An EVSE is kept free for so long before a fault that needs it free."""
HEALED_DAYS = 365.0
METER_SHARE = 6
"""A register goes wrong after this part of the fault's time: by then the car charges (see `cars`)."""


def prepare(life: SiteLife, fault: Fault) -> None:
    """Plan a fault before the month begins."""
    _PREPARE[fault.kind](life, fault)


def leak(outlet: Outlet, from_s: float, to_s: float) -> None:
    """Count what flows outside any session between two instants."""
    for fault in outlet.faults:
        if fault.kind == "energy_without_session":
            lasting_s = min(to_s, fault.end_s) - max(from_s, fault.onset_s)
            outlet.register_milliwh += max(0.0, lasting_s) * fault.size / 3.6


def _only_label(life: SiteLife, fault: Fault) -> None:
    """The fault works through the links or the clock (`links`, `voice`)."""
    life.label(fault)


def _clear(bay: Bay, fault: Fault, *, until_s: float) -> None:
    bay.cuts.append((fault.onset_s - 60, "Local"))
    bay.closed.append((fault.onset_s - ROOM_S, until_s))


def _faulted(life: SiteLife, fault: Fault) -> None:
    bay = life.bay_of(fault)
    station, code = bay.voice.spec, life.dice.choice(bay.voice.spec.vendor.codes)
    life.codes[station.station_id, bay.spec.evse_id, fault.onset_s] = code
    bay.cuts.append((fault.onset_s - 20, "EmergencyStop" if life.dice.random() < 0.3 else "Other"))
    bay.closed.append((fault.onset_s - 200, fault.end_s + 30))
    bay.out.append((fault.onset_s, fault.end_s))

    def turn(at_s: float, *, cleared: bool) -> None:
        bay.say(
            at_s, ConnectorStatus.AVAILABLE if cleared else ConnectorStatus.FAULTED, ("", "", "") if cleared else code
        )
        if not station.is_16:
            bay.voice.say(at_s + 1, told_problem(bay.spec, bay.voice.stamp(at_s), code, cleared=cleared))

    life.then(fault.onset_s, lambda at_s: turn(at_s, cleared=False))
    life.then(fault.end_s, lambda at_s: turn(at_s, cleared=True))
    life.label(fault)


def _in_session(
    stay_h: Callable[[SiteLife, Fault], float], *, onset_share: float = 0.0
) -> Callable[[SiteLife, Fault], None]:
    """Return the preparation of a fault that shows itself in sessions: the first one begins at its onset."""

    def prepare_it(life: SiteLife, fault: Fault) -> None:
        bay = life.bay_of(fault)
        _clear(bay, fault, until_s=fault.onset_s + 1)

        def begin(at_s: float) -> None:
            visit = patient_visit(life.dice, begin_s=at_s, stay_s=stay_h(life, fault) * HOUR_S, dc=life.site.dc)
            play(bay, visit, life.new_transaction())

        life.then(fault.onset_s, begin)
        life.label(fault, onset_s=fault.onset_s + onset_share * (fault.end_s - fault.onset_s))

    return prepare_it


def _stay_of_weak(life: SiteLife, fault: Fault) -> float:
    return min(
        (fault.end_s - fault.onset_s) / HOUR_S, life.dice.uniform(0.8, 1.6) if life.site.dc else life.dice.uniform(2, 6)
    )


def _energy_without_session(life: SiteLife, fault: Fault) -> None:
    bay = life.bay_of(fault)
    _clear(bay, fault, until_s=fault.end_s)
    life.label(fault)


def _session_stuck(life: SiteLife, fault: Fault) -> None:
    bay = life.bay_of(fault)
    _clear(bay, fault, until_s=fault.end_s + 60)

    def forget(at_s: float) -> None:
        stay_s = life.dice.uniform(0.4, 1.5) * HOUR_S
        visit = patient_visit(life.dice, begin_s=at_s, stay_s=stay_s, dc=life.site.dc)
        visit.overstay_s = 0.0
        last = play(bay, visit, life.new_transaction(), zombie_until_s=fault.end_s)
        bay.out.append((last.at_s, fault.end_s))
        life.label(fault, onset_s=last.at_s)

    def stay(at_s: float) -> None:
        visit: Visit = patient_visit(life.dice, begin_s=at_s, stay_s=fault.end_s - at_s, dc=life.site.dc)
        visit.overstay_s = 0.0
        play(bay, visit, life.new_transaction())
        life.label(fault)

    life.then(fault.onset_s, forget if fault.size < 0.5 else stay)


def _failed_authorisations(life: SiteLife, fault: Fault) -> None:
    assert fault.station is not None, "a reader belongs to a station"
    voice, dice = life.voices[fault.station.station_id], life.dice
    for bay in life.bays_of(fault.station):
        bay.closed.append((fault.onset_s, fault.end_s))
    token = ""
    for number, at_s in enumerate(sorted(dice.uniform(fault.onset_s, fault.end_s) for _ in range(int(fault.size)))):
        if number % 2 == 0 or dice.random() < 0.5:
            token = f"06{dice.randrange(16**10):010X}"
        said = token
        life.then(at_s, lambda now_s, said=said: present(voice, now_s, said, TokenStatus.INVALID))  # type: ignore[misc]
    life.label(fault)


def _certificate(life: SiteLife, fault: Fault) -> None:
    station = fault.station
    assert station is not None, "a certificate belongs to a station"
    life.then(fault.onset_s, lambda at_s: habits.see_certificate(life, station, at_s, fault.size))
    life.then(fault.end_s, lambda at_s: habits.see_certificate(life, station, at_s, HEALED_DAYS))
    life.label(fault)


def _firmware(life: SiteLife, fault: Fault) -> None:
    assert fault.station is not None, "firmware belongs to a station"
    station, voice = fault.station, life.voices[fault.station.station_id]
    course = life.dice.choice((
        ("Downloading", "DownloadFailed"),
        ("Downloading", "Downloaded", "InstallationFailed"),
        ("Downloading", "Downloaded", "Installing", "InstallationFailed"),
    ))  # fmt: skip
    for number, status in enumerate(course):
        life.then(
            fault.onset_s + 240 * number,
            lambda at_s, status=status: voice.say(at_s, firmware_status(station, voice.stamp(at_s), status)),  # type: ignore[misc]
        )
    life.label(fault, onset_s=fault.onset_s + 240 * (len(course) - 1))


def _silent_connector(life: SiteLife, fault: Fault) -> None:
    life.bay_of(fault).closed.append((fault.onset_s, fault.end_s))
    life.label(fault)


def _queue(life: SiteLife, fault: Fault) -> None:
    """A crowd fills the site, and more come; `fullness` tells from when to when it was really full."""
    for number in range(life.site.evse_count + 2):
        life.then(fault.onset_s + 4 * number, lambda at_s: welcome(life, at_s))
    at_s = fault.onset_s + 4 * life.site.evse_count
    while at_s < fault.end_s:
        at_s += fault.size * life.dice.uniform(0.6, 1.4)
        life.then(at_s, lambda now_s: welcome(life, now_s))


_PREPARE: dict[str, Callable[[SiteLife, Fault], None]] = {
    "station_offline": _only_label,
    "flapping": _only_label,
    "site_outage": _only_label,
    "clock_drift": _only_label,
    "faulted": _faulted,
    "no_delivery": _in_session(lambda _, fault: fault.size / 60),
    "low_power": _in_session(_stay_of_weak),
    "temperature": _in_session(_stay_of_weak),
    "meter": _in_session(_stay_of_weak, onset_share=1 / METER_SHARE),
    "energy_without_session": _energy_without_session,
    "session_stuck": _session_stuck,
    "failed_authorisations": _failed_authorisations,
    "certificate": _certificate,
    "firmware": _firmware,
    "silent_connector": _silent_connector,
    "queue": _queue,
}
