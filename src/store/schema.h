/* schema: the tables and views of a poslab database, version 3.
 *
 * Times are UTC in ISO 8601; losses are in nats; a number that is not finite is NULL (SQLite cannot store
 * NaN), and so is a perplexity beyond the range of a double. The comments in the SQL are stored in the
 * database: `.schema` in the sqlite3 shell shows them.
 */
#ifndef POSLAB_STORE_SCHEMA_H
#define POSLAB_STORE_SCHEMA_H

enum { SCHEMA_VERSION = 3, SCHEMA_OBJECTS = 14 /* tables and views */ };

/* A macro stands for what the migrations at the end make, too. Those are of the version that they lead to:
   whoever changes a macro moves its old text into the migration that used it. */

/* Whether a window of an evaluation had its whole length: the targets before it, or those up to its end. */
#define SCHEMA_REACHED "(e.protocol = 'last_n' OR e.tokens / e.stride * e.stride >= e.length)"

#define SCHEMA_PERPLEXITY    "CASE WHEN e.nll_sum / e.tokens < 709.78 THEN exp(e.nll_sum / e.tokens) END"
#define SCHEMA_BITS_PER_BYTE "e.nll_sum / e.tokens / 0.69314718055994531 / c.bytes_per_token"

#define SCHEMA_RUN                                                                                           \
    "CREATE TABLE run (\n"                                                                                   \
    "    key TEXT PRIMARY KEY, -- hash of what determines training\n"                                        \
    "    method TEXT NOT NULL,\n"                                                                            \
    "    method_options TEXT NOT NULL, -- JSON, all defaults spelled out\n"                                  \
    "    label TEXT NOT NULL, -- the method and its options that are not the default\n"                      \
    "    train_length INTEGER NOT NULL,\n"                                                                   \
    "    seed INTEGER NOT NULL,\n"                                                                           \
    "    parameters INTEGER NOT NULL,\n"                                                                     \
    "    position_parameters INTEGER NOT NULL,\n"                                                            \
    "    status TEXT NOT NULL CHECK (status IN ('pending', 'running', 'done', 'diverged', 'failed')),\n"     \
    "    reason TEXT, -- of failed and diverged\n"                                                           \
    "    config TEXT NOT NULL, -- JSON: this point with all defaults spelled out\n"                          \
    "    corpus_id INTEGER NOT NULL REFERENCES corpus (id),\n"                                               \
    "    started TEXT,\n"                                                                                    \
    "    finished TEXT,\n"                                                                                   \
    "    revision TEXT, -- from here on: of the training; NULL until it has ended\n"                         \
    "    host TEXT,\n"                                                                                       \
    "    cpu TEXT,\n"                                                                                        \
    "    blas TEXT,\n"                                                                                       \
    "    threads INTEGER,\n"                                                                                 \
    "    steps INTEGER,\n"                                                                                   \
    "    diverged_step INTEGER,\n"                                                                           \
    "    train_tokens INTEGER,\n"                                                                            \
    "    train_seconds REAL,\n"                                                                              \
    "    final_loss REAL,\n"                                                                                 \
    "    peak_bytes INTEGER,\n"                                                                              \
    "    machine TEXT, -- JSON: what the machine offers\n"                                                   \
    "    ranks INTEGER, -- MPI processes; NULL: one\n"                                                       \
    "    processor_seconds REAL, -- of training, all threads of rank 0; NULL: unknown\n"                     \
    "    load REAL, -- mean load average of the machine during training; NULL: unknown\n"                    \
    "    settings TEXT -- threads of all ranks, BLAS and processor of a resumed run where they changed: "    \
    "'A to step 106; B'; NULL: they did not\n"                                                               \
    ") STRICT;\n"

#define SCHEMA_REQUEST                                                                                       \
    "CREATE TABLE request ( -- the evaluations that the experiment as now configured asks for\n"             \
    "    experiment INTEGER NOT NULL,\n"                                                                     \
    "    run TEXT NOT NULL,\n"                                                                               \
    "    split TEXT NOT NULL,\n"                                                                             \
    "    protocol TEXT NOT NULL,\n"                                                                          \
    "    stride_rule TEXT NOT NULL, -- 'L', '0.125 L', '64'\n"                                               \
    "    length INTEGER NOT NULL,\n"                                                                         \
    "    requested INTEGER NOT NULL, -- targets; 0: all of the split\n"                                      \
    "    precision TEXT NOT NULL DEFAULT 'fp32',\n"                                                          \
    "    variant TEXT NOT NULL DEFAULT '', -- name of what is changed after training; '': nothing\n"         \
    "    variant_options TEXT NOT NULL DEFAULT '{}', -- JSON: the options that are changed\n"                \
    "    stride INTEGER NOT NULL, -- not among the key's columns: quick_check of SQLite 3.40 would "         \
    "miscount\n"                                                                                             \
    "    added INTEGER NOT NULL, -- 1: by `poslab eval`; it stays when the experiment is configured anew\n"  \
    "    PRIMARY KEY (experiment, run, split, protocol, stride_rule, length, requested, precision, "         \
    "variant,\n"                                                                                             \
    "        variant_options),\n"                                                                            \
    "    FOREIGN KEY (experiment, run) REFERENCES point (experiment, run) ON DELETE CASCADE\n"               \
    ") STRICT, WITHOUT ROWID;\n"

#define SCHEMA_EVALUATION                                                                                    \
    "CREATE TABLE evaluation (\n"                                                                            \
    "    id INTEGER PRIMARY KEY,\n"                                                                          \
    "    run TEXT NOT NULL REFERENCES run (key),\n"                                                          \
    "    split TEXT NOT NULL,\n"                                                                             \
    "    protocol TEXT NOT NULL,\n"                                                                          \
    "    length INTEGER NOT NULL,\n"                                                                         \
    "    stride INTEGER NOT NULL,\n"                                                                         \
    "    requested INTEGER NOT NULL, -- targets; 0: all of the split\n"                                      \
    "    status TEXT NOT NULL CHECK (status IN ('done', 'beyond_limit')),\n"                                 \
    "    nll_sum REAL, -- NULL: not finite, or beyond the method's limit\n"                                  \
    "    tokens INTEGER NOT NULL, -- targets scored\n"                                                       \
    "    windows INTEGER NOT NULL,\n"                                                                        \
    "    seconds REAL,\n"                                                                                    \
    "    peak_bytes INTEGER,\n"                                                                              \
    "    finished TEXT NOT NULL,\n"                                                                          \
    "    revision TEXT NOT NULL,\n"                                                                          \
    "    host TEXT NOT NULL,\n"                                                                              \
    "    cpu TEXT NOT NULL,\n"                                                                               \
    "    blas TEXT NOT NULL,\n"                                                                              \
    "    threads INTEGER NOT NULL,\n"                                                                        \
    "    precision TEXT NOT NULL DEFAULT 'fp32',\n"                                                          \
    "    variant TEXT NOT NULL DEFAULT '', -- name of what was changed after training; '': nothing\n"        \
    "    variant_options TEXT NOT NULL DEFAULT '{}', -- JSON: the options that were changed\n"               \
    "    UNIQUE (run, split, protocol, length, stride, requested, precision, variant, variant_options)\n"    \
    ") STRICT;\n"

#define SCHEMA_BENCH                                                                                         \
    "CREATE TABLE bench ( -- measurements of speed by `poslab bench --db`\n"                                 \
    "    id INTEGER PRIMARY KEY,\n"                                                                          \
    "    created TEXT NOT NULL,\n"                                                                           \
    "    revision TEXT NOT NULL,\n"                                                                          \
    "    host TEXT NOT NULL,\n"                                                                              \
    "    cpu TEXT NOT NULL,\n"                                                                               \
    "    blas TEXT NOT NULL,\n"                                                                              \
    "    machine TEXT, -- JSON: what the machine offers\n"                                                   \
    "    threads INTEGER NOT NULL,\n"                                                                        \
    "    precision TEXT NOT NULL,\n"                                                                         \
    "    config TEXT NOT NULL, -- JSON: the model, tokens of a step, rounds\n"                               \
    "    reference TEXT NOT NULL, -- the method that ratios refer to\n"                                      \
    "    gemm_rate REAL -- FLOP/s of the BLAS alone, each thread\n"                                          \
    ") STRICT;\n"                                                                                            \
                                                                                                             \
    "CREATE TABLE bench_result ( -- medians over rounds, from lower to upper quartile\n"                     \
    "    bench INTEGER NOT NULL REFERENCES bench (id),\n"                                                    \
    "    method TEXT NOT NULL,\n"                                                                            \
    "    label TEXT NOT NULL,\n"                                                                             \
    "    length INTEGER NOT NULL,\n"                                                                         \
    "    phase TEXT NOT NULL CHECK (phase IN ('train', 'evaluate')),\n"                                      \
    "    tokens_per_second REAL NOT NULL,\n"                                                                 \
    "    tokens_per_second_low REAL NOT NULL,\n"                                                             \
    "    tokens_per_second_high REAL NOT NULL,\n"                                                            \
    "    flops_per_second REAL NOT NULL,\n"                                                                  \
    "    share REAL NOT NULL, -- of the rate that the BLAS alone reached beside it\n"                        \
    "    ratio REAL NOT NULL, -- time over that of the reference, round by round\n"                          \
    "    ratio_low REAL NOT NULL,\n"                                                                         \
    "    ratio_high REAL NOT NULL,\n"                                                                        \
    "    peak_bytes INTEGER NOT NULL,\n"                                                                     \
    "    PRIMARY KEY (bench, method, label, length, phase)\n"                                                \
    ") STRICT, WITHOUT ROWID;\n"

#define SCHEMA_VIEWS                                                                                         \
    "CREATE VIEW curve ( -- every perplexity of the points of every experiment\n"                            \
    "    experiment, run_key, method, train_length, seed, split, protocol, stride, eval_length, nll, "       \
    "tokens,\n"                                                                                              \
    "    perplexity, bits_per_byte, variant, precision) AS\n"                                                \
    "SELECT x.name, r.key, r.method, r.train_length, r.seed, e.split, e.protocol, e.stride, e.length, "      \
    "e.nll_sum,\n"                                                                                           \
    "    e.tokens, " SCHEMA_PERPLEXITY ",\n    " SCHEMA_BITS_PER_BYTE ", e.variant, e.precision\n"           \
    "FROM experiment x\n"                                                                                    \
    "    JOIN point p ON p.experiment = x.id\n"                                                              \
    "    JOIN run r ON r.key = p.run\n"                                                                      \
    "    JOIN corpus c ON c.id = r.corpus_id\n"                                                              \
    "    JOIN evaluation e ON e.run = r.key\n"                                                               \
    "WHERE e.status = 'done' AND " SCHEMA_REACHED ";\n"                                                      \
                                                                                                             \
    "CREATE VIEW outcome AS -- every evaluation that an experiment asks for, with what became of it\n"       \
    "SELECT x.name AS experiment, p.ordinal, r.key AS run_key, r.method, r.method_options, r.label, "        \
    "p.variant,\n"                                                                                           \
    "    r.train_length, r.seed, q.split, q.protocol, q.stride_rule, q.stride, q.length AS eval_length,\n"   \
    "    q.requested, CASE\n"                                                                                \
    "        WHEN e.status = 'beyond_limit' THEN 'beyond_limit'\n"                                           \
    "        WHEN e.status = 'done' AND NOT " SCHEMA_REACHED " THEN 'beyond_text'\n"                         \
    "        WHEN e.nll_sum / e.tokens < 709.78 THEN 'done'\n"                                               \
    "        WHEN e.status = 'done' OR r.status = 'diverged' THEN 'diverged'\n"                              \
    "        WHEN r.status = 'failed' THEN 'failed'\n"                                                       \
    "        ELSE 'missing' END AS outcome,\n"                                                               \
    "    e.nll_sum AS nll, e.tokens, e.windows,\n"                                                           \
    "    CASE WHEN " SCHEMA_REACHED " THEN " SCHEMA_PERPLEXITY " END AS perplexity,\n"                       \
    "    CASE WHEN " SCHEMA_REACHED " THEN " SCHEMA_BITS_PER_BYTE " END AS bits_per_byte, e.seconds,\n"      \
    "    r.parameters, r.position_parameters, c.tokenizer, c.hash AS corpus, e.revision,\n"                  \
    "    q.variant AS eval_variant, q.variant_options AS eval_variant_options, q.precision AS "              \
    "eval_precision,\n"                                                                                      \
    "    e.id AS evaluation, e.peak_bytes\n"                                                                 \
    "FROM experiment x\n"                                                                                    \
    "    JOIN point p ON p.experiment = x.id\n"                                                              \
    "    JOIN run r ON r.key = p.run\n"                                                                      \
    "    JOIN corpus c ON c.id = r.corpus_id\n"                                                              \
    "    JOIN request q ON q.experiment = x.id AND q.run = r.key\n"                                          \
    "    LEFT JOIN evaluation e ON e.run = q.run AND e.split = q.split AND e.protocol = q.protocol\n"        \
    "        AND e.length = q.length AND e.stride = q.stride AND e.requested = q.requested\n"                \
    "        AND e.precision = q.precision AND e.variant = q.variant AND e.variant_options = "               \
    "q.variant_options;\n"

static const char schema_sql[] =
    "CREATE TABLE experiment (\n"
    "    id INTEGER PRIMARY KEY,\n"
    "    name TEXT NOT NULL UNIQUE,\n"
    "    config TEXT NOT NULL, -- JSON: the file, with --set applied\n"
    "    created TEXT NOT NULL\n"
    ") STRICT;\n"

    "CREATE TABLE corpus (\n"
    "    id INTEGER PRIMARY KEY,\n"
    "    hash TEXT NOT NULL, -- SHA-256 of the tokens, split by split\n"
    "    tokenizer TEXT NOT NULL,\n"
    "    vocabulary INTEGER NOT NULL,\n"
    "    train_tokens INTEGER NOT NULL,\n"
    "    valid_tokens INTEGER NOT NULL,\n"
    "    test_tokens INTEGER NOT NULL,\n"
    "    documents INTEGER NOT NULL,\n"
    "    bytes_per_token REAL, -- NULL: unknown\n"
    "    UNIQUE (hash, tokenizer, vocabulary)\n"
    ") STRICT;\n"

    SCHEMA_RUN

    "CREATE TABLE point ( -- the experiment as now configured\n"
    "    experiment INTEGER NOT NULL REFERENCES experiment (id),\n"
    "    ordinal INTEGER NOT NULL,\n"
    "    run TEXT NOT NULL REFERENCES run (key),\n"
    "    variant TEXT NOT NULL, -- what else sets it apart, 'train.optimizer.lr=0.001'\n"
    "    PRIMARY KEY (experiment, ordinal),\n"
    "    UNIQUE (experiment, run)\n"
    ") STRICT, WITHOUT ROWID;\n"

    SCHEMA_REQUEST

    "CREATE TABLE train_log (\n"
    "    run TEXT NOT NULL REFERENCES run (key),\n"
    "    step INTEGER NOT NULL, -- 1-based\n"
    "    loss REAL, -- before the update\n"
    "    rate REAL,\n"
    "    norm REAL,\n"
    "    PRIMARY KEY (run, step)\n"
    ") STRICT, WITHOUT ROWID;\n"

    SCHEMA_EVALUATION

    "CREATE TABLE evaluation_window (\n"
    "    evaluation INTEGER NOT NULL REFERENCES evaluation (id),\n"
    "    window INTEGER NOT NULL, -- 0-based\n"
    "    nll_sum REAL,\n"
    "    tokens INTEGER NOT NULL,\n"
    "    PRIMARY KEY (evaluation, window)\n"
    ") STRICT, WITHOUT ROWID;\n"

    "CREATE TABLE position_loss (\n"
    "    evaluation INTEGER NOT NULL REFERENCES evaluation (id),\n"
    "    bin INTEGER NOT NULL,\n"
    "    first INTEGER NOT NULL, -- positions in the window, 0-based, both inside\n"
    "    last INTEGER NOT NULL,\n"
    "    nll_sum REAL,\n"
    "    tokens INTEGER NOT NULL,\n"
    "    PRIMARY KEY (evaluation, bin)\n"
    ") STRICT, WITHOUT ROWID;\n"

    "CREATE TABLE reference ( -- numbers from papers\n"
    "    source TEXT NOT NULL, -- paper and table\n"
    "    dataset TEXT,\n"
    "    split TEXT,\n"
    "    method TEXT NOT NULL,\n"
    "    train_length INTEGER NOT NULL,\n"
    "    eval_length INTEGER,\n"
    "    stride INTEGER,\n"
    "    quantity TEXT NOT NULL, -- 'perplexity', ...\n"
    "    value REAL NOT NULL\n"
    ") STRICT;\n"

    SCHEMA_BENCH SCHEMA_VIEWS;

/* [v]: the SQL that makes version v + 1 out of version v; its CREATEs as store/schema.h has them. The last
   migration that changes a table creates it again: SQLite keeps the text of a CREATE, and ALTER TABLE would
   change that. What a later one creates again needs no text of its own before. */
static const char *const migrations[SCHEMA_VERSION] = {
    [1] =
        "DROP VIEW curve; DROP VIEW outcome;"

        "ALTER TABLE main.run ADD COLUMN machine TEXT; ALTER TABLE main.run ADD COLUMN ranks INTEGER;"

        "CREATE TEMP TABLE old_request AS SELECT * FROM main.request; DROP TABLE main.request;" SCHEMA_REQUEST
        "INSERT INTO main.request (experiment, run, split, protocol, stride_rule, length, requested, stride, "
        "added) SELECT experiment, run, split, protocol, stride_rule, length, requested, stride, added FROM "
        "old_request; DROP TABLE old_request;"

        "CREATE TEMP TABLE old_evaluation AS SELECT * FROM main.evaluation; DROP TABLE "
        "main.evaluation;" SCHEMA_EVALUATION
        "INSERT INTO main.evaluation SELECT *, 'fp32', '', '{}' FROM old_evaluation;"
        "DROP TABLE old_evaluation;"

    SCHEMA_BENCH,
    [2] = "DROP VIEW IF EXISTS curve; DROP VIEW IF EXISTS outcome;"

          "CREATE TEMP TABLE old_run AS SELECT * FROM main.run; DROP TABLE main.run;" SCHEMA_RUN
          "INSERT INTO main.run SELECT *, NULL, NULL, NULL FROM old_run; DROP TABLE old_run;"

    SCHEMA_VIEWS,
};

#endif
