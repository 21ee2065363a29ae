"""One EVSE and the cars that come to it: plug in, present a token, draw along the curve, stay, leave; faults and
limits.

Everything physical happens at its planned time, whether the server answers or not: a station without a server starts
from its local list and tells the story later. A refused token ends the visit before it began.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from voltway.simulator.calls import Message
from voltway.simulator.dialect import Dialect
from voltway.simulator.report import Truth
from voltway.simulator.session import Sample, Session, Status, Step
from voltway.simulator.specs import EvseSpec, StationSpec
from voltway.simulator.timeline import Timer
from voltway.simulator.visits import Visit, plan_visit
from voltway.simulator.world import World
from voltway.vehicles.battery import Battery, power_w
from voltway.vehicles.catalogue import VOLTAGE_V

TOKEN_AFTER_S = 0.5
"""From the plug to the card."""
RELAY_AFTER_S = 1.0
"""From the card to the closed relay; an answer that takes longer finds the session running."""
UNPLUG_AFTER_S = 0.5
RETRY_ARRIVAL_S = 5.0
SETTLING_S = 2.0
"""Before the first car, so that thousands of stations can connect and boot."""
DC_VOLTAGE_V = 400.0
FAULTS = ("GroundFailure", "OverCurrentFailure", "HighTemperature", "PowerSwitchFailure", "EVCommunicationError")
_RUNNING = (Status.CHARGING, Status.SUSPENDED_EV, Status.SUSPENDED_EVSE)


class Host(Protocol):
    """The station around a bay, as far as the bay knows it (`station` holds the real one)."""

    spec: StationSpec
    world: World
    dialect: Dialect
    is_closing: bool

    @property
    def is_online(self) -> bool:
        """Whether the server is there and has accepted us."""

    @property
    def is_commissioned(self) -> bool:
        """Whether the server ever accepted us."""

    @property
    def starts_on_cable(self) -> bool:
        """Whether a transaction begins with the plug."""

    @property
    def sample_interval_s(self) -> int:
        """Seconds between readings."""

    def authorise(self, token: str, judge: Callable[[bool | None], None]) -> None:
        """Ask whether a token may charge."""

    def tell_status(self, bay: "Bay", error: str | None = None) -> None:
        """Report an EVSE's status."""

    def tell_fault(self, bay: "Bay", code: str) -> None:
        """Report a fault in detail."""

    def tell_session(self, session: Session, step: Step, message: Message) -> None:
        """Queue a message of a session."""

    def when_told(self, message: Message, action: Callable[[], None]) -> Message:
        """Do something when a message is answered for good."""

    def behave(self, session: Session, visit: int) -> None:
        """Let misbehaviour twist a session."""

    def world_turns(self, bay: "Bay", visit: int) -> None:
        """Let misbehaviour play with the link."""

    def new_transaction_id(self) -> str | None:
        """Make a transaction id, where the station makes it."""

    def profile_limit_w(self, bay: "Bay", session: Session) -> float:
        """Return what profiles allow."""

    def forget_profiles(self, session: Session) -> None:
        """Drop a session's profiles."""

    def lose_network(self, length_s: float) -> None:
        """Be offline for a while."""


class Bay:
    """An EVSE's connector, meter and present car."""

    def __init__(self, station: Host, spec: EvseSpec, register_milliwh: int) -> None:
        self.station, self.spec = station, spec
        self.register_milliwh = register_milliwh
        self.status = Status.AVAILABLE
        self.session: Session | None = None
        self.is_operative = True
        self.limit_w = float(spec.power_w)
        self.power_w = 0.0
        self._visit: Visit | None = None
        self._battery: Battery | None = None
        self._remote: tuple[str, int] | None = None
        self._verdict: bool | None = None
        self._visits = 0
        self._metered_ms = 0
        self._timers: list[Timer] = []

    @property
    def phases(self) -> int:
        """On how many phases the present car draws (3 where none is there)."""
        return self._battery.model.ac_phases if self._battery and not self.spec.dc else 3

    @property
    def is_plugged(self) -> bool:
        """Whether a cable is in."""
        return self._battery is not None

    def expect(self) -> None:
        """Plan the next car."""
        self._visits += 1
        at = self.station.world.timeline.instant()
        plan = self.station.world.plan
        self._visit = plan_visit(self.station.spec, self.spec, self._visits, plan=plan, at=at)
        self._later(self._visit.gap_s + (SETTLING_S if self._visits == 1 else 0.0), self._arrive)

    def remote_start(self, token: str, remote_start_id: int) -> bool:
        """Start for a token from afar: for the car that is plugged in, or for the one that then comes at once."""
        if self.session is not None or not self.is_operative or self._visit is None:
            return False
        if self.status not in {Status.AVAILABLE, Status.PREPARING, Status.RESERVED}:
            return False
        self._remote = (token, remote_start_id)
        if not self.is_plugged:
            self._cancel_timers()
            self.set_status(Status.AVAILABLE)
            self._later(TOKEN_AFTER_S, self._arrive)
        return True

    def set_operative(self, *, operative: bool) -> str:
        """Take the EVSE in or out of service; during a session that waits for its end."""
        self.is_operative = operative
        if self.session is not None:
            return "Scheduled"
        if operative and self.status is Status.UNAVAILABLE:
            self.set_status(Status.AVAILABLE)
        if not operative and not self.is_plugged:
            self.set_status(Status.UNAVAILABLE)
        return "Accepted"

    def set_status(self, status: Status, error: str | None = None) -> None:
        """Change the status and tell it."""
        self.status = status
        self.station.tell_status(self, error)

    def sample(self, context: str = "Sample.Periodic") -> Sample:
        """Read the meter now."""
        self._meter()
        battery, dc = self._battery, self.spec.dc
        volts = DC_VOLTAGE_V if dc else VOLTAGE_V
        return Sample(
            at_ms=self.station.world.timeline.now_ms,
            register_milliwh=self.register_milliwh,
            power_w=self.power_w,
            current_a=self.power_w / volts / (1 if dc else self.phases),
            voltage_v=volts,
            offered_w=self.limit_w,
            soc_pct=battery.soc * 100 if dc and battery else None,
            context=context,
        )

    def limits_changed(self) -> None:
        """Obey new limits at once."""
        if self.session is not None and self.session.suspended_ms is None:
            self._meter()
            self._set_power()

    def stop(self, reason: str) -> None:
        """End the session, if there is one; the car stays plugged in for a moment."""
        if self.session is None:
            return
        session, self.session = self.session, None
        self._cancel_timers()
        sample = self.sample("Transaction.End")
        self.power_w = 0.0
        self._close_books(session, sample)
        offline = not self.station.is_online
        message = self.station.dialect.stop(session, sample, reason=reason, offline=offline)
        self._record(session)
        self.station.tell_session(
            session, Step.STOP, self.station.when_told(message, lambda: self._tell_truth(session))
        )
        self.set_status(Status.FINISHING)
        self._later(UNPLUG_AFTER_S, self._unplug)

    def leave(self) -> None:
        """Let the present car go, with or without a session; nobody comes after it while the station closes."""
        if self.session is not None:
            self.stop("Local")
        elif self.is_plugged and self.status is Status.PREPARING:
            self._cancel_timers()
            self._unplug()
        elif not self.is_plugged:
            self._cancel_timers()

    def _arrive(self) -> None:
        if self.status is not Status.AVAILABLE or not self.station.is_commissioned:
            self._later(RETRY_ARRIVAL_S, self._arrive)
            return
        visit = self._present_visit()
        self._battery = Battery(visit.car, visit.soc)
        self._verdict = None
        self.station.world_turns(self, visit.number)
        self.set_status(Status.PREPARING)
        if self.station.starts_on_cable and self._remote is None:
            self._begin(None)
        self._later(TOKEN_AFTER_S, self._present_token)

    def _present_visit(self) -> Visit:
        assert self._visit is not None, "a car arrives only after it was expected"
        if self._remote is not None:
            self._visit = replace(self._visit, token=self._remote[0])
        return self._visit

    def _present_token(self) -> None:
        if self._remote is not None:
            self._verdict = True
        else:
            self.station.authorise(self._present_visit().token, self._judge)
        self._later(RELAY_AFTER_S, self._close_relay)

    def _judge(self, accepted: bool | None) -> None:  # noqa: FBT001 - the answer itself
        self._verdict = accepted

    def _close_relay(self) -> None:
        visit = self._present_visit()
        if self._verdict is False:
            self._turn_away()
            return
        by_cable = self.session is not None
        if self.session is not None:
            self._tell_token(self.session, visit.token)
        else:
            self._begin(visit.token)
        self.set_status(Status.CHARGING)
        self._set_power()
        if by_cable and self.session is not None:
            self._update(self.session, "ChargingStateChanged")
        self._plan_course(visit)

    def _turn_away(self) -> None:
        self.station.world.tally.turned_away += 1
        if self.session is not None:
            self.stop("DeAuthorized")
        else:
            self._later(UNPLUG_AFTER_S, self._unplug)

    def _plan_course(self, visit: Visit) -> None:
        self._later(self.station.sample_interval_s, self._tick)
        self._later(visit.draw_s, self._stop_drawing)
        if visit.fault_after_s is not None:
            self._later(visit.fault_after_s, self._fail)
        if visit.offline_after_s is not None:
            self._later(visit.offline_after_s, lambda: self.station.lose_network(visit.offline_s))

    def _begin(self, token: str | None) -> None:
        assert self._battery is not None, "a session needs a car"
        sample = self.sample("Transaction.Begin")
        remote, self._remote = self._remote, None
        session = Session(
            evse_id=self.spec.evse_id,
            battery=self._battery,
            token=token,
            started_ms=sample.at_ms,
            register_begin_milliwh=self.station.dialect.as_sent(sample.register_milliwh),
            meter_begin_milliwh=sample.register_milliwh,
            transaction_id=self.station.new_transaction_id(),
            remote_start_id=remote[1] if remote else None,
            token_is_told=token is not None,
        )
        self.session = session
        self.station.behave(session, self._present_visit().number)
        message = self.station.dialect.start(session, sample, offline=not self.station.is_online)
        message.on_answer = lambda answer: self._started(session, answer)
        self.station.tell_session(session, Step.START, message)

    def _started(self, session: Session, answer: dict[str, object]) -> None:
        if session.transaction_id is None:
            session.transaction_id = self.station.dialect.transaction_id(answer)
        if self.station.dialect.is_accepted(answer) is False and self.session is session:
            self._turn_away()

    def _tell_token(self, session: Session, token: str) -> None:
        session.token, session.token_is_told = token, True
        self._update(session, "Authorized")

    def _update(self, session: Session, trigger: str, context: str = "Sample.Periodic") -> None:
        message = self.station.dialect.update(
            session, self.sample(context), trigger=trigger, state=self.status, offline=not self.station.is_online
        )
        if message is not None:
            self.station.tell_session(session, Step.UPDATE, message)

    def report_now(self) -> bool:
        """Send a reading because somebody asked for it; False without a session."""
        if self.session is None:
            return False
        self._update(self.session, "Trigger", "Trigger")
        return True

    def _tick(self) -> None:
        session = self.session
        if session is None:
            return
        self._meter()
        self._set_power()
        self._update(session, "MeterValuePeriodic")
        self._later(self.station.sample_interval_s, self._tick)
        if session.battery.is_full and session.suspended_ms is None:
            self._suspend(session)

    def _stop_drawing(self) -> None:
        session, visit = self.session, self._present_visit()
        if session is None:
            return
        if visit.overstay_s <= 0:
            self.stop("Local")
            return
        if session.suspended_ms is None:
            self._suspend(session)
        self._later(visit.overstay_s, lambda: self.stop("EVDisconnected"))

    def _suspend(self, session: Session) -> None:
        self._meter()
        session.suspended_ms = self.station.world.timeline.now_ms
        self.power_w = 0.0
        self.set_status(Status.SUSPENDED_EV)
        self._update(session, "ChargingStateChanged")

    def _set_power(self) -> None:
        """Draw what car, station and profiles allow; a pause that we cause is SuspendedEVSE."""
        session = self.session
        if session is None or session.suspended_ms is not None or self.status not in _RUNNING:
            return
        self.limit_w = min(float(self.spec.power_w), self.station.profile_limit_w(self, session))
        self.power_w = power_w(session.battery, self.limit_w, dc=self.spec.dc)
        paused = self.power_w <= 0 and not session.battery.is_full
        status = Status.SUSPENDED_EVSE if paused else Status.CHARGING
        if status is not self.status:
            self.set_status(status)
            self._update(session, "ChargingStateChanged")

    def _meter(self) -> None:
        """Count the energy since the last count: W × ms ÷ 3600 is milliwatt-hours."""
        now_ms = self.station.world.timeline.now_ms
        gained_milliwh = int(self.power_w * (now_ms - self._metered_ms) / 3600)
        self.register_milliwh += gained_milliwh
        self._metered_ms = now_ms
        if self._battery is not None:
            self._battery.charge(gained_milliwh / 1000, dc=self.spec.dc)

    def _fail(self) -> None:
        visit = self._present_visit()
        self.stop("Other")
        code = FAULTS[visit.number % len(FAULTS)]
        self._cancel_timers()
        self._battery = None
        self.set_status(Status.FAULTED, code)
        self.station.tell_fault(self, code)
        self._later(visit.fault_s, self._recover)

    def _recover(self) -> None:
        self.set_status(Status.AVAILABLE if self.is_operative else Status.UNAVAILABLE)
        self._next()

    def _unplug(self) -> None:
        self._battery = None
        self._remote = None
        self.limit_w = float(self.spec.power_w)
        self.set_status(Status.AVAILABLE if self.is_operative else Status.UNAVAILABLE)
        self._next()

    def _next(self) -> None:
        if not self.station.is_closing:
            self.expect()

    def _close_books(self, session: Session, sample: Sample) -> None:
        as_sent = self.station.dialect.as_sent
        session.ended_ms = sample.at_ms
        session.register_end_milliwh = as_sent(sample.register_milliwh)
        session.energy_milliwh = session.register_end_milliwh - as_sent(session.meter_begin_milliwh)
        self.station.forget_profiles(session)

    def _record(self, session: Session) -> None:
        tally = self.station.world.tally
        tally.sessions += 1
        tally.energy_milliwh += session.energy_milliwh

    def _tell_truth(self, session: Session) -> None:
        self.station.world.book.record(self._truth(session))

    def _truth(self, session: Session) -> Truth:
        text = self.station.world.timeline.text
        return Truth(
            station=self.station.spec.identity,
            evse=session.evse_id,
            token=session.token,
            transaction_id=session.transaction_id,
            started_at=text(session.started_ms),
            ended_at=text(session.ended_ms),
            register_begin_milliwh=session.register_begin_milliwh,
            register_end_milliwh=session.register_end_milliwh,
            energy_milliwh=session.energy_milliwh,
            idle_ms=session.idle_ms,
            behaviours=tuple(session.behaviours),
        )

    def _later(self, delay_s: float, action: Callable[[], None]) -> None:
        self._timers = [timer for timer in self._timers if timer.action is not None]
        self._timers.append(self.station.world.timeline.after(delay_s, action))

    def _cancel_timers(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
