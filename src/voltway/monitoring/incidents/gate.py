"""The gate between a sign and a raised symptom: threshold with hysteresis, a hold, and a hold before the end. Pure.

Its only state is the symptom, so a worker that was killed goes on where it was. All times are those of the facts: a
sign is raised once it has lasted `hold_s`, whenever and however often somebody looks in between.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from voltway.monitoring.incidents.model import Place, Rule, Sign, Symptom


class Step(NamedTuple):
    """The symptom as it is now (None: there is none), what that changed, and when to look again without new facts."""

    symptom: Symptom | None
    raised: bool = False
    cleared: bool = False
    due: datetime | None = None


def step(known: Symptom | None, sign: Sign | None, rule: Rule, place: Place, now: datetime) -> Step:
    """Hold a rule's threshold and times against what its detector says."""
    is_raised = known is not None and known.raised_at is not None
    limit = rule.clear_below if is_raised else rule.threshold
    if sign is not None and sign.value >= limit:
        return _present(known, sign, rule, place, now)
    if known is None:
        return Step(None, due=sign.due if sign is not None else None)
    if sign is not None:
        # It was looked at and found well: that ends it at once.
        return Step(None, cleared=is_raised, due=sign.due)
    return _absent(known, rule, now)


def _present(known: Symptom | None, sign: Sign, rule: Rule, place: Place, now: datetime) -> Step:
    since = sign.since if known is None or _is_forgotten(known, sign, rule) else min(known.since, sign.since)
    raised_at = known.raised_at if known is not None else None
    incident_id = known.incident_id if known is not None else None
    symptom = Symptom(rule.code, place, since, sign.value, sign.detail, raised_at, None, incident_id)
    if raised_at is not None:
        return Step(symptom, due=sign.due)
    due = since + timedelta(seconds=rule.hold_s)
    if now >= due:
        return Step(replace(symptom, raised_at=now), raised=True, due=sign.due)
    return Step(symptom, due=_earlier(due, sign.due))


def _absent(known: Symptom, rule: Rule, now: datetime) -> Step:
    """Nothing is known: only after `clear_hold_s` of that is it over, be it raised or on hold."""
    clear_since = known.clear_since or now
    over_at = clear_since + timedelta(seconds=rule.clear_hold_s)
    if now >= over_at:
        return Step(None, cleared=known.raised_at is not None)
    return Step(known if known.clear_since is not None else replace(known, clear_since=clear_since), due=over_at)


def _is_forgotten(known: Symptom, sign: Sign, rule: Rule) -> bool:
    """Say whether a hold was over before this sign began, though nobody looked in between (a worker that was away)."""
    if known.raised_at is not None or known.clear_since is None:
        return False
    return sign.since >= known.clear_since + timedelta(seconds=rule.clear_hold_s)


def _earlier(one: datetime, two: datetime | None) -> datetime:
    return one if two is None else min(one, two)
