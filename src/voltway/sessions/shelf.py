"""Sealed tariff versions in memory: a version never changes, so what was read once stays right."""

from voltway.infra.db import Transaction
from voltway.kernel.errors import NotFound
from voltway.kernel.ids import OperatorId
from voltway.sessions.model import Session
from voltway.tariffs.model import Tariff
from voltway.tariffs.service import load_tariff

MAX_TARIFFS = 2_000


class TariffShelf:
    """The tariffs that sessions of this process were priced with."""

    def __init__(self) -> None:
        self._known: dict[tuple[OperatorId, str, int], Tariff] = {}

    async def of(self, tx: Transaction, session: Session) -> Tariff | None:
        """Return the tariff that was sealed into a session; None where there is none: not billable, never free."""
        if session.tariff_id is None or session.tariff_version is None:
            return None
        key = session.operator_id, session.tariff_id, session.tariff_version
        if key not in self._known:
            try:
                found = await load_tariff(tx, *key)
            except NotFound:
                return None
            while len(self._known) >= MAX_TARIFFS:
                del self._known[next(iter(self._known))]
            self._known[key] = found
        return self._known[key]
