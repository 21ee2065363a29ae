"""Twenty stations that vanish are one incident: watch, register and people over a real database."""

from collections.abc import AsyncIterator, Sequence

import pytest
from tests.fake_clock import FakeClock
from tests.monitoring.watch.stage import Network, running_network, status

from voltway.httpapi.caller import ALL_SCOPES, Caller
from voltway.infra.db import Database, Transaction
from voltway.kernel.facts import ConnectorStatus
from voltway.kernel.ids import OperatorId
from voltway.monitoring.incidents.model import IncidentChange
from voltway.monitoring.incidents.service import Incidents

MIA = Caller(OperatorId(1), "mia", ALL_SCOPES)
PORT = [f"P-{number:02}" for number in range(20)]
REST = [f"R-{number:02}" for number in range(30)]
"""Stations of two other sites: enough that the port alone is not the whole network."""


class Listener:
    """What subscribers were told, as "kind rule"."""

    def __init__(self) -> None:
        self.told: list[str] = []

    async def __call__(self, _: Transaction, changes: Sequence[IncidentChange]) -> None:
        """Note changes."""
        self.told += [f"{it.kind.value} {it.incident.rule}" for it in changes]


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
async def network(database_url: str, clock: FakeClock, listener: Listener) -> AsyncIterator[Network]:
    async with running_network(database_url, clock, (listener,)) as made:
        made.add(*PORT, site="PORT")
        made.add(*REST[:15], site="NORTH")
        made.add(*REST[15:], site="SOUTH")
        await made.connect(*PORT, *REST)
        await made.step(seconds=5)
        yield made


@pytest.fixture
async def desk(database_url: str, clock: FakeClock) -> AsyncIterator[Incidents]:
    database = Database(database_url)
    yield Incidents(database, clock=clock)
    await database.close()


async def wait(network: Network, minutes: int, *living: str) -> None:
    """Let time pass while some stations show that they live."""
    for _ in range(minutes):
        await network.live(*living)
        await network.step(seconds=60)


async def lose_port(network: Network) -> None:
    """Take the links of the port's stations away, two every few seconds, all within two minutes; wait for it."""
    for first in range(0, 20, 4):
        await network.vanish(*PORT[first : first + 4])
        await network.live(*REST, *PORT[first + 4 :])
        await network.step(seconds=20)
    await wait(network, 7, *REST)


def unresolved(network: Network) -> list[tuple[str, str]]:
    return network.sql("SELECT rule, state FROM incident WHERE ended_at IS NULL ORDER BY incident_id")


async def number_of(network: Network, rule: str) -> int:
    ((number,),) = network.sql("SELECT incident_id FROM incident WHERE rule = %s AND ended_at IS NULL", rule)
    return int(number)


async def test_a_site_that_loses_its_links_is_one_incident_until_they_are_back(
    network: Network, listener: Listener
) -> None:
    """Twenty links within two minutes: one site incident, told once; back again: all is remedied."""
    await lose_port(network)
    assert network.incidents() == [("site_outage", "open")]
    assert listener.told == ["opened site_outage"]
    ((code, held),) = network.sql(
        """SELECT l.code, (SELECT count(*) FROM symptom y WHERE y.incident_id = i.incident_id)
             FROM incident i JOIN location l USING (location_id)"""
    )
    assert (code, held) == ("PORT", 21)
    await network.connect(*PORT)
    await wait(network, 2, *PORT, *REST)
    assert network.incidents() == [("site_outage", "remedied")]
    assert listener.told == ["opened site_outage", "remedied site_outage"]


async def test_who_stays_away_gets_an_incident_of_its_own(network: Network) -> None:
    await lose_port(network)
    await network.connect(*PORT[2:])
    await wait(network, 6, *PORT[2:], *REST)
    assert network.incidents() == [("site_outage", "remedied"), *[("station_offline", "open")] * 2]
    names = network.sql(
        "SELECT identity FROM incident JOIN station USING (station_id) WHERE ended_at IS NULL ORDER BY identity"
    )
    assert [name for (name,) in names] == PORT[:2]
    await network.connect(*PORT[:2])
    await wait(network, 2, *PORT, *REST)
    assert unresolved(network) == []


async def test_an_outage_of_the_network_takes_the_sites_in(network: Network) -> None:
    """A site is away; then the rest vanishes too: one incident that says why the others closed; back: none is left."""
    await lose_port(network)
    await network.vanish(*REST)
    await wait(network, 8)
    assert unresolved(network) == [("network_outage", "open")]
    wider = await number_of(network, "network_outage")
    closed = network.sql(
        """SELECT e.text FROM incident i JOIN incident_entry e USING (incident_id)
            WHERE i.rule = 'site_outage' AND e.kind = 'remedied'"""
    )
    assert closed == [(f"it is a part of incident {wider} now",)]
    assert ("station_offline", "open") not in network.incidents()
    await network.connect(*PORT, *REST)
    await wait(network, 2, *PORT, *REST)
    assert unresolved(network) == []
    assert network.sql("SELECT count(*) FROM symptom WHERE raised_at IS NOT NULL AND rule LIKE '%%outage'") == [(0,)]


@pytest.mark.parametrize(("pause_min", "states"), [(25, ["reopened"]), (35, ["remedied", "open"])])
async def test_it_comes_back_within_half_an_hour_or_anew(network: Network, pause_min: int, states: list[str]) -> None:
    """Within 30 minutes the same incident goes on, later it is another one."""
    alive = [*PORT[1:], *REST]
    await network.vanish(PORT[0])
    await wait(network, 6, *alive)
    await network.connect(PORT[0])
    await wait(network, pause_min - 6, PORT[0], *alive)
    await network.vanish(PORT[0])
    await wait(network, 6, *alive)
    assert network.incidents() == [("station_offline", state) for state in states]


async def test_what_people_did_stands(network: Network, desk: Incidents) -> None:
    """Acknowledged and assigned meanwhile: more stations of it change nothing of that, and its end is its end."""
    await network.vanish(*PORT[:15])
    await wait(network, 4, *PORT[15:], *REST)
    number = await number_of(network, "site_outage")
    await desk.acknowledge(MIA, number)
    await network.vanish(*PORT[15:])
    await wait(network, 7, *REST)
    assert network.incidents() == [("site_outage", "acknowledged")]
    await desk.assign(MIA, number, "tom")
    await network.connect(*PORT)
    await wait(network, 2, *PORT, *REST)
    ((state, assignee),) = network.sql("SELECT state, assignee FROM incident")
    assert (state, assignee) == ("remedied", "tom")
    actors = network.sql("SELECT kind, actor FROM incident_entry ORDER BY entry_id")
    assert actors == [
        ("opened", "monitoring"), ("acknowledged", "mia"), ("assigned", "mia"), ("remedied", "monitoring"),
    ]  # fmt: skip


async def test_what_a_person_resolved_is_not_opened_again_by_an_outage_elsewhere(
    network: Network, desk: Incidents
) -> None:
    """A station that is away for good was resolved by hand; another site's outage comes and goes."""
    await network.vanish(REST[0])
    await wait(network, 6, *PORT, *REST[1:])
    await desk.resolve(MIA, await number_of(network, "station_offline"), "taken down")
    await network.vanish(*PORT)
    await wait(network, 7, *REST[1:])
    assert network.incidents() == [("station_offline", "resolved"), ("site_outage", "open")]
    await network.connect(*PORT)
    await wait(network, 2, *PORT, *REST[1:])
    assert network.incidents() == [("station_offline", "resolved"), ("site_outage", "remedied")]


async def test_a_restart_in_the_middle_opens_nothing_twice(network: Network, listener: Listener) -> None:
    """A new worker on the same database while the hold runs, while it is open, and while they come back."""
    await network.vanish(*PORT)
    await wait(network, 1, *REST)
    network.fresh_watch()
    await wait(network, 7, *REST)
    assert network.incidents() == [("site_outage", "open")]
    network.fresh_watch()
    await wait(network, 4, *REST)
    assert network.incidents() == [("site_outage", "open")]
    await network.connect(*PORT)
    network.fresh_watch()
    await wait(network, 2, *PORT, *REST)
    assert network.incidents() == [("site_outage", "remedied")]
    assert listener.told == ["opened site_outage", "remedied site_outage"]


async def test_a_fault_reopens_after_a_restart_too(network: Network) -> None:
    """What was remedied is in the database, not in a worker's memory."""
    for word in (ConnectorStatus.FAULTED, ConnectorStatus.AVAILABLE):
        await network.tell(PORT[0], status(word, network.clock(), "GroundFailure" if word == "faulted" else None))
        await wait(network, 3, *PORT, *REST)
    assert network.incidents() == [("faulted", "remedied")]
    network.fresh_watch()
    await wait(network, 1, *PORT, *REST)
    await network.tell(PORT[0], status(ConnectorStatus.FAULTED, network.clock(), "GroundFailure"))
    await wait(network, 1, *PORT, *REST)
    assert network.incidents() == [("faulted", "reopened")]
