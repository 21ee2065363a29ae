"""Engines: database, embedded servers, migrations, bus, outbox, jobs, telemetry; knows no slice."""
