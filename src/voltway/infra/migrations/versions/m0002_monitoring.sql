-- Events are read by the transaction that wrote them, as the outbox names it, so that a late commit is never missed.
ALTER TABLE station_event ADD COLUMN xid xid8 NOT NULL DEFAULT pg_current_xact_id();
CREATE INDEX station_event_by_xid ON station_event (xid);
CREATE INDEX station_event_by_action ON station_event (station_id, action, received_at);

-- One row per connection: from when to when a station could be reached. station_link holds the newest only.
CREATE TABLE connection (
  station_id bigint NOT NULL REFERENCES station ON DELETE CASCADE,
  link_id uuid NOT NULL,
  operator_id int NOT NULL REFERENCES operator,
  connected_at timestamptz NOT NULL,
  disconnected_at timestamptz,
  last_seen_at timestamptz NOT NULL,
  PRIMARY KEY (station_id, link_id)
) WITH (fillfactor = 70);
CREATE INDEX connection_by_begin ON connection (station_id, connected_at);

-- Desired, acknowledged and reported availability are three facts: what we asked for, what the station answered, and
-- (in station_event) what it then said of itself.
CREATE TABLE availability_request (
  request_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  operator_id int NOT NULL REFERENCES operator,
  station_id bigint NOT NULL REFERENCES station ON DELETE CASCADE,
  evse_id int NOT NULL DEFAULT 0,
  connector_id int NOT NULL DEFAULT 0,
  operative boolean NOT NULL,
  requested_at timestamptz NOT NULL,
  requested_by text NOT NULL,
  acknowledged_at timestamptz,
  acknowledgement text
);
CREATE INDEX availability_request_by_place ON availability_request (station_id, requested_at);

-- The electrical tree of a site: grid connection, feeders, panels; a station hangs on one of them.
CREATE TABLE power_node (
  power_node_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  operator_id int NOT NULL REFERENCES operator,
  location_id bigint NOT NULL REFERENCES location ON DELETE CASCADE,
  code text NOT NULL,
  name text,
  kind text NOT NULL CHECK (kind IN ('grid', 'feeder', 'panel')),
  parent_id bigint REFERENCES power_node,
  limit_w int CHECK (limit_w > 0),
  UNIQUE (operator_id, location_id, code),
  CHECK (parent_id <> power_node_id)
);
ALTER TABLE station
  ADD COLUMN power_node_id bigint REFERENCES power_node ON DELETE SET NULL,
  ADD COLUMN commissioned_at timestamptz,
  ADD COLUMN decommissioned_at timestamptz;

-- One timeline per EVSE: intervals without gap or overlap. Each begins where the one before it ends (a deferrable foreign
-- key to that end), and only the first has none before it.
CREATE TABLE timeline (
  station_id bigint NOT NULL,
  evse_id int NOT NULL,
  begin_at timestamptz NOT NULL,
  end_at timestamptz NOT NULL DEFAULT 'infinity',
  previous_end timestamptz,
  operator_id int NOT NULL REFERENCES operator,
  state text NOT NULL,
  cause text NOT NULL DEFAULT '',
  evidence text NOT NULL DEFAULT '',
  evidence_at timestamptz NOT NULL,
  PRIMARY KEY (station_id, evse_id, begin_at),
  UNIQUE (station_id, evse_id, end_at),
  FOREIGN KEY (station_id, evse_id) REFERENCES evse ON DELETE CASCADE,
  FOREIGN KEY (station_id, evse_id, previous_end) REFERENCES timeline (station_id, evse_id, end_at)
    DEFERRABLE INITIALLY DEFERRED,
  CHECK (begin_at < end_at),
  CHECK (previous_end = begin_at)
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX timeline_first ON timeline (station_id, evse_id) WHERE previous_end IS NULL;
CREATE INDEX timeline_by_begin ON timeline (operator_id, begin_at);

-- A rule as this operator changed it; what is not here is as shipped.
CREATE TABLE monitoring_rule (
  operator_id int NOT NULL REFERENCES operator,
  code text NOT NULL,
  document json NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (operator_id, code)
);

CREATE TABLE incident (
  incident_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  operator_id int NOT NULL REFERENCES operator,
  rule text NOT NULL,
  -- What belongs together: at most one incident of a group is unresolved at any time.
  group_key text NOT NULL,
  severity text NOT NULL CHECK (severity IN ('info', 'minor', 'major', 'critical')),
  state text NOT NULL CHECK (state IN ('open', 'acknowledged', 'assigned', 'remedied', 'resolved', 'reopened')),
  title text NOT NULL,
  location_id bigint,
  station_id bigint,
  evse_id int,
  mrec text,
  error_code text,
  vendor_error_code text,
  assignee text,
  began_at timestamptz NOT NULL,
  opened_at timestamptz NOT NULL,
  acknowledged_at timestamptz,
  ended_at timestamptz,
  reopened int NOT NULL DEFAULT 0,
  symptoms int NOT NULL DEFAULT 0,
  lost_milliwh bigint,
  lost_revenue numeric,
  currency text,
  updated_at timestamptz NOT NULL,
  revision int NOT NULL DEFAULT 1
);
CREATE UNIQUE INDEX incident_unresolved ON incident (operator_id, group_key)
  WHERE state IN ('open', 'acknowledged', 'assigned', 'reopened');
CREATE INDEX incident_by_opening ON incident (operator_id, opened_at DESC, incident_id DESC);
CREATE INDEX incident_by_update ON incident (operator_id, updated_at);
CREATE INDEX incident_by_station ON incident (station_id, opened_at DESC);

-- What was seen and done, in order; nothing here is ever changed.
CREATE TABLE incident_entry (
  entry_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  incident_id bigint NOT NULL REFERENCES incident,
  operator_id int NOT NULL REFERENCES operator,
  at timestamptz NOT NULL,
  kind text NOT NULL,
  actor text NOT NULL,
  text text NOT NULL,
  data json
);
CREATE INDEX incident_entry_by_incident ON incident_entry (incident_id, entry_id);
CREATE TRIGGER incident_entry_append_only BEFORE UPDATE OR DELETE ON incident_entry
  FOR EACH ROW EXECUTE FUNCTION voltway_refuse_change();

-- What each rule holds against a place, from the first sign (`since`) over its raising to its end.
CREATE TABLE symptom (
  operator_id int NOT NULL REFERENCES operator,
  rule text NOT NULL,
  location_id bigint NOT NULL DEFAULT 0,
  station_id bigint NOT NULL DEFAULT 0,
  evse_id int NOT NULL DEFAULT 0,
  since timestamptz NOT NULL,
  raised_at timestamptz,
  clear_since timestamptz,
  value double precision NOT NULL,
  detail text NOT NULL DEFAULT '',
  incident_id bigint REFERENCES incident,
  PRIMARY KEY (operator_id, rule, location_id, station_id, evse_id)
) WITH (fillfactor = 70);
CREATE INDEX symptom_by_incident ON symptom (incident_id);

SELECT voltway_protect(t::regclass) FROM unnest(ARRAY[
  'connection', 'availability_request', 'power_node', 'timeline', 'monitoring_rule', 'incident', 'incident_entry',
  'symptom']) AS t;
GRANT SELECT ON connection TO voltway_app;
GRANT SELECT, INSERT, UPDATE ON connection, availability_request TO voltway_ingest;
GRANT SELECT, INSERT, UPDATE ON availability_request TO voltway_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON power_node, monitoring_rule, timeline, symptom TO voltway_app, voltway_ingest;
GRANT SELECT, INSERT, UPDATE ON incident TO voltway_app, voltway_ingest;
GRANT SELECT, INSERT ON incident_entry TO voltway_app, voltway_ingest;
