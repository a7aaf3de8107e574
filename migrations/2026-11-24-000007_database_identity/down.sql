ALTER TABLE search DROP COLUMN proposing;
DROP TABLE identity;
