"""Signatures that any library of Standard Webhooks verifies, and waits that span more than a day."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from voltway.kernel.clock import now
from voltway.monitoring.notify.signing import MAX_ATTEMPTS, new_secret, next_attempt, signed_headers

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)


@given(st.text())
def test_what_we_sign_verifies(body: str) -> None:
    """With both secrets while they are exchanged, and with no other."""
    try:
        body.encode()
    except UnicodeEncodeError:
        return
    old, new, foreign = new_secret(), new_secret(), new_secret()
    headers = signed_headers([new, old], "evt_1", now(), body)
    for secret in (old, new):
        Webhook(secret).verify(body, headers, json_parse=False)
    with pytest.raises(WebhookVerificationError):
        Webhook(foreign).verify(body, headers, json_parse=False)
    with pytest.raises(WebhookVerificationError):
        Webhook(new).verify(body + "x", headers, json_parse=False)


def test_a_signature_of_the_standard() -> None:
    """The example of the specification: standardwebhooks.com, `whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw`."""
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", '{"test": 2432232314}'
    headers = signed_headers([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", datetime.fromtimestamp(1614265330, UTC), body)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert headers["webhook-timestamp"] == "1614265330"


def test_an_old_delivery_does_not_verify() -> None:
    """The receiver's tolerance is five minutes; every attempt is signed anew."""
    secret = new_secret()
    headers = signed_headers([secret], "evt_1", now() - timedelta(minutes=6), "{}")
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify("{}", headers)


def test_secrets_are_long_and_never_the_same() -> None:
    secrets = {new_secret() for _ in range(50)}
    assert len(secrets) == 50
    assert all(secret.startswith("whsec_") and len(secret) == 6 + 44 for secret in secrets)


@given(st.integers(0, 10**9))
def test_waits_grow_over_more_than_a_day_and_end(key: int) -> None:
    at, instants = AT, []
    for attempts in range(1, MAX_ATTEMPTS):
        after = next_attempt(at, attempts, key=key)
        assert after is not None
        assert after > at
        instants.append(after - at)
        at = after
    assert instants == sorted(instants)
    assert timedelta(hours=24) < at - AT < timedelta(hours=32)
    assert next_attempt(at, MAX_ATTEMPTS, key=key) is None


@pytest.mark.parametrize(
    ("asked", "wait_s"), [("120", 120), ("0", 4), ("999999", 3600), ("soon", 4), ("-5", 4), ("²", 4)]
)
def test_a_receiver_may_ask_for_time(asked: str, wait_s: float) -> None:
    """Up to an hour; what is no number of seconds changes nothing."""
    after = next_attempt(AT, 1, key=1, headers={"retry-after": asked})
    assert after is not None
    assert wait_s <= (after - AT).total_seconds() <= max(wait_s, 5.5)
