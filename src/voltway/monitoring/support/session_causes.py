"""Why a session ended (or stands) as it does: rules over its evidence, the first that applies. Pure.

    refused token ▸ what we found odd ▸ the station's reason ▸ what happened around the end ▸ no energy ▸ ordinary

Reasons are the words of OCPP 1.6 (`reason`) and 2.x (`stoppedReason`, with the `triggerReason` of the last message).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from voltway.monitoring.support.model import (
    Ask,
    AskKind,
    Cause,
    Evidence,
    Found,
    Link,
    Outcome,
    Ref,
    SessionFacts,
    Turn,
)  # fmt: skip

LITTLE_MILLIWH = 50_000
"""0.05 kWh: less is what a station's own electronics and a trial of the contactor take."""
NEAR = timedelta(minutes=2)
COMMAND_LEAD = timedelta(minutes=10)
"""A stop, reset or unlock of ours acts within this time (a soft reset waits for the session's end)."""
BOOT_LAG = timedelta(minutes=10)
FaultText = Callable[[str, str], str]
"""Words an error code and a vendor's code for people."""


@dataclass(frozen=True, slots=True)
class Look:
    """A session with its evidence at an instant, in the words that rules ask for."""

    session: SessionFacts
    evidence: Evidence
    now: datetime
    fault_text: FaultText

    @property
    def end(self) -> datetime:
        """When it ended, or now."""
        return self.session.ended_at or self.now

    @property
    def last_turn(self) -> Turn | None:
        """The message that ended it, where the log still has it."""
        return next((turn for turn in reversed(self.evidence.turns) if turn.is_end), None)

    @property
    def reason(self) -> str:
        """Why it ended in the station's words; the trigger where the reason says nothing."""
        turn = self.last_turn
        reason = self.session.end_reason or (turn.reason if turn else None) or ""
        trigger = turn.trigger if turn else None
        if reason in {"", "Other"} and trigger in _REASON_OF_TRIGGER:
            return _REASON_OF_TRIGGER[trigger]
        return reason

    @property
    def refs(self) -> list[Ref]:
        """The messages of its start and its end."""
        return [turn.ref for turn in self.evidence.turns]

    @property
    def is_empty(self) -> bool:
        """Whether it delivered nothing worth the name."""
        return self.session.energy_milliwh < LITTLE_MILLIWH

    def found(self, cause: Cause, outcome: Outcome, *refs: Ref | None, **words: object) -> Found:
        """Return a certain finding; `words` beside those that every sentence may use."""
        session = self.session
        place = {"station": f"{session.identity} (EVSE {session.evse_id})", "at": session.started_at, "ended": self.end}
        token = f"Token {session.token}" if session.token else "No token"
        known = {"token": token, "who": "nobody", "since": self.end, "why": "", "level": _level(session)}
        own = [ref for ref in refs if ref is not None]
        return Found(cause, outcome, words={**place, **known, **words}, refs=[*own, *self.refs])

    def guess(self, cause: Cause, outcome: Outcome, *refs: Ref | None, **words: object) -> Found:
        """Return a finding that follows from what was said, but was not said."""
        found = self.found(cause, outcome, *refs, **words)
        return Found(found.cause, found.outcome, "likely", found.words, found.refs)


def explain_session(look: Look) -> Found:
    """Return why a session ended, or how it stands."""
    rules = _OPEN_RULES if look.session.is_open else _END_RULES
    for rule in rules:
        if found := rule(look):
            return found
    gap = f"the station's reason for the end was {look.reason}, and nothing else was reported around that time"
    found = look.found(Cause.NOTHING_KNOWN, "unknown", at=look.end, gap=gap)
    return Found(found.cause, found.outcome, "unknown", found.words, found.refs)


# ---- sessions that are over


def _refused(look: Look) -> Found | None:
    status = look.session.token_status
    cause = CAUSE_OF_STATUS.get(status or "")
    if cause is None or "token_unbilled" in look.session.anomalies:
        return None
    if look.reason not in {"DeAuthorized", "", "Other"} and not look.is_empty:
        # It ran for another reason (a free station, its own list) and ended for another.
        return None
    return look.found(cause, "failed_start" if look.is_empty else "cut", at=look.session.started_at)


def _superseded(look: Look) -> Found | None:
    if "superseded" not in look.session.anomalies:
        return None
    return look.found(Cause.SUPERSEDED, "unknown")


def _never_ended(look: Look) -> Found | None:
    if "end_missing" not in look.session.anomalies:
        return None
    lost = gap_at(look.evidence.links, look.end + NEAR) or gap_at(look.evidence.links, look.end)
    if lost is not None:
        return look.found(Cause.LOST_FOR_GOOD, "unknown", since=lost)
    return look.found(Cause.END_NEVER_REPORTED, "unknown")


def _plug_timeout(look: Look) -> Found | None:
    if look.reason != "Timeout":
        return None
    limit = limit_text(look.evidence.plug_limit_s)
    return look.found(Cause.NO_PLUG, "failed_start", at=look.session.started_at, limit=limit)


def _by_reason(look: Look) -> Found | None:
    if look.reason not in _CAUSE_OF_REASON:
        return None
    cause, outcome = _CAUSE_OF_REASON[look.reason]
    refs = [_fault_ref(look)] if cause in _FAULT_CAUSES else []
    return look.found(cause, outcome, *refs)


def _by_command(look: Look) -> Found | None:
    """A stop, reset or unlock: by us, and then by whom, or not by us."""
    if look.reason not in _COMMAND_OF_REASON:
        return None
    kind, ours, foreign = _COMMAND_OF_REASON[look.reason]
    ask = _command_before(look, kind)
    if ask is None:
        return look.found(foreign, "cut")
    return look.found(ours, "cut", ask.ref, who=who_text(ask), since=ask.at)


def _deauthorised(look: Look) -> Found | None:
    if look.reason != "DeAuthorized":
        return None
    refusals = [it for it in look.evidence.presented if it.status != "Accepted" and it.at <= look.end]
    refusal = refusals[-1] if refusals else None
    if refusal is None:
        return look.found(Cause.DEAUTHORISED, "cut")
    why = f" (we answered {refusal.status} to {refusal.token} at the station)"
    return look.found(Cause.DEAUTHORISED, "cut", Ref(refusal.station_id, refusal.at), why=why)


def _fault_around(look: Look) -> Found | None:
    """A fault reported right at the end explains an end without a better reason."""
    if look.reason not in {"", "Other", "Reboot", "AbnormalCondition"}:
        return None
    status = next((it for it in look.evidence.statuses if _is_fault_at(look, it.at, it.evse_id, it.status)), None)
    if status is not None:
        fault = look.fault_text(status.error_code, status.vendor_error_code)
        ref = Ref(look.session.station_id, status.received_at)
        return look.guess(Cause.STATION_FAULT, "cut", ref, fault=fault)
    for incident in look.evidence.incidents:
        is_here = incident.evse_id in {None, 0, look.session.evse_id}
        if is_here and abs(incident.began_at - look.end) <= NEAR:
            return look.guess(Cause.STATION_FAULT, "cut", fault=f"incident {incident.incident_id}: {incident.title}")
    if look.reason == "AbnormalCondition":
        return look.found(Cause.STATION_FAULT, "cut", fault="the station named no error code")
    return None


def _rebooted(look: Look) -> Found | None:
    boot = next((it for it in look.evidence.boots if look.end - NEAR <= it.at <= look.end + BOOT_LAG), None)
    ref = None if boot is None else Ref(look.session.station_id, boot.at)
    why = f" (it named {boot.reason} as the reason)" if boot is not None and boot.reason else ""
    if look.reason == "Reboot":
        ask = _command_before(look, "reset")
        if ask is not None:
            return look.found(Cause.RESET_BY_US, "cut", ask.ref, ref, who=who_text(ask), since=ask.at)
        return look.found(Cause.REBOOT, "cut", ref, why=why)
    if boot is None or look.reason not in {"", "Other"}:
        return None
    return look.guess(Cause.REBOOT, "cut", ref, why=why)


def _without_energy(look: Look) -> Found | None:
    """An ordinary end of a session that delivered nothing is no ordinary session."""
    if not look.is_empty or look.reason not in _ORDINARY:
        return None
    if look.session.token is None and look.session.token_status is None and not look.session.history_says("charging"):
        return look.found(Cause.NOT_AUTHORISED, "failed_start")
    states = {state for _, state in look.session.history}
    if "suspended_ev" in states and "charging" not in states:
        return look.found(Cause.CAR_TOOK_NONE, "failed_start")
    if "suspended_evse" in states and "charging" not in states:
        return look.found(Cause.STATION_GAVE_NONE, "failed_start")
    return look.guess(Cause.NO_ENERGY, "failed_start")


def _lost_and_ended(look: Look) -> Found | None:
    lost = gap_at(look.evidence.links, look.end)
    if lost is None or look.reason not in {"", "Other"}:
        return None
    return look.found(Cause.LOST_AND_ENDED, "cut", since=lost)


def _ordinary(look: Look) -> Found | None:
    if look.reason not in _ORDINARY:
        return None
    turn = look.last_turn
    if look.reason in {"Local", ""} and turn is not None and turn.token is not None and _is_other(turn.token, look):
        return look.found(Cause.STOPPED_BY_OTHER_TOKEN, "normal", turn.ref, other=turn.token)
    held_since = _suspended_since(look.session)
    if held_since is not None and look.reason in {"Local", "EVDisconnected", "StoppedByEV"}:
        return look.found(Cause.CAR_FULL, "normal", since=held_since)
    cause = {"EVDisconnected": Cause.UNPLUGGED, "StoppedByEV": Cause.STOPPED_BY_CAR}.get(look.reason)
    if cause is not None:
        return look.found(cause, "normal")
    if look.reason == "Local":
        return look.found(Cause.STOPPED_BY_DRIVER, "normal")
    # A reason that is left out means Local (1.6 and 2.x alike), but stations leave it out for other reasons too.
    return look.guess(Cause.STOPPED_BY_DRIVER, "normal") if look.reason == "" else None


# ---- sessions that go on


def _lost_goes_on(look: Look) -> Found | None:
    lost = gap_at(look.evidence.links, look.now)
    return None if lost is None else look.found(Cause.LOST_GOES_ON, "in_progress", since=lost)


def _held_off(look: Look) -> Found | None:
    since, state = look.session.history[-1] if look.session.history else (look.session.started_at, "")
    cause = {"suspended_ev": Cause.PAUSED_BY_CAR, "suspended_evse": Cause.PAUSED_BY_STATION}.get(state)
    if cause is None:
        return None
    if cause is Cause.PAUSED_BY_CAR and look.is_empty and not look.session.history_says("charging"):
        return look.found(Cause.CAR_TOOK_NONE, "in_progress")
    return look.found(cause, "in_progress", since=since)


def _runs(look: Look) -> Found | None:
    state = look.session.history[-1][1] if look.session.history else ""
    if state == "idle" and look.session.token is not None:
        return look.found(Cause.WAITING_FOR_PLUG, "in_progress")
    if state in {"ev_connected", "idle"}:
        return look.found(Cause.CONNECTED_IDLE, "in_progress")
    return look.found(Cause.CHARGING, "in_progress")


# ---- what the rules share


def _command_before(look: Look, kind: AskKind) -> Ask | None:
    session = look.session

    def is_meant(ask: Ask) -> bool:
        if ask.kind != kind or ask.outcome != "answered" or ask.status in {"Rejected", "UnlockFailed", "NotSupported"}:
            return False
        if kind == "stop" and ask.transaction_id is not None:
            return ask.transaction_id == session.transaction_id
        return ask.evse_id in {None, 0, session.evse_id}

    near = [it for it in look.evidence.asks if look.end - COMMAND_LEAD <= it.at <= look.end + NEAR and is_meant(it)]
    return near[-1] if near else None


def _is_fault_at(look: Look, at: datetime, evse_id: int, status: str) -> bool:
    return status == "faulted" and evse_id in {0, look.session.evse_id} and abs(at - look.end) <= NEAR


def _fault_ref(look: Look) -> Ref | None:
    at = next((it for it in look.evidence.statuses if _is_fault_at(look, it.at, it.evse_id, it.status)), None)
    return None if at is None else Ref(look.session.station_id, at.received_at)


def gap_at(links: Sequence[Link], at: datetime) -> datetime | None:
    """Return since when there was no connection at an instant; None where there was one, or nothing is known."""
    before = [link for link in links if link.begin <= at]
    if not before or any(link.end is None or link.end > at for link in before):
        return None
    return max(link.end for link in before if link.end is not None)


def _suspended_since(session: SessionFacts) -> datetime | None:
    """Return since when the car had held charging off when the session ended; None where it was charging."""
    since = None
    for at, state in session.history:
        if state == "suspended_ev":
            since = since or at
        elif state in {"charging", "suspended_evse"}:
            since = None
    return since


def _is_other(token: str, look: Look) -> bool:
    own = look.session.token
    return own is not None and token.strip().casefold() != own.strip().casefold()


def _level(session: SessionFacts) -> str:
    return "" if session.soc_pct is None else f" (battery at {session.soc_pct:.0f} %)"


def who_text(ask: Ask) -> str:
    """Say who gave a command; the raw log alone knows no names."""
    return ask.by or "we"


def limit_text(limit_s: int | None) -> str:
    """Say how long a station waits for the plug."""
    return "the time that the station allows" if limit_s is None else f"the station's limit of {limit_s} s"


CAUSE_OF_STATUS: Mapping[str, Cause] = {
    "Blocked": Cause.TOKEN_BLOCKED,
    "Expired": Cause.TOKEN_EXPIRED,
    "Unknown": Cause.TOKEN_UNKNOWN,
    "Invalid": Cause.TOKEN_INVALID,
    "NoCredit": Cause.TOKEN_NO_CREDIT,
    "NotAtThisLocation": Cause.TOKEN_NOT_HERE,
    "ConcurrentTx": Cause.TOKEN_IN_USE,
}
_ORDINARY = frozenset({"", "Local", "EVDisconnected", "StoppedByEV", "Other"})
_FAULT_CAUSES = frozenset({Cause.GROUND_FAULT, Cause.OVERCURRENT, Cause.POWER_QUALITY, Cause.EMERGENCY_STOP})
_CAUSE_OF_REASON: Mapping[str, tuple[Cause, Outcome]] = {
    "EmergencyStop": (Cause.EMERGENCY_STOP, "cut"),
    "PowerLoss": (Cause.POWER_LOSS, "cut"),
    "PowerQuality": (Cause.POWER_QUALITY, "cut"),
    "GroundFault": (Cause.GROUND_FAULT, "cut"),
    "OvercurrentFault": (Cause.OVERCURRENT, "cut"),
    "LocalOutOfCredit": (Cause.OUT_OF_CREDIT, "cut"),
    "MasterPass": (Cause.MASTER_PASS, "cut"),
    "TimeLimitReached": (Cause.TIME_LIMIT, "normal"),
    "EnergyLimitReached": (Cause.ENERGY_LIMIT, "normal"),
    "CostLimitReached": (Cause.COST_LIMIT, "normal"),
    "SOCLimitReached": (Cause.SOC_LIMIT, "normal"),
    "ReqEnergyTransferRejected": (Cause.TRANSFER_REJECTED, "cut"),
    "TariffNotAccepted": (Cause.TARIFF_REFUSED, "cut"),
    "EVCommunicationLost": (Cause.EV_LOST, "cut"),
}
_COMMAND_OF_REASON: Mapping[str, tuple[AskKind, Cause, Cause]] = {
    "Remote": ("stop", Cause.STOPPED_BY_US, Cause.STOPPED_REMOTELY),
    "HardReset": ("reset", Cause.RESET_BY_US, Cause.RESET),
    "SoftReset": ("reset", Cause.RESET_BY_US, Cause.RESET),
    "ImmediateReset": ("reset", Cause.RESET_BY_US, Cause.RESET),
    "UnlockCommand": ("unlock", Cause.UNLOCKED_BY_US, Cause.UNLOCKED),
}
_REASON_OF_TRIGGER: Mapping[str | None, str] = {
    "Deauthorized": "DeAuthorized",
    "EVConnectTimeout": "Timeout",
    "RemoteStop": "Remote",
    "UnlockCommand": "UnlockCommand",
    "ResetCommand": "ImmediateReset",
    "StopAuthorized": "Local",
    "EVDeparted": "EVDisconnected",
    "EVCommunicationLost": "EVCommunicationLost",
    "TimeLimitReached": "TimeLimitReached",
    "EnergyLimitReached": "EnergyLimitReached",
    "CostLimitReached": "CostLimitReached",
    "SoCLimitReached": "SOCLimitReached",
    "TariffNotAccepted": "TariffNotAccepted",
    "AbnormalCondition": "AbnormalCondition",
}
_Rule = Callable[[Look], Found | None]
_END_RULES: tuple[_Rule, ...] = (
    _refused, _superseded, _never_ended, _plug_timeout, _by_reason, _by_command, _deauthorised, _fault_around,
    _rebooted, _without_energy, _lost_and_ended, _ordinary,
)  # fmt: skip
_OPEN_RULES: tuple[_Rule, ...] = (_lost_goes_on, _held_off, _runs)
