-- A witness that does not rely on the fences of the statements: it notes every row that a worker writes for a job that
-- another worker, or a later attempt, has; and who wrote under each fence. Workers are known by the name of their sessions.
CREATE TABLE superseded (job_id bigint, fence bigint, what text, writer text);
CREATE TABLE written (job_id bigint, fence bigint, writer text);

-- With its owner's rights: workers may not write what it notes.
CREATE FUNCTION witness() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO superseded
    SELECT NEW.job_id, NEW.fence, TG_TABLE_NAME, current_setting('application_name')
    FROM attempt JOIN worker ON worker.id = attempt.worker_id
    WHERE attempt.job_id = NEW.job_id
      AND attempt.fence = (SELECT max(fence) FROM attempt WHERE job_id = NEW.job_id)
      AND (attempt.fence > NEW.fence
           OR attempt.fence = NEW.fence AND current_setting('application_name') <> 'peng-' || worker.pid);
    INSERT INTO written VALUES (NEW.job_id, NEW.fence, current_setting('application_name'));
    RETURN NEW;
END $$;

-- BEFORE: also fires where ON CONFLICT then writes nothing.
CREATE TRIGGER witness BEFORE INSERT ON observation FOR EACH ROW EXECUTE FUNCTION witness();
CREATE TRIGGER witness BEFORE INSERT ON checkpoint FOR EACH ROW EXECUTE FUNCTION witness();
CREATE TRIGGER witness BEFORE INSERT ON result FOR EACH ROW EXECUTE FUNCTION witness();
