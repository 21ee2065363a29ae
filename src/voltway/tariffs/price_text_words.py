"""The words of price texts and of the week's calendar in five languages: one table each, with every key in all of them.

Numbers, money, dates and weekdays come from Babel; here stand the sentences. Read by `tariffs.price_text_form`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from voltway.tariffs.tiers import Axis, Topic


class Language(StrEnum):
    """The languages of price texts (ISO 639-1)."""

    EN = "en"
    DE = "de"
    FR = "fr"
    ES = "es"
    NL = "nl"


class Unit(StrEnum):
    """What a shown price is for."""

    KWH = "kWh"
    MINUTE = "min"
    HOUR = "h"
    SESSION = "session"
    RESERVATION = "reservation"


class Forms(NamedTuple):
    """A phrase for an instant: today's by the clock, this week's by the weekday, a later one by its date."""

    clock: str
    weekday: str
    date: str


class Ends(NamedTuple):
    """A phrase for a range: open below, open above, between."""

    below: str
    above: str
    between: str


@dataclass(frozen=True, slots=True)
class Words:
    """What one language says; braces are filled in by the form of the text."""

    locale: str
    locale_us: str
    labels: Mapping[Topic, str]
    explained: Mapping[Topic, str]
    """NEVI: what a fee is for (23 CFR 680.116(a): other fees are explained)."""
    per: Mapping[Unit, str]
    colon: str
    free: str
    none: str
    now: str
    start: str
    """Before an instant where the price at the start holds."""
    since: Forms
    until: Forms
    incl_rate: str
    incl: str
    excl: str
    vat: str
    tax: str
    about: str
    steps: str
    bands: Mapping[Axis, Ends]
    grace: str
    at_most: str
    otherwise: str
    other_times: str
    daily: str
    days: str
    hours: str
    dates: Ends
    one_date: str
    lock: str
    no_lock: str
    first_listed: str
    valid: Ends
    ended: str
    prices_at: str
    clock_change: str
    part_hour: str
    tiered: str
    not_valid: str


def _topics(*texts: str) -> Mapping[Topic, str]:
    """Name kWh, minutes, session, idle, reservation, its expiry, minimum and maximum."""
    energy, time, flat, parking, reserved, expired, least, most = texts
    return MappingProxyType(
        {
            Topic.ENERGY: energy,
            Topic.TIME: time,
            Topic.FLAT: flat,
            Topic.PARKING_TIME: parking,
            Topic.RESERVATION_TIME: reserved,
            Topic.RESERVATION_FLAT: reserved,
            Topic.EXPIRED_TIME: expired,
            Topic.EXPIRED_FLAT: expired,
            Topic.MIN_PRICE: least,
            Topic.MAX_PRICE: most,
        }
    )


def _explained(time: str, flat: str, parking: str, reserved: str) -> Mapping[Topic, str]:
    topics = (Topic.TIME, Topic.FLAT, Topic.PARKING_TIME, Topic.RESERVATION_TIME)
    return MappingProxyType(dict(zip(topics, (time, flat, parking, reserved), strict=True)))


def _per(*texts: str) -> Mapping[Unit, str]:
    return MappingProxyType(dict(zip(Unit, texts, strict=True)))


def _bands(energy: Ends, duration: Ends, power: Ends) -> Mapping[Axis, Ends]:
    return MappingProxyType({Axis.ENERGY: energy, Axis.DURATION: duration, Axis.POWER: power, Axis.CURRENT: power})


_EN = Words(
    locale="en_GB",
    locale_us="en_US",
    labels=_topics(
        "Energy",
        "Charging time",
        "Session fee",
        "Idle time (connected, not charging)",
        "Reservation",
        "Reservation not used",
        "Minimum price",
        "Maximum price",
    ),
    explained=_explained(
        "The fee for charging time is charged while the vehicle charges.",
        "The session fee is charged once per session.",
        "The idle fee is charged while the vehicle is connected but does not charge.",
        "The reservation fee is charged for keeping the station for you before you charge.",
    ),
    per=_per("per kWh", "per minute", "per hour", "per session", "per reservation"),
    colon=": ",
    free="free",
    none="none",
    now="now",
    start="start {when}",
    since=Forms("from {time}", "from {day} {time}", "from {date} {time}"),
    until=Forms("until {time}", "until {day} {time}", "until {date} {time}"),
    incl_rate="{price} incl. {rate} {tax}",
    incl="{price} incl. {tax}",
    excl="{price} excl. {tax}",
    vat="VAT",
    tax="tax",
    about="about {price}",
    steps="in steps of {step}",
    bands=_bands(
        Ends("up to {high}", "from {low} on", "{low} to {high}"),
        Ends("up to {high} after the start", "from {low} after the start", "{low} to {high} after the start"),
        Ends("below {high}", "from {low} on", "{low} to below {high}"),
    ),
    grace="first {number} {unit}",
    at_most="at most",
    otherwise="otherwise",
    other_times="at all other times",
    daily="daily {hours}",
    days="{first} to {last}",
    hours="{start}–{end}",
    dates=Ends("until {last} inclusive", "from {first}", "{first} to {last}"),
    one_date="on {first}",
    lock="The price at the start holds for the whole session.",
    no_lock="The price can change during the session, at the times named here.",
    first_listed="Where several of these conditions hold, the first price listed counts.",
    valid=Ends("Valid until {last}", "Valid from {first}", "Valid from {first} until {last}"),
    ended="No longer valid since {last}",
    prices_at="Prices on {date} at {time}",
    clock_change="{day}: the clock goes from {before} to {after}",
    part_hour="the price changes within the hour",
    tiered="changes with energy, time or power",
    not_valid="not valid",
)

_DE = Words(
    locale="de",
    locale_us="de",
    labels=_topics(
        "Energie",
        "Ladezeit",
        "Startgebühr",
        "Standzeit (verbunden, ohne zu laden)",
        "Reservierung",
        "Nicht genutzte Reservierung",
        "Mindestpreis",
        "Höchstpreis",
    ),
    explained=_explained(
        "Die Ladezeit wird berechnet, solange das Fahrzeug lädt.",
        "Die Startgebühr wird einmal je Ladevorgang berechnet.",
        "Die Standzeit wird berechnet, solange das Fahrzeug verbunden ist, aber nicht lädt.",
        "Die Reservierung wird dafür berechnet, dass die Ladestation vor dem Laden freigehalten wird.",
    ),
    per=_per("je kWh", "je Minute", "je Stunde", "je Ladevorgang", "je Reservierung"),
    colon=": ",
    free="kostenlos",
    none="keine",
    now="jetzt",
    start="Start {when}",
    since=Forms("ab {time}", "ab {day}, {time}", "ab {date}, {time}"),
    until=Forms("bis {time}", "bis {day}, {time}", "bis {date}, {time}"),
    incl_rate="{price} inkl. {rate} {tax}",
    incl="{price} inkl. {tax}",
    excl="{price} ohne {tax}",
    vat="MwSt.",
    tax="Steuer",
    about="etwa {price}",
    steps="in Schritten von {step}",
    bands=_bands(
        Ends("bis {high}", "ab {low}", "{low} bis {high}"),
        Ends("bis {high} nach Beginn", "ab {low} nach Beginn", "{low} bis {high} nach Beginn"),
        Ends("unter {high}", "ab {low}", "{low} bis unter {high}"),
    ),
    grace="die ersten {number} {unit}",
    at_most="höchstens",
    otherwise="sonst",
    other_times="zu allen anderen Zeiten",
    daily="täglich {hours}",
    days="{first} bis {last}",
    hours="{start}–{end} Uhr",
    dates=Ends("bis einschließlich {last}", "ab {first}", "{first} bis {last}"),
    one_date="am {first}",
    lock="Der Preis beim Start gilt für den ganzen Ladevorgang.",
    no_lock="Der Preis kann sich während des Ladevorgangs zu den genannten Zeiten ändern.",
    first_listed="Wo mehrere dieser Bedingungen zutreffen, gilt der zuerst genannte Preis.",
    valid=Ends("Gültig bis {last}", "Gültig ab {first}", "Gültig von {first} bis {last}"),
    ended="Nicht mehr gültig seit {last}",
    prices_at="Preise am {date} um {time}",
    clock_change="{day}: die geht von {before} auf {after}",
    part_hour="der Preis ändert sich in der Stunde",
    tiered="ändert sich mit Energie, Zeit oder Leistung",
    not_valid="nicht gültig",
)

_FR = Words(
    locale="fr",
    locale_us="fr",
    labels=_topics(
        "Énergie",
        "Temps de charge",
        "Frais de session",
        "Temps d’occupation (branché, sans charger)",
        "Réservation",
        "Réservation non utilisée",
        "Prix minimum",
        "Prix maximum",
    ),
    explained=_explained(
        "Le temps de charge est facturé tant que le véhicule charge.",
        "Les frais de session sont facturés une fois par session.",
        "Le temps d’occupation est facturé tant que le véhicule est branché sans charger.",
        "La réservation est facturée pour garder la borne libre avant la charge.",
    ),
    per=_per("par kWh", "par minute", "par heure", "par session", "par réservation"),
    colon="\u00a0: ",
    free="gratuit",
    none="aucuns",
    now="maintenant",
    start="début {when}",
    since=Forms("à partir de {time}", "à partir de {day} {time}", "à partir du {date} à {time}"),
    until=Forms("jusqu’à {time}", "jusqu’à {day} {time}", "jusqu’au {date} à {time}"),
    incl_rate="{price}, {tax} de {rate} incluse",
    incl="{price}, {tax} incluse",
    excl="{price}, hors {tax}",
    vat="TVA",
    tax="taxe",
    about="environ {price}",
    steps="par tranches de {step}",
    bands=_bands(
        Ends("jusqu’à {high}", "à partir de {low}", "de {low} à {high}"),
        Ends("jusqu’à {high} après le début", "à partir de {low} après le début", "de {low} à {high} après le début"),
        Ends("moins de {high}", "à partir de {low}", "de {low} à moins de {high}"),
    ),
    grace="les {number} premières {unit}",
    at_most="au maximum",
    otherwise="sinon",
    other_times="à tout autre moment",
    daily="tous les jours {hours}",
    days="du {first} au {last}",
    hours="{start}–{end}",
    dates=Ends("jusqu’au {last} inclus", "à partir du {first}", "du {first} au {last}"),
    one_date="le {first}",
    lock="Le prix au début vaut pour toute la session.",
    no_lock="Le prix peut changer pendant la session, aux moments indiqués ici.",
    first_listed="Si plusieurs de ces conditions sont remplies, le premier prix indiqué vaut.",
    valid=Ends("Valable jusqu’au {last}", "Valable à partir du {first}", "Valable du {first} au {last}"),
    ended="N’est plus valable depuis le {last}",
    prices_at="Prix le {date} à {time}",
    clock_change="{day}\u00a0: l’horloge passe de {before} à {after}",
    part_hour="le prix change pendant l’heure",
    tiered="change avec l’énergie, le temps ou la puissance",
    not_valid="non valable",
)

_ES = Words(
    locale="es",
    locale_us="es_US",
    labels=_topics(
        "Energía",
        "Tiempo de carga",
        "Tarifa de inicio",
        "Tiempo de ocupación (conectado sin cargar)",
        "Reserva",
        "Reserva no utilizada",
        "Precio mínimo",
        "Precio máximo",
    ),
    explained=_explained(
        "El tiempo de carga se cobra mientras el vehículo carga.",
        "La tarifa de inicio se cobra una vez por sesión.",
        "El tiempo de ocupación se cobra mientras el vehículo está conectado sin cargar.",
        "La reserva se cobra por mantener libre la estación antes de cargar.",
    ),
    per=_per("por kWh", "por minuto", "por hora", "por sesión", "por reserva"),
    colon=": ",
    free="gratis",
    none="ninguna",
    now="ahora",
    start="inicio {when}",
    since=Forms("desde las {time}", "desde el {day} a las {time}", "desde el {date} a las {time}"),
    until=Forms("hasta las {time}", "hasta el {day} a las {time}", "hasta el {date} a las {time}"),
    incl_rate="{price}, {tax} del {rate} incluido",
    incl="{price}, {tax} incluido",
    excl="{price}, sin {tax}",
    vat="IVA",
    tax="impuesto",
    about="aprox. {price}",
    steps="por tramos de {step}",
    bands=_bands(
        Ends("hasta {high}", "a partir de {low}", "de {low} a {high}"),
        Ends("hasta {high} tras el inicio", "a partir de {low} tras el inicio", "de {low} a {high} tras el inicio"),
        Ends("menos de {high}", "a partir de {low}", "de {low} a menos de {high}"),
    ),
    grace="los primeros {number} {unit}",
    at_most="como máximo",
    otherwise="en otro caso",
    other_times="en cualquier otro momento",
    daily="todos los días {hours}",
    days="de {first} a {last}",
    hours="{start}–{end}",
    dates=Ends("hasta el {last} inclusive", "desde el {first}", "del {first} al {last}"),
    one_date="el {first}",
    lock="El precio al inicio vale para toda la sesión.",
    no_lock="El precio puede cambiar durante la sesión, en los momentos indicados aquí.",
    first_listed="Si se cumplen varias de estas condiciones, vale el primer precio indicado.",
    valid=Ends("Válido hasta el {last}", "Válido desde el {first}", "Válido desde el {first} hasta el {last}"),
    ended="Ya no es válido desde el {last}",
    prices_at="Precios el {date} a las {time}",
    clock_change="{day}: el reloj pasa de {before} a {after}",
    part_hour="el precio cambia durante la hora",
    tiered="cambia con la energía, el tiempo o la potencia",
    not_valid="no válido",
)

_NL = Words(
    locale="nl",
    locale_us="nl",
    labels=_topics(
        "Energie",
        "Laadtijd",
        "Starttarief",
        "Bezettijd (aangesloten, zonder te laden)",
        "Reservering",
        "Niet-gebruikte reservering",
        "Minimumprijs",
        "Maximumprijs",
    ),
    explained=_explained(
        "De laadtijd wordt berekend zolang het voertuig laadt.",
        "Het starttarief wordt eenmaal per sessie berekend.",
        "De bezettijd wordt berekend zolang het voertuig is aangesloten maar niet laadt.",
        "De reservering wordt berekend voor het vrijhouden van het laadstation vóór het laden.",
    ),
    per=_per("per kWh", "per minuut", "per uur", "per sessie", "per reservering"),
    colon=": ",
    free="gratis",
    none="geen",
    now="nu",
    start="start {when}",
    since=Forms("vanaf {time}", "vanaf {day} {time}", "vanaf {date} {time}"),
    until=Forms("tot {time}", "tot {day} {time}", "tot {date} {time}"),
    incl_rate="{price} incl. {rate} {tax}",
    incl="{price} incl. {tax}",
    excl="{price} excl. {tax}",
    vat="btw",
    tax="belasting",
    about="circa {price}",
    steps="in stappen van {step}",
    bands=_bands(
        Ends("tot {high}", "vanaf {low}", "{low} tot {high}"),
        Ends("tot {high} na het begin", "vanaf {low} na het begin", "{low} tot {high} na het begin"),
        Ends("onder {high}", "vanaf {low}", "{low} tot onder {high}"),
    ),
    grace="eerste {number} {unit}",
    at_most="ten hoogste",
    otherwise="anders",
    other_times="op alle andere tijden",
    daily="dagelijks {hours}",
    days="{first} t/m {last}",
    hours="{start}–{end}",
    dates=Ends("tot en met {last}", "vanaf {first}", "{first} t/m {last}"),
    one_date="op {first}",
    lock="De prijs bij de start geldt voor de hele sessie.",
    no_lock="De prijs kan tijdens de sessie veranderen, op de hier genoemde tijden.",
    first_listed="Als meerdere van deze voorwaarden gelden, telt de eerst genoemde prijs.",
    valid=Ends("Geldig tot {last}", "Geldig vanaf {first}", "Geldig van {first} tot {last}"),
    ended="Niet meer geldig sinds {last}",
    prices_at="Prijzen op {date} om {time}",
    clock_change="{day}: de klok gaat van {before} naar {after}",
    part_hour="de prijs verandert binnen het uur",
    tiered="verandert met energie, tijd of vermogen",
    not_valid="niet geldig",
)

WORDS: Mapping[Language, Words] = MappingProxyType(
    {Language.EN: _EN, Language.DE: _DE, Language.FR: _FR, Language.ES: _ES, Language.NL: _NL}
)
