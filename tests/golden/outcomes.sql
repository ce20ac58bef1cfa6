-- outcomes.sql: changes the database of frozen.sql so that it has every outcome, and evaluations that differ in everything
-- that an evaluation can differ in: split, protocol, precision, targets, variants with equal names; settings, budgets,
-- revisions and environments of runs; and a second experiment.
INSERT INTO experiment SELECT 2, 'second', replace(config, '"frozen"', '"second"'), created FROM experiment WHERE id = 1;
INSERT INTO point SELECT 2, 27 - ordinal, run, '' FROM point WHERE experiment = 1 AND ordinal NOT IN (4, 7, 25);
INSERT INTO request SELECT 2, run, split, protocol, stride_rule, length, requested, precision, variant, variant_options, stride, added
    FROM request WHERE experiment = 1 AND run IN (SELECT run FROM point WHERE experiment = 2) AND variant = '';

-- Copies of evaluations with a change; their numbers differ by some percent.
CREATE TEMP TABLE change AS
    SELECT e.id + 10000 AS id, e.id AS old, e.run, 'test' AS split, e.protocol, 'L' AS rule, e.stride, e.precision, e.variant_options AS options
        FROM evaluation e WHERE e.variant = '' AND e.protocol = 'nonoverlapping'
    UNION ALL SELECT e.id + 20000, e.id, e.run, e.split, e.protocol, 'L', e.stride, 'bf16', e.variant_options
        FROM evaluation e WHERE e.variant = '' AND e.protocol = 'nonoverlapping' AND e.length <= 64
    UNION ALL SELECT e.id + 30000, e.id, e.run, e.split, 'last_n', '1', 1, e.precision, e.variant_options
        FROM evaluation e JOIN run r ON r.key = e.run WHERE e.variant = '' AND e.protocol = 'nonoverlapping' AND r.method IN ('rotary', 'alibi')
    UNION ALL SELECT e.id + 40000, e.id, e.run, e.split, e.protocol, iif(e.protocol = 'strided', '0.5 L', 'L'), e.stride, e.precision,
        '{"method":{"name":"yarn","base":500}}' FROM evaluation e WHERE e.variant = 'yarn' AND e.length >= 64;
INSERT INTO evaluation SELECT c.id, e.run, c.split, c.protocol, length, c.stride, requested, status, nll_sum * (1 + c.id / 10000 / 100.0), tokens,
    windows, seconds, peak_bytes, finished, revision, host, cpu, blas, threads, c.precision, variant, c.options
    FROM change c JOIN evaluation e ON e.id = c.old;
INSERT INTO evaluation_window SELECT c.id, window, nll_sum * (1 + c.id / 10000 / 100.0), tokens FROM change c JOIN evaluation_window w ON w.evaluation = c.old;
INSERT INTO position_loss SELECT c.id, bin, first, last, nll_sum * (1 + c.id / 10000 / 100.0), tokens FROM change c JOIN position_loss l ON l.evaluation = c.old;
INSERT INTO request SELECT p.experiment, e.run, e.split, e.protocol, c.rule, e.length, e.requested, e.precision, e.variant, e.variant_options, e.stride, 1
    FROM change c JOIN evaluation e ON e.id = c.id JOIN point p ON p.run = e.run WHERE p.experiment = 1 OR e.split = 'test';

UPDATE point SET variant = 'train.optimizer.lr=0.001' WHERE experiment = 2 AND ordinal IN (3, 4, 8, 9, 14, 15);
UPDATE point SET variant = 'train.optimizer.lr=0.001 model.width=16' WHERE experiment = 2 AND ordinal = 10;
UPDATE run SET config = json_set(config, '$.train.tokens', 8192), train_tokens = 8192 WHERE method = 'alibi' AND train_length = 16;
UPDATE run SET settings = '1 thread to step 5; 2 threads' WHERE method = 't5' AND seed = 2;
UPDATE run SET threads = 2, train_seconds = train_seconds * 3 WHERE method = 't5' AND seed = 3;
UPDATE run SET train_seconds = train_seconds * 2, load = NULL WHERE method = 'rotary' AND seed = 3;
UPDATE run SET revision = 'other' WHERE method = 'alibi';
UPDATE evaluation SET revision = 'other' WHERE id % 7 = 0;

-- Missing, not finite, beyond the range of a double, on a text that is too short, of a run that diverged.
CREATE TEMP TABLE gone AS SELECT e.id FROM evaluation e JOIN run r ON r.key = e.run
    WHERE e.id % 23 = 0 OR (r.method = 'rotary' AND r.train_length = 32 AND r.seed = 2);
DELETE FROM position_loss WHERE evaluation IN gone;
DELETE FROM evaluation_window WHERE evaluation IN gone;
DELETE FROM evaluation WHERE id IN gone;
UPDATE run SET status = 'diverged', reason = 'the loss is not finite', diverged_step = 3 WHERE method = 'rotary' AND train_length = 32 AND seed = 2;
UPDATE evaluation SET nll_sum = NULL WHERE id % 29 = 0 AND status = 'done';
UPDATE evaluation SET nll_sum = 800.0 * tokens WHERE id % 31 = 0 AND status = 'done';
UPDATE evaluation SET tokens = 200, nll_sum = nll_sum * 0.7
    WHERE length = 256 AND protocol = 'nonoverlapping' AND split = 'valid' AND precision = 'fp32';
