"""What a sampled value means: measurands, units, phases and contexts as tables, shared by both ways of reading them.

Source: OCPP 1.6 section 7.31-7.37, OCPP 2.0.1 part 2 appendix 3 (standardised units of measure) and MeasurandEnumType.
"""

from enum import IntEnum
from typing import Final, NamedTuple

from voltway.kernel.facts import ReadingContext

ENERGY_REGISTER: Final = "Energy.Active.Import.Register"


class Slot(IntEnum):
    """The column of a `Reading` that a measurand fills; OTHER goes to `extra`."""

    OTHER = 0
    REGISTER = 1
    POWER = 2
    CURRENT = 3
    VOLTAGE = 4
    SOC = 5
    OFFERED = 6


class Measure(NamedTuple):
    """A measurand's column, and its units (lower case) as factors to the base unit; the first unit is the default."""

    slot: Slot
    units: dict[str, int]
    extra_key: str | None = None


_MILLIWH = {"wh": 1_000, "kwh": 1_000_000}
_WATTS = {"w": 1, "kw": 1_000}
_AMPERES = {"a": 1}
_PERCENT = {"percent": 1, "%": 1}

MEASURES: Final[dict[str, Measure]] = {
    ENERGY_REGISTER: Measure(Slot.REGISTER, _MILLIWH),
    "Power.Active.Import": Measure(Slot.POWER, _WATTS),
    "Current.Import": Measure(Slot.CURRENT, _AMPERES),
    "Voltage": Measure(Slot.VOLTAGE, {"v": 1}),
    "SoC": Measure(Slot.SOC, _PERCENT),
    "Power.Offered": Measure(Slot.OFFERED, _WATTS),
    "Current.Offered": Measure(Slot.OTHER, _AMPERES, "offered_a"),
    "Energy.Active.Import.Interval": Measure(Slot.OTHER, _MILLIWH, "interval_milliwh"),
    "Energy.Active.Export.Register": Measure(Slot.OTHER, _MILLIWH, "export_register_milliwh"),
    "Energy.Active.Export.Interval": Measure(Slot.OTHER, _MILLIWH, "export_interval_milliwh"),
    "Power.Active.Export": Measure(Slot.OTHER, _WATTS, "export_w"),
    "Current.Export": Measure(Slot.OTHER, _AMPERES, "export_a"),
    "Temperature": Measure(Slot.OTHER, {"celsius": 1, "celcius": 1, "fahrenheit": 1, "k": 1}, "temperature_c"),
    "Frequency": Measure(Slot.OTHER, {"hertz": 1, "hz": 1}, "frequency_hz"),
    "Power.Factor": Measure(Slot.OTHER, {"": 1}, "power_factor"),
    "RPM": Measure(Slot.OTHER, {"": 1, "rpm": 1}, "fan_rpm"),
}
"""Every measurand that becomes a number of ours; the reactive and vendor ones stay raw in `extra`."""

CONTEXTS: Final[dict[str, ReadingContext]] = {
    "Sample.Periodic": ReadingContext.PERIODIC,
    "Sample.Clock": ReadingContext.CLOCK,
    "Transaction.Begin": ReadingContext.BEGIN,
    "Transaction.End": ReadingContext.END,
    "Trigger": ReadingContext.TRIGGER,
    "Interruption.Begin": ReadingContext.INTERRUPTION,
    "Interruption.End": ReadingContext.INTERRUPTION,
    "Other": ReadingContext.OTHER,
}

PHASES: Final[dict[str, int]] = {"L1": 1, "L2": 2, "L3": 3, "L1-N": 1, "L2-N": 2, "L3-N": 3}
"""Phases that add up to a total; the neutral and line-to-line values do not."""

DELIVERY_LOCATIONS: Final = frozenset({None, "", "Outlet", "Inlet"})
"""Where a register or a power counts what was delivered; the outlet is preferred to the inlet."""
