"""One sentence per cause and language: a data table, so that another language is another column. Pure.

Placeholders are the names in `Found.words`; `{station}`, `{token}` and `{at}` are there for every cause. Instants are
written in the time zone of the location.
"""

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from voltway.monitoring.support.model import Cause, Explanation, Found

ENGLISH: Mapping[Cause, str] = {
    Cause.TOKEN_BLOCKED: "{token} was refused at {station} at {at}: it is blocked.",
    Cause.TOKEN_EXPIRED: "{token} was refused at {station} at {at}: it has expired.",
    Cause.TOKEN_UNKNOWN: "{token} was refused at {station} at {at}: we do not know it.",
    Cause.TOKEN_INVALID: "{token} was refused at {station} at {at}: it is marked as invalid in our list.",
    Cause.TOKEN_NO_CREDIT: "{token} was refused at {station} at {at}: it has no credit left.",
    Cause.TOKEN_NOT_HERE: "{token} was refused at {station} at {at}: it may not charge at this location.",
    Cause.TOKEN_IN_USE: "{token} was refused at {station} at {at}: it is charging somewhere else already.",
    Cause.STATION_NOT_APPROVED: "{token} was refused at {at} because {station} is not approved to work with us yet.",
    Cause.TOKEN_NOT_PRESENTED: "Nobody held a token up at {station} between {begin} and {end}; the station was "
    "connected and would have asked us.",
    Cause.TOKEN_NOT_SEEN: "No station asked us about {token} between {begin} and {end}{standing}.",
    Cause.STATION_OFFLINE: "{station} was offline from {since} to {until}: it could not ask us, so at most its own "
    "list decided, and it has reported no session from that time.",
    Cause.STATION_NEVER_SEEN: "{station} has never been connected to us before {end}, so no start there can reach us.",
    Cause.STATION_CLOSED_BY_US: "{station} was closed at {at}: {who} took it out of service at {since}.",
    Cause.STATION_CLOSED: "{station} reported itself unavailable at {at}, without a request of ours.",
    Cause.EVSE_RESERVED: "{station} was reserved for somebody else at {at}.",
    Cause.EVSE_OCCUPIED: "{station} was in use at {at}: another session ran there from {since}.",
    Cause.NO_PLUG: "{token} was accepted at {station} at {at}, but no car was plugged in within {limit}.",
    Cause.PLUGGED_NOT_STARTED: "{token} was accepted at {station} at {at} and a car was plugged in, but the station "
    "started no session.",
    Cause.NOT_AUTHORISED: "A car was plugged in at {station} at {at}, but no token was held up before it left.",
    Cause.FAULT_AT_START: "{station} could not start at {at}: it reported a fault ({fault}).",
    Cause.LOST_BEFORE_START: "{token} was accepted at {station} at {at}, but the connection was lost at {since}, "
    "before a session began.",
    Cause.WAITING_FOR_PLUG: "{token} was accepted at {station} at {at}; the station still waits for a car.",
    Cause.START_OFFLINE: "{who} asked {station} at {at} to start for {token}, but the station was offline.",
    Cause.START_UNANSWERED: "{who} asked {station} at {at} to start for {token}, but the station did not answer in "
    "time.",
    Cause.START_REJECTED: "{who} asked {station} at {at} to start for {token}, but the station rejected it{why}.",
    Cause.START_REFUSED: "{who} asked {station} at {at} to start for {token}, but it could not be done ({result}).",
    Cause.CAR_TOOK_NONE: "The session at {station} began at {at}, but the car took no energy: it held charging off "
    "from the start (a timer, its charge limit or a fault in the car).",
    Cause.STATION_GAVE_NONE: "The session at {station} began at {at}, but the station gave no energy: it held charging "
    "off itself.",
    Cause.NO_ENERGY: "The session at {station} began at {at} and ended without energy; neither car nor station said "
    "why.",
    Cause.STATION_FAULT: "The session at {station} was cut at {ended} by a fault of the station ({fault}).",
    Cause.EMERGENCY_STOP: "The session at {station} was cut at {ended}: the emergency stop was pressed.",
    Cause.POWER_LOSS: "The session at {station} was cut at {ended}: the station lost its power supply.",
    Cause.POWER_QUALITY: "The session at {station} was cut at {ended}: the grid's voltage or frequency was out of "
    "bounds.",
    Cause.GROUND_FAULT: "The session at {station} was cut at {ended}: the residual current protection tripped (ground "
    "fault).",
    Cause.OVERCURRENT: "The session at {station} was cut at {ended}: the car drew more current than allowed.",
    Cause.REBOOT: "The session at {station} was cut at {ended}: the station rebooted by itself{why}.",
    Cause.RESET_BY_US: "The session at {station} was cut at {ended} because {who} reset the station at {since}.",
    Cause.RESET: "The session at {station} was cut at {ended} by a reset of the station that did not come from us.",
    Cause.UNLOCKED_BY_US: "The session at {station} was cut at {ended} because {who} unlocked the connector at "
    "{since}.",
    Cause.UNLOCKED: "The session at {station} was cut at {ended}: the connector was unlocked, but not by us.",
    Cause.STOPPED_BY_US: "The session at {station} was stopped at {ended} by {who}, from afar.",
    Cause.STOPPED_REMOTELY: "The session at {station} was stopped at {ended} from afar, as the station says, but no "
    "stop of ours is on record.",
    Cause.DEAUTHORISED: "The session at {station} was cut at {ended}: {token} was no longer authorised{why}.",
    Cause.OUT_OF_CREDIT: "The session at {station} was cut at {ended}: the credit was used up.",
    Cause.MASTER_PASS: "The session at {station} was stopped at {ended} by staff with a master card.",
    Cause.TIME_LIMIT: "The session at {station} ended at {ended}: its time limit was reached.",
    Cause.ENERGY_LIMIT: "The session at {station} ended at {ended}: its energy limit was reached.",
    Cause.COST_LIMIT: "The session at {station} ended at {ended}: its cost limit was reached.",
    Cause.TRANSFER_REJECTED: "The session at {station} ended at {ended}: the way of energy transfer that the car asked "
    "for was rejected.",
    Cause.TARIFF_REFUSED: "The session at {station} ended at {ended}: the driver or the car did not accept the tariff.",
    Cause.EV_LOST: "The session at {station} was cut at {ended}: the car stopped talking to the station.",
    Cause.LOST_AND_ENDED: "The connection to {station} was lost at {since}; the session ended at {ended} while the "
    "station was offline, which told us afterwards without a reason.",
    Cause.LOST_FOR_GOOD: "The connection to {station} was lost at {since} and the station never reported the "
    "session's end; the last reading, of {ended}, stands.",
    Cause.END_NEVER_REPORTED: "{station} never reported the end of this session; the last reading, of {ended}, stands.",
    Cause.SUPERSEDED: "{station} began another session on the same EVSE without ending this one, whose last sign of "
    "life is of {ended}.",
    Cause.CAR_FULL: "The session at {station} ended normally at {ended}: the car had stopped charging by itself at "
    "{since}{level}, then it was unplugged or stopped.",
    Cause.SOC_LIMIT: "The session at {station} ended normally at {ended}: the charge limit of the battery was "
    "reached{level}.",
    Cause.STOPPED_BY_CAR: "The session at {station} was ended by the car at {ended}{level}.",
    Cause.UNPLUGGED: "The session at {station} ended at {ended} because the car was unplugged while it was charging.",
    Cause.STOPPED_BY_DRIVER: "The session at {station} was stopped by the driver at the station at {ended}.",
    Cause.STOPPED_BY_OTHER_TOKEN: "The session at {station} was stopped at {ended} with another token ({other}) than "
    "it was started with.",
    Cause.CHARGING: "The session at {station} has been running since {at} and is charging.",
    Cause.PAUSED_BY_CAR: "The session at {station} is running, but the car has held charging off since {since}{level}.",
    Cause.PAUSED_BY_STATION: "The session at {station} is running, but the station has held charging off since "
    "{since}.",
    Cause.CONNECTED_IDLE: "The session at {station} is open since {at}; the car is connected and does not charge.",
    Cause.LOST_GOES_ON: "The connection to {station} was lost at {since}; as far as we know the session goes on there, "
    "and the station will report it when it is back.",
    Cause.NOTHING_KNOWN: "What happened at {station} at {at} is not known: {gap}.",
}
LANGUAGES: Mapping[str, Mapping[Cause, str]] = {"en": ENGLISH}


def worded(found: Found, *, time_zone: str, language: str = "en") -> Explanation:
    """Put a cause into a sentence, its instants in a place's own time."""
    words = {name: _word(value, time_zone) for name, value in found.words.items()}
    sentence = LANGUAGES[language][found.cause].format(**words)
    return Explanation(
        found.cause, found.outcome, sentence[:1].upper() + sentence[1:], found.confidence,
        list(dict.fromkeys(found.refs)),
    )  # fmt: skip


def _word(value: object, time_zone: str) -> str:
    if isinstance(value, datetime):
        return f"{value.astimezone(ZoneInfo(time_zone)):%Y-%m-%d %H:%M:%S %Z}"
    return str(value)
