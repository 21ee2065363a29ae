"""Reports as CSV, XLSX and PDF."""
