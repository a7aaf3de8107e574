-- A thousand searches; 100,000 jobs of the first in two priorities; 5,000 of them run, 1,000 wait, the rest is ready; curves of a thousand; 5,000 results, 10,000 events. A fifth has discarded a checkpoint.
INSERT INTO search (name, spec, spec_hash, engine, max_epochs, "interval", budget, version)
VALUES ('s', '{}', repeat('0', 64), 'none', 20, 1, 100000, '0');
INSERT INTO worker (id, host, pid, class, device, version)
VALUES ('00000000-0000-0000-0000-000000000001', 'host', 1, 'default', 'cpu', '0');
INSERT INTO architecture (search_id, hash, genome, summary, parameters, flops)
SELECT search.id, lpad(i::text, 64, '0'), '{}', 'network', 1, 1 FROM search, generate_series(1, 100000) AS i;
INSERT INTO job (search_id, architecture_id, seed, mode, priority, state, fence, run_after)
SELECT search_id, id, 1, 'terminate', id % 2,
       CASE WHEN id % 20 = 10 THEN 'running' WHEN id % 100 = 20 THEN 'waiting' ELSE 'ready' END::job_state, 1,
       CASE WHEN id % 100 = 20 THEN now() + interval '1 hour' END
FROM architecture ORDER BY id;
INSERT INTO lease (job_id, fence, worker_id, ttl, expires_at)
SELECT id, 1, '00000000-0000-0000-0000-000000000001', interval '1 minute', now() + interval '1 minute'
FROM job WHERE state = 'running';
INSERT INTO attempt (job_id, fence, worker_id) SELECT id, 1, '00000000-0000-0000-0000-000000000001' FROM job;
INSERT INTO observation (job_id, fence, step, epoch, val_acc, seconds)
SELECT id, 1, step, step, 50, 1 FROM job CROSS JOIN generate_series(1, 20) AS step WHERE id % 100 = 10;
INSERT INTO result (job_id, search_id, fence, step, outcome)
SELECT id, search_id, 1, 20, 'cancelled' FROM job WHERE id % 20 = 1;
INSERT INTO event (search_id, job_id, kind) SELECT search_id, id, 'retried' FROM job WHERE id % 10 = 3;
INSERT INTO checkpoint (job_id, step, fence, uri, bytes, sha256)
SELECT id, step, 1, 'file:///x', 1, repeat('0', 64) FROM job CROSS JOIN generate_series(1, 2) AS step;
INSERT INTO discarded_checkpoint (job_id, step, fence, uri, bytes, sha256, discarded_at)
SELECT id, 1, 1, 'file:///x', 1, repeat('0', 64), now() - id * interval '1 minute' FROM job WHERE id % 5 = 0;
INSERT INTO search (name, state, spec, spec_hash, engine, max_epochs, "interval", budget, version, finished_at)
SELECT 's' || i, 'finished', '{}', repeat('0', 64), 'none', 20, 1, 1, '0', now() FROM generate_series(2, 1000) AS i;
