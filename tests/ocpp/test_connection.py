"""One link's state: one call of ours at a time, none before the boot, and answers that find their call."""

from voltway.ocpp.connection import Answer, Connection, Outgoing, Refusal, Stray
from voltway.ocpp.frame import CallError, CallResult
from voltway.ocpp.versions import Version


def booted(salt: str = "") -> Connection:
    connection = Connection(Version.V16, salt)
    connection.is_booted = True
    return connection


def sent(connection: Connection, action: str = "Reset") -> Outgoing:
    call = connection.begin(action, {}, now_s=5.0)
    assert isinstance(call, Outgoing)
    return call


def test_nothing_is_sent_before_the_boot_is_accepted() -> None:
    """Field note 5: a call too early puts stations into a boot loop."""
    connection = Connection(Version.V201)
    assert connection.begin("Reset", {}, now_s=0.0) is Refusal.NOT_BOOTED
    assert isinstance(connection.begin("TriggerMessage", {}, now_s=0.0, is_boot_needed=False), Outgoing)


def test_one_call_is_outstanding_at_a_time() -> None:
    """The second is refused until the first is answered."""
    connection = booted()
    first = sent(connection)
    assert connection.begin("Reset", {}, now_s=6.0) is Refusal.BUSY
    assert connection.match(CallResult(first.message_id, {"status": "Accepted"})) == Answer(
        first, {"status": "Accepted"}
    )
    assert sent(connection).message_id != first.message_id


def test_an_error_is_an_answer() -> None:
    """A CALLERROR ends the call as a result does."""
    connection = booted()
    call = sent(connection)
    error = CallError(call.message_id, "InternalError", "", {})
    assert connection.match(error) == Answer(call, error=error)
    assert connection.outstanding is None


def test_late_and_foreign_answers_are_told_apart() -> None:
    """Row 18: a result after its timeout, and one for nobody, disturb nothing; a late one is late once."""
    connection = booted()
    assert connection.give_up() is None
    late = sent(connection)
    assert connection.give_up() == late
    current = sent(connection)
    assert connection.match(CallResult("nobody", {})) is Stray.UNKNOWN
    assert connection.match(CallResult(late.message_id, {})) is Stray.LATE
    assert connection.match(CallResult(late.message_id, {})) is Stray.UNKNOWN
    assert connection.outstanding == current


def test_only_the_last_given_up_calls_are_remembered() -> None:
    """A station that never answers costs a bounded memory."""
    connection = booted()
    calls = []
    for _ in range(40):
        calls.append(sent(connection))
        connection.give_up()
    assert connection.match(CallResult(calls[0].message_id, {})) is Stray.UNKNOWN
    assert connection.match(CallResult(calls[-1].message_id, {})) is Stray.LATE


def test_message_ids_are_short_and_unique() -> None:
    """The salt keeps two sockets of one station apart."""
    ids = [booted(salt).next_message_id() for salt in ("", "k3", "k4")]
    assert len(set(ids)) == 3
    assert all(len(message_id) <= 36 for message_id in ids)
