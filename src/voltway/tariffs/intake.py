"""What the ingest asks of tariffs: which version applies where a session starts, to be sealed into it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import orjson

from voltway.infra.pgarrays import INT4, INT8
from voltway.infra.pipeline import Row, Statement
from voltway.kernel.ids import OperatorId, StationId, TariffId
from voltway.tariffs.assignments import Assignment, Place, Start, TargetKind, Version, find_version
from voltway.tariffs.ocpi_reader import parse_instant

LOAD_ASSIGNMENTS = Statement(
    "tariff_assignment_load",
    """SELECT json_build_object('a', row_to_json(a), 'versions', (
         SELECT json_agg(json_build_array(
           t.version, t.created_at, t.document->>'start_date_time', t.document->>'end_date_time') ORDER BY t.version)
         FROM tariff t WHERE t.operator_id = a.operator_id AND t.tariff_id = a.tariff_id))
       FROM tariff_assignment a WHERE a.operator_id = ANY($1::int[])""",
    (INT4,),
)
LOAD_PLACES = Statement(
    "tariff_place_load",
    """SELECT json_build_array(s.station_id, s.identity, s.groups, l.code)
       FROM station s LEFT JOIN location l USING (location_id) WHERE s.station_id = ANY($1::bigint[])""",
    (INT8,),
)


class TariffBook:
    """The assignments and places of one group's starts."""

    def __init__(self, assignments: Iterable[Row] = (), places: Iterable[Row] = ()) -> None:
        self._assignments: dict[OperatorId, list[Assignment]] = {}
        self._versions: dict[OperatorId, dict[TariffId, list[Version]]] = {}
        self._places: dict[StationId, tuple[str, tuple[str, ...], str | None]] = {}
        for row in assignments:
            self._add_assignment(orjson.loads(row[0] or b"{}"))
        for row in places:
            station_id, identity, groups, code = orjson.loads(row[0] or b"[]")
            self._places[StationId(station_id)] = (identity, tuple(groups), code)

    def find(
        self, operator_id: OperatorId, station_id: StationId, evse_id: int, *, token_group: str | None, at: datetime
    ) -> tuple[TariffId, int] | None:
        """Return the tariff version that applies, None where no tariff does (not billable, never free)."""
        identity, groups, code = self._places.get(station_id, ("", (), None))
        start = Start(Place(identity, evse_id, groups, code), at, token_group)
        return find_version(self._assignments.get(operator_id, ()), self._versions.get(operator_id, {}), start)

    def _add_assignment(self, row: dict[str, Any]) -> None:
        a, operator_id = row["a"], OperatorId(row["a"]["operator_id"])
        assignment = Assignment(
            id=a["assignment_id"],
            tariff_id=TariffId(a["tariff_id"]),
            target_kind=TargetKind(a["target_kind"]),
            target=a["target"],
            token_group=a["token_group"],
            priority=a["priority"],
            valid_from=_instant(a["valid_from"]),
            valid_to=_instant(a["valid_to"]),
            created_at=datetime.fromisoformat(a["created_at"]),
        )
        self._assignments.setdefault(operator_id, []).append(assignment)
        self._versions.setdefault(operator_id, {})[assignment.tariff_id] = [
            Version(number, datetime.fromisoformat(created_at), parse_instant(begin), parse_instant(end))
            for number, created_at, begin, end in row["versions"] or ()
        ]


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
