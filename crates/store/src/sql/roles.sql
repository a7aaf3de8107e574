-- The three roles of this database, and all that each may do. It runs at the end of each `peng db migrate`, as the owner of the
-- tables, and again is the same as once: whatever tables a later version adds, their rights stand here, too. Everybody of the
-- three reads all. Who may not create roles is told what to ask for; `peng db migrate` afterwards grants the rest.
DO $$
DECLARE
    id      constant text := (SELECT left(identity.id::text, 8) FROM identity);
    home    constant regnamespace := (SELECT relnamespace FROM pg_class WHERE oid = 'job'::regclass);
    -- A table that a database does not have yet is passed over.
    rights  constant text[] := ARRAY[
        -- Workers: claims, leases, curves, checkpoints, endings, proposals, and what one does for all. They delete what has
        -- ended by itself, leases and pointers to checkpoints, and nothing else; of a search they write how it stands.
        ['worker', 'UPDATE (state, finished_at, proposing)', 'search'],
        ['worker', 'INSERT',                 'architecture'],
        ['worker', 'INSERT, UPDATE',         'job'],
        ['worker', 'INSERT, UPDATE, DELETE', 'lease'],
        ['worker', 'INSERT, UPDATE',         'attempt'],
        ['worker', 'INSERT',                 'observation'],
        ['worker', 'INSERT, UPDATE, DELETE', 'checkpoint'],
        ['worker', 'INSERT, UPDATE, DELETE', 'discarded_checkpoint'],
        ['worker', 'INSERT, UPDATE',         'result'],
        ['worker', 'INSERT',                 'finish'],
        ['worker', 'INSERT',                 'freezing'],
        ['worker', 'INSERT, UPDATE',         'scheduler_state'],
        ['worker', 'INSERT',                 'event'],
        ['worker', 'INSERT, UPDATE',         'worker'],
        ['worker', 'INSERT, UPDATE',         'maintenance'],
        ['worker', 'UPDATE (store_id, store_url)', 'identity'],
        -- People: searches and jobs, curves from files, and what they ask of workers. A retried job gives up its result.
        ['submit', 'INSERT, UPDATE',         'search'],
        ['submit', 'INSERT',                 'architecture'],
        ['submit', 'INSERT, UPDATE',         'job'],
        ['submit', 'UPDATE (cancel)',        'lease'],
        ['submit', 'INSERT',                 'observation'],
        ['submit', 'INSERT, UPDATE, DELETE', 'result'],
        ['submit', 'INSERT',                 'finish'],
        ['submit', 'INSERT',                 'event'],
        ['submit', 'UPDATE (state)',         'worker'],
        -- An archived search gives up checkpoints, which stay for a while.
        ['submit', 'DELETE',                 'checkpoint'],
        ['submit', 'INSERT',                 'discarded_checkpoint']
    ];
    purpose constant jsonb := '{"submit": "Submits and steers searches of the peng database", "worker": "Workers of the peng database", "read": "Reads the peng database"}';
    kind    text;
    own     text;
    entry   text[];
    item    regclass;
    missing text[] := '{}';
BEGIN
    -- Nothing was missing, and whoever migrated is not the owner.
    IF NOT pg_has_role((SELECT relowner FROM pg_class WHERE oid = 'job'::regclass), 'USAGE') THEN
        RETURN;
    END IF;
    FOREACH kind IN ARRAY ARRAY['submit', 'worker', 'read'] LOOP
        own := format('peng_%s_%s', kind, id);
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = own) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', own);
                EXECUTE format('COMMENT ON ROLE %I IS %L', own, format('%s %s', purpose ->> kind, current_database()));
            EXCEPTION
                WHEN duplicate_object OR unique_violation THEN NULL;
                WHEN insufficient_privilege THEN
                    missing := missing || format('CREATE ROLE %I NOLOGIN;', own);
                    CONTINUE;
            END;
        END IF;
        -- Both are everybody's by default; whoever takes that away leaves the roles theirs.
        IF has_database_privilege(current_database(), 'CONNECT WITH GRANT OPTION') THEN
            EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), own);
        END IF;
        IF has_schema_privilege(home, 'USAGE WITH GRANT OPTION') THEN
            EXECUTE format('GRANT USAGE ON SCHEMA %s TO %I', home, own);
        END IF;
        FOR item IN
            SELECT oid FROM pg_class
            WHERE relnamespace = home AND relkind IN ('r', 'p', 'v') AND pg_has_role(relowner, 'USAGE')
        LOOP
            EXECUTE format('GRANT SELECT ON %s TO %I', item, own);
        END LOOP;
        FOREACH entry SLICE 1 IN ARRAY rights LOOP
            IF entry[1] = kind AND to_regclass(entry[3]) IS NOT NULL THEN
                EXECUTE format('GRANT %s ON %s TO %I', entry[2], to_regclass(entry[3]), own);
            END IF;
        END LOOP;
    END LOOP;
    IF cardinality(missing) > 0 THEN
        RAISE NOTICE '% may not create roles, so everybody who uses peng has to be % still. Who may create them does: %  Then: peng db migrate',
            current_user, current_user, array_to_string(missing, ' ');
    END IF;
END
$$;
