-- Why: two databases whose workers use one checkpoint store number their searches and jobs alike, and one would overwrite what
-- the other one wrote. And idle workers asked every second how many architectures a search has, which reads them all.

CREATE TABLE identity (
    one bool PRIMARY KEY DEFAULT true CHECK (one),
    id  uuid NOT NULL DEFAULT gen_random_uuid()
);
COMMENT ON TABLE identity IS 'Who this database is; one row';
COMMENT ON COLUMN identity.one IS 'Always true, so that there is one row';
COMMENT ON COLUMN identity.id IS 'Names its part of a checkpoint store; a copy of the database has the same';
INSERT INTO identity DEFAULT VALUES;

ALTER TABLE search ADD COLUMN proposing boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN search.proposing IS 'Whether the end of a job may still lead its strategy to propose another';
UPDATE search SET proposing = true
WHERE spec -> 'strategy' ->> 'kind' IN ('evolution', 'nsga2')
  AND budget > (SELECT count(*) FROM architecture WHERE architecture.search_id = search.id);
