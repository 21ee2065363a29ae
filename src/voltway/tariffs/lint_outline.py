"""A tariff document read leniently for the linter: what can be read is, what cannot is None and somebody else's fault.

So the rules that look at one component or one window also work on a document that `parse_tariff` refuses.
"""

from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal

from voltway.tariffs.model import WEEKDAYS, Dimension, JsonObject, TariffFault
from voltway.tariffs.ocpi_reader import ObjectReader


@dataclass(frozen=True, slots=True)
class ComponentOutline:
    """A price component: `dimension` and `price` are None where they are unreadable; `step_size` in Wh or seconds."""

    pointer: str
    dimension: Dimension | None
    price: Decimal | None
    has_vat: bool
    step_size: int | None

    @property
    def is_priced(self) -> bool:
        """Tell whether it costs something (or gives something)."""
        return bool(self.price)


@dataclass(frozen=True, slots=True)
class WindowOutline:
    """The clock restrictions of an element or of an exempt window; weekdays count from Monday 0."""

    pointer: str
    start_time: time | None
    end_time: time | None
    start_date: date | None
    end_date: date | None
    weekdays: tuple[int, ...]

    @property
    def wraps(self) -> bool:
        """Tell whether the window runs over midnight into the next day (00:00 is the end of its own day)."""
        start, end = self.start_time, self.end_time
        return start is not None and end is not None and time(0) < end < start


@dataclass(frozen=True, slots=True)
class ElementOutline:
    """A tariff element: its components, and its window where it has restrictions."""

    pointer: str
    index: int
    components: tuple[ComponentOutline, ...]
    window: WindowOutline | None
    is_reservation: bool


@dataclass(frozen=True, slots=True)
class TariffOutline:
    """What the linter reads of a tariff document and of our extension beside it."""

    elements: tuple[ElementOutline, ...]
    exempt: tuple[WindowOutline, ...]
    tariff_type: str | None
    tax_included: str | None
    begins: datetime | None
    ends: datetime | None

    def components(self, *, reservation: bool = False) -> list[ComponentOutline]:
        """Return the components in document order, those of reservations or the others."""
        chosen = (element for element in self.elements if element.is_reservation is reservation)
        return [component for element in chosen for component in element.components]

    def windows(self) -> list[WindowOutline]:
        """Return every window that is tested against the wall clock."""
        return [element.window for element in self.elements if element.window is not None] + list(self.exempt)


def outline(document: JsonObject, extension: JsonObject) -> TariffOutline:
    """Read what can be read; faults are not noted here."""
    faults: list[TariffFault] = []
    reader, beside = ObjectReader(document, "", faults), ObjectReader(extension, "/extension", faults)
    idle = beside.object("idle")
    return TariffOutline(
        elements=tuple(_element(item) for item in reader.objects("elements")),
        exempt=tuple(_window(item) for item in idle.objects("exempt")) if idle is not None else (),
        tariff_type=reader.text("type"),
        tax_included=reader.text("tax_included"),
        begins=reader.instant("start_date_time"),
        ends=reader.instant("end_date_time"),
    )


def _element(reader: ObjectReader) -> ElementOutline:
    restrictions = reader.object("restrictions")
    return ElementOutline(
        pointer=reader.pointer,
        index=int(reader.pointer.rpartition("/")[2]),
        components=tuple(_component(item) for item in reader.objects("price_components")),
        window=_window(restrictions) if restrictions is not None else None,
        is_reservation=restrictions is not None and restrictions.text("reservation") is not None,
    )


_DIMENSIONS = {item.value: item for item in Dimension if item is not Dimension.RESERVATION_TIME}


def _component(reader: ObjectReader) -> ComponentOutline:
    return ComponentOutline(
        pointer=reader.pointer,
        dimension=_DIMENSIONS.get(reader.text("type") or ""),
        price=reader.number("price"),
        has_vat=reader.take("vat") is not None,
        step_size=reader.whole("step_size"),
    )


def _window(reader: ObjectReader) -> WindowOutline:
    return WindowOutline(
        pointer=reader.pointer,
        start_time=reader.clock("start_time"),
        end_time=reader.clock("end_time"),
        start_date=reader.day("start_date"),
        end_date=reader.day("end_date"),
        weekdays=_weekdays(reader.take("day_of_week")),
    )


def _weekdays(found: object) -> tuple[int, ...]:
    names = found if isinstance(found, list | tuple) else ()
    return tuple(sorted({WEEKDAYS.index(name) for name in names if name in WEEKDAYS}))
