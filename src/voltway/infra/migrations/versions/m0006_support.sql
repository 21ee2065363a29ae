-- Whom to call about a token. The phone is stored as `+` and digits (or the digits of a national number); its last six
-- are a column of their own, since only an equality of plain columns may use an index under row-level security.
ALTER TABLE id_token
  ADD COLUMN contact_name text,
  ADD COLUMN contact_phone text CHECK (contact_phone ~ '^\+?[0-9]{6,15}$'),
  ADD COLUMN contact_tail text GENERATED ALWAYS AS (right(contact_phone, 6)) STORED;
CREATE INDEX id_token_by_contact ON id_token (operator_id, contact_tail) WHERE contact_tail IS NOT NULL;

-- A driver's receipt and a station's display name a session by its transaction.
CREATE INDEX session_by_transaction ON session (operator_id, transaction_id);
-- Whose session it was, however the station spelt the token (`identity.model.match_key_of`).
ALTER TABLE session ADD COLUMN token_key text GENERATED ALWAYS AS (lower(btrim(token))) STORED;
CREATE INDEX session_by_token_key ON session (operator_id, token_key, started_at DESC);
-- Where a token was held up, as it is compared (`identity.model.match_key_of`).
ALTER TABLE station_event ADD COLUMN presented_key text
  GENERATED ALWAYS AS (CASE WHEN action = 'Authorize' THEN lower(btrim(data ->> 'token')) END) STORED;
CREATE INDEX station_event_by_token ON station_event (operator_id, presented_key, received_at)
  WHERE presented_key IS NOT NULL;
-- For which token somebody asked a station to start, by our verb or by the action of either OCPP version.
ALTER TABLE audit ADD COLUMN asked_key text GENERATED ALWAYS AS (lower(btrim(coalesce(
  detail -> 'sent' -> 'args' ->> 'token', detail -> 'sent' -> 'payload' ->> 'idTag',
  detail -> 'sent' -> 'payload' -> 'idToken' ->> 'idToken')))) STORED;
CREATE INDEX audit_by_asked ON audit (operator_id, asked_key, at) WHERE asked_key IS NOT NULL;
-- Who sent a station what, and when.
CREATE INDEX audit_by_target ON audit (operator_id, target, at);
-- Incidents of a whole site: what its stations share.
CREATE INDEX incident_by_site ON incident (location_id, opened_at DESC) WHERE station_id IS NULL;
