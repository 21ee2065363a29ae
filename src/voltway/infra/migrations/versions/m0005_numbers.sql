-- Usage by hour, day and month, of EVSEs (station and EVSE named), sites (station 0) and the whole network (location 0).
-- Stations without a location count under location -1. A row is made anew from the facts whenever they change.
CREATE TABLE usage_rollup (
  operator_id int NOT NULL REFERENCES operator,
  grain smallint NOT NULL CHECK (grain BETWEEN 1 AND 3),
  location_id bigint NOT NULL,
  station_id bigint NOT NULL DEFAULT 0,
  evse_id int NOT NULL DEFAULT 0,
  start_at timestamptz NOT NULL,
  evses int NOT NULL,
  available_s bigint NOT NULL,
  occupied_s bigint NOT NULL,
  charging_s bigint NOT NULL,
  reserved_s bigint NOT NULL,
  unavailable_s bigint NOT NULL,
  faulted_s bigint NOT NULL,
  offline_s bigint NOT NULL,
  unknown_s bigint NOT NULL,
  sessions int NOT NULL,
  ended int NOT NULL,
  ok int NOT NULL,
  failed int NOT NULL,
  energy_milliwh bigint NOT NULL,
  -- Hour rows only: energy per quarter hour.
  quarters bigint[],
  peak_w int NOT NULL,
  revenue_excl numeric NOT NULL,
  revenue_incl numeric NOT NULL,
  full_s bigint NOT NULL,
  queued_starts int NOT NULL,
  turned_away real NOT NULL,
  attempts int NOT NULL,
  first_try_ok int NOT NULL,
  refused int NOT NULL,
  faults int NOT NULL,
  repairs int NOT NULL,
  repair_s bigint NOT NULL,
  PRIMARY KEY (operator_id, grain, location_id, station_id, evse_id, start_at)
);
-- All sites over a stretch of time, to sum up the network.
CREATE INDEX usage_rollup_by_time ON usage_rollup (operator_id, grain, start_at) WHERE station_id = 0;

-- Attempts that failed, by reason: per site and local day.
CREATE TABLE usage_failure (
  operator_id int NOT NULL REFERENCES operator,
  location_id bigint NOT NULL,
  day_at timestamptz NOT NULL,
  reason text NOT NULL,
  attempts int NOT NULL,
  PRIMARY KEY (operator_id, location_id, day_at, reason)
);

-- Days of sites that must be computed again. Only ever appended, so that who marks waits for nobody; a worker deletes
-- the very rows that it has read.
CREATE TABLE usage_dirty (
  dirty_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  operator_id int NOT NULL REFERENCES operator,
  location_id bigint NOT NULL,
  day_at timestamptz NOT NULL
);
CREATE INDEX usage_dirty_by_day ON usage_dirty (day_at, operator_id, location_id);

-- A credit or a late CDR changes the revenue of a day that was closed long ago.
CREATE INDEX cdr_by_creation ON cdr (created_at);

SELECT voltway_protect(t::regclass) FROM unnest(ARRAY['usage_rollup', 'usage_failure', 'usage_dirty']) AS t;
GRANT SELECT, INSERT, UPDATE, DELETE ON usage_rollup, usage_failure, usage_dirty TO voltway_app, voltway_ingest;
GRANT SELECT ON cdr TO voltway_ingest;
