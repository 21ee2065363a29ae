"""A visit played through: what the station says of it, from plug to unplug, with the faults that touch it."""

from bisect import bisect_right
from dataclasses import dataclass, field

from rig.lab.cars import Flow, Outlet, Visit, course, idle_flow
from rig.lab.network import EvseSpec
from rig.lab.voice import Voice
from rig.lab.wording import Tale, said_status
from voltway.kernel.facts import ConnectorStatus, PresentedToken, TokenPresented, TokenStatus
from voltway.kernel.ids import Token

TURNOVER_S = 45.0
"""Between two cars at one plug, where one waits."""
TOKEN_S, START_S, CHARGE_S, UNPLUG_S = 6.0, 10.0, 13.0, 15.0
SLOW_METER = 3
"""A full car is metered so much more seldom."""


@dataclass(slots=True, eq=False)
class Bay:
    """One EVSE through the month: what it last said, when it is free, what will interrupt it.

    `cuts` are instants at which nobody may still be charging, ascending, with the reason; `closed` are spans in which
    no car is sent there; `taken` spans in which one stood there; `out` spans out of service.
    """

    voice: Voice
    spec: EvseSpec
    outlet: Outlet
    free_s: float = 0.0
    cuts: list[tuple[float, str]] = field(default_factory=list)
    closed: list[tuple[float, float]] = field(default_factory=list)
    taken: list[tuple[float, float]] = field(default_factory=list)
    out: list[tuple[float, float]] = field(default_factory=list)
    said: list[tuple[float, ConnectorStatus]] = field(default_factory=lambda: [(-1.0, ConnectorStatus.AVAILABLE)])

    def is_open(self, at_s: float) -> bool:
        """Whether a car can be sent there."""
        return self.free_s <= at_s and not any(begin <= at_s < end for begin, end in self.closed)

    def next_cut(self, at_s: float) -> tuple[float, str]:
        """Return the next instant at which a session must be over, and why."""
        place = bisect_right(self.cuts, (at_s, "~"))
        return self.cuts[place] if place < len(self.cuts) else (float("inf"), "")

    def status_at(self, at_s: float) -> ConnectorStatus:
        """Return the connector's true status at an instant."""
        return self.said[max(0, bisect_right(self.said, (at_s, "~")) - 1)][1]

    def say(self, at_s: float, status: ConnectorStatus, code: tuple[str, str, str] = ("", "", "")) -> None:
        """Tell a status; it is what the station repeats when it comes back."""
        self.said.append((at_s, status))
        station = self.voice.spec
        if station.is_16 or status not in _TOLD_BY_SESSION:
            fact = said_status(station, self.spec, self.voice.stamp(at_s), status, code)
            self.voice.say(at_s, fact, is_kept=False)


_TOLD_BY_SESSION = frozenset({
    ConnectorStatus.CHARGING, ConnectorStatus.SUSPENDED_EV, ConnectorStatus.SUSPENDED_EVSE, ConnectorStatus.FINISHING,
})  # fmt: skip


def play(bay: Bay, visit: Visit, transaction: str, *, zombie_until_s: float | None = None) -> Flow:
    """Let a visit happen and return its last reading.

    Args:
        bay: where.
        visit: what was decided beforehand.
        transaction: its number.
        zombie_until_s: where given, the car leaves and the station does not notice until then.
    """
    voice = bay.voice
    tale = Tale(voice.spec, bay.spec, transaction, visit.token, voice.is_away, voice.stamp, voice.digest)
    cut_s, cut_reason = bay.next_cut(visit.begin_s)
    bay.say(visit.begin_s, ConnectorStatus.PREPARING)
    present(voice, visit.begin_s + TOKEN_S, visit.token, TokenStatus.ACCEPTED)
    start_s = visit.begin_s + START_S
    flows = list(course(bay.outlet, visit, start_s, max(cut_s, start_s + 30)))
    voice.say(start_s, tale.started(start_s, flows[0]))
    last = _charge(bay, visit, tale, flows)
    is_full = last.at_s < min(visit.leaves_s, cut_s) - 1
    leaves_s = max(last.at_s, visit.leaves_s) + (visit.overstay_s if is_full else 0.0)
    end_s = min(leaves_s, max(cut_s, last.at_s))
    last = _stand(bay, visit, tale, last, end_s)
    if zombie_until_s is None:
        reason = cut_reason if end_s >= cut_s and cut_reason else ("EVDisconnected" if is_full else "Local")
        voice.say(end_s, tale.ended(last, reason))
    else:
        late = last._replace(at_s=zombie_until_s)
        voice.say(zombie_until_s, tale.ended(late, "Reboot"))
    _unplug(bay, visit.begin_s, end_s)
    return last


def present(voice: Voice, at_s: float, token: str, answer: TokenStatus) -> None:
    """Let somebody hold up a card; nobody does where the station is without connection."""
    voice.say(at_s, TokenPresented(PresentedToken(Token(token))), answer=answer, is_kept=False)


def _charge(bay: Bay, visit: Visit, tale: Tale, flows: list[Flow]) -> Flow:
    """Tell the readings while power flows, pauses by the station included; return the last one."""
    state = ConnectorStatus.CHARGING
    _turn(bay, tale, visit.begin_s + CHARGE_S, state)
    for flow in flows[1:-1]:
        if visit.pause is not None:
            now = ConnectorStatus.SUSPENDED_EVSE if flow.offered_w == 0 else ConnectorStatus.CHARGING
            if now is not state:
                state = now
                _turn(bay, tale, flow.at_s, state)
        bay.voice.say(flow.at_s, tale.metered(flow, state))
    return flows[-1]


def _stand(bay: Bay, visit: Visit, tale: Tale, last: Flow, end_s: float) -> Flow:
    """Tell of a full car that stays plugged in, metered more seldom."""
    if end_s <= last.at_s + 60:
        return last
    _turn(bay, tale, last.at_s, ConnectorStatus.SUSPENDED_EV)
    step_s = bay.outlet.vendor.meter_s * SLOW_METER
    at_s = last.at_s + step_s
    while at_s < end_s:
        flow = idle_flow(bay.outlet, visit, at_s)
        bay.voice.say(at_s, tale.metered(flow, ConnectorStatus.SUSPENDED_EV))
        at_s += step_s
    return idle_flow(bay.outlet, visit, end_s)


def _turn(bay: Bay, tale: Tale, at_s: float, status: ConnectorStatus) -> None:
    bay.said.append((at_s, status))
    bay.voice.say(at_s, tale.changed(at_s, status), is_kept=not tale.station.is_16)


def _unplug(bay: Bay, begin_s: float, end_s: float) -> None:
    bay.say(end_s + 1, ConnectorStatus.FINISHING)
    bay.say(end_s + UNPLUG_S, ConnectorStatus.AVAILABLE)
    bay.free_s = end_s + TURNOVER_S
    bay.taken.append((begin_s, end_s + UNPLUG_S))
