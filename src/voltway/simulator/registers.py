"""Where meters stand: every meter's register at the start of a run, from a file or so that it never falls between runs.

A meter that fell would be a register reset, and a server would rightly hold the next session; so without a file a meter
starts at the energy that it could at most have delivered since a fixed day.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import orjson

from voltway.simulator.specs import EvseSpec, StationSpec
from voltway.vehicles.seeds import seeded

FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)
MILLIWH_PER_WH = 1000


def register_at(spec: StationSpec, evse: EvseSpec, at: datetime) -> int:
    """Return a meter's register at an instant in milliwatt-hours (whole Wh), never less than at an earlier one."""
    hours = max(0.0, (at - FIRST_DAY).total_seconds() / 3600)
    first_wh = seeded("meter", spec.identity, evse.evse_id).randrange(5_000, 900_000)
    return (first_wh + int(hours * evse.power_w)) * MILLIWH_PER_WH


class RegisterBook:
    """The meters of a run, by `IDENTITY/EVSE`; kept in a JSON file where one is given."""

    def __init__(self, file: Path | None, anchor: datetime) -> None:
        self._file, self._anchor = file, anchor
        self._known: dict[str, int] = {}
        if file is not None:
            with suppress(FileNotFoundError, orjson.JSONDecodeError):
                self._known = orjson.loads(file.read_bytes())

    def of_station(self, spec: StationSpec) -> dict[int, int]:
        """Return a station's registers in milliwatt-hours by EVSE."""
        return {
            evse.evse_id: self._known.get(f"{spec.identity}/{evse.evse_id}", register_at(spec, evse, self._anchor))
            for evse in spec.evses
        }

    def save(self, registers: Iterable[tuple[str, int, int]]) -> None:
        """Write (identity, evse, milliwatt-hours) to the file, whole or not at all."""
        assert self._file is not None, "there is nothing to save without a file"
        self._known.update({f"{identity}/{evse_id}": milliwh for identity, evse_id, milliwh in registers})
        write_registers(self._file, self._known)


def write_registers(file: Path, registers: Mapping[str, int]) -> None:
    """Write meters (`IDENTITY/EVSE` to milliwatt-hours) to a file, whole or not at all."""
    part = file.with_suffix(".part")
    part.write_bytes(orjson.dumps(dict(registers)))
    part.replace(file)
