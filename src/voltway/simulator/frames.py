"""How behaviours change messages: the same change for both versions' forms, made when the message is built. Pure."""

from collections.abc import Callable
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any

from voltway.kernel.clock import parse_rfc3339
from voltway.simulator.calls import Json, Message

ENERGY = "Energy.Active.Import.Register"
TIME_KEYS = frozenset({"timestamp", "generatedAt"})
Change = Callable[[Json], Json]


def changed(message: Message, change: Change) -> Message:
    """Let the message be built with a change; the promise that a resend has the same content stays."""
    build = message.build
    message.build = lambda: change(deepcopy(build()))
    return message


def copy_of(message: Message) -> Message:
    """Return a second message with the same content, whose answer nobody needs."""
    return Message(message.action, message.build, message.kind)


def with_times(payload: Any, rewrite: Callable[[datetime], str]) -> Any:
    """Rewrite every timestamp of a payload."""
    if isinstance(payload, dict):
        return {
            key: rewrite(parse_rfc3339(value)) if key in TIME_KEYS else with_times(value, rewrite)
            for key, value in payload.items()
        }
    return [with_times(item, rewrite) for item in payload] if isinstance(payload, list) else payload


def meter_values(payload: Json) -> list[Json]:
    """Return the meter values of a payload in either version, to be changed in place."""
    values = payload.get("meterValue", payload.get("transactionData", []))
    return values if isinstance(values, list) else []


def with_samples(payload: Json, rewrite: Callable[[list[Json]], list[Json]]) -> Json:
    """Rewrite the list of sampled values of every meter value."""
    for value in meter_values(payload):
        value["sampledValue"] = rewrite(value["sampledValue"])
    return payload


def with_register(payload: Json, rewrite: Callable[[int], int]) -> Json:
    """Rewrite every register (milliwatt-hours): meterStart, meterStop and the energy samples."""
    for key in ("meterStart", "meterStop"):
        if key in payload:
            payload[key] = rewrite(payload[key] * 1000) // 1000
    return with_samples(payload, lambda samples: [_register_of(sample, rewrite) for sample in samples])


def _register_of(sample: Json, rewrite: Callable[[int], int]) -> Json:
    if sample.get("measurand") != ENERGY:
        return sample
    unit = sample.get("unit") or sample["unitOfMeasure"]["unit"]
    factor = 1_000 if unit == "Wh" else 1_000_000
    value = rewrite(round(float(sample["value"]) * factor)) / factor
    return {**sample, "value": f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(sample["value"], str) else value}


def split_energy(samples: list[Json], parts: dict[str | None, float]) -> list[Json]:
    """Put energy samples by phase (None: the total) in place of the total; `parts` are shares of it."""
    told: list[Json] = []
    for sample in samples:
        if sample.get("measurand") != ENERGY:
            told.append(sample)
            continue
        for phase, share in parts.items():
            part = _register_of(sample, lambda milliwh, share=share: round(milliwh * share / 3000) * 1000)  # type: ignore[misc]
            told.append(part if phase is None else {**part, "phase": phase})
    return told


def without_zone(at: datetime) -> str:
    """Write an instant as a station without a zone does."""
    return at.strftime("%Y-%m-%dT%H:%M:%S")


def shifted(by: timedelta) -> Callable[[datetime], str]:
    """Return a writer of times that are off."""
    return lambda at: (at + by).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
