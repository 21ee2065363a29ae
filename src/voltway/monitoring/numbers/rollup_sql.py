"""The SQL that makes rollups from the facts, set-based: one statement for a batch of site-days. Holds text only.

`rollup_store` runs it. A site-day's EVSE hours are made once (`fine`); hours and days of EVSEs and the site are sums of
them. What each figure means stands in docs/algorithms/usage.md.
"""

from datetime import timedelta

FAULT_REASONS = (
    "EmergencyStop", "PowerLoss", "PowerQuality", "GroundFault", "OvercurrentFault", "ReqEnergyTransferRejected",
    "EVCommunicationLost", "HardReset", "SoftReset", "ImmediateReset", "Reboot",
)  # fmt: skip
"""A session that ended by one of these failed, however much it delivered."""
LEAST_MILLIWH = 100_000
"""A session that delivered less than 0.1 kWh failed."""
VISIT = timedelta(minutes=15)
"""Tries of one token at one site, each so soon after the one before, are one attempt."""
QUEUE = timedelta(minutes=5)
"""A session that begins so soon after another one's end at a full site had waited for it."""
LONGEST = timedelta(days=31)
"""No session is longer; one that is counts its first days only."""

STATES = ("available", "charging", "reserved", "unavailable", "faulted", "offline", "unknown")
OCCUPIED = ("preparing", "charging", "suspended_by_car", "suspended_by_station", "finishing")
SUMS = (
    *(f"{state}_s" for state in ("available", "occupied", "charging", "reserved", "unavailable", "faulted", "offline")),
    "unknown_s", "sessions", "ended", "ok", "failed", "energy_milliwh", "revenue_excl", "revenue_incl", "full_s",
    "queued_starts", "turned_away", "attempts", "first_try_ok", "refused", "faults", "repairs", "repair_s",
)  # fmt: skip
"""Columns that are added up over time and over places."""
_KEY = "operator_id, grain, location_id, station_id, evse_id, start_at"
INTO = f"INSERT INTO usage_rollup ({_KEY}, evses, quarters, peak_w, {', '.join(SUMS)})"
ADDED = ", ".join(f"sum(r.{name})" for name in SUMS)

OUT = ("faulted", "offline")
"""An EVSE is out from the first of these states to the end of the last, one after the other."""
_down = ", ".join(f"'{state}'" for state in OUT)
_occupied = ", ".join(f"'{state}'" for state in OCCUPIED)
_faults = ", ".join(f"'{reason}'" for reason in FAULT_REASONS)
_GOOD = f"energy_milliwh >= :least AND coalesce(end_reason, '') NOT IN ({_faults})"
_AT = "operator_id, location_id, day_at, zone, station_id, evse_id"
_IN_DAY = ">= day_at AND {0} < day_end"


def _seconds(names: str) -> str:
    return f"round(coalesce(sum(value) FILTER (WHERE measure IN ({names})), 0))"


def _count(measure: str) -> str:
    return f"coalesce(sum(value) FILTER (WHERE measure = '{measure}'), 0)"


_ITEMS = """
item AS (
  SELECT * FROM unnest(CAST(:operators AS int[]), CAST(:locations AS bigint[]), CAST(:begins AS timestamptz[]),
                       CAST(:ends AS timestamptz[]), CAST(:zones AS text[]))
                AS i(operator_id, location_id, day_at, day_end, zone)),
place AS MATERIALIZED (
  SELECT i.*, s.station_id FROM item i
    JOIN station s ON s.operator_id = i.operator_id AND coalesce(s.location_id, -1) = i.location_id),
port AS MATERIALIZED (SELECT p.*, e.evse_id FROM place p JOIN evse e USING (station_id) WHERE e.evse_id > 0),
sess AS MATERIALIZED (
  SELECT p.*, x.session_id, x.started_at, x.ended_at, x.energy_milliwh, x.token, x.token_status, x.end_reason,
         lag(x.ended_at) OVER (PARTITION BY p.operator_id, p.location_id, p.day_at, p.station_id, p.evse_id
                                   ORDER BY x.started_at, x.session_id) AS before_at
    FROM port p JOIN session x ON x.station_id = p.station_id AND x.evse_id = p.evse_id
     AND x.started_at < p.day_end + CAST(:visit AS interval)
     AND x.started_at >= p.day_at - CAST(:longest AS interval)
   WHERE x.state <> 'pending')"""

# Readings are thinned to the ends of each quarter hour: more the split does not need. They are in the station's clock.
CHARGES = f"""
WITH {_ITEMS},
found AS (SELECT DISTINCT session_id FROM sess
           WHERE energy_milliwh > 0 AND started_at < day_end AND (ended_at IS NULL OR ended_at >= day_at)),
charge AS (
  SELECT x.*, coalesce(x.ended_at, x.last_reading_at, x.started_at) AS until_at,
         coalesce(CAST(x.detail ->> 'clock_offset_ms' AS bigint), 0) * interval '1 millisecond' AS behind
    FROM found JOIN session x USING (session_id))
SELECT c.station_id, c.evse_id, c.started_at, c.until_at, c.energy_milliwh, c.register_begin_milliwh, m.ats, m.registers
  FROM charge c
  CROSS JOIN LATERAL (
    SELECT array_agg(at) AS ats, array_agg(register_milliwh) AS registers
      FROM (SELECT unnest(ARRAY[min(v.sampled_at), max(v.sampled_at)]) - c.behind AS at,
                   unnest(ARRAY[min(v.register_milliwh), max(v.register_milliwh)]) AS register_milliwh
              FROM meter_value v
             WHERE v.station_id = c.station_id AND v.evse_id = c.evse_id AND v.session_id = c.session_id
               AND v.sampled_at >= c.started_at + c.behind AND v.sampled_at <= c.until_at + c.behind
               AND v.register_milliwh IS NOT NULL
             GROUP BY date_bin('15 minutes', v.sampled_at - c.behind, timestamptz '2000-01-01Z')) thin) m"""  # noqa: S608

_TRIES = f"""
try AS MATERIALIZED (
  SELECT *, lag(at) OVER (PARTITION BY operator_id, location_id, day_at, who ORDER BY at, is_good, station_id, evse_id)
            AS last_at,
         is_refusal AND NOT bool_or(NOT is_refusal) OVER (
           PARTITION BY operator_id, location_id, day_at, who ORDER BY at
           RANGE BETWEEN CURRENT ROW AND CAST(:visit AS interval) FOLLOWING) AS is_final_refusal
    FROM (SELECT {_AT}, day_end, started_at AS at, coalesce(lower(btrim(token)), CAST(session_id AS text)) AS who,
                 false AS is_refusal, {_GOOD} AS is_good,
                 ended_at IS NOT NULL AS is_over,
                 coalesce(nullif(token_status, 'Accepted'), end_reason, 'NoReason') AS reason
            FROM sess WHERE started_at >= day_at - CAST(:visit AS interval)
          UNION ALL
          SELECT p.operator_id, p.location_id, p.day_at, p.zone, p.station_id, 0, p.day_end, v.received_at,
                 lower(btrim(v.data ->> 'token')), true, false, true, coalesce(v.data ->> 'status', 'Invalid')
            FROM place p JOIN station_event v ON v.station_id = p.station_id AND v.action = 'Authorize'
             AND v.received_at >= p.day_at - CAST(:visit AS interval) AND v.received_at < p.day_end
           WHERE v.data ->> 'status' <> 'Accepted') t)"""  # noqa: S608 - our own text

FAILURES = f"""
WITH {_ITEMS}, {_TRIES}
INSERT INTO usage_failure (operator_id, location_id, day_at, reason, attempts)
SELECT operator_id, location_id, day_at, reason, count(*) FROM try
 WHERE at {_IN_DAY.format("at")} AND is_over AND NOT is_good GROUP BY 1, 2, 3, 4"""  # noqa: S608 - our own text

# The interval that holds the begin is found first, so that only the day's intervals are read. They are looked up from
# shortly before the day: who begins to charge after midnight may have waited at a site that was full before it.
_SPELLS = f"""
spell AS MATERIALIZED (
  SELECT p.*, t.state, t.begin_at AS whole_begin, t.end_at AS whole_end,
         greatest(t.begin_at, p.look_at) AS begin_at, least(t.end_at, p.day_end) AS end_at
    FROM (SELECT *, day_at - CAST(:queue AS interval) AS look_at FROM port) p
   CROSS JOIN LATERAL (SELECT coalesce(max(f.begin_at), p.look_at) AS first_at FROM timeline f
                        WHERE f.station_id = p.station_id AND f.evse_id = p.evse_id AND f.begin_at <= p.look_at) f
    JOIN timeline t ON t.station_id = p.station_id AND t.evse_id = p.evse_id
     AND t.begin_at >= f.first_at AND t.begin_at < p.day_end AND t.end_at > p.look_at),
fault AS MATERIALIZED (
  SELECT s.*, EXISTS (SELECT FROM timeline b WHERE b.station_id = s.station_id AND b.evse_id = s.evse_id
                         AND b.end_at = s.whole_begin AND b.state IN ({_down})) AS goes_on_before,
         EXISTS (SELECT FROM timeline b WHERE b.station_id = s.station_id AND b.evse_id = s.evse_id
                    AND b.begin_at = s.whole_end AND b.state IN ({_down})) AS goes_on_after
    FROM spell s WHERE s.state IN ({_down})),
edge AS (
  SELECT operator_id, location_id, day_at, zone, begin_at AS at, CAST(state = 'available' AS int) AS free,
         CAST(state IN ({_occupied}) AS int) AS taken FROM spell
  UNION ALL
  SELECT operator_id, location_id, day_at, zone, end_at, -CAST(state = 'available' AS int),
         -CAST(state IN ({_occupied}) AS int) FROM spell
  UNION ALL
  SELECT operator_id, location_id, day_at, zone, h, 0, 0
    FROM item, generate_series(day_at, day_end, interval '1 hour') AS h),
sweep AS (
  SELECT operator_id, location_id, day_at, zone, at, sum(sum(free)) OVER w AS free, sum(sum(taken)) OVER w AS taken,
         lead(at) OVER w AS until_at
    FROM edge GROUP BY operator_id, location_id, day_at, zone, at
  WINDOW w AS (PARTITION BY operator_id, location_id, day_at ORDER BY at)),
full_site AS MATERIALIZED (
  SELECT operator_id, location_id, day_at, zone, at, until_at FROM sweep
   WHERE free = 0 AND taken > 0 AND until_at > at),
full_hour AS (
  SELECT operator_id, location_id, date_trunc('hour', at, zone) AS hour_at,
         round(sum(extract(epoch FROM until_at - at))) AS full_s
    FROM full_site WHERE at >= day_at GROUP BY 1, 2, 3)"""  # noqa: S608 - our own text

_PARTS = f"""
part AS (
  SELECT {_AT}, h AS hour_at, state AS measure,
         extract(epoch FROM least(end_at, h + interval '1 hour') - greatest(begin_at, h)) AS value
    FROM spell, generate_series(date_trunc('hour', greatest(begin_at, day_at), zone),
                                end_at - interval '1 microsecond', interval '1 hour') AS h
  UNION ALL
  SELECT {_AT}, date_trunc('hour', started_at, zone), unnest(ARRAY['sessions', 'queued']),
         unnest(ARRAY[1, CAST(started_at - before_at <= CAST(:queue AS interval) AND EXISTS (
           SELECT FROM full_site f WHERE f.operator_id = sess.operator_id AND f.location_id = sess.location_id
              AND f.at < sess.before_at AND f.until_at >= sess.before_at) AS int)])
    FROM sess WHERE started_at {_IN_DAY.format("started_at")}
  UNION ALL
  SELECT {_AT}, date_trunc('hour', ended_at, zone),
         unnest(ARRAY['ended', CASE WHEN {_GOOD} THEN 'ok' ELSE 'failed' END]), 1
    FROM sess WHERE ended_at {_IN_DAY.format("ended_at")}
  UNION ALL
  SELECT s.operator_id, s.location_id, s.day_at, s.zone, s.station_id, s.evse_id,
         date_trunc('hour', s.ended_at, s.zone),
         unnest(ARRAY['excl', 'incl']), unnest(ARRAY[c.total_excl_vat, coalesce(c.total_incl_vat, c.total_excl_vat)])
    FROM sess s JOIN cdr c USING (session_id) JOIN operator o ON o.operator_id = s.operator_id
   WHERE s.ended_at {_IN_DAY.format("s.ended_at")} AND c.currency = o.currency
  UNION ALL
  SELECT p.operator_id, p.location_id, p.day_at, p.zone, p.station_id, p.evse_id, date_trunc('hour', q.at, p.zone),
         'q' || CAST(extract(epoch FROM q.at - date_trunc('hour', q.at, p.zone)) AS int) / 900, q.milliwh
    FROM port p JOIN (
      SELECT station_id, evse_id, to_timestamp(at_s) AS at, milliwh
        FROM unnest(CAST(:q_stations AS bigint[]), CAST(:q_evses AS int[]), CAST(:q_ats AS bigint[]),
                    CAST(:q_milliwh AS bigint[])) AS u(station_id, evse_id, at_s, milliwh)) q
      ON q.station_id = p.station_id AND q.evse_id = p.evse_id AND q.at {_IN_DAY.format("q.at")}
  UNION ALL
  SELECT {_AT}, date_trunc('hour', at, zone), unnest(ARRAY['attempt', 'first', 'refused']),
         unnest(ARRAY[CAST(is_first AS int), CAST(is_first AND is_good AS int),
                      CAST(is_final_refusal AS int)])
    FROM (SELECT *, last_at IS NULL OR at - last_at > CAST(:visit AS interval) AS is_first FROM try) t
   WHERE at {_IN_DAY.format("at")}
  UNION ALL
  SELECT {_AT}, date_trunc('hour', whole_begin, zone), 'fault', 1
    FROM fault WHERE whole_begin {_IN_DAY.format("whole_begin")} AND NOT goes_on_before
  UNION ALL
  SELECT {_AT}, date_trunc('hour', whole_end - interval '1 microsecond', zone), unnest(ARRAY['repair', 'repair_s']),
         unnest(ARRAY[1, extract(epoch FROM whole_end - (
           SELECT max(r.begin_at) FROM timeline r
            WHERE r.station_id = f.station_id AND r.evse_id = f.evse_id AND r.begin_at <= f.whole_begin
              AND r.state IN ({_down}) AND NOT EXISTS (
                SELECT FROM timeline b WHERE b.station_id = r.station_id AND b.evse_id = r.evse_id
                   AND b.end_at = r.begin_at AND b.state IN ({_down}))))])
    FROM fault f WHERE whole_end > day_at AND whole_end <= day_end AND NOT goes_on_after)"""  # noqa: S608 - our own text

_AT_SITE = (
    "evses",
    "q0",
    "q1",
    "q2",
    "q3",
    *(it for it in SUMS if it not in {"energy_milliwh", "full_s", "turned_away"}),
)
_SITE_SUMS = ", ".join(f"sum({name}) AS {name}" for name in _AT_SITE)
_FINE = f"""
fine AS MATERIALIZED (
  SELECT operator_id, location_id, day_at, station_id, evse_id, hour_at,
         CAST(evse_id > 0 AND bool_or(measure IN ({", ".join(f"'{it}'" for it in (*STATES, *OCCUPIED))})) AS int)
           AS evses,
         {", ".join(f"{_seconds(repr(state))} AS {state}_s" for state in STATES)},
         {_seconds(_occupied)} AS occupied_s,
         {", ".join(f"{_count(f'q{number}')} AS q{number}" for number in range(4))},
         {_count("sessions")} AS sessions, {_count("ended")} AS ended, {_count("ok")} AS ok,
         {_count("failed")} AS failed, {_count("excl")} AS revenue_excl, {_count("incl")} AS revenue_incl,
         {_count("queued")} AS queued_starts, {_count("attempt")} AS attempts, {_count("first")} AS first_try_ok,
         {_count("refused")} AS refused, {_count("fault")} AS faults, {_count("repair")} AS repairs,
         {_seconds("'repair_s'")} AS repair_s
    FROM part GROUP BY 1, 2, 3, 4, 5, 6),
evse_hour AS MATERIALIZED (
  SELECT f.*, q0 + q1 + q2 + q3 AS energy_milliwh, round(greatest(q0, q1, q2, q3) * 4 / 1000) AS peak_w,
         ARRAY[q0, q1, q2, q3] AS quarters, 0 AS full_s, 0 AS turned_away
    FROM fine f WHERE evse_id > 0),
site_sum AS (
  SELECT operator_id, location_id, day_at, hour_at, {_SITE_SUMS}
    FROM fine GROUP BY 1, 2, 3, 4),
site_hour AS MATERIALIZED (
  SELECT s.*, q0 + q1 + q2 + q3 AS energy_milliwh, round(greatest(q0, q1, q2, q3) * 4 / 1000) AS peak_w,
         ARRAY[q0, q1, q2, q3] AS quarters, coalesce(f.full_s, 0) AS full_s,
         greatest(0, s.sessions * coalesce(f.full_s, 0) / greatest(3600 - coalesce(f.full_s, 0), 900)
                     - s.queued_starts) AS turned_away
    FROM site_sum s LEFT JOIN full_hour f USING (operator_id, location_id, hour_at))"""  # noqa: S608 - our own text

_PLAIN = ", ".join(f"r.{name}" for name in SUMS)
ROLLUPS = f"""
WITH {_ITEMS}, {_TRIES}, {_SPELLS}, {_PARTS}, {_FINE},
new_evse_hours AS ({INTO}
  SELECT operator_id, 1, location_id, station_id, evse_id, hour_at, evses, quarters, peak_w, {_PLAIN} FROM evse_hour r
   WHERE hour_at >= :keep_since
     AND (occupied_s > 0 OR sessions > 0 OR ended > 0 OR energy_milliwh > 0 OR faults > 0 OR repairs > 0)),
new_evse_days AS ({INTO}
  SELECT operator_id, 2, location_id, station_id, evse_id, day_at, max(evses), NULL, max(peak_w), {ADDED}
    FROM evse_hour r GROUP BY operator_id, location_id, station_id, evse_id, day_at),
new_site_hours AS ({INTO}
  SELECT operator_id, 1, location_id, 0, 0, hour_at, evses, quarters, peak_w, {_PLAIN} FROM site_hour r)
{INTO}
SELECT operator_id, 2, location_id, 0, 0, day_at, max(evses), NULL, max(peak_w), {ADDED}
  FROM site_hour r GROUP BY operator_id, location_id, day_at"""  # noqa: S608 - our own text

DELETE_DAYS = """
DELETE FROM usage_rollup r USING unnest(CAST(:operators AS int[]), CAST(:locations AS bigint[]),
       CAST(:begins AS timestamptz[]), CAST(:wholes AS timestamptz[])) AS i(operator_id, location_id, day_at, day_end)
 WHERE r.operator_id = i.operator_id AND r.location_id = i.location_id AND r.grain IN (1, 2)
   AND r.start_at >= i.day_at AND r.start_at < i.day_end"""
DELETE_FAILURES = """
DELETE FROM usage_failure r USING unnest(CAST(:operators AS int[]), CAST(:locations AS bigint[]),
       CAST(:begins AS timestamptz[]), CAST(:wholes AS timestamptz[])) AS i(operator_id, location_id, day_at, day_end)
 WHERE r.operator_id = i.operator_id AND r.location_id = i.location_id
   AND r.day_at >= i.day_at AND r.day_at < i.day_end"""


# ---- above the days

_MONTHS = """
WITH touched AS (
  SELECT DISTINCT operator_id, location_id, zone, date_trunc('month', day_at, zone) AS month_at,
         date_trunc('month', date_trunc('month', day_at, zone) + interval '35 days', zone) AS month_end
    FROM unnest(CAST(:operators AS int[]), CAST(:locations AS bigint[]), CAST(:begins AS timestamptz[]),
                CAST(:zones AS text[])) AS i(operator_id, location_id, day_at, zone))"""
SITE_MONTHS = (
    f"""{_MONTHS}
DELETE FROM usage_rollup r USING touched t
 WHERE r.operator_id = t.operator_id AND r.location_id = t.location_id AND r.grain = 3
   AND r.start_at >= t.month_at AND r.start_at < t.month_end""",  # noqa: S608 - our own text
    f"""{_MONTHS}
{INTO}
SELECT r.operator_id, 3, r.location_id, r.station_id, r.evse_id, t.month_at, max(r.evses), NULL, max(r.peak_w), {ADDED}
  FROM touched t JOIN usage_rollup r ON r.operator_id = t.operator_id AND r.location_id = t.location_id
   AND r.grain = 2 AND r.start_at >= t.month_at AND r.start_at < t.month_end
 GROUP BY r.operator_id, r.location_id, r.station_id, r.evse_id, t.month_at""",  # noqa: S608 - our own text
)

# A site's hour counts to the network's hour in which it begins; zones that differ by half an hour are shifted by it.
_RANGES = """
WITH touched AS (
  SELECT o.operator_id, o.time_zone AS zone, date_trunc('day', min(day_at), o.time_zone) AS begin_at,
         date_trunc('day', date_trunc('day', max(day_end) - interval '1 microsecond', o.time_zone)
                           + interval '36 hours', o.time_zone) AS end_at
    FROM unnest(CAST(:operators AS int[]), CAST(:begins AS timestamptz[]), CAST(:wholes AS timestamptz[]))
         AS i(operator_id, day_at, day_end)
    JOIN operator o USING (operator_id) GROUP BY o.operator_id),
months AS (
  SELECT operator_id, zone, date_trunc('month', begin_at, zone) AS begin_at,
         date_trunc('month', date_trunc('month', end_at - interval '1 microsecond', zone) + interval '35 days', zone)
           AS end_at FROM touched)"""


def _network(grain: int, unit: str, touched: str) -> str:
    return f"""{_RANGES}
{INTO}
SELECT r.operator_id, {grain}, 0, 0, 0, date_trunc('{unit}', r.start_at, t.zone), max(r.evses), NULL, max(r.peak_w),
       {ADDED}
  FROM {touched} t JOIN usage_rollup r ON r.operator_id = t.operator_id AND r.location_id = 0 AND r.station_id = 0
   AND r.evse_id = 0 AND r.grain = {grain - 1} AND r.start_at >= t.begin_at AND r.start_at < t.end_at
 GROUP BY r.operator_id, date_trunc('{unit}', r.start_at, t.zone)"""  # noqa: S608 - our own text


def _delete_network(grains: str, touched: str) -> str:
    return f"""{_RANGES}
DELETE FROM usage_rollup r USING {touched} t
 WHERE r.operator_id = t.operator_id AND r.location_id = 0 AND r.grain IN ({grains})
   AND r.start_at >= t.begin_at AND r.start_at < t.end_at"""  # noqa: S608 - our own text


_QUARTERS = ", ".join(f"sum(r.quarters[{number}])" for number in range(1, 5))
NETWORK = (
    _delete_network("1, 2", "touched"),
    f"""{_RANGES}
{INTO}
SELECT r.operator_id, 1, 0, 0, 0, date_trunc('hour', r.start_at, t.zone), sum(r.evses), ARRAY[{_QUARTERS}],
       round(greatest({_QUARTERS}) * 4 / 1000), {ADDED}
  FROM touched t JOIN usage_rollup r ON r.operator_id = t.operator_id AND r.grain = 1 AND r.location_id <> 0
   AND r.station_id = 0 AND r.start_at >= t.begin_at AND r.start_at < t.end_at
 GROUP BY r.operator_id, date_trunc('hour', r.start_at, t.zone)""",  # noqa: S608 - our own text
    _network(2, "day", "touched"),
    _delete_network("3", "months"),
    _network(3, "month", "months"),
)
"""Statements in this order: the network's hours from its sites', days from hours, months from days."""
