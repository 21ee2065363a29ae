-- Who is told of what, when and where. `document` holds the conditions; targets stand apart, since their URLs hold secrets.
CREATE TABLE notification_route (
  route_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  operator_id int NOT NULL REFERENCES operator,
  name text NOT NULL,
  enabled boolean NOT NULL DEFAULT true,
  document json NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (operator_id, name)
);
CREATE TABLE notification_target (
  target_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  operator_id int NOT NULL REFERENCES operator,
  route_id bigint NOT NULL REFERENCES notification_route ON DELETE CASCADE,
  url text NOT NULL,
  label text NOT NULL,
  UNIQUE (route_id, url)
);

-- One row per change of an incident and route that wants it; a batch is what one message tells.
CREATE SEQUENCE notification_batch;
CREATE TABLE notification (
  notification_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  operator_id int NOT NULL REFERENCES operator,
  route_id bigint NOT NULL REFERENCES notification_route ON DELETE CASCADE,
  key text NOT NULL,
  incident_id bigint NOT NULL,
  at timestamptz NOT NULL,
  due_at timestamptz NOT NULL,
  -- Waited for the end of quiet hours or of a digest; what waited together is told together.
  held boolean NOT NULL,
  document json NOT NULL,
  batch_id bigint,
  UNIQUE (operator_id, route_id, key)
);
CREATE INDEX notification_waiting ON notification (due_at) WHERE batch_id IS NULL;
CREATE INDEX notification_waiting_by_route ON notification (route_id) WHERE batch_id IS NULL;

-- A message to one target. `sending` is claimed by a courier; a claim whose courier vanished without a result is
-- `uncertain`: it may have arrived, and is not sent again.
CREATE TABLE notification_message (
  message_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  operator_id int NOT NULL REFERENCES operator,
  route_id bigint REFERENCES notification_route ON DELETE SET NULL,
  target_id bigint REFERENCES notification_target ON DELETE SET NULL,
  route_name text NOT NULL,
  target text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('incidents', 'test')),
  batch_id bigint NOT NULL,
  incidents bigint[] NOT NULL,
  severity text NOT NULL,
  subject text NOT NULL,
  body text NOT NULL,
  html text NOT NULL,
  state text NOT NULL CHECK (state IN ('pending', 'sending', 'sent', 'failed', 'uncertain')),
  attempts int NOT NULL DEFAULT 0,
  next_at timestamptz NOT NULL,
  claimed_by uuid,
  claimed_at timestamptz,
  sent_at timestamptz,
  -- Recipients of the target that have accepted it already, where a target has several.
  accepted text[] NOT NULL DEFAULT '{}',
  error text,
  -- When a later message told this target that this one was lost or doubtful.
  mentioned_at timestamptz,
  created_at timestamptz NOT NULL
);
CREATE INDEX notification_message_unsent ON notification_message (target_id, message_id)
  WHERE state IN ('pending', 'sending');
CREATE INDEX notification_message_doubtful ON notification_message (target_id)
  WHERE state IN ('failed', 'uncertain') AND mentioned_at IS NULL;
CREATE INDEX notification_message_newest ON notification_message (operator_id, message_id DESC);

-- What happened, for everybody outside: read in the order of (xid, event_id) below the oldest running transaction.
CREATE TABLE public_event (
  event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  operator_id int NOT NULL REFERENCES operator,
  key text NOT NULL,
  type text NOT NULL,
  at timestamptz NOT NULL,
  data json NOT NULL,
  UNIQUE (operator_id, key)
);
CREATE INDEX public_event_by_xid ON public_event (operator_id, xid, event_id);

CREATE TABLE webhook (
  webhook_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  operator_id int NOT NULL REFERENCES operator,
  url text NOT NULL,
  description text NOT NULL DEFAULT '',
  -- Empty: every type.
  types text[] NOT NULL,
  enabled boolean NOT NULL DEFAULT true,
  disabled_reason text,
  secret text NOT NULL,
  old_secret text,
  old_secret_until timestamptz,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE webhook_delivery (
  delivery_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  operator_id int NOT NULL REFERENCES operator,
  webhook_id bigint NOT NULL REFERENCES webhook ON DELETE CASCADE,
  -- NULL: a test ping, which is no event.
  event_id bigint REFERENCES public_event ON DELETE CASCADE,
  -- The header webhook-id: the same at every attempt and replay.
  message_id text NOT NULL,
  type text NOT NULL,
  body text NOT NULL,
  state text NOT NULL CHECK (state IN ('pending', 'sending', 'delivered', 'failed')),
  attempts int NOT NULL DEFAULT 0,
  next_at timestamptz NOT NULL,
  claimed_at timestamptz,
  delivered_at timestamptz,
  status int,
  response text,
  error text,
  created_at timestamptz NOT NULL,
  UNIQUE (webhook_id, event_id)
);
CREATE INDEX webhook_delivery_waiting ON webhook_delivery (next_at) WHERE state IN ('pending', 'sending');
CREATE INDEX webhook_delivery_newest ON webhook_delivery (webhook_id, delivery_id DESC);
CREATE TABLE webhook_attempt (
  attempt_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  operator_id int NOT NULL REFERENCES operator,
  delivery_id bigint NOT NULL REFERENCES webhook_delivery ON DELETE CASCADE,
  at timestamptz NOT NULL,
  duration_ms int NOT NULL,
  status int,
  response text,
  error text
);
CREATE INDEX webhook_attempt_by_delivery ON webhook_attempt (delivery_id, attempt_id);

SELECT voltway_protect(t::regclass) FROM unnest(ARRAY[
  'notification_route', 'notification_target', 'notification', 'notification_message', 'public_event', 'webhook',
  'webhook_delivery', 'webhook_attempt']) AS t;
GRANT SELECT, INSERT, UPDATE, DELETE ON
  notification_route, notification_target, notification, notification_message, public_event, webhook, webhook_delivery,
  webhook_attempt TO voltway_app, voltway_ingest;
GRANT USAGE ON SEQUENCE notification_batch TO voltway_app, voltway_ingest;

-- A job is enqueued in the transaction that makes it needed, whichever role that runs under.
GRANT USAGE ON SCHEMA jobs TO voltway_ingest;
GRANT ALL ON ALL TABLES IN SCHEMA jobs TO voltway_ingest;
GRANT ALL ON ALL SEQUENCES IN SCHEMA jobs TO voltway_ingest;
GRANT ALL ON ALL FUNCTIONS IN SCHEMA jobs TO voltway_ingest;
