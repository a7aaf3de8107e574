-- Where the versions of the migrations stand, if any has run, whether this user may read it, and the role that may: its name has
-- the database's identity, which a stranger cannot read, but who has which rights everybody can. Databases older than the view
-- have the table alone, those older than the roles of a database the role of the cluster.
SELECT relation::text AS relation, coalesce(has_table_privilege(relation, 'SELECT'), false) AS readable,
       current_user::text AS "user",
       coalesce((
           SELECT rolname::text FROM pg_class, aclexplode(relacl) AS granted JOIN pg_roles ON pg_roles.oid = granted.grantee
           WHERE pg_class.oid = relation AND starts_with(rolname, 'peng_read') ORDER BY rolname DESC LIMIT 1
       ), 'peng_read') AS role
FROM coalesce(to_regclass('applied_migration'), to_regclass('__diesel_schema_migrations')) AS relation
