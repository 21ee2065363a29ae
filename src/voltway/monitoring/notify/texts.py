"""What a message says: plain and short, the first line says what and where; as text and as simple HTML. Pure.

Changes of one incident that are told together become one entry: "opened and over again", not two mails.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from zoneinfo import ZoneInfo

from voltway.monitoring.incidents.model import ChangeKind, Severity
from voltway.monitoring.notify.model import Told

MAX_TOLD = 50
"""A digest names so many incidents and counts the others."""
MAX_TRIED = 5
_BEGINS = {ChangeKind.OPENED, ChangeKind.REOPENED}
_ENDS = {ChangeKind.REMEDIED, ChangeKind.RESOLVED}
_PREFIXES = {
    ChangeKind.WORSENED: "Worse",
    ChangeKind.ACKNOWLEDGED: "Acknowledged",
    ChangeKind.ASSIGNED: "Assigned",
    ChangeKind.COMMENTED: "Comment",
    ChangeKind.REMEDIED: "Over",
    ChangeKind.RESOLVED: "Resolved",
    ChangeKind.REOPENED: "Again",
}
_BY_PEOPLE = {ChangeKind.ACKNOWLEDGED, ChangeKind.ASSIGNED, ChangeKind.COMMENTED, ChangeKind.RESOLVED}
_WITH_BEGINNING = {
    ChangeKind.REMEDIED: "Opened and over again",
    ChangeKind.RESOLVED: "Opened and resolved",
    ChangeKind.REOPENED: "Opened, over and back again",
}


@dataclass(frozen=True, slots=True)
class Doubt:
    """An earlier message to the same target that was lost, or may have been."""

    subject: str
    at: datetime
    is_lost: bool


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a text needs besides the changes: links, remedies tried per incident, earlier messages in doubt."""

    public_url: str = ""
    tried: Mapping[int, Sequence[str]] | None = None
    doubts: Sequence[Doubt] = ()


@dataclass(frozen=True, slots=True)
class Text:
    """A message as it is sent."""

    subject: str
    body: str
    html: str
    severity: Severity


def write_message(changes: Sequence[Told], around: Surroundings) -> Text:
    """Write the message that tells of these changes, in the order they happened.

    Args:
        changes: at least one.
    """
    told = _by_incident(changes)
    worst = max((change.severity for change in changes), key=lambda severity: severity.rank)
    entries = [_entry(group, around) for group in told[:MAX_TOLD]]
    if len(told) > MAX_TOLD:
        entries.append([f"… and {len(told) - MAX_TOLD} more incidents"])
    heads = [_headline(group) for group in told]
    subject = heads[0] if len(told) == 1 else _summary(told)
    paragraphs = ([] if len(told) == 1 else [[subject]]) + entries + _doubts(around.doubts, changes[-1].time_zone)
    return Text(subject, "\n\n".join("\n".join(lines) for lines in paragraphs) + "\n", _html(paragraphs), worst)


def write_test(route_name: str) -> Text:
    """Write the message with which a route is tried out."""
    subject = f"Test: this is what the route “{route_name}” sends"
    lines = [[subject], ["Nothing is wrong: somebody tried the route out."]]
    return Text(subject, "\n\n".join("\n".join(part) for part in lines) + "\n", _html(lines), Severity.INFO)


def _by_incident(changes: Sequence[Told]) -> list[list[Told]]:
    groups: dict[int, list[Told]] = {}
    for change in changes:
        groups.setdefault(change.incident_id, []).append(change)
    return list(groups.values())


def _summary(told: Sequence[Sequence[Told]]) -> str:
    over = sum(1 for group in told if group[-1].kind in _ENDS)
    places = {group[0].location_code for group in told if group[0].location_code}
    where = f" at {next(iter(places))}" if len(places) == 1 else f" at {len(places)} sites" if places else ""
    state = f"{len(told) - over} going on, {over} over" if over else "all going on"
    return f"{len(told)} incidents{where}: {state}"


def _headline(group: Sequence[Told]) -> str:
    last = group[-1]
    where = ", ".join(_where(last))
    what = f"{last.title}: {where}" if where else last.title
    error = f": {last.error}" if last.error else ""
    return f"{_prefix(group)}{what}{error} {_when(last)}"


def _prefix(group: Sequence[Told]) -> str:
    """Return what has become of the incident, in the words before its title."""
    last = group[-1]
    if group[0].kind in _BEGINS and len(group) > 1:
        by = _by(last) if last.kind is ChangeKind.RESOLVED else ""
        return f"{_WITH_BEGINNING[last.kind]}{by}: " if last.kind in _WITH_BEGINNING else ""
    by = _by(last) if last.kind in _BY_PEOPLE else ""
    return f"{_PREFIXES[last.kind]}{by}: " if last.kind in _PREFIXES else ""


def _by(change: Told) -> str:
    return f" by {change.actor}" if change.actor else ""


def _where(change: Told) -> list[str]:
    parts = [change.location_code] if change.location_code else []
    if change.station:
        parts.append(f"station {change.station}")
    elif change.stations > 1:
        parts.append(f"{change.stations} stations")
    return [*parts, f"EVSE {change.evse_id}"] if change.evse_id else parts


def _when(change: Told) -> str:
    zone = ZoneInfo(change.time_zone)
    began = _clock(change.began_at, change.at, zone)
    if change.kind in _ENDS:
        return f"from {began} to {_clock(change.ended_at or change.at, change.at, zone)} ({change.time_zone})"
    return f"since {began} ({change.time_zone})"


def _clock(at: datetime, near: datetime, zone: ZoneInfo) -> str:
    """Write an instant by the wall clock, with the date where it is another day than `near`."""
    local = at.astimezone(zone)
    return f"{local:%H:%M}" if local.date() == near.astimezone(zone).date() else f"{local:%Y-%m-%d %H:%M}"


def _entry(group: Sequence[Told], around: Surroundings) -> list[str]:
    last = group[-1]
    lines = [_headline(group), f"Severity: {last.severity.value}"]
    if last.location_name:
        lines.append(f"Site: {last.location_name}")
    lines += [f"{change.text.strip()}" for change in group if change.text.strip()]
    tried = list((around.tried or {}).get(last.incident_id, ()))
    if tried:
        lines.append("Tried: " + "; ".join(tried[-MAX_TRIED:]))
    if around.public_url:
        lines.append(incident_url(around.public_url, last.incident_id))
    return list(dict.fromkeys(lines))


def incident_url(public_url: str, incident_id: int) -> str:
    """Return where people see an incident; "" where the installation has no public address."""
    return f"{public_url.rstrip('/')}/#/incidents/{incident_id}" if public_url else ""


def _doubts(doubts: Sequence[Doubt], time_zone: str) -> list[list[str]]:
    if not doubts:
        return []
    zone = ZoneInfo(time_zone)
    lines = [
        f"{'Did not reach you' if doubt.is_lost else 'May not have reached you'}: “{doubt.subject}” "
        f"({doubt.at.astimezone(zone):%Y-%m-%d %H:%M})"
        for doubt in doubts
    ]
    return [["Earlier messages:", *lines]]


def _html(paragraphs: Sequence[Sequence[str]]) -> str:
    return "".join(f"<p>{'<br>'.join(map(_html_line, lines))}</p>" for lines in paragraphs)


def _html_line(line: str) -> str:
    text = escape(line)
    return f'<a href="{text}">{text}</a>' if line.startswith(("http://", "https://")) else text
