-- Quick queries: what an account has asked, and queries kept under a name. See docs/quick.md.

CREATE TABLE query (
    id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    account    bigint NOT NULL REFERENCES account ON DELETE CASCADE,
    sql        text NOT NULL,
    parameters jsonb NOT NULL DEFAULT '{}',
    context    text NOT NULL DEFAULT '',   -- the dataset of bare names
    format     text NOT NULL DEFAULT '',
    state      text NOT NULL DEFAULT 'waiting'
               CHECK (state IN ('waiting', 'running', 'done', 'cut', 'failed', 'cancelled')),
    cut        text CHECK (cut IN ('rows', 'time', 'bytes')),
    rows       bigint,
    bytes      bigint,
    started    double precision NOT NULL DEFAULT extract(epoch FROM clock_timestamp()),
    seconds    double precision,
    text       text NOT NULL DEFAULT '',
    job        bigint REFERENCES job ON DELETE SET NULL,
    changed    jsonb NOT NULL DEFAULT '[]' -- tables that it wrote
);
CREATE INDEX query_of ON query (account, started DESC, id DESC);
CREATE INDEX query_started ON query (started);
CREATE INDEX query_open ON query (account) WHERE state IN ('waiting', 'running');
CREATE INDEX query_job ON query (job) WHERE job IS NOT NULL;

CREATE TABLE saved_query (
    account     bigint NOT NULL REFERENCES account ON DELETE CASCADE,
    name        text NOT NULL CHECK (name ~ '^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$'),
    sql         text NOT NULL,
    context     text NOT NULL DEFAULT '',
    description text NOT NULL DEFAULT '',
    parameters  jsonb NOT NULL DEFAULT '[]',
    team        bigint REFERENCES team ON DELETE SET NULL, -- whose members see it, too
    changed     double precision NOT NULL DEFAULT extract(epoch FROM now()),
    version     integer NOT NULL DEFAULT 1,
    PRIMARY KEY (account, name)
);
CREATE INDEX saved_query_team ON saved_query (team) WHERE team IS NOT NULL;

GRANT SELECT, INSERT, UPDATE, DELETE ON query, saved_query TO perigee_user;

ALTER TABLE query ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON query TO perigee_user USING (account = (SELECT perigee_me()));

-- A team sees it as long as its owner is in the team, too. Administrators do not.
ALTER TABLE saved_query ENABLE ROW LEVEL SECURITY;
CREATE POLICY look ON saved_query FOR SELECT TO perigee_user
    USING (account = (SELECT perigee_me())
           OR EXISTS (SELECT 1 FROM team_member m JOIN team_member o ON o.team = m.team
                      WHERE m.team = saved_query.team AND m.account = (SELECT perigee_me())
                        AND m.state = 'active' AND o.account = saved_query.account
                        AND o.state = 'active'));
CREATE POLICY make ON saved_query FOR INSERT TO perigee_user
    WITH CHECK (account = (SELECT perigee_me())
                AND (team IS NULL OR team IN (SELECT m.team FROM team_member m
                                              WHERE m.account = (SELECT perigee_me())
                                                AND m.state = 'active')));
CREATE POLICY edit ON saved_query FOR UPDATE TO perigee_user
    USING (account = (SELECT perigee_me()))
    WITH CHECK (account = (SELECT perigee_me())
                AND (team IS NULL OR team IN (SELECT m.team FROM team_member m
                                              WHERE m.account = (SELECT perigee_me())
                                                AND m.state = 'active')));
CREATE POLICY drop_ ON saved_query FOR DELETE TO perigee_user
    USING (account = (SELECT perigee_me()));
