"""OCPI documents for all slices: tariffs and CDRs, in and out; the one door to the modules that do it."""

from voltway.tariffs.exact_json import dumps, loads
from voltway.tariffs.ocpi_cdr import CDR_CSV_COLUMNS, cdr_csv_row, cdr_document
from voltway.tariffs.ocpi_cdr_head import CdrHead, CdrLocation, CdrToken
from voltway.tariffs.ocpi_cdr_reader import CdrPeriod, Claim, PartnerCdr, Volume, cdr_written, parse_cdr
from voltway.tariffs.ocpi_cdr_tariffs import grace_tariff
from voltway.tariffs.ocpi_export import CannotExport, exported
from voltway.tariffs.ocpi_keys import known_keys, unknown_cdr_keys, unknown_keys
from voltway.tariffs.ocpi_tariff import (
    TariffType,
    extension_document,
    guess_version,
    parse_tariff,
    tariff_document,
    tariff_type,
)

__all__ = [
    "CDR_CSV_COLUMNS",
    "CannotExport",
    "CdrHead",
    "CdrLocation",
    "CdrPeriod",
    "CdrToken",
    "Claim",
    "PartnerCdr",
    "TariffType",
    "Volume",
    "cdr_csv_row",
    "cdr_document",
    "cdr_written",
    "dumps",
    "exported",
    "extension_document",
    "grace_tariff",
    "guess_version",
    "known_keys",
    "loads",
    "parse_cdr",
    "parse_tariff",
    "tariff_document",
    "tariff_type",
    "unknown_cdr_keys",
    "unknown_keys",
]
