-- A stretch of outage that does not count, with cause and evidence. Never changed: it is withdrawn and entered anew, so
-- that every figure ever reported can be explained. Places without foreign keys, since a station may go and this stays.
CREATE TABLE uptime_exclusion (
  exclusion_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  operator_id int NOT NULL REFERENCES operator,
  location_id bigint,
  station_id bigint,
  evse_id int,
  begin_at timestamptz NOT NULL,
  end_at timestamptz NOT NULL,
  cause text NOT NULL,
  evidence text NOT NULL,
  evidence_url text,
  entered_by text NOT NULL,
  entered_at timestamptz NOT NULL,
  CHECK (begin_at < end_at),
  CHECK ((location_id IS NULL) <> (station_id IS NULL)),
  CHECK (evse_id IS NULL OR station_id IS NOT NULL)
);
CREATE INDEX uptime_exclusion_by_end ON uptime_exclusion (operator_id, end_at);
CREATE TABLE uptime_exclusion_withdrawal (
  exclusion_id bigint PRIMARY KEY REFERENCES uptime_exclusion,
  operator_id int NOT NULL REFERENCES operator,
  withdrawn_by text NOT NULL,
  withdrawn_at timestamptz NOT NULL,
  reason text NOT NULL
);
CREATE TRIGGER uptime_exclusion_append_only BEFORE UPDATE OR DELETE ON uptime_exclusion
  FOR EACH ROW EXECUTE FUNCTION voltway_refuse_change();
CREATE TRIGGER uptime_exclusion_withdrawal_append_only BEFORE UPDATE OR DELETE ON uptime_exclusion_withdrawal
  FOR EACH ROW EXECUTE FUNCTION voltway_refuse_change();

CREATE TABLE sla_contract (
  operator_id int NOT NULL REFERENCES operator,
  code text NOT NULL,
  document json NOT NULL,
  updated_at timestamptz NOT NULL,
  PRIMARY KEY (operator_id, code)
);

-- Uptime reads what was down; what was up is the rest. Charging makes most intervals and is never read for it.
CREATE INDEX timeline_down ON timeline (operator_id, end_at, begin_at)
  WHERE state IN ('faulted', 'offline', 'unavailable', 'unknown');
CREATE INDEX timeline_down_by_evse ON timeline (station_id, evse_id, end_at)
  WHERE state IN ('faulted', 'offline', 'unavailable', 'unknown');

SELECT voltway_protect(t::regclass) FROM unnest(ARRAY[
  'uptime_exclusion', 'uptime_exclusion_withdrawal', 'sla_contract']) AS t;
GRANT SELECT, INSERT ON uptime_exclusion, uptime_exclusion_withdrawal TO voltway_app, voltway_ingest;
GRANT SELECT, INSERT, UPDATE, DELETE ON sla_contract TO voltway_app, voltway_ingest;
