"""Which tariff version is sealed into a session: by place, token group and time, from one read for a whole group."""

from datetime import UTC, datetime

import psycopg
import pytest

from voltway.infra.db import Role, libpq_url
from voltway.infra.pipeline import Pipeline, Work
from voltway.kernel.ids import OperatorId, StationId
from voltway.tariffs.intake import LOAD_ASSIGNMENTS, LOAD_PLACES, TariffBook

OURS = OperatorId(1)
MARCH, JUNE = datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 6, 2, tzinfo=UTC)
DATA = """
INSERT INTO operator (operator_id, name) VALUES (2, 'Second');
INSERT INTO location (operator_id, code, name, lat, lon, time_zone) VALUES (1, 'HARBOUR', 'Harbour', 0, 0, 'UTC');
INSERT INTO station (operator_id, identity, location_id, groups) VALUES
  (1, 'A', (SELECT location_id FROM location), '{}'), (1, 'B', NULL, '{fast}'), (1, 'C', NULL, '{}'),
  (2, 'D', NULL, '{}');
INSERT INTO tariff (operator_id, tariff_id, version, currency, document, created_at) VALUES
  (1, 'DAY', 1, 'EUR', '{}', '2026-01-01Z'), (1, 'DAY', 2, 'EUR', '{}', '2026-05-01Z'),
  (1, 'FAST', 1, 'EUR', '{}', '2026-04-01Z'), (1, 'FLEET', 1, 'EUR', '{}', '2026-01-01Z'),
  (1, 'PROMO', 1, 'EUR', '{"start_date_time": "2026-03-01T00:00:00Z", "end_date_time": "2026-06-01T00:00:00Z"}',
   '2026-01-01Z');
INSERT INTO tariff_assignment (operator_id, tariff_id, target_kind, target, token_group, valid_from) VALUES
  (1, 'DAY', 'location', 'HARBOUR', NULL, NULL), (1, 'FAST', 'group', 'fast', NULL, NULL),
  (1, 'FLEET', 'location', 'HARBOUR', 'F', '2026-05-01Z'), (1, 'PROMO', 'evse', 'A/2', NULL, NULL);
"""


@pytest.fixture
async def book(database_url: str) -> TariffBook:
    """Tariffs and places as a group reads them; stations 1 to 4 are A to D."""
    with psycopg.connect(database_url) as connection:
        connection.execute(DATA)
    pipeline = Pipeline(libpq_url(database_url, Role.INGEST))
    assignments, places = await pipeline.run([Work(LOAD_ASSIGNMENTS, [[1, 2]]), Work(LOAD_PLACES, [[1, 2, 3, 4]])])
    await pipeline.close()
    return TariffBook(assignments, places)


async def test_the_version_of_the_start_s_time_is_sealed(book: TariffBook) -> None:
    """By location, group and token group; the oldest version where the start lies before all of them."""

    def find(station: int, at: datetime, token_group: str | None = None) -> tuple[str, int] | None:
        return book.find(OURS, StationId(station), 1, token_group=token_group, at=at)

    assert [find(1, it) for it in (MARCH, JUNE)] == [("DAY", 1), ("DAY", 2)]
    assert [find(1, it, "F") for it in (MARCH, JUNE)] == [("DAY", 1), ("FLEET", 1)]
    assert find(2, MARCH) == ("FAST", 1)


async def test_a_tariff_applies_within_its_validity_only(book: TariffBook) -> None:
    """Behind its end_date_time the next assignment is asked, here that of the location."""
    found = [book.find(OURS, StationId(1), 2, token_group=None, at=at) for at in (MARCH, JUNE)]
    assert found == [("PROMO", 1), ("DAY", 2)]


async def test_no_tariff_is_none_never_free(book: TariffBook) -> None:
    """A station that nothing covers, another operator's, and one that nobody knows."""
    found = [
        book.find(OperatorId(it), StationId(at), 1, token_group=None, at=JUNE) for it, at in ((1, 3), (2, 4), (1, 9))
    ]
    assert found == [None] * 3
    assert TariffBook().find(OURS, StationId(1), 1, token_group=None, at=JUNE) is None
