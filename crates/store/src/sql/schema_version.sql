-- Where the versions of the migrations stand, if any has run, and whether this user may read it. Databases older than the
-- view have the table alone.
SELECT relation::text AS relation, coalesce(has_table_privilege(relation, 'SELECT'), false) AS readable,
       current_user::text AS "user"
FROM coalesce(to_regclass('applied_migration'), to_regclass('__diesel_schema_migrations')) AS relation
