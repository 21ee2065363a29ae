"""What misbehaving stations make of a session's messages: rows 06–15 of the checklist in the field notes, and their
kind.

A twist is made for one session, sees every message of it in order and returns what is queued instead. `number` counts
how often the behaviour was played, so that its variants take turns.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from voltway.simulator import frames
from voltway.simulator.calls import Json, Kind, Message
from voltway.simulator.frames import changed, with_register, with_samples, with_times
from voltway.simulator.session import Session, Step, Twist
from voltway.simulator.specs import Version
from voltway.simulator.station import Station

TwistMaker = Callable[[Station, Session, int], Twist]
ABSURD_IDS = (-1, 0, 2**63 - 1)
UNKNOWN_ID = 2_000_000_000
GIGAWATT_HOUR_MILLIWH = 10**12
OCMF = 'OCMF|{"FV":"1.0","GI":"VW-M3","PG":"T1","RD":[]}|{"SD":"3044"}'


def each_message(change: frames.Change, *steps: Step) -> Twist:
    """Return a twist that changes the payload of every message of the given steps (all, if none is given)."""

    def twist(step: Step, message: Message) -> list[Message]:
        return [changed(message, change)] if not steps or step in steps else [message]

    return twist


def started_thrice(_: Station, __: Session, ___: int) -> Twist:
    """Row 06: the start comes three times with new message ids."""

    def twist(step: Step, message: Message) -> list[Message]:
        again = [frames.copy_of(message), frames.copy_of(message)] if step is Step.START else []
        return [message, *again]

    return twist


def stopped_by_wrong_id(station: Station, session: Session, number: int) -> Twist:
    """Row 07: the stop has an absurd id, or a stop of an unknown transaction comes before it."""
    if station.spec.version is Version.V16 and number % 4 < len(ABSURD_IDS):
        absurd = ABSURD_IDS[number % 4]
        return each_message(lambda payload: {**payload, "transactionId": absurd}, Step.STOP)

    def twist(step: Step, message: Message) -> list[Message]:
        if step is not Step.STOP:
            return [message]
        stray = changed(
            Message(message.action, message.build, Kind.TRANSACTION), _of_nobody(session.evse_id + 7, number)
        )
        return [stray, message]

    return twist


def _of_nobody(evse_id: int, number: int) -> frames.Change:
    def change(payload: Json) -> Json:
        if "transactionInfo" in payload:
            payload["transactionInfo"]["transactionId"] = f"nobody-{number}-{payload['timestamp']}"[:36]
            payload["evse"] = {"id": evse_id, "connectorId": 1}
            return payload
        return {**payload, "transactionId": UNKNOWN_ID + number, "idTag": "NOBODY"}

    return change


def told_out_of_order(station: Station, _: Session, number: int) -> Twist:
    """Row 08: the end before the start, readings after the end, a gap in the sequence numbers."""
    kept: list[Message] = []
    is_16, skips = station.spec.version is Version.V16, number % 2 == 1

    def twist(step: Step, message: Message) -> list[Message]:
        if not is_16 and skips:
            kept.append(message)
            return [] if len(kept) == 2 and step is Step.UPDATE else [message]
        if is_16 and skips and step is Step.START:
            return [message]
        kept.append(message)
        if step is not Step.STOP:
            return []
        if is_16:
            start_unknown = changed(message, lambda payload: {**payload, "transactionId": -1})
            return [message if skips else start_unknown, *kept[:-1]]
        return kept[::-1]

    return twist


def odd_times(_: Station, __: Session, number: int) -> Twist:
    """Row 09: 1970, two hours ahead, no zone, another zone, nine digits, the year 2099."""
    since: list[datetime] = []

    def since_1970(at: datetime) -> str:
        since.append(at)
        return frames.shifted(datetime(1970, 1, 1, tzinfo=UTC) - since[0])(at)

    writers: tuple[Callable[[datetime], str], ...] = (
        since_1970,
        frames.shifted(timedelta(hours=2)),
        frames.without_zone,
        lambda at: (at + timedelta(hours=10)).strftime("%Y-%m-%dT%H:%M:%S+10:00"),
        lambda at: at.strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z",
        lambda at: at.replace(year=2099, day=min(at.day, 28)).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    writer = writers[number % len(writers)]

    def change(payload: Json) -> Json:
        rewritten: Json = with_times(payload, writer)
        return rewritten

    return each_message(change)


def odd_values(station: Station, _: Session, number: int) -> Twist:
    """Row 10: numbers as strings and strings as numbers, blanks, commas, nothing, NaN, signed data."""
    if station.spec.version is Version.V16:
        odd: tuple[Json, ...] = (
            {"value": 12.5, "measurand": "Current.Import", "unit": "A", "phase": "L2"},
            {"value": " 12.5", "measurand": "Temperature", "unit": "Celsius"},
            {"value": "12,5", "measurand": "Current.Offered", "unit": "A"},
            {"value": "", "measurand": "Power.Factor"},
            {"value": "NaN", "measurand": "Frequency"},
            {"value": "3a4fb6", "format": "SignedData", "measurand": frames.ENERGY, "context": "Transaction.End"},
            {"value": OCMF, "format": "SignedData", "measurand": frames.ENERGY, "context": "Transaction.End"},
        )
    else:
        signed = {"signedMeterData": OCMF, "signingMethod": "", "encodingMethod": "OCMF", "publicKey": ""}
        odd = (
            {"value": "12.5", "measurand": "Current.Import", "phase": "L2"},
            {"value": " 12.5", "measurand": "Current.Offered"},
            {"value": 0, "measurand": "Energy.Reactive.Import.Register", "signedMeterValue": signed},
        )
    extra = odd[number % len(odd)]
    return each_message(lambda payload: with_samples(payload, lambda samples: [*samples, dict(extra)]))


def odd_units(station: Station, _: Session, number: int) -> Twist:
    """Row 11: no measurand, no unit; kilowatt-hours that are called watt-hours; Hz, Celcius; errorCode Error."""
    if number % 3 == 0:
        return each_message(lambda payload: with_samples(payload, _bare), Step.UPDATE)
    if number % 3 == 1:
        return each_message(lambda payload: with_samples(payload, _mislabelled), Step.UPDATE)
    is_16 = station.spec.version is Version.V16
    extra: list[Json] = [
        {"value": "50.0", "measurand": "Frequency", "unit": "Hz"},
        {"value": "21.5", "measurand": "Temperature", "unit": "Celcius"},
    ]
    if not is_16:
        extra = [{"value": 50.0, "measurand": "Frequency", "unitOfMeasure": {"unit": "Hertz"}}]
    return each_message(lambda payload: with_samples(payload, lambda samples: [*samples, *extra]), Step.UPDATE)


def _bare(samples: list[Json]) -> list[Json]:
    energy = [sample for sample in samples if sample.get("measurand") == frames.ENERGY]
    in_wh = [sample for sample in energy if (sample.get("unit") or sample["unitOfMeasure"]["unit"]) == "Wh"]
    return [{"value": sample["value"]} for sample in in_wh] or samples


def _mislabelled(samples: list[Json]) -> list[Json]:
    def in_kwh(sample: Json) -> Json:
        if sample.get("measurand") != frames.ENERGY:
            return sample
        was_wh = (sample.get("unit") or sample["unitOfMeasure"]["unit"]) == "Wh"
        kwh = float(sample["value"]) / (1000 if was_wh else 1)
        label: dict[str, Any] = {"unit": "Wh"} if "unit" in sample else {"unitOfMeasure": {"unit": "Wh"}}
        return {**sample, **label, "value": f"{kwh:.3f}" if isinstance(sample["value"], str) else round(kwh, 6)}

    return [in_kwh(sample) for sample in samples]


def odd_registers(_: Station, session: Session, number: int) -> Twist:
    """Row 12: a placeholder zero at the begin, a meter that restarts, a register that falls or jumps by a GWh."""
    begin_milliwh, updates = session.register_begin_milliwh, [0]

    def zero_begin(step: Step, message: Message) -> list[Message]:
        if step is Step.START:
            session.register_begin_milliwh = 0
            changed(message, lambda payload: with_register(payload, lambda _: 0))
        return [message]

    def restarts(step: Step, message: Message) -> list[Message]:
        updates[0] += step is Step.UPDATE
        if step is not Step.START and updates[0] > 1:
            changed(message, lambda payload: with_register(payload, lambda milliwh: milliwh - begin_milliwh))
        if step is Step.STOP and updates[0] > 1:
            session.register_end_milliwh -= begin_milliwh
        return [message]

    def once(by_milliwh: int) -> Twist:
        def twist(step: Step, message: Message) -> list[Message]:
            updates[0] += step is Step.UPDATE
            if step is Step.UPDATE and updates[0] == 1:
                changed(message, lambda payload: with_register(payload, lambda milliwh: max(0, milliwh + by_milliwh)))
            return [message]

        return twist

    variants = (zero_begin, restarts, once(-5_000_000), once(GIGAWATT_HOUR_MILLIWH))
    return variants[number % len(variants)]


def by_phases(_: Station, __: Session, number: int) -> Twist:
    """Row 13: energy on L1 only, on three phases, on L1 and L1-N, or both in total and by phase."""
    shares: tuple[dict[str | None, float], ...] = (
        {"L1": 3.0},
        {"L1": 1.0, "L2": 1.0, "L3": 1.0},
        {"L1-N": 3.0, "L1": 3.0},
        {None: 3.0, "L1": 1.0, "L2": 1.0, "L3": 1.0},
    )
    parts = shares[number % len(shares)]
    return each_message(
        lambda payload: with_samples(payload, lambda samples: frames.split_energy(samples, parts)), Step.UPDATE
    )


def odd_batches(station: Station, _: Session, number: int) -> Twist:
    """Row 14: readings without energy, clock-aligned ones only, sixty in one message, or all of them hours late."""

    def without_energy(samples: list[Json]) -> list[Json]:
        return [sample for sample in samples if sample.get("measurand") != frames.ENERGY]

    def clock_aligned(samples: list[Json]) -> list[Json]:
        return [{**sample, "context": "Sample.Clock"} for sample in samples]

    def sixty(payload: Json) -> Json:
        if "meterValue" in payload:
            payload["meterValue"] = payload["meterValue"] * 60
        return payload

    variants: tuple[frames.Change, ...] = (
        lambda payload: with_samples(payload, without_energy),
        lambda payload: with_samples(payload, clock_aligned),
        sixty,
    )
    if number % 4 == len(variants):
        station.lose_network(15.0)
        return each_message(lambda payload: payload)
    return each_message(variants[number % 4], Step.UPDATE)


def odd_tokens(_: Station, __: Session, number: int) -> Twist:
    """Row 15: the token in lower case, padded, cut short, or with 21 characters."""
    spellings: tuple[Callable[[str], str], ...] = (
        str.lower,
        lambda token: f" {token} ",
        lambda token: token[: max(1, len(token) * 6 // 7)],
        lambda token: token.ljust(21, "0")[:21],
    )
    spell = spellings[number % len(spellings)]

    def change(payload: Json) -> Json:
        if "idTag" in payload:
            payload["idTag"] = spell(payload["idTag"])
        if "idToken" in payload:
            payload["idToken"]["idToken"] = spell(payload["idToken"]["idToken"])
        return payload

    return each_message(change, Step.START, Step.STOP)
