#include "store/schema_views.h"

/* Whether at least one window of an evaluation had its full length. */
#define REACHED "(e.protocol IN ('last_n', 'exact') OR e.tokens / e.stride * e.stride >= e.length)"

#define PERPLEXITY "CASE WHEN e.nll_sum / e.tokens < 709.78 THEN exp(e.nll_sum / e.tokens) END"

/* Bytes or words per token of the evaluated split. NULL for files of tokens, and for corpora that older
   versions stored. */
#define PER_TOKEN(what)                                                                                      \
    "CASE e.split WHEN 'valid' THEN 1.0 * c.valid_" what " / c.valid_tokens"                                 \
    " WHEN 'test' THEN 1.0 * c.test_" what " / c.test_tokens"                                                \
    " WHEN 'train' THEN 1.0 * c.train_" what " / c.train_tokens END"
#define BITS_PER_BYTE                                                                                        \
    "e.nll_sum / e.tokens / 0.69314718055994531 / coalesce(" PER_TOKEN(                                      \
        "bytes") ",\n        c.bytes_per_token)"
#define WORD_LOSS       "e.nll_sum / e.tokens / (" PER_TOKEN("words") ")"
#define WORD_PERPLEXITY "CASE WHEN " WORD_LOSS " < 709.78\n        THEN exp(" WORD_LOSS ") END"

/* The name of a series: the name of the point and the variant of `row`, with the variant's options if the run
   also has a variant of the same name with other options. */
#define SERIES_NAME(row)                                                                                     \
    "p.name || iif(" row ".variant = '', '', ' [' || " row ".variant || iif(EXISTS (\n"                      \
    "        SELECT 1 FROM evaluation o WHERE o.run = " row ".run AND o.variant = " row ".variant\n"         \
    "            AND o.variant_options <> " row ".variant_options), ' ' || " row ".variant_options,\n"       \
    "        '') || ']') AS method,\n"
#define OF_EVALUATION SERIES_NAME("e")
#define OF_REQUEST    SERIES_NAME("q")

const char schema_views[] =
    "CREATE VIEW curve ( -- every perplexity of the points of every experiment; method: with what it\n"
    "    -- differs in from others, 'rotary lr=0.001 [yarn]'; method_name: without, 'rotary'\n"
    "    experiment, run_key, method, train_length, seed, split, protocol, stride, eval_length, nll,\n"
    "    tokens, perplexity, bits_per_byte, variant, precision,\n"
    "    label, settings, method_name,\n"
    "    word_perplexity -- per word and end of line of the text, whatever the tokenizer\n"
    "    ) AS\n"
    "SELECT x.name, r.key, " OF_EVALUATION
    "    r.train_length, r.seed, e.split, e.protocol, e.stride, e.length,\n"
    "    e.nll_sum, e.tokens, " PERPLEXITY ",\n    " BITS_PER_BYTE
    ", e.variant, e.precision, r.label, p.variant, r.method,\n    " WORD_PERPLEXITY "\n"
    "FROM experiment x JOIN point p ON p.experiment = x.id JOIN run r ON r.key = p.run\n"
    "    JOIN corpus c ON c.id = r.corpus_id JOIN evaluation e ON e.run = r.key\n"
    "WHERE e.status = 'done' AND " REACHED ";\n"

    "CREATE VIEW outcome AS -- every evaluation that an experiment requests, with its outcome\n"
    "SELECT x.name AS experiment, p.ordinal, r.key AS run_key, " OF_REQUEST
    "    r.method AS method_name, r.method_options, r.label,\n"
    "    p.variant, r.train_length, r.seed, q.split, q.protocol, q.stride_rule, q.stride,\n"
    "    q.length AS eval_length, q.requested, CASE\n"
    "        WHEN e.status = 'beyond_limit' THEN 'beyond_limit'\n"
    "        WHEN e.status = 'done' AND NOT " REACHED " THEN 'beyond_text'\n"
    "        WHEN e.nll_sum / e.tokens < 709.78 THEN 'done'\n"
    "        WHEN e.status = 'done' OR r.status = 'diverged' THEN 'diverged'\n"
    "        WHEN r.status = 'failed' THEN 'failed'\n"
    "        ELSE 'missing' END AS outcome,\n"
    "    e.nll_sum AS nll, e.tokens, e.windows,\n"
    "    CASE WHEN " REACHED " THEN " PERPLEXITY " END AS perplexity,\n"
    "    CASE WHEN " REACHED " THEN " BITS_PER_BYTE " END AS bits_per_byte, e.seconds,\n"
    "    r.parameters, r.position_parameters, c.tokenizer, c.hash AS corpus, e.revision,\n"
    "    q.variant AS eval_variant, q.variant_options AS eval_variant_options,\n"
    "    q.precision AS eval_precision, e.id AS evaluation, e.peak_bytes,\n"
    "    CASE WHEN " REACHED " THEN " WORD_PERPLEXITY " END AS word_perplexity\n"
    "FROM experiment x JOIN point p ON p.experiment = x.id JOIN run r ON r.key = p.run\n"
    "    JOIN corpus c ON c.id = r.corpus_id JOIN request q ON q.experiment = x.id AND q.run = r.key\n"
    "    LEFT JOIN evaluation e ON e.run = q.run AND e.split = q.split AND e.protocol = q.protocol\n"
    "        AND e.length = q.length AND e.stride = q.stride AND e.requested = q.requested\n"
    "        AND e.precision = q.precision AND e.variant = q.variant\n"
    "        AND e.variant_options = q.variant_options;\n"

    "CREATE VIEW accuracy AS -- of tasks: how many examples were answered as a whole, and how many targets\n"
    "SELECT x.name AS experiment, r.key AS run_key, " OF_EVALUATION "    r.method AS method_name, r.seed,\n"
    "    (SELECT atom FROM json_each(r.config, '$.data.task') WHERE key = 'name') AS task,\n"
    "    e.length AS size, s.exact, e.windows AS examples, s.tokens_right, e.tokens, e.nll_sum AS nll,\n"
    "    r.label, p.variant, e.variant AS eval_variant, e.precision, e.id AS evaluation,\n"
    "    iif(e.split = 'test', 'none', e.split) AS hint -- whose rows were evaluated; 'none': the task's\n"
    "FROM experiment x JOIN point p ON p.experiment = x.id JOIN run r ON r.key = p.run\n"
    "    JOIN evaluation e ON e.run = r.key AND e.protocol = 'exact' AND e.status = 'done'\n"
    "    JOIN (SELECT k.evaluation, sum(k.tokens_right) AS tokens_right,\n"
    "            sum(k.tokens_right = w.tokens) AS exact FROM task_example k\n"
    "        JOIN evaluation_window w ON (w.evaluation, w.window) = (k.evaluation, k.example)\n"
    "        GROUP BY k.evaluation) s ON s.evaluation = e.id;\n"

    "CREATE VIEW setting ( -- keys of the config whose values differ between the points of an experiment,\n"
    "    -- but for the method, the training length and the seed; no row where a point lacks the key\n"
    "    experiment, run_key, path, value) AS\n"
    "WITH leaf AS MATERIALIZED (\n"
    "    SELECT p.experiment, r.key AS run_key, replace(substr(t.fullkey, 3), '\"', '') AS path,\n"
    "        coalesce(t.atom, t.value) AS value,\n"
    "        iif(t.fullkey LIKE '$.method.%',\n"
    "            (SELECT atom FROM json_each(r.config, '$.method') WHERE key = 'name'), '') AS method\n"
    "    FROM point p JOIN run r ON r.key = p.run, json_tree(r.config) t\n"
    "    WHERE t.type <> 'object' AND t.fullkey NOT LIKE '%[%' AND t.fullkey NOT LIKE '$.evaluate.%'\n"
    "        AND t.fullkey NOT IN ('$.name', '$.method.name', '$.train.length', '$.train.seed')),\n"
    "varying AS (\n"
    "    SELECT experiment, path, method FROM leaf GROUP BY 1, 2, 3 HAVING count(DISTINCT value) > 1\n"
    "        OR (method = '' AND count(*) < (SELECT count(*) FROM point p\n"
    "            WHERE p.experiment = leaf.experiment)))\n"
    "SELECT x.name, l.run_key, l.path, l.value FROM leaf l JOIN experiment x ON x.id = l.experiment\n"
    "WHERE (l.experiment, l.path) IN (SELECT experiment, path FROM varying);\n";
