"""The look at silent connectors as the watch takes it: an operator's own rules, what is known, and verdicts."""

from collections.abc import Sequence
from datetime import datetime

from voltway.infra.db import Transaction
from voltway.kernel.ids import OperatorId, StationId
from voltway.monitoring.incidents.model import Place, Rule
from voltway.monitoring.incidents.silence_look import SilenceLook
from voltway.monitoring.watch.engine import Engine, SymptomKey
from voltway.monitoring.watch.judge import Verdict


class Silences:
    """Give `look` to `Watch.add_long_look`."""

    def __init__(self) -> None:
        self._eye = SilenceLook()

    async def look(self, tx: Transaction, engine: Engine, now: datetime) -> list[tuple[SymptomKey, Verdict]]:
        """Hold the rules against every EVSE of the sites that are worth it."""

        def rules_at(operator_id: OperatorId, place: Place) -> Sequence[Rule]:
            station = engine.stations.get(StationId(place.station_id))
            return [] if station is None else engine.book_of(operator_id).long_rules(station.row)

        found = await self._eye.look(tx, rules_at, list(engine.symptoms.items()), now)
        return [(SymptomKey(it.operator_id, it.rule.code, it.place), Verdict(*it.step, it.known)) for it in found]
