"""The tables of the shared ledger in PostgreSQL, and the functions that change them.

    claim      who was promised what; the constraints exclude, whoever asks
    done_step  steps that are stored, so that one whose outcome was lost is not made twice
    answer     what cars were told, with their requests
    outcome, fence, token   as in `claims.db`
    migration  which changes of these tables were made

When a step is sent, and what happens if the database decides otherwise, is in `postgres.py`.
"""

from __future__ import annotations

from typing import Any, Final

from coordinator.errors import StoreTooNew

STORE: Final = "postgres"

# Steps touch rows by delete and insert: within one step windows may change places, and an
# exclusion constraint is checked at once for every row.
_TABLES: Final = """
CREATE TABLE claim (
  claim_id text PRIMARY KEY,
  district text NOT NULL,
  evse_id text NOT NULL,
  vehicle_id text NOT NULL,
  from_s double precision NOT NULL,
  to_s double precision NOT NULL,
  slot tstzrange NOT NULL
    GENERATED ALWAYS AS (tstzrange(to_timestamp(from_s), to_timestamp(to_s))) STORED,
  level smallint NOT NULL,
  state smallint NOT NULL CHECK (state BETWEEN 1 AND 7),
  lease_until timestamptz NOT NULL,
  revision integer NOT NULL,
  recommendation_id text NOT NULL,
  moving boolean NOT NULL,
  future boolean NOT NULL,
  step_id uuid NOT NULL,
  written xid8 NOT NULL DEFAULT pg_current_xact_id(),
  written_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT window_has_a_length CHECK (NOT isempty(slot)),
  CONSTRAINT one_car_per_slot
    EXCLUDE USING gist (evse_id WITH =, slot WITH &&) WHERE (state <= 3)
);
CREATE INDEX claim_live_of_evse ON claim (evse_id) WHERE state <= 3;
CREATE UNIQUE INDEX one_claim_per_car ON claim (district, vehicle_id)
  WHERE state <= 3 AND NOT future AND NOT moving AND vehicle_id <> '';
CREATE UNIQUE INDEX one_move_per_car ON claim (district, vehicle_id)
  WHERE state <= 3 AND NOT future AND moving AND vehicle_id <> '';
CREATE UNIQUE INDEX one_window_per_car ON claim (district, vehicle_id)
  WHERE state <= 3 AND future AND vehicle_id <> '';
CREATE INDEX claim_live_of_car ON claim (district, vehicle_id) WHERE state <= 3;
CREATE INDEX claim_written ON claim (written);
CREATE INDEX claim_ended ON claim (written_at) WHERE state > 3;
CREATE TABLE done_step (
  step_id uuid PRIMARY KEY,
  done_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX done_step_at ON done_step (done_at);
CREATE TABLE answer (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  district text NOT NULL,
  at_s double precision NOT NULL,
  recommendation_id text NOT NULL,
  request_id text NOT NULL,
  vehicle_id text NOT NULL,
  answer bytea NOT NULL,
  request bytea NOT NULL,
  inputs bytea NOT NULL
);
CREATE INDEX answer_of_recommendation ON answer (recommendation_id, seq);
CREATE INDEX answer_of_request ON answer (request_id, seq);
CREATE INDEX answer_at ON answer (district, at_s);
CREATE TABLE outcome (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  district text NOT NULL,
  at_s double precision NOT NULL,
  recommendation_id text NOT NULL,
  kind integer NOT NULL,
  evse_id text NOT NULL,
  wait_s double precision,
  price double precision,
  currency text NOT NULL,
  comment text NOT NULL
);
CREATE INDEX outcome_of_recommendation ON outcome (recommendation_id, seq);
CREATE TABLE fence (
  evse_id text PRIMARY KEY,
  district text NOT NULL,
  fence bigint NOT NULL
);
CREATE TABLE token (
  recommendation_id text PRIMARY KEY,
  district text NOT NULL,
  sealed bytea NOT NULL,
  mark text NOT NULL
);
"""

# A claim as it is read: see `postgres_rows.claim_of`.
_ROW: Final = """jsonb_build_array(claim_id, evse_id, vehicle_id, from_s, to_s, level, state,
    extract(epoch FROM lease_until - CASE state WHEN 1 THEN at_link ELSE at_now END)::float8,
    revision, recommendation_id, moving, future, step_id)"""

_CLAIMS_AT: Final = f"""
CREATE FUNCTION claims_at(
  ours text, evses text[], cars text[], ids text[], at_now timestamptz, at_link timestamptz
) RETURNS jsonb LANGUAGE sql AS $$
  SELECT coalesce(jsonb_agg({_ROW}), '[]')
  FROM claim
  WHERE (state <= 3 AND evse_id = ANY (evses))
     OR (state <= 3 AND district = ours AND vehicle_id = ANY (cars) AND vehicle_id <> '')
     OR claim_id = ANY (ids)
$$;
"""

# An error that is none of PostgreSQL's own says that the step does not fit what is stored.
_TAKE_STEP: Final = """
CREATE FUNCTION take_step(step jsonb, bodies bytea[]) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  this uuid := (step->>'id')::uuid;
  ours text := step->>'district';
  at_now timestamptz := coalesce(to_timestamp((step->>'now_s')::float8), clock_timestamp());
  at_link timestamptz := coalesce(to_timestamp((step->>'link_s')::float8), clock_timestamp());
  old jsonb;
  changed integer;
BEGIN
  INSERT INTO done_step (step_id) VALUES (this) ON CONFLICT DO NOTHING;
  IF NOT FOUND THEN
    -- A write, so that this commit, too, waits for the standby: the first one may not have.
    UPDATE done_step SET done_at = clock_timestamp() WHERE step_id = this;
    RETURN '{"outcome": "done"}';
  ELSIF step ? 'never' THEN
    RETURN '{"outcome": "never"}';
  END IF;
  BEGIN
    FOR old IN SELECT * FROM jsonb_array_elements(step->'old') LOOP
      DELETE FROM claim
       WHERE claim_id = old->>0 AND step_id = (old->>1)::uuid AND state <= 3
         AND (state = 3 OR old->>2 IS NULL OR (old->>2)::boolean
              = (lease_until <= CASE state WHEN 1 THEN at_link ELSE at_now END));
      IF NOT FOUND THEN
        RAISE SQLSTATE 'PW001';
      END IF;
    END LOOP;
    INSERT INTO claim (claim_id, district, evse_id, vehicle_id, from_s, to_s, level, state,
                       lease_until, revision, recommendation_id, moving, future, step_id)
    SELECT n->>0, ours, n->>1, n->>2, (n->>3)::float8, (n->>4)::float8, (n->>5)::smallint,
           (n->>6)::smallint,
           CASE n->>6 WHEN '1' THEN at_link ELSE at_now END
             + make_interval(secs => (n->>7)::float8),
           (n->>8)::integer, n->>9, (n->>10)::boolean, (n->>11)::boolean, this
      FROM jsonb_array_elements(step->'new') AS n
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS changed = ROW_COUNT;
    IF changed <> jsonb_array_length(step->'new') THEN
      RAISE SQLSTATE 'PW001';
    END IF;
    IF EXISTS (
      SELECT FROM jsonb_array_elements_text(step->'queued') AS q (evse_id)
       WHERE (SELECT count(*) FROM claim c
               WHERE c.evse_id = q.evse_id AND c.state <= 3 AND c.vehicle_id <> ''
                 AND NOT c.future) > (step->>'places')::integer
    ) THEN
      RAISE SQLSTATE 'PW001';
    END IF;
    INSERT INTO answer (district, at_s, recommendation_id, request_id, vehicle_id,
                        answer, request, inputs)
    SELECT ours, (step->>'at_s')::float8, a->>0, a->>1, a->>2,
           bodies[(a->>3)::integer], bodies[(a->>4)::integer], bodies[(a->>5)::integer]
      FROM jsonb_array_elements(step->'answers') AS a;
    INSERT INTO token (recommendation_id, district, sealed, mark)
    SELECT t->>0, ours, bodies[(t->>1)::integer], t->>2
      FROM jsonb_array_elements(step->'tokens') AS t
    ON CONFLICT (recommendation_id)
      DO UPDATE SET sealed = excluded.sealed, mark = excluded.mark;
  EXCEPTION
    WHEN SQLSTATE 'PW001' THEN
      DELETE FROM done_step WHERE step_id = this;
      RETURN jsonb_build_object('outcome', 'conflict', 'rows', claims_at(
        ours,
        ARRAY (SELECT jsonb_array_elements_text(step->'evses')),
        ARRAY (SELECT jsonb_array_elements_text(step->'cars')),
        ARRAY (SELECT jsonb_array_elements_text(step->'ids')), at_now, at_link));
    WHEN integrity_constraint_violation OR data_exception THEN
      DELETE FROM done_step WHERE step_id = this;
      RETURN jsonb_build_object('outcome', 'error', 'why', SQLERRM);
  END;
  RETURN '{"outcome": "done"}';
END
$$;
"""

# Locks come first and in one order, so that two groups never wait for each other in a ring; what
# excludes is the constraint, not the lock.
_TAKE_STEPS: Final = """
CREATE FUNCTION take_steps(steps jsonb, bodies bytea[]) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  step jsonb;
  told jsonb := '[]';
BEGIN
  PERFORM pg_advisory_xact_lock(ordered.key) FROM (
    SELECT DISTINCT hashtextextended(word, 0) AS key
      FROM jsonb_array_elements(steps) AS s, jsonb_array_elements_text(s->'locks') AS word
     ORDER BY 1) AS ordered;
  FOR step IN SELECT * FROM jsonb_array_elements(steps) LOOP
    told := told || jsonb_build_array(take_step(step, bodies));
  END LOOP;
  RETURN told;
END
$$;
"""

MIGRATIONS: Final = {"0001_claims": _TABLES + _CLAIMS_AT + _TAKE_STEP + _TAKE_STEPS}


def migrate(connection: Any) -> None:
    """Brings the schema up to date in one transaction; raises `StoreTooNew`.

    Of several processes that start at once one migrates, and the others wait for it.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('pilewise migration'))")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS migration ("
            " name text PRIMARY KEY, made_at timestamptz NOT NULL DEFAULT clock_timestamp())"
        )
        rows = connection.execute("SELECT name FROM migration").fetchall()
        made = {name for (name,) in rows}
        if unknown := sorted(made - MIGRATIONS.keys()):
            raise StoreTooNew(STORE, unknown)
        for name, text in MIGRATIONS.items():
            if name not in made:
                connection.execute(text)
                connection.execute("INSERT INTO migration (name) VALUES (%s)", (name,))


# Claims, with the oldest transaction that may still change some: what it and later ones write is
# asked for next time. Commits come in another order than their numbers, so the newest number would
# not do.
_READ: Final = f"""
SELECT pg_snapshot_xmin(pg_current_snapshot())::text,
       coalesce((SELECT jsonb_agg({_ROW}) FROM claim, (
         SELECT coalesce(to_timestamp(%s::float8), clock_timestamp()) AS at_now,
                coalesce(to_timestamp(%s::float8), clock_timestamp()) AS at_link) AS clock
       WHERE district = %s AND """
LIVE: Final = f"{_READ} state <= 3), '[]')::text"
NEWER: Final = f"{_READ} written >= %s::xid8), '[]')::text"
