-- Why: a training may be set aside at its checkpoint, without an ending. A value of an enum can be used only once it is committed, so
-- what uses these comes with the next migration.
ALTER TYPE job_state ADD VALUE IF NOT EXISTS 'frozen' AFTER 'running';
ALTER TYPE attempt_end ADD VALUE IF NOT EXISTS 'frozen' AFTER 'finished';
