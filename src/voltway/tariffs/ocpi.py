"""OCPI documents for all slices: tariffs in and out, CDRs out; the one door to the modules that do it."""

from voltway.tariffs.exact_json import dumps, loads
from voltway.tariffs.ocpi_cdr import (
    CDR_CSV_COLUMNS,
    CdrHead,
    CdrLocation,
    CdrToken,
    cdr_csv_row,
    cdr_document,
    grace_tariff,
)
from voltway.tariffs.ocpi_tariff import extension_document, guess_version, parse_tariff, tariff_document

__all__ = [
    "CDR_CSV_COLUMNS",
    "CdrHead",
    "CdrLocation",
    "CdrToken",
    "cdr_csv_row",
    "cdr_document",
    "dumps",
    "extension_document",
    "grace_tariff",
    "guess_version",
    "loads",
    "parse_tariff",
    "tariff_document",
]
