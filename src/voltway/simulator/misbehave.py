"""Misbehaviour by name: what `--misbehave` knows, and the performer that plays one behaviour per visit, in turn.

`row01`…`row20` are the checklist of frames in the field notes; the others are more of their kind. Every behaviour ends
in sane behaviour again, is counted, and is named in the truth about the session that it touched.
"""

from collections import Counter
from dataclasses import dataclass

from voltway.simulator import antics, twists
from voltway.simulator.session import Session
from voltway.simulator.station import Station
from voltway.simulator.world import World


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One way to misbehave: on the link when a car arrives, or with the messages of its session."""

    summary: str
    antic: antics.Antic | None = None
    twist: twists.TwistMaker | None = None


ALL_AT_ONCE = "row19"
BEHAVIOURS: dict[str, Behaviour] = {
    "row01": Behaviour("no subprotocol, or a probe in another version", antics.wrong_subprotocol),
    "row02": Behaviour("odd spellings of the path", antics.odd_path),
    "row03": Behaviour("odd Basic authentication", antics.odd_credentials),
    "row04": Behaviour("a second socket while the first is half-open", antics.second_socket),
    "row05": Behaviour("calls before the boot, the boot three times", antics.talks_before_boot),
    "row06": Behaviour("the start three times with new message ids", twist=twists.started_thrice),
    "row07": Behaviour("a stop with an absurd or unknown transaction id", twist=twists.stopped_by_wrong_id),
    "row08": Behaviour("messages of a session out of order, a gap in seqNo", twist=twists.told_out_of_order),
    "row09": Behaviour("timestamps of 1970, 2099, ahead, without a zone", twist=twists.odd_times),
    "row10": Behaviour("values as numbers, with blanks, commas, signed", twist=twists.odd_values),
    "row11": Behaviour("no measurand, no unit, kWh labelled Wh", twist=twists.odd_units),
    "row12": Behaviour("a begin of zero, a register that restarts, falls or jumps", twist=twists.odd_registers),
    "row13": Behaviour("energy by phases, in part or twice", twist=twists.by_phases),
    "row14": Behaviour("readings without energy, sixty in one message, late", twist=twists.odd_batches),
    "row15": Behaviour("tokens in lower case, padded, cut, too long", twist=twists.odd_tokens),
    "row16": Behaviour("statuses of connectors that do not exist, or are not so", antics.odd_statuses),
    "row17": Behaviour("an absurd configuration", antics.absurd_configuration),
    "row18": Behaviour("answers for nobody, null payloads", antics.stray_answers),
    ALL_AT_ONCE: Behaviour("all stations drop and reconnect at once"),
    "row20": Behaviour("patience with a slow server", antics.patient_with_slow_server),
    "malformed": Behaviour("frames that are no OCPP", antics.malformed_frames),
    "unknown_action": Behaviour("actions and fields that no version has", antics.unknown_action),
    "binary": Behaviour("a call in a binary frame", antics.binary_frame),
    "big_frame": Behaviour("a frame of ten megabytes", antics.big_frame),
    "flood": Behaviour("two hundred calls at once", antics.flood),
    "half_open": Behaviour("a socket that stays open and silent", antics.half_open),
    "no_boot": Behaviour("a reconnect without a boot", antics.silent_reconnect),
    "offline": Behaviour("half a minute without a network", antics.offline_session),
}
ROWS = tuple(name for name in BEHAVIOURS if name.startswith("row"))


def parse_names(text: str | None) -> tuple[str, ...]:
    """Read the value of `--misbehave`: names with commas, `rows` (the checklist; the default) or `all` there are.

    Raises:
        ValueError: A name is not known.
    """
    if text is None:
        return ()
    if text in {"rows", "all"}:
        return ROWS if text == "rows" else tuple(BEHAVIOURS)
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    unknown = [name for name in names if name not in BEHAVIOURS]
    if unknown or not names:
        raise ValueError(f"--misbehave knows no {', '.join(unknown) or 'empty name'}; see --list-behaviours")
    return names


class Performer:
    """Plays the chosen behaviours in turn: the next one whenever a car arrives anywhere."""

    def __init__(self, names: tuple[str, ...], world: World) -> None:
        self._names, self._world = names, world
        self._stations: list[Station] = []
        self._turn = 0
        self._played: Counter[str] = Counter()
        self._at: dict[tuple[str, int], str] = {}

    def know(self, station: Station) -> None:
        """Take a station into the company."""
        self._stations.append(station)

    def perform(self, station: Station, evse_id: int, visit: int) -> None:
        """Choose the behaviour of a visit, and play it where it is one of the link."""
        del visit
        name = self._names[self._turn % len(self._names)]
        self._turn += 1
        self._at[station.spec.identity, evse_id] = name
        behaviour = BEHAVIOURS[name]
        if name == ALL_AT_ONCE:
            self._count(name)
            self._reconnect_all()
        elif behaviour.antic is not None:
            behaviour.antic(station, self._count(name))

    def twist_session(self, station: Station, session: Session, visit: int) -> None:
        """Twist a session that begins, where its visit's behaviour is one of messages."""
        del visit
        name = self._at.get((station.spec.identity, session.evse_id))
        if name is None:
            return
        session.behaviours.append(name)
        maker = BEHAVIOURS[name].twist
        if maker is not None:
            session.twist = maker(station, session, self._count(name))

    def _count(self, name: str) -> int:
        """Count a performance; return how many came before."""
        self._world.tally.behaviours[name] += 1
        self._played[name] += 1
        return self._played[name] - 1

    def _reconnect_all(self) -> None:
        for station in self._stations:
            station.reconnect_now()
