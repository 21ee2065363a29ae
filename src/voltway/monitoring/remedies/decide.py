"""What a ladder does next: one pure decision from the ladder, what was done, what is known, and the instant."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from voltway.monitoring.remedies.model import RESETS, Decision, Facts, Ladder, Mode, Past, Run, Skip, Step, Stop, Wait

DAY: Final = timedelta(days=1)
AGAIN_S: Final = 30.0
"""How soon a step that waits for a session's end or a connection is looked at again."""


def next_step(ladder: Ladder, history: Sequence[Past], facts: Facts, now: datetime) -> Decision:
    """Say what to do now about an incident.

    Args:
        ladder: the ladder of the incident's rule.
        history: every run of this incident, and what was sent to its station within a day (in any order).
        facts: what is known now.
        now: the instant.
    """
    if not facts.is_unresolved:
        return Stop("the incident is over")
    if facts.mode is Mode.OFF:
        return Stop("remedies are off")
    number = _next_number(history)
    if number >= len(ladder.steps):
        return Stop("the ladder is at its end")
    return decide_step(ladder, number, history, facts, now)


def decide_step(
    ladder: Ladder, number: int, history: Sequence[Past], facts: Facts, now: datetime
) -> Decision:  # fmt: skip
    """Say whether that step may be done now; limits hold for commands, a ticket is always possible."""
    step = ladder.steps[number]
    if not step.is_command:
        return Run(number)
    if (unfit := _unfit(step, facts)) is not None:
        return Skip(unfit)
    if (skip := _skip(ladder, step, history, facts)) is not None:
        return skip
    if (wait := _wait(ladder, step, history, facts, now)) is None:
        return Run(number)
    if now - facts.waiting_since >= timedelta(seconds=ladder.patience_s):
        return Skip(f"it could not be done for too long: {wait.why}")
    return wait


def _next_number(history: Sequence[Past]) -> int:
    """The step after the last one of this round that is over in any way."""
    return max((past.step for past in history if past.is_ours), default=-1) + 1


def _skip(ladder: Ladder, step: Step, history: Sequence[Past], facts: Facts) -> Skip | None:
    vain = sum(past.is_ours and past.result == "did_not_help" and past.action != "ticket" for past in history)
    runs, helped = facts.success.get(step.key, (0, 0))
    if vain >= ladder.stop_if_no_help:
        return Skip(f"{vain} steps did not help")
    if facts.harms.get(step.key, 0) > ladder.harms_allowed:
        return Skip("harmed before", is_blocked=True)
    if ladder.skip_below is not None and runs >= ladder.skip_after_runs and helped < ladder.skip_below * runs:
        return Skip(f"helped only {helped} of {runs} times on this product", is_blocked=True)
    return None


def _unfit(step: Step, facts: Facts) -> str | None:
    if not facts.has_station:
        return "the incident is not of one station"
    if step.action == "unlock" and not facts.evse_id:
        return "the incident names no EVSE to unlock"
    if step.action == "availability_cycle" and facts.is_closed_by_intent:
        return "somebody closed it on purpose"
    return None


def _wait(
    ladder: Ladder, step: Step, history: Sequence[Past], facts: Facts, now: datetime
) -> Wait | None:  # fmt: skip
    soon = now + timedelta(seconds=AGAIN_S)
    if any(past.state in {"claimed", "between"} for past in history):
        return Wait(soon, "another remedy is underway at this station")
    if not facts.is_connected:
        return Wait(soon, "offline")
    if not step.during_session and _is_session_hit(step, facts):
        return Wait(soon, "a session runs")
    if (opening := _until_open(ladder.hours, facts, now)) is not None:
        return Wait(opening, "outside the allowed hours")
    return _limit(ladder, history, now)


def _is_session_hit(step: Step, facts: Facts) -> bool:
    is_wide = step.action in RESETS or not facts.evse_id
    return facts.is_session_on_station if is_wide else facts.is_session_on_evse


def _until_open(hours: tuple[int, int], facts: Facts, now: datetime) -> datetime | None:
    """Return when the allowed hours begin, None while they last."""
    begin, end = hours
    hour = facts.local_hour
    is_open = begin <= hour < end if begin <= end else hour >= begin or hour < end
    if is_open:
        return None
    # Where the clock changes in between, the next look corrects it: the wait ends at most an hour off.
    left = timedelta(hours=(begin - hour) % 24, minutes=-facts.minute)
    return now + max(left, timedelta(minutes=1))


def _limit(ladder: Ladder, history: Sequence[Past], now: datetime) -> Wait | None:
    sent = sorted(past.at for past in history if past.at is not None and past.action != "ticket")
    today = [at for at in sent if at > now - DAY]
    if len(today) >= ladder.per_station_per_day:
        freed = today[len(today) - ladder.per_station_per_day] if ladder.per_station_per_day else now
        return Wait(freed + DAY, f"{ladder.per_station_per_day} remedies a day are the limit of a station")
    if sent and (rested := sent[-1] + timedelta(seconds=ladder.quiet_s)) > now:
        return Wait(rested, "the station is left in peace after a remedy")
    return None
