-- Ladders that an operator made or changed; the shipped ones are in a data file.
CREATE TABLE remedy_ladder (
  operator_id int NOT NULL REFERENCES operator,
  code text NOT NULL,
  document json NOT NULL,
  updated_at timestamptz NOT NULL,
  PRIMARY KEY (operator_id, code)
);
-- How far remedies go by themselves; ladder '' is the operator's own word for all ladders without one.
CREATE TABLE remedy_mode (
  operator_id int NOT NULL REFERENCES operator,
  ladder text NOT NULL DEFAULT '',
  mode text NOT NULL CHECK (mode IN ('off', 'dry_run', 'safe', 'on')),
  updated_at timestamptz NOT NULL,
  PRIMARY KEY (operator_id, ladder)
);

-- One row per step of a ladder that an incident came to. `due_at` is when the runner must look at it again: to decide
-- (planned), to judge a lost claim by the raw log (claimed), to reopen what a cycle closed (between), to say whether it
-- helped (sent) or to plan what follows (would_run, ticketed); NULL: nothing is to be done any more.
CREATE TABLE remedy_run (
  run_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  operator_id int NOT NULL REFERENCES operator,
  incident_id bigint NOT NULL REFERENCES incident,
  rule text NOT NULL,
  ladder text NOT NULL,
  round int NOT NULL,
  step int NOT NULL,
  manual boolean NOT NULL DEFAULT false,
  forced boolean NOT NULL DEFAULT false,
  asked_by text NOT NULL,
  action text NOT NULL,
  document json NOT NULL,
  station_id bigint REFERENCES station,
  evse_id int NOT NULL DEFAULT 0,
  vendor text,
  model text,
  firmware text,
  state text NOT NULL CHECK (state IN (
    'planned', 'claimed', 'between', 'sent', 'ended', 'would_run', 'skipped', 'blocked', 'cancelled')),
  why text NOT NULL DEFAULT '',
  attempt int NOT NULL DEFAULT 0,
  phase int NOT NULL DEFAULT 0,
  link_id uuid,
  planned_at timestamptz NOT NULL,
  planned_for timestamptz NOT NULL,
  due_at timestamptz,
  claimed_at timestamptz,
  deadline_at timestamptz,
  sent_at timestamptz,
  ended_at timestamptz,
  outcome text,
  answer text,
  result text CHECK (result IN ('helped', 'did_not_help', 'unknown')),
  harmed boolean NOT NULL DEFAULT false
);
CREATE UNIQUE INDEX remedy_run_once ON remedy_run (incident_id, ladder, step, round) WHERE NOT manual;
CREATE INDEX remedy_run_due ON remedy_run (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX remedy_run_by_station ON remedy_run (station_id, run_id DESC);
CREATE INDEX remedy_run_by_product ON remedy_run (operator_id, vendor, model, firmware) WHERE sent_at IS NOT NULL;

SELECT voltway_protect(t::regclass) FROM unnest(ARRAY['remedy_ladder', 'remedy_mode', 'remedy_run']) AS t;
GRANT SELECT, INSERT, UPDATE, DELETE ON remedy_ladder, remedy_mode TO voltway_app, voltway_ingest;
GRANT SELECT, INSERT, UPDATE ON remedy_run TO voltway_app, voltway_ingest;
