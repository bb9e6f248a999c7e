-- The portal: accounts, teams, volumes, who may do what.
--
-- Rights are bits: see 1, read 2, write 4, run 8, grant 16, own 32. perigee_rights() is the one
-- place that knows them. Requests on behalf of a user run as the role perigee_user with
-- perigee.account set: row-level security is the second fence behind the daemon's own checks.
-- Hashes are of random tokens (BLAKE2b) unless a column says otherwise.

CREATE TABLE setting (
    key   text PRIMARY KEY,
    value jsonb NOT NULL
);

-- ---- accounts ----

CREATE TABLE account (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL CHECK (name ~ '^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$'),
    full_name   text NOT NULL DEFAULT '',
    email       text,
    email_known boolean NOT NULL DEFAULT false, -- verified
    state       text NOT NULL DEFAULT 'active'
                CHECK (state IN ('invited', 'pending_email', 'pending_approval', 'active', 'disabled')),
    admin       boolean NOT NULL DEFAULT false,
    password    text,                           -- argon2id; NULL: none
    totp        bytea,                          -- NULL: no second factor
    totp_new    bytea,                          -- asked for, not confirmed
    totp_last   bigint NOT NULL DEFAULT 0,      -- the last step used
    recovery    text[] NOT NULL DEFAULT '{}',   -- hashes of recovery codes
    unix_uid    bigint UNIQUE,                  -- the Unix user of this machine that it is
    quota       bigint,                         -- bytes of `persistent`; NULL: the default
    created     double precision NOT NULL DEFAULT extract(epoch FROM now()),
    seen        double precision,
    settings    jsonb NOT NULL DEFAULT '{}'
);
CREATE UNIQUE INDEX account_name ON account (lower(name));
CREATE UNIQUE INDEX account_email ON account (lower(email)) WHERE email IS NOT NULL;

CREATE TABLE account_identity (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account bigint NOT NULL REFERENCES account ON DELETE CASCADE,
    issuer  text NOT NULL,
    subject text NOT NULL,
    label   text NOT NULL DEFAULT '',
    created double precision NOT NULL DEFAULT extract(epoch FROM now()),
    UNIQUE (issuer, subject)
);
CREATE INDEX account_identity_of ON account_identity (account);

CREATE TABLE session (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account bigint NOT NULL REFERENCES account ON DELETE CASCADE,
    hash    bytea NOT NULL UNIQUE,
    csrf    text NOT NULL,
    created double precision NOT NULL,
    seen    double precision NOT NULL,
    expires double precision NOT NULL,
    client  text NOT NULL DEFAULT '',
    agent   text NOT NULL DEFAULT ''
);
CREATE INDEX session_of ON session (account);

CREATE TABLE token (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account bigint NOT NULL REFERENCES account ON DELETE CASCADE,
    name    text NOT NULL,
    hash    bytea NOT NULL UNIQUE,
    scopes  text[] NOT NULL,
    created double precision NOT NULL,
    used    double precision,
    expires double precision NOT NULL
);
CREATE INDEX token_of ON token (account);

-- Links that work once: set-up, verification, reset, invitation, the state of an OIDC sign-in.
CREATE TABLE one_time (
    hash    bytea PRIMARY KEY,
    purpose text NOT NULL,
    account bigint REFERENCES account ON DELETE CASCADE,
    data    jsonb NOT NULL DEFAULT '{}',
    expires double precision NOT NULL
);
CREATE INDEX one_time_expires ON one_time (expires);

CREATE TABLE throttle (
    key     text PRIMARY KEY,
    count   integer NOT NULL,
    until   double precision NOT NULL,
    changed double precision NOT NULL
);

CREATE TABLE mail (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recipient text NOT NULL,
    subject   text NOT NULL,
    body      text NOT NULL,
    created   double precision NOT NULL DEFAULT extract(epoch FROM now()),
    tries     integer NOT NULL DEFAULT 0,
    due       double precision NOT NULL DEFAULT 0,
    why       text NOT NULL DEFAULT ''
);

CREATE TABLE audit (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    "time"  double precision NOT NULL DEFAULT extract(epoch FROM now()),
    account bigint,                    -- no reference: it outlives the account
    actor   text NOT NULL DEFAULT '',  -- its name then
    client  text NOT NULL DEFAULT '',
    action  text NOT NULL,             -- "sign-in", "grant", "account.disable", ...
    thing   text NOT NULL DEFAULT '',
    ok      boolean NOT NULL DEFAULT true,
    context jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_time ON audit ("time");
CREATE INDEX audit_account ON audit (account, id);

-- ---- teams ----

CREATE TABLE team (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL CHECK (name ~ '^[a-z][a-z0-9_-]{1,31}$') UNIQUE,
    title       text NOT NULL DEFAULT '',
    description text NOT NULL DEFAULT '',
    kind        text NOT NULL DEFAULT 'team' CHECK (kind IN ('team', 'class')),
    public      boolean NOT NULL DEFAULT false,
    created     double precision NOT NULL DEFAULT extract(epoch FROM now()),
    version     integer NOT NULL DEFAULT 1
);

-- In a class owner and admin are teachers, members are students.
CREATE TABLE team_member (
    team       bigint NOT NULL REFERENCES team ON DELETE CASCADE,
    account    bigint NOT NULL REFERENCES account ON DELETE CASCADE,
    role       text NOT NULL CHECK (role IN ('owner', 'admin', 'member')),
    state      text NOT NULL CHECK (state IN ('invited', 'active')),
    invited_by bigint REFERENCES account ON DELETE SET NULL,
    since      double precision NOT NULL DEFAULT extract(epoch FROM now()),
    PRIMARY KEY (team, account)
);
CREATE INDEX team_member_of ON team_member (account);

-- ---- what can be shared ----

CREATE TABLE dataset (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name    text NOT NULL UNIQUE,
    account bigint REFERENCES account ON DELETE CASCADE, -- owner; both NULL: the installation's
    team    bigint REFERENCES team ON DELETE CASCADE,
    public  boolean NOT NULL DEFAULT false,              -- every account may use it
    folder  text,                                        -- of its files, if shown as a volume
    created double precision NOT NULL DEFAULT extract(epoch FROM now())
);

-- Files lie in STATE/volumes/ID, those of a dataset in its own folder.
CREATE TABLE volume (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account     bigint REFERENCES account ON DELETE CASCADE,
    team        bigint REFERENCES team ON DELETE CASCADE,
    dataset     bigint REFERENCES dataset ON DELETE CASCADE,
    name        text NOT NULL,
    kind        text NOT NULL
                CHECK (kind IN ('persistent', 'scratch', 'plain', 'team', 'lecture', 'student', 'data')),
    description text NOT NULL DEFAULT '',
    quota       bigint,                      -- bytes; NULL: the default of its kind
    used        bigint NOT NULL DEFAULT 0,   -- bytes, with the trash and what is reserved
    files       bigint NOT NULL DEFAULT 0,
    days        integer,                     -- a file not changed for so long goes
    counted     double precision,            -- when `used` was last counted on the disk
    removed     double precision,            -- in its grace period since
    created     double precision NOT NULL DEFAULT extract(epoch FROM now()),
    version     integer NOT NULL DEFAULT 1,
    -- a student's has both: the class and the student
    CHECK ((account IS NOT NULL)::int + (team IS NOT NULL)::int + (dataset IS NOT NULL)::int
           = CASE kind WHEN 'student' THEN 2 ELSE 1 END)
);
CREATE UNIQUE INDEX volume_of_account ON volume (account, name) WHERE team IS NULL;
CREATE UNIQUE INDEX volume_of_team ON volume (team, name) WHERE team IS NOT NULL;
CREATE UNIQUE INDEX volume_of_dataset ON volume (dataset) WHERE dataset IS NOT NULL;

CREATE TABLE upload (
    id        uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    account   bigint NOT NULL REFERENCES account ON DELETE CASCADE,
    volume    bigint NOT NULL REFERENCES volume ON DELETE CASCADE,
    path      text NOT NULL,
    size      bigint NOT NULL,
    overwrite boolean NOT NULL DEFAULT false,
    checksum  text,                        -- "sha256 HEX" of the whole, or NULL
    metadata  text NOT NULL DEFAULT '',    -- as it came
    state     text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'done')),
    created   double precision NOT NULL DEFAULT extract(epoch FROM now()),
    expires   double precision NOT NULL
);
CREATE INDEX upload_expires ON upload (expires);
CREATE INDEX upload_of ON upload (account);

-- ---- grants ----

-- path: '' the whole thing, else a folder or file of a volume without slashes at its ends.
CREATE TABLE access_grant (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind       text NOT NULL CHECK (kind IN ('volume', 'dataset', 'job')),
    thing      bigint NOT NULL,
    path       text NOT NULL DEFAULT '',
    to_account bigint REFERENCES account ON DELETE CASCADE,
    to_team    bigint REFERENCES team ON DELETE CASCADE,
    to_all     boolean NOT NULL DEFAULT false,
    rights     integer NOT NULL CHECK (rights BETWEEN 1 AND 31),
    by         bigint NOT NULL REFERENCES account ON DELETE CASCADE,
    created    double precision NOT NULL DEFAULT extract(epoch FROM now()),
    expires    double precision,
    CHECK ((to_account IS NOT NULL)::int + (to_team IS NOT NULL)::int + to_all::int = 1)
);
CREATE UNIQUE INDEX access_grant_once ON access_grant
    (kind, thing, path, coalesce(to_account, 0), coalesce(to_team, 0));
CREATE INDEX access_grant_account ON access_grant (to_account) WHERE to_account IS NOT NULL;
CREATE INDEX access_grant_team ON access_grant (to_team) WHERE to_team IS NOT NULL;
CREATE INDEX access_grant_by ON access_grant (by);

-- One file or result for somebody without an account, as long as its maker may grant it.
CREATE TABLE share_link (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hash    bytea NOT NULL UNIQUE,
    kind    text NOT NULL CHECK (kind IN ('volume', 'job')),
    thing   bigint NOT NULL,
    path    text NOT NULL,
    by      bigint NOT NULL REFERENCES account ON DELETE CASCADE,
    created double precision NOT NULL DEFAULT extract(epoch FROM now()),
    expires double precision NOT NULL,
    uses    bigint NOT NULL DEFAULT 0,
    used    double precision
);
CREATE INDEX share_link_by ON share_link (by);

-- ---- jobs have owners ----

INSERT INTO account (name, unix_uid, state)
    SELECT CASE WHEN count(*) OVER (PARTITION BY lower(n)) = 1 THEN n ELSE n || '-' || uid END, uid, 'active'
    FROM (SELECT uid, regexp_replace(regexp_replace(left(min(username), 40), '[^A-Za-z0-9._-]', '_', 'g'),
                                     '^[.-]', '_') AS n
          FROM job GROUP BY uid) AS u;
ALTER TABLE job ADD COLUMN owner bigint REFERENCES account;
UPDATE job SET owner = (SELECT id FROM account WHERE unix_uid = job.uid);
ALTER TABLE job ALTER COLUMN owner SET NOT NULL,
    ADD COLUMN sandbox boolean NOT NULL DEFAULT false, -- its tasks see its owner's volumes only
    ADD COLUMN delivered text NOT NULL DEFAULT '';     -- where its results went: OWNER/VOLUME:PATH
DROP INDEX job_idem, job_of_user;
CREATE UNIQUE INDEX job_idem ON job (owner, idem_key) WHERE idem_key IS NOT NULL;
CREATE INDEX job_of_owner ON job (owner, number);

CREATE FUNCTION perigee_forget() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM access_grant WHERE kind = TG_ARGV[0]
        AND thing = (to_jsonb(OLD) ->> TG_ARGV[1])::bigint;
    DELETE FROM share_link WHERE kind = TG_ARGV[0]
        AND thing = (to_jsonb(OLD) ->> TG_ARGV[1])::bigint;
    RETURN OLD;
END
$$;
CREATE TRIGGER forget AFTER DELETE ON volume
    FOR EACH ROW EXECUTE FUNCTION perigee_forget('volume', 'id');
CREATE TRIGGER forget AFTER DELETE ON dataset
    FOR EACH ROW EXECUTE FUNCTION perigee_forget('dataset', 'id');
CREATE TRIGGER forget AFTER DELETE ON job
    FOR EACH ROW EXECUTE FUNCTION perigee_forget('job', 'number');

-- The account of a Unix user of this machine; made if there is none. The name may be somebody
-- else's on the web.
CREATE FUNCTION perigee_account_of_uid(uid bigint, username text) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SET search_path FROM CURRENT AS $$
DECLARE
    found_ bigint;
    plain text := regexp_replace(regexp_replace(left(username, 40), '[^A-Za-z0-9._-]', '_', 'g'),
                                 '^[.-]', '_');
BEGIN
    SELECT id INTO found_ FROM account WHERE unix_uid = uid;
    IF FOUND THEN RETURN found_; END IF;
    INSERT INTO account (name, unix_uid) VALUES (plain, uid) ON CONFLICT DO NOTHING
        RETURNING id INTO found_;
    IF found_ IS NULL THEN
        INSERT INTO account (name, unix_uid) VALUES (plain || '-' || uid, uid)
            ON CONFLICT (unix_uid) DO UPDATE SET unix_uid = excluded.unix_uid
            RETURNING id INTO found_;
    END IF;
    RETURN found_;
END
$$;

-- ---- rights ----

CREATE FUNCTION perigee_beneath(path text, folder text) RETURNS boolean
    LANGUAGE sql IMMUTABLE AS
$$ SELECT folder = '' OR path = folder OR starts_with(path, folder || '/') $$;

-- Without grants: by owning it, by a role in the team that owns it, by being an administrator.
CREATE FUNCTION perigee_base_rights(who bigint, what text, id_ bigint) RETURNS integer
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    is_admin boolean;
    v record;
    role_ text;
BEGIN
    SELECT admin INTO is_admin FROM account WHERE id = who AND state = 'active';
    IF NOT FOUND THEN RETURN 0; END IF;
    IF what = 'job' THEN
        SELECT owner INTO v FROM job WHERE number = id_;
        IF NOT FOUND THEN RETURN 0; END IF;
        IF v.owner = who THEN RETURN 63; END IF;
        RETURN CASE WHEN is_admin THEN 1 | 4 ELSE 0 END; -- see and cancel
    ELSIF what = 'team' THEN
        SELECT t.public, m.role, m.state INTO v FROM team t
            LEFT JOIN team_member m ON m.team = t.id AND m.account = who WHERE t.id = id_;
        IF NOT FOUND THEN RETURN 0; END IF;
        RETURN CASE WHEN v.public OR v.state IS NOT NULL THEN 1 ELSE 0 END
             | CASE WHEN v.state = 'active' THEN
                   CASE v.role WHEN 'owner' THEN 63 WHEN 'admin' THEN 1 | 2 | 4 | 16 ELSE 1 | 2 END
               ELSE 0 END
             | CASE WHEN is_admin THEN 1 | 2 | 4 | 16 | 32 ELSE 0 END;
    ELSIF what = 'dataset' THEN
        SELECT account, team, public INTO v FROM dataset WHERE id = id_;
        IF NOT FOUND THEN RETURN 0; END IF;
        IF v.account = who THEN RETURN 63; END IF;
        SELECT role INTO role_ FROM team_member
            WHERE team = v.team AND account = who AND state = 'active';
        RETURN CASE WHEN v.public THEN 1 | 2 | 8 ELSE 0 END
             | CASE role_ WHEN 'owner' THEN 63 WHEN 'admin' THEN 63 WHEN 'member' THEN 1 | 2 | 8
               ELSE 0 END
             | CASE WHEN is_admin AND v.account IS NULL AND v.team IS NULL THEN 63 ELSE 0 END;
    ELSIF what = 'volume' THEN
        SELECT account, team, dataset, kind INTO v FROM volume WHERE id = id_ AND removed IS NULL;
        IF NOT FOUND THEN RETURN 0; END IF;
        IF v.dataset IS NOT NULL THEN
            RETURN perigee_rights(who, 'dataset', v.dataset, '') & (1 | 2 | 8 | 16);
        END IF;
        IF v.team IS NULL THEN RETURN CASE WHEN v.account = who THEN 63 ELSE 0 END; END IF;
        SELECT role INTO role_ FROM team_member
            WHERE team = v.team AND account = who AND state = 'active';
        IF NOT FOUND THEN RETURN 0; END IF;
        IF v.kind = 'student' THEN
            RETURN CASE WHEN v.account = who THEN 1 | 2 | 4 | 8
                        WHEN role_ IN ('owner', 'admin') THEN 1 | 2 | 8 ELSE 0 END;
        END IF;
        RETURN CASE WHEN role_ IN ('owner', 'admin') THEN 63
                    WHEN v.kind = 'lecture' THEN 1 | 2 | 8 ELSE 1 | 2 | 4 | 8 END;
    END IF;
    RETURN 0;
END
$$;

-- Grants to an account that still count, of one kind.
CREATE FUNCTION perigee_grants(who bigint, what text)
    RETURNS TABLE (thing bigint, path text, rights integer)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    RETURN QUERY SELECT g.thing, g.path, g.rights FROM access_grant g
    WHERE g.kind = what AND (g.expires IS NULL OR g.expires > extract(epoch FROM now()))
      AND (g.to_account = who OR g.to_all OR g.to_team IN
           (SELECT m.team FROM team_member m WHERE m.account = who AND m.state = 'active'))
      AND EXISTS (SELECT 1 FROM account a WHERE a.id = who AND a.state = 'active');
END
$$;

-- In PL/pgSQL, as others that requests call: its plans are made once a connection, those of SQL
-- functions at every call.
CREATE FUNCTION perigee_rights(who bigint, what text, id_ bigint, path_ text) RETURNS integer
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    RETURN perigee_base_rights(who, what, id_) | coalesce((
        SELECT bit_or(g.rights) FROM access_grant g
        WHERE g.kind = what AND g.thing = id_ AND perigee_beneath(path_, g.path)
          AND (g.expires IS NULL OR g.expires > extract(epoch FROM now()))
          AND (g.to_account = who OR g.to_all
               OR g.to_team IN (SELECT team FROM team_member
                                WHERE account = who AND state = 'active'))
          AND EXISTS (SELECT 1 FROM account WHERE id = who AND state = 'active')), 0);
END
$$;

-- How people call a thing: "ana/persistent:halos", "team:mhd/files:", "tng", "42".
CREATE FUNCTION perigee_label(what text, id_ bigint, path_ text) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT CASE what
        WHEN 'volume' THEN (
            SELECT coalesce('team:' || t.name, a.name, 'data:') || '/' || v.name || ':' || path_
            FROM volume v LEFT JOIN team t ON t.id = v.team LEFT JOIN account a ON a.id = v.account
            WHERE v.id = id_)
        WHEN 'dataset' THEN (SELECT name FROM dataset WHERE id = id_)
        WHEN 'team' THEN (SELECT name FROM team WHERE id = id_)
        ELSE id_::text END
$$;
-- The volume that OWNER/NAME means: an account's, "team:NAME"'s, or "data:"'s. NULL: none.
CREATE FUNCTION perigee_volume(owner_ text, name_ text) RETURNS bigint
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    RETURN (SELECT v.id FROM volume v WHERE v.name = name_ AND v.removed IS NULL AND CASE
        WHEN starts_with(owner_, 'team:') THEN
            v.team = (SELECT id FROM team WHERE name = substr(owner_, 6))
        WHEN owner_ = 'data:' THEN v.dataset IS NOT NULL
        ELSE v.team IS NULL AND
            v.account = (SELECT id FROM account WHERE lower(name) = lower(owner_)) END);
END
$$;

-- Grants whose maker may no longer give them go, and what hangs on these. Returns how many.
-- To be called after anything that takes rights away.
CREATE FUNCTION perigee_prune_grants() RETURNS bigint
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    WITH RECURSIVE live(id) AS (
        SELECT g.id FROM access_grant g
        WHERE perigee_base_rights(g.by, g.kind, g.thing) & 16 <> 0
        UNION
        SELECT g.id FROM live l
        JOIN access_grant h ON h.id = l.id
        JOIN access_grant g ON g.kind = h.kind AND g.thing = h.thing
            AND perigee_beneath(g.path, h.path)
        WHERE h.rights & 16 <> 0 AND (h.expires IS NULL OR h.expires > extract(epoch FROM now()))
          AND (h.to_account = g.by OR h.to_all
               OR h.to_team IN (SELECT team FROM team_member
                                WHERE account = g.by AND state = 'active'))
    ), gone AS (
        DELETE FROM access_grant WHERE id NOT IN (SELECT id FROM live) RETURNING 1
    )
    SELECT count(*) FROM gone
$$;

-- ---- the second fence ----

DO $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'perigee_user') THEN
        CREATE ROLE perigee_user NOLOGIN;
    END IF;
    IF NOT pg_has_role(current_user, 'perigee_user', 'MEMBER') THEN
        EXECUTE format('GRANT perigee_user TO %I', current_user);
    END IF;
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO perigee_user', current_schema());
EXCEPTION WHEN insufficient_privilege THEN
    RAISE EXCEPTION 'the database needs a role that only its administrator can make: CREATE ROLE perigee_user NOLOGIN; GRANT perigee_user TO %', current_user;
END
$$;

CREATE FUNCTION perigee_me() RETURNS bigint LANGUAGE sql STABLE AS
$$ SELECT coalesce(nullif(current_setting('perigee.account', true), ''), '0')::bigint $$;
CREATE FUNCTION perigee_me_admin() RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path FROM CURRENT AS
$$ SELECT EXISTS (SELECT 1 FROM account WHERE id = perigee_me() AND admin AND state = 'active') $$;

GRANT SELECT (id, name, full_name, state, admin, unix_uid, created) ON account TO perigee_user;
GRANT SELECT ON setting, team, team_member, dataset, volume, upload, access_grant, share_link,
    session, token, job, job_event, step, dependency, task, submission, replica TO perigee_user;
GRANT INSERT, UPDATE, DELETE ON team, team_member, access_grant, share_link TO perigee_user;
GRANT UPDATE (name, description, days, version) ON volume TO perigee_user;
GRANT INSERT, DELETE ON token TO perigee_user;
GRANT DELETE ON session TO perigee_user;
GRANT INSERT, UPDATE, DELETE ON upload TO perigee_user;
GRANT INSERT ON mail, audit TO perigee_user;
GRANT SELECT ON audit TO perigee_user;

ALTER TABLE session ENABLE ROW LEVEL SECURITY;
ALTER TABLE token ENABLE ROW LEVEL SECURITY;
ALTER TABLE upload ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON session TO perigee_user USING (account = (SELECT perigee_me()));
CREATE POLICY mine ON token TO perigee_user USING (account = (SELECT perigee_me()));
CREATE POLICY mine ON upload TO perigee_user USING (account = (SELECT perigee_me()));

ALTER TABLE mail ENABLE ROW LEVEL SECURITY;
CREATE POLICY queue ON mail FOR INSERT TO perigee_user WITH CHECK (true);
ALTER TABLE audit ENABLE ROW LEVEL SECURITY;
CREATE POLICY note ON audit FOR INSERT TO perigee_user WITH CHECK (true);
CREATE POLICY look ON audit FOR SELECT TO perigee_user USING ((SELECT perigee_me_admin()));

ALTER TABLE team ENABLE ROW LEVEL SECURITY;
CREATE POLICY look ON team FOR SELECT TO perigee_user
    USING (perigee_rights((SELECT perigee_me()), 'team', id, '') <> 0);
CREATE POLICY make ON team FOR INSERT TO perigee_user WITH CHECK ((SELECT perigee_me()) <> 0);
CREATE POLICY edit ON team FOR UPDATE TO perigee_user
    USING (perigee_rights((SELECT perigee_me()), 'team', id, '') & 4 <> 0);
CREATE POLICY drop_ ON team FOR DELETE TO perigee_user
    USING (perigee_rights((SELECT perigee_me()), 'team', id, '') & 32 <> 0);

-- Who may give which role is the daemon's to know; here: only who may edit the team, or oneself.
ALTER TABLE team_member ENABLE ROW LEVEL SECURITY;
CREATE POLICY look ON team_member FOR SELECT TO perigee_user
    USING (account = (SELECT perigee_me())
           OR perigee_rights((SELECT perigee_me()), 'team', team, '') & 2 <> 0);
CREATE POLICY make ON team_member FOR INSERT TO perigee_user
    WITH CHECK (account = (SELECT perigee_me())
                OR perigee_rights((SELECT perigee_me()), 'team', team, '') & 4 <> 0);
CREATE POLICY edit ON team_member FOR UPDATE TO perigee_user
    USING (account = (SELECT perigee_me())
           OR perigee_rights((SELECT perigee_me()), 'team', team, '') & 4 <> 0);
CREATE POLICY drop_ ON team_member FOR DELETE TO perigee_user
    USING (account = (SELECT perigee_me())
           OR perigee_rights((SELECT perigee_me()), 'team', team, '') & 4 <> 0);

ALTER TABLE dataset ENABLE ROW LEVEL SECURITY;
CREATE POLICY look ON dataset FOR SELECT TO perigee_user
    USING (perigee_rights((SELECT perigee_me()), 'dataset', id, '') <> 0);

ALTER TABLE volume ENABLE ROW LEVEL SECURITY;
CREATE POLICY look ON volume FOR SELECT TO perigee_user
    USING (perigee_base_rights((SELECT perigee_me()), 'volume', id) <> 0
           OR id IN (SELECT g.thing FROM perigee_grants((SELECT perigee_me()), 'volume') g));
CREATE POLICY edit ON volume FOR UPDATE TO perigee_user
    USING (perigee_base_rights((SELECT perigee_me()), 'volume', id) & 32 <> 0);

ALTER TABLE access_grant ENABLE ROW LEVEL SECURITY;
CREATE POLICY look ON access_grant FOR SELECT TO perigee_user
    USING (by = (SELECT perigee_me()) OR to_account = (SELECT perigee_me()) OR to_all
           OR to_team IN (SELECT team FROM team_member
                          WHERE account = (SELECT perigee_me()) AND state = 'active')
           OR perigee_rights((SELECT perigee_me()), kind, thing, path) & 16 <> 0);
CREATE POLICY make ON access_grant FOR INSERT TO perigee_user
    WITH CHECK (by = (SELECT perigee_me())
                AND perigee_rights((SELECT perigee_me()), kind, thing, path) & (16 | rights)
                    = (16 | rights));
CREATE POLICY edit ON access_grant FOR UPDATE TO perigee_user
    USING (perigee_rights((SELECT perigee_me()), kind, thing, path) & 16 <> 0)
    WITH CHECK (by = (SELECT perigee_me())
                AND perigee_rights((SELECT perigee_me()), kind, thing, path) & (16 | rights)
                    = (16 | rights));
CREATE POLICY drop_ ON access_grant FOR DELETE TO perigee_user
    USING (by = (SELECT perigee_me()) OR to_account = (SELECT perigee_me())
           OR perigee_rights((SELECT perigee_me()), kind, thing, path) & 16 <> 0);

ALTER TABLE share_link ENABLE ROW LEVEL SECURITY;
CREATE POLICY look ON share_link TO perigee_user
    USING (by = (SELECT perigee_me())
           OR perigee_rights((SELECT perigee_me()), kind, thing, path) & 32 <> 0)
    WITH CHECK (by = (SELECT perigee_me())
                AND perigee_rights((SELECT perigee_me()), kind, thing, path) & 18 = 18);

ALTER TABLE job ENABLE ROW LEVEL SECURITY;
CREATE POLICY look ON job FOR SELECT TO perigee_user
    USING (owner = (SELECT perigee_me()) OR (SELECT perigee_me_admin())
           OR number IN (SELECT g.thing FROM perigee_grants((SELECT perigee_me()), 'job') g));
ALTER TABLE job_event ENABLE ROW LEVEL SECURITY;
ALTER TABLE step ENABLE ROW LEVEL SECURITY;
ALTER TABLE dependency ENABLE ROW LEVEL SECURITY;
ALTER TABLE task ENABLE ROW LEVEL SECURITY;
ALTER TABLE submission ENABLE ROW LEVEL SECURITY;
CREATE POLICY look ON job_event FOR SELECT TO perigee_user
    USING (EXISTS (SELECT 1 FROM job j WHERE j.number = job_event.job));
CREATE POLICY look ON step FOR SELECT TO perigee_user
    USING (EXISTS (SELECT 1 FROM job j WHERE j.number = step.job));
CREATE POLICY look ON dependency FOR SELECT TO perigee_user
    USING (EXISTS (SELECT 1 FROM job j WHERE j.number = dependency.job));
CREATE POLICY look ON task FOR SELECT TO perigee_user
    USING (EXISTS (SELECT 1 FROM job j WHERE j.number = task.job));
CREATE POLICY look ON submission FOR SELECT TO perigee_user
    USING (EXISTS (SELECT 1 FROM job j WHERE j.number = submission.job));
