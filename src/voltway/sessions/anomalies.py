"""What can be odd about a session: a closed list of anomalies, each with a sentence and whether it touches money."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class AnomalyCode(StrEnum):
    """Stable names; `_MEANING` says what each means and whether the bill is held."""

    START_MISSING = "start_missing"
    END_MISSING = "end_missing"
    END_BELOW_BEGIN = "end_below_begin"
    END_BEFORE_START = "end_before_start"
    END_CONTRADICTED = "end_contradicted"
    END_BELOW_READING = "end_below_reading"
    REGISTER_FELL = "register_fell"
    REGISTER_JUMPED = "register_jumped"
    BEGIN_IMPLAUSIBLE = "begin_implausible"
    NO_REGISTER = "no_register"
    TOKEN_NOT_ACCEPTED = "token_not_accepted"  # noqa: S105 - a name, not a secret
    TOKEN_OFFLINE_NOT_ACCEPTED = "token_offline_not_accepted"  # noqa: S105 - a name, not a secret
    TOKEN_UNBILLED = "token_unbilled"  # noqa: S105 - a name, not a secret
    TOKEN_MISSING = "token_missing"  # noqa: S105 - a name, not a secret
    CLOCK_IMPLAUSIBLE = "clock_implausible"
    CLOCK_OFF = "clock_off"
    EVENTS_MISSING = "events_missing"
    SUPERSEDED = "superseded"
    MATCHED_BY_EVSE = "matched_by_evse"
    NO_TARIFF = "no_tariff"
    WAIVED = "waived"


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One oddity: since when, and in words."""

    code: AnomalyCode
    message: str
    since: datetime
    touches_money: bool


_MEANING: dict[AnomalyCode, tuple[str, bool]] = {
    AnomalyCode.START_MISSING: ("the session's start never arrived", True),
    AnomalyCode.END_MISSING: ("the station never reported the end; the last reading stands", True),
    AnomalyCode.END_BELOW_BEGIN: ("the meter at the end is below the meter at the start", True),
    AnomalyCode.END_BEFORE_START: ("the station's clock says that the session ended before it started", True),
    AnomalyCode.END_CONTRADICTED: ("a second end says another meter value", True),
    AnomalyCode.END_BELOW_READING: ("the meter at the end is below an earlier reading", True),
    AnomalyCode.REGISTER_FELL: ("the meter went backwards during the session", True),
    AnomalyCode.REGISTER_JUMPED: ("the meter rose faster than any power the EVSE can give", True),
    AnomalyCode.BEGIN_IMPLAUSIBLE: ("the meter at the start does not fit the readings that follow", True),
    AnomalyCode.NO_REGISTER: ("no meter value of energy came with the session", True),
    AnomalyCode.TOKEN_NOT_ACCEPTED: ("the token may not charge here", True),
    AnomalyCode.TOKEN_OFFLINE_NOT_ACCEPTED: ("started while offline by a token that may not charge", True),
    AnomalyCode.TOKEN_UNBILLED: ("let in by policy without a known token: not billed", False),
    AnomalyCode.TOKEN_MISSING: ("nobody authorised the session", True),
    AnomalyCode.CLOCK_IMPLAUSIBLE: ("the station's clock was absurd; our time is used", True),
    AnomalyCode.CLOCK_OFF: ("the station's clock is off; times are corrected by the known offset", False),
    AnomalyCode.EVENTS_MISSING: ("some events of the session never arrived", False),
    AnomalyCode.SUPERSEDED: ("another session started on the same EVSE before this one ended", True),
    AnomalyCode.MATCHED_BY_EVSE: ("the station sent no usable transaction id; matched by EVSE and time", False),
    AnomalyCode.NO_TARIFF: ("no tariff is assigned: not billable", False),
    AnomalyCode.WAIVED: ("an operator waived the bill", False),
}


def anomaly(code: AnomalyCode, since: datetime, *, detail: str = "") -> Anomaly:
    """Make an anomaly; `detail` is what the station sent."""
    message, touches_money = _MEANING[code]
    return Anomaly(code, f"{message} ({detail})" if detail else message, since, touches_money)
