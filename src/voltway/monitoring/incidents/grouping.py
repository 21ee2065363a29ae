"""What belongs together: which incident a symptom is a part of. Pure.

A symptom's own group is its rule and the place that the rule groups by. While an outage of its site, or of the network,
is raised, a station that is away is a part of that instead, and so is the outage of a site within one of the network:
a site whose twenty stations vanish in the same minute is one incident, not twenty. When the wider outage is over,
those who stay away get incidents of their own.
"""

from collections.abc import Callable, Iterator, Mapping

from voltway.monitoring.incidents.model import Place, Rule

WIDER: Mapping[str, tuple[str, ...]] = {
    "station_offline": ("network_outage", "site_outage"),
    "site_outage": ("network_outage",),
}
"""By detector: the wider faults of which it may be a part, the widest first."""
MASS = frozenset(wider for several in WIDER.values() for wider in several)
IsRaised = Callable[[str, Place], bool]
"""Whether a rule (by its code) is raised at a place."""


def is_mass(rule: Rule) -> bool:
    """Say whether other symptoms may be a part of this rule's."""
    return rule.detector in MASS


def may_be_part(rule: Rule) -> bool:
    """Say whether this rule's symptoms may be a part of another's."""
    return rule.detector in WIDER


def group_key(rule: Rule, place: Place) -> str:
    """Return what of this rule is one incident.

    >>> from voltway.monitoring.incidents.model import Severity
    >>> rule = Rule("faulted", "faulted", "evse", Severity.MAJOR, "Faulted", 1, 1, 0, 0, "station")
    >>> group_key(rule, Place(3, 7, 2))
    'faulted@station/7'
    """
    match rule.group_by:
        case "network":
            return rule.code
        case "site":
            return f"{rule.code}@site/{place.location_id}"
        case "station":
            return f"{rule.code}@station/{place.station_id}"
        case "evse":
            return f"{rule.code}@evse/{place.station_id}/{place.evse_id}"


def home_of(rule: Rule, place: Place, rules: Mapping[str, Rule], is_raised: IsRaised) -> str:
    """Return the group that a raised symptom belongs to now."""
    for wider, where in _wider_places(rule, place, rules):
        if is_raised(wider.code, where):
            return group_key(wider, where)
    return group_key(rule, place)


def _wider_places(rule: Rule, place: Place, rules: Mapping[str, Rule]) -> Iterator[tuple[Rule, Place]]:
    for detector in WIDER.get(rule.detector, ()):
        for wider in rules.values():
            if wider.detector == detector and wider.enabled:
                yield wider, Place() if wider.scope == "network" else Place(place.location_id)
