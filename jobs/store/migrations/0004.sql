-- The catalogue: what the descriptors of datasets say. See docs/dataset.md.
-- Those of the installation are harvested from files; a user's are made of a folder in a volume.

ALTER TABLE dataset ADD title text NOT NULL DEFAULT '';
ALTER TABLE dataset ADD tags text[] NOT NULL DEFAULT '{}';
ALTER TABLE dataset ADD about jsonb NOT NULL DEFAULT '{}';   -- what the reader of descriptors says
ALTER TABLE dataset ADD words text NOT NULL DEFAULT '';      -- where searches look, in small letters
ALTER TABLE dataset ADD source text;                         -- the descriptor's file
ALTER TABLE dataset ADD reads text[] NOT NULL DEFAULT '{}';  -- folders that its tables are read from
ALTER TABLE dataset ADD volume bigint REFERENCES volume ON DELETE CASCADE; -- of a user's: where
ALTER TABLE dataset ADD path text NOT NULL DEFAULT '';                     -- ... its files lie
ALTER TABLE dataset ADD harvested double precision;
ALTER TABLE dataset ADD gone double precision;               -- the descriptor is not there since
ALTER TABLE dataset ADD version integer NOT NULL DEFAULT 1;

-- Teams that may use a dataset of the installation ("access" of its descriptor).
CREATE TABLE dataset_team (
    dataset bigint NOT NULL REFERENCES dataset ON DELETE CASCADE,
    team    bigint NOT NULL REFERENCES team ON DELETE CASCADE,
    PRIMARY KEY (dataset, team)
);

-- Every file that was looked at, and what is wrong with it.
CREATE TABLE descriptor (
    file    text PRIMARY KEY,
    seal    text NOT NULL DEFAULT '',   -- size and time of change when it was read
    name    text,                       -- of its dataset; NULL: it never could be read
    error   text,
    looked  double precision NOT NULL DEFAULT extract(epoch FROM now())
);

CREATE OR REPLACE FUNCTION perigee_base_rights(who bigint, what text, id_ bigint) RETURNS integer
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
        SELECT account, team, public INTO v FROM dataset WHERE id = id_ AND gone IS NULL;
        IF NOT FOUND THEN RETURN 0; END IF;
        IF v.account = who THEN RETURN 63; END IF;
        SELECT role INTO role_ FROM team_member
            WHERE team = v.team AND account = who AND state = 'active';
        RETURN CASE WHEN v.public OR EXISTS (
                   SELECT 1 FROM dataset_team d JOIN team_member m ON m.team = d.team
                   WHERE d.dataset = id_ AND m.account = who AND m.state = 'active')
               THEN 1 | 2 | 8 ELSE 0 END
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

GRANT SELECT ON dataset_team TO perigee_user;
ALTER TABLE dataset_team ENABLE ROW LEVEL SECURITY;
CREATE POLICY look ON dataset_team FOR SELECT TO perigee_user
    USING (EXISTS (SELECT 1 FROM dataset d WHERE d.id = dataset_team.dataset));
