"""From a stored session and its readings to what is judged and priced, live, in review and for the CDR alike. Pure."""

from collections.abc import Sequence
from datetime import datetime

from voltway.kernel.energy import Register
from voltway.sessions.model import State
from voltway.sessions.periods import Course, Sample
from voltway.sessions.registers import MAX_POWER_W, Judgement, RegisterPoint, judge


def judgement_of(state: State, samples: Sequence[Sample], *, max_power_w: float | None) -> Judgement:
    """Work out an ended session's energy from all that is known of it."""
    session = state.session
    begin, end = session.register_begin_milliwh, session.register_end_milliwh
    points = [RegisterPoint(it.at, Register(it.register_milliwh)) for it in samples if it.register_milliwh is not None]
    return judge(
        None if begin is None else RegisterPoint(session.started_at, Register(begin)),
        points,
        None if end is None or session.ended_at is None else RegisterPoint(session.ended_at, Register(end)),
        max_power_w=max_power_w or MAX_POWER_W,
    )


def ended_course(state: State, samples: Sequence[Sample], judgement: Judgement) -> Course:
    """Return the course of a session that has ended, with the energy that was judged."""
    session = state.session
    assert session.ended_at is not None, "it has ended"
    begin = judgement.begin.register.milliwh if judgement.begin is not None else 0
    return Course(
        session.started_at, session.ended_at, begin, begin + judgement.energy.milliwh, samples, session.history
    )


def running_course(state: State, samples: Sequence[Sample], now: datetime) -> Course:
    """Return the course of a running session so far; `now` is our clock when it last changed."""
    session, progress = state
    begin = session.register_begin_milliwh
    begin = (progress.first_milliwh or 0) if begin is None else begin
    until = max(session.started_at, progress.last_at or session.started_at, now)
    return Course(session.started_at, until, begin, begin + progress.energy_milliwh, samples, session.history)
