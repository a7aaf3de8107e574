INSERT INTO observation (job_id, fence, step, epoch, val_acc, train_acc, seconds, prediction, low_80, high_80, low_90,
                         high_90, decision, reason)
SELECT j.id, 1, e, e, 40 + 30 * (1 - exp(-e / 6.0)) + j.id % 17, 45 + 30 * (1 - exp(-e / 5.0)) + j.id % 17, 10,
       69 + j.id % 17 + (j.id % 5 - 2) * 0.8, 68 + j.id % 17, 70 + j.id % 17, 67 + j.id % 17, 71 + j.id % 17,
       (CASE WHEN e >= 5 + j.id % 7 THEN 'stop' ELSE 'continue' END)::decision, 'made up'
FROM job j CROSS JOIN generate_series(1, 20) e
WHERE NOT EXISTS (SELECT FROM result WHERE job_id = j.id)
  AND (j.state = 'completed' OR (j.state = 'terminated' AND e <= 5 + j.id % 7) OR (j.state IN ('running', 'diverged') AND e <= 4))
ON CONFLICT DO NOTHING;

UPDATE observation o SET decision = 'continue', prediction = NULL
FROM job j WHERE j.id = o.job_id AND j.mode = 'terminate' AND j.state = 'completed';

INSERT INTO result (job_id, search_id, fence, step, outcome, epochs, seconds, last_fitness, best_fitness, final_fitness,
                    stop_epoch, stop_seconds, stop_fitness, stop_prediction, stop_low_80, stop_high_80, stop_low_90,
                    stop_high_90, prediction, low_80, high_80, low_90, high_90, fitness, error)
SELECT j.id, j.search_id, 1, c.step, j.state::text::outcome, c.step, c.seconds, last.val_acc, c.best,
       CASE WHEN j.state = 'completed' THEN last.val_acc END, stop.epoch, stop.epoch * 10, stop.val_acc,
       stop.prediction, stop.low_80, stop.high_80, stop.low_90, stop.high_90,
       last.prediction, last.low_80, last.high_80, last.low_90, last.high_90,
       CASE WHEN j.state = 'completed' THEN last.val_acc WHEN j.state = 'terminated' THEN last.prediction END,
       CASE WHEN j.state = 'failed' THEN 'no such device' END
FROM job j
CROSS JOIN LATERAL (SELECT coalesce(max(step), 0) AS step, coalesce(sum(seconds), 0) AS seconds, max(val_acc) AS best
                    FROM observation WHERE job_id = j.id) c
LEFT JOIN LATERAL (SELECT * FROM observation WHERE job_id = j.id ORDER BY step DESC LIMIT 1) last ON true
LEFT JOIN LATERAL (SELECT * FROM observation WHERE job_id = j.id AND decision = 'stop' ORDER BY step LIMIT 1) stop ON true
WHERE j.state <> 'running' AND NOT EXISTS (SELECT FROM result WHERE job_id = j.id);

INSERT INTO worker (id, host, pid, class, device, version, state, started_at, last_seen_at, stopped_at)
VALUES ('00000000-0000-0000-0000-000000000001'::uuid, 'alpha', 11, 'default', 'cpu', '0.1.0', 'stopped', now() - interval '100 s', now(), now()),
       ('00000000-0000-0000-0000-000000000002'::uuid, 'beta', 22, 'default', 'cpu', '0.1.0', 'running', now() - interval '100 s', now(), NULL)
ON CONFLICT DO NOTHING;

INSERT INTO attempt (job_id, fence, worker_id, started_at, first_step, ended_at, "end", error)
SELECT 7, 0, '00000000-0000-0000-0000-000000000001'::uuid, now() - interval '90 s', 1, now() - interval '80 s', 'lost'::attempt_end, NULL::text
UNION ALL
SELECT 7, 1, '00000000-0000-0000-0000-000000000002'::uuid, now() - interval '60 s', 1, now() - interval '20 s', 'finished'::attempt_end, NULL
UNION ALL
SELECT 8, 1, '00000000-0000-0000-0000-000000000001'::uuid, now() - interval '70 s', 1, now() - interval '30 s', 'finished'::attempt_end, NULL
ON CONFLICT DO NOTHING;
