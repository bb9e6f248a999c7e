-- Jobs: the event log, what follows from it (job, task, submission), the outbox.
--
-- Times are seconds since the epoch. Names of states, events and reasons are those of
-- jobs/store/state.h. `job` in other tables is job.number.

CREATE TABLE job (
    number       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uuid         uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    uid          bigint NOT NULL,
    username     text NOT NULL,
    name         text NOT NULL,
    kind         text NOT NULL,
    scheduler    text NOT NULL,
    priority     integer NOT NULL,
    idem_key     text,
    resubmit_of  uuid,
    spec         text NOT NULL,
    plan         text NOT NULL,
    -- follows from the log
    state        text NOT NULL,
    why          text NOT NULL DEFAULT '',
    sentence     text NOT NULL DEFAULT '',
    cancel       boolean NOT NULL DEFAULT false,
    created      double precision NOT NULL,
    started      double precision,
    ended        double precision,
    last_seq     integer NOT NULL DEFAULT 0,
    n_waiting    bigint NOT NULL DEFAULT 0,
    n_submitting bigint NOT NULL DEFAULT 0,
    n_queued     bigint NOT NULL DEFAULT 0,
    n_running    bigint NOT NULL DEFAULT 0,
    n_succeeded  bigint NOT NULL DEFAULT 0,
    n_failed     bigint NOT NULL DEFAULT 0,
    n_cancelled  bigint NOT NULL DEFAULT 0,
    -- does not: what the scheduler says about a job that has not started
    waits        text NOT NULL DEFAULT '',
    expected     double precision
);
CREATE UNIQUE INDEX job_idem ON job (uid, idem_key) WHERE idem_key IS NOT NULL;
CREATE INDEX job_of_user ON job (uid, number);
CREATE INDEX job_active ON job (number) WHERE state IN ('waiting', 'queued', 'running');
CREATE INDEX job_ended ON job (ended) WHERE ended IS NOT NULL;

CREATE TABLE job_event (
    job     bigint NOT NULL REFERENCES job ON DELETE CASCADE,
    seq     integer NOT NULL,
    "time"  double precision NOT NULL, -- when it happened
    stored  double precision NOT NULL, -- when it was learnt
    event   text NOT NULL,
    step    text,
    attempt integer NOT NULL DEFAULT 0,
    indexes integer[] NOT NULL DEFAULT '{}', -- the tasks of `step` that it changed
    sentence text NOT NULL DEFAULT '',
    context jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (job, seq)
);

CREATE FUNCTION job_event_keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Old jobs are removed as a whole, see peri_store_prune.
    IF TG_OP = 'DELETE' AND current_setting('perigee.prune', true) = 'on' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the log of a job is only ever appended to (% refused)', TG_OP;
END
$$;
CREATE TRIGGER keep_rows BEFORE UPDATE OR DELETE ON job_event
    FOR EACH ROW EXECUTE FUNCTION job_event_keep();
CREATE TRIGGER keep_all BEFORE TRUNCATE ON job_event
    FOR EACH STATEMENT EXECUTE FUNCTION job_event_keep();

CREATE TABLE step (
    job         bigint NOT NULL REFERENCES job ON DELETE CASCADE,
    name        text NOT NULL,
    pos         integer NOT NULL,
    is_array    boolean NOT NULL,
    restartable boolean NOT NULL,
    PRIMARY KEY (job, name)
);

CREATE TABLE dependency (
    job         bigint NOT NULL,
    step        text NOT NULL,
    pos         integer NOT NULL,
    on_job      bigint NOT NULL REFERENCES job ON DELETE CASCADE,
    on_step     text, -- NULL: the whole job
    even_failed boolean NOT NULL,
    PRIMARY KEY (job, step, pos),
    FOREIGN KEY (job, step) REFERENCES step ON DELETE CASCADE
);
CREATE INDEX dependency_on ON dependency (on_job);

-- attempt: 0 while the task waits; no event of an attempt fits it then.
CREATE TABLE task (
    job         bigint NOT NULL,
    step        text NOT NULL,
    index       integer NOT NULL,
    state       text NOT NULL DEFAULT 'waiting',
    attempt     integer NOT NULL DEFAULT 0,
    lost        integer NOT NULL DEFAULT 0,
    why         text NOT NULL DEFAULT '',
    sentence    text NOT NULL DEFAULT '',
    host        text NOT NULL DEFAULT '',
    exit_code   integer NOT NULL DEFAULT 0,
    exit_signal integer NOT NULL DEFAULT 0,
    started     double precision,
    ended       double precision,
    changed     double precision NOT NULL,
    usage       jsonb,
    -- not from the log
    waits       text NOT NULL DEFAULT '',
    expected    double precision,
    PRIMARY KEY (job, step, index),
    FOREIGN KEY (job, step) REFERENCES step ON DELETE CASCADE
);
-- Small however long the history is. The conditions are repeated word by word in the
-- statements.
CREATE INDEX task_active ON task (job, step, index)
    WHERE state IN ('waiting', 'submitting', 'queued', 'running');
CREATE INDEX task_waiting ON task (job, step, index) WHERE state = 'waiting';
CREATE INDEX task_bad ON task (job, step) WHERE state IN ('failed', 'cancelled');

CREATE TABLE submission (
    job       bigint NOT NULL,
    step      text NOT NULL,
    attempt   integer NOT NULL,
    name      text NOT NULL UNIQUE,
    scheduler text NOT NULL,
    id        text NOT NULL DEFAULT '',
    after     jsonb NOT NULL DEFAULT '[]',
    PRIMARY KEY (job, step, attempt),
    FOREIGN KEY (job, step) REFERENCES step ON DELETE CASCADE
);

CREATE TABLE outbox (
    entry   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind    text NOT NULL,
    job     bigint NOT NULL REFERENCES job ON DELETE CASCADE,
    step    text NOT NULL,
    attempt integer NOT NULL,
    index   integer NOT NULL DEFAULT -1,
    tries   integer NOT NULL DEFAULT 0,
    due     double precision NOT NULL,
    why     text NOT NULL DEFAULT '',
    UNIQUE (job, step, attempt, index, kind)
);
CREATE INDEX outbox_due ON outbox (due, entry);

-- These few rows are rewritten all the time.
ALTER TABLE job SET (autovacuum_vacuum_scale_factor = 0.05, fillfactor = 80);
ALTER TABLE task SET (autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE outbox SET (autovacuum_vacuum_threshold = 200,
                        autovacuum_vacuum_scale_factor = 0);
