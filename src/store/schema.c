/* schema: the tables and columns, the SQL that is generated from them, and migrations. */
#include "store/schema.h"

#include "store/schema_views.h"

#include <string.h>

/* A double represents 1e15 exactly, and a sum of thousands of such numbers fits into 64 bits. */
#define LARGEST "1000000000000000"
#define WHOLE(low, high)                                                                                     \
    .type = "INTEGER", "typeof(@) = 'integer' AND @ BETWEEN " low " AND " high,                              \
    "a whole number from " low " to " high
#define ONE_OF(list) .type = "TEXT", "@ IN (" list ")", "one of " list
#define FINITE       "typeof(@) = 'real' AND abs(@) < 1e300"

/* A type, and the condition for valid values, in which `@` is replaced with the name of the column. With
   `check`, the condition is also a CHECK constraint. */
struct SchemaKind {
    const char *type, *condition, *values;
    bool check;
};
static const SchemaKind NUMBER = {.type = "INTEGER PRIMARY KEY", NULL, NULL};
static const SchemaKind REFERENCE = {.type = "INTEGER", NULL, NULL};
static const SchemaKind NAME = {.type = "TEXT PRIMARY KEY", "typeof(@) = 'text'", "text"};
static const SchemaKind TEXT = {.type = "TEXT", "typeof(@) = 'text'", "text"};
static const SchemaKind OBJECT = {
    .type = "TEXT", "typeof(@) = 'text' AND iif(json_valid(@), json_type(@) = 'object', 0)", "a JSON object"};
static const SchemaKind STATUS = {ONE_OF("'pending', 'running', 'done', 'diverged', 'failed'"), true};
static const SchemaKind RESULT = {ONE_OF("'done', 'beyond_limit'"), true};
static const SchemaKind PHASE = {ONE_OF("'train', 'evaluate'"), true};
static const SchemaKind SWITCH = {.type = "INTEGER", "@ IN (0, 1)", "one of 0, 1"};
static const SchemaKind COUNT = {WHOLE("0", LARGEST)};
static const SchemaKind LENGTH = {WHOLE("1", "1000000000")};
static const SchemaKind SEED = {WHOLE("0", "9007199254740992")};
static const SchemaKind INDEX = {WHOLE("0", "2147483647")};
static const SchemaKind POSITION = {WHOLE("0", "1000000000")};
static const SchemaKind BIN = {WHOLE("0", "1000")};
static const SchemaKind STRIDE = {
    .type = "INTEGER", "typeof(@) = 'integer' AND @ BETWEEN 1 AND length", "from 1 to the length"};
static const SchemaKind REAL = {.type = "REAL", FINITE, "a finite number"};
static const SchemaKind POSITIVE = {.type = "REAL", FINITE " AND @ >= 0", "a finite number, not negative"};
static const SchemaKind RATE = {.type = "REAL", FINITE " AND @ > 0", "a finite number above 0"};

/* --- tables --- */

static const SchemaColumn experiment[] = {
    {"id", .kind = &NUMBER, SCHEMA_ID},
    {"name", .kind = &TEXT, .more = " UNIQUE"},
    {"config", .kind = &OBJECT, 0, "JSON: the file, with --set applied"},
    {"created", .kind = &TEXT},
};

static const SchemaColumn corpus[] = {
    {"id", .kind = &NUMBER, SCHEMA_ID},
    {"hash", .kind = &TEXT, SCHEMA_KEY, "SHA-256 of the tokens, split by split"},
    {"tokenizer", .kind = &TEXT, SCHEMA_KEY},
    {"vocabulary", .kind = &LENGTH, SCHEMA_KEY},
    {"train_tokens", .kind = &COUNT},
    {"valid_tokens", .kind = &COUNT},
    {"test_tokens", .kind = &COUNT},
    {"documents", .kind = &COUNT},
    {"bytes_per_token", .kind = &RATE, SCHEMA_OR_NULL, "NULL: unknown"},
    {"vocabulary_hash", .kind = &TEXT, SCHEMA_OR_NULL, "SHA-256 of the vocabulary's file; NULL: it has none"},
    {"train_bytes", .kind = &COUNT, SCHEMA_OR_NULL,
     "this and the following columns: of the text; NULL: unknown"},
    {"valid_bytes", .kind = &COUNT, SCHEMA_OR_NULL},
    {"test_bytes", .kind = &COUNT, SCHEMA_OR_NULL},
    {"train_words", .kind = &COUNT, SCHEMA_OR_NULL, "words separated by white space, and ends of lines"},
    {"valid_words", .kind = &COUNT, SCHEMA_OR_NULL},
    {"test_words", .kind = &COUNT, SCHEMA_OR_NULL},
};

static const SchemaColumn run[] = {
    {"key", .kind = &NAME, SCHEMA_KEY, "hash of what determines training"},
    {"method", .kind = &TEXT},
    {"method_options", .kind = &OBJECT, 0, "JSON, all defaults spelled out"},
    {"label", .kind = &TEXT, 0, "the method and its options that are not the default"},
    {"train_length", .kind = &LENGTH},
    {"seed", .kind = &SEED},
    {"parameters", .kind = &COUNT},
    {"position_parameters", .kind = &COUNT},
    {"status", .kind = &STATUS, SCHEMA_STATUS},
    {"reason", .kind = &TEXT, SCHEMA_OR_NULL, "why the run failed or diverged"},
    {"config", .kind = &OBJECT, 0, "JSON: this point with all defaults spelled out"},
    {"corpus_id", .kind = &REFERENCE, SCHEMA_ID, .more = " REFERENCES corpus (id)"},
    {"started", .kind = &TEXT, SCHEMA_OR_NULL},
    {"finished", .kind = &TEXT, SCHEMA_OR_NULL},
    {"revision", .kind = &TEXT, SCHEMA_OR_NULL | SCHEMA_TRAINING,
     "this and the following columns: of the training; NULL until it has ended"},
    {"method_files", .kind = &TEXT, SCHEMA_OR_NULL | SCHEMA_TRAINING,
     "'alibi:0123456789ab', the method and its partner with hashes of their files; NULL: unknown"},
    {"shared_sources", .kind = &TEXT, SCHEMA_OR_NULL | SCHEMA_TRAINING,
     "hash of the other sources that determine training; NULL: unknown"},
    {"host", .kind = &TEXT, SCHEMA_OR_NULL | SCHEMA_TRAINING},
    {"cpu", .kind = &TEXT, SCHEMA_OR_NULL | SCHEMA_TRAINING},
    {"blas", .kind = &TEXT, SCHEMA_OR_NULL | SCHEMA_TRAINING},
    {"threads", .kind = &COUNT, SCHEMA_OR_NULL | SCHEMA_TRAINING},
    {"steps", .kind = &COUNT, SCHEMA_OR_NULL | SCHEMA_TRAINING},
    {"diverged_step", .kind = &COUNT, SCHEMA_OR_NULL | SCHEMA_TRAINING},
    {"train_tokens", .kind = &COUNT, SCHEMA_OR_NULL | SCHEMA_TRAINING},
    {"train_seconds", .kind = &POSITIVE, SCHEMA_OR_NULL | SCHEMA_TRAINING},
    {"final_loss", .kind = &REAL, SCHEMA_OR_NULL | SCHEMA_TRAINING},
    {"peak_bytes", .kind = &COUNT, SCHEMA_OR_NULL | SCHEMA_TRAINING},
    {"machine", .kind = &OBJECT, SCHEMA_OR_NULL | SCHEMA_TRAINING, "JSON: what the machine offers"},
    {"ranks", .kind = &COUNT, SCHEMA_OR_NULL | SCHEMA_TRAINING, "MPI processes; NULL: one"},
    {"processor_seconds", .kind = &POSITIVE, SCHEMA_OR_NULL | SCHEMA_TRAINING,
     "of training, all threads of rank 0; NULL: unknown"},
    {"load", .kind = &POSITIVE, SCHEMA_OR_NULL | SCHEMA_TRAINING,
     "mean load average of the machine during training; NULL: unknown"},
    {"settings", .kind = &TEXT, SCHEMA_OR_NULL | SCHEMA_TRAINING,
     "threads of all ranks, BLAS and processor of each session, if they changed: 'A to step 106; B'; "
     "NULL: they did not change"},
    {"until_step", .kind = &COUNT, SCHEMA_OR_NULL | SCHEMA_TRAINING,
     "the step at which train.until ended the training; NULL: it did not"},
};

static const SchemaColumn point[] = {
    {"experiment", .kind = &REFERENCE, SCHEMA_ID, .more = " REFERENCES experiment (id)"},
    {"ordinal", .kind = &INDEX},
    {"run", .kind = &TEXT, .more = " REFERENCES run (key)"},
    {"variant", .kind = &TEXT, 0,
     "settings by which it differs from other points: 'train.optimizer.lr=0.001'"},
    {"name", .kind = &TEXT, 0, "label of the method and settings: 'rotary lr=0.001'"},
};

static const SchemaColumn request[] = {
    {"experiment", .kind = &REFERENCE, SCHEMA_ID},
    {"run", .kind = &TEXT},
    {"split", .kind = &TEXT},
    {"protocol", .kind = &TEXT},
    {"stride_rule", .kind = &TEXT, 0, "'L', '0.125 L', '64'"},
    {"length", .kind = &LENGTH},
    {"requested", .kind = &COUNT, 0, "targets; 0: all of the split"},
    {"precision", .kind = &TEXT, .more = " DEFAULT 'fp32'"},
    {"variant", .kind = &TEXT, 0, "name of what is changed after training; '': nothing", " DEFAULT ''"},
    {"variant_options", .kind = &OBJECT, 0, "JSON: the options that are changed", " DEFAULT '{}'"},
    {"stride", .kind = &STRIDE, 0,
     "not in the primary key, because quick_check of SQLite 3.40 would miscount"},
    {"added", .kind = &SWITCH, 0, "1: by `poslab eval`; kept when the config of the experiment changes"},
};

static const SchemaColumn train_log[] = {
    {"run", .kind = &TEXT, .more = " REFERENCES run (key)"},
    {"step", .kind = &COUNT, 0, "1-based"},
    {"loss", .kind = &REAL, SCHEMA_OR_NULL, "before the update"},
    {"rate", .kind = &REAL, SCHEMA_OR_NULL},
    {"norm", .kind = &REAL, SCHEMA_OR_NULL},
};

static const SchemaColumn evaluation[] = {
    {"id", .kind = &NUMBER, SCHEMA_ID},
    {"run", .kind = &TEXT, SCHEMA_KEY, .more = " REFERENCES run (key)"},
    {"split", .kind = &TEXT, SCHEMA_KEY},
    {"protocol", .kind = &TEXT, SCHEMA_KEY},
    {"length", .kind = &LENGTH, SCHEMA_KEY},
    {"stride", .kind = &STRIDE, SCHEMA_KEY},
    {"requested", .kind = &COUNT, SCHEMA_KEY, "targets; 0: all of the split"},
    {"status", .kind = &RESULT},
    {"nll_sum", .kind = &REAL, SCHEMA_OR_NULL, "NULL: not finite, or beyond the method's limit"},
    {"tokens", .kind = &COUNT, 0, "targets scored"},
    {"windows", .kind = &COUNT},
    {"seconds", .kind = &POSITIVE, SCHEMA_OR_NULL},
    {"peak_bytes", .kind = &COUNT, SCHEMA_OR_NULL},
    {"finished", .kind = &TEXT},
    {"revision", .kind = &TEXT},
    {"host", .kind = &TEXT},
    {"cpu", .kind = &TEXT},
    {"blas", .kind = &TEXT},
    {"threads", .kind = &COUNT},
    {"precision", .kind = &TEXT, SCHEMA_KEY, .more = " DEFAULT 'fp32'"},
    {"variant", .kind = &TEXT, SCHEMA_KEY, "name of what was changed after training; '': nothing",
     " DEFAULT ''"},
    {"variant_options", .kind = &OBJECT, SCHEMA_KEY, "JSON: the options that were changed", " DEFAULT '{}'"},
    {"method_files", .kind = &TEXT, SCHEMA_OR_NULL,
     "as in table run, of the method that was evaluated: a variant can have another; NULL: unknown"},
};

static const SchemaColumn evaluation_window[] = {
    {"evaluation", .kind = &REFERENCE, SCHEMA_ID, .more = " REFERENCES evaluation (id)"},
    {"window", .kind = &INDEX, 0, "0-based"},
    {"nll_sum", .kind = &REAL, SCHEMA_OR_NULL},
    {"tokens", .kind = &LENGTH},
};

static const SchemaColumn task_example[] = {
    {"evaluation", .kind = &REFERENCE, SCHEMA_ID, .more = " REFERENCES evaluation (id)"},
    {"example", .kind = &INDEX, 0, "0-based: the window of the same number has its loss and its targets"},
    {"tokens_right", .kind = &COUNT, 0, "targets that were the most likely token"},
};

static const SchemaColumn position_loss[] = {
    {"evaluation", .kind = &REFERENCE, SCHEMA_ID, .more = " REFERENCES evaluation (id)"},
    {"bin", .kind = &BIN},
    {"first", .kind = &POSITION, 0, "first and last: positions in the window, 0-based, inclusive"},
    {"last", .kind = &POSITION},
    {"nll_sum", .kind = &REAL, SCHEMA_OR_NULL},
    {"tokens", .kind = &COUNT},
};

static const SchemaColumn reference[] = {
    {"source", .kind = &TEXT, SCHEMA_KEY, "paper and table"},
    {"dataset", .kind = &TEXT, SCHEMA_OR_NULL | SCHEMA_KEY},
    {"split", .kind = &TEXT, SCHEMA_OR_NULL | SCHEMA_KEY},
    {"method", .kind = &TEXT, SCHEMA_KEY},
    {"train_length", .kind = &LENGTH, SCHEMA_KEY},
    {"eval_length", .kind = &COUNT, SCHEMA_OR_NULL | SCHEMA_KEY},
    {"stride", .kind = &COUNT, SCHEMA_OR_NULL | SCHEMA_KEY},
    {"quantity", .kind = &TEXT, SCHEMA_KEY, "'perplexity', ..."},
    {"value", .kind = &REAL},
};

static const SchemaColumn bench[] = {
    {"id", .kind = &NUMBER, SCHEMA_ID},
    {"created", .kind = &TEXT, SCHEMA_KEY},
    {"revision", .kind = &TEXT},
    {"host", .kind = &TEXT, SCHEMA_KEY},
    {"cpu", .kind = &TEXT},
    {"blas", .kind = &TEXT},
    {"machine", .kind = &OBJECT, SCHEMA_OR_NULL, "JSON: what the machine offers"},
    {"threads", .kind = &COUNT, SCHEMA_KEY},
    {"precision", .kind = &TEXT, SCHEMA_KEY},
    {"config", .kind = &OBJECT, SCHEMA_KEY, "JSON: the model, tokens of a step, rounds"},
    {"reference", .kind = &TEXT, 0, "the method that ratios refer to"},
    {"gemm_rate", .kind = &POSITIVE, SCHEMA_OR_NULL, "FLOP/s of the BLAS alone, per thread"},
};

static const SchemaColumn bench_result[] = {
    {"bench", .kind = &REFERENCE, SCHEMA_ID, .more = " REFERENCES bench (id)"},
    {"method", .kind = &TEXT},
    {"label", .kind = &TEXT},
    {"length", .kind = &LENGTH},
    {"phase", .kind = &PHASE},
    {"tokens_per_second", .kind = &POSITIVE},
    {"tokens_per_second_low", .kind = &POSITIVE},
    {"tokens_per_second_high", .kind = &POSITIVE},
    {"flops_per_second", .kind = &POSITIVE},
    {"share", .kind = &POSITIVE, 0, "fraction of the rate that the BLAS alone reached in the same round"},
    {"ratio", .kind = &POSITIVE, 0, "time divided by the time of the reference method in the same round"},
    {"ratio_low", .kind = &POSITIVE},
    {"ratio_high", .kind = &POSITIVE},
    {"peak_bytes", .kind = &COUNT},
};

#define TABLE(table) .name = #table, table, COUNT_OF(table)

const SchemaTable schema_tables[] = {
    {TABLE(experiment), "id"},
    {TABLE(corpus), "id", .constraints = "UNIQUE (hash, tokenizer, vocabulary)"},
    {TABLE(run), "key"},
    {TABLE(point), "experiment || ', ' || ordinal", "the experiment as now configured",
     "PRIMARY KEY (experiment, ordinal),\n    UNIQUE (experiment, run)", true},
    {TABLE(request), "experiment || ', ' || run || ', ' || split || ', ' || protocol || ', ' || length",
     "the evaluations that the experiment as now configured asks for",
     "PRIMARY KEY (experiment, run, split, protocol, stride_rule, length, requested, precision, variant,\n"
     "        variant_options),\n"
     "    FOREIGN KEY (experiment, run) REFERENCES point (experiment, run) ON DELETE CASCADE",
     true},
    {TABLE(train_log), "run || ', ' || step", NULL, "PRIMARY KEY (run, step)", true},
    {TABLE(evaluation), "id",
     .constraints =
         "UNIQUE (run, split, protocol, length, stride, requested, precision, variant, variant_options)"},
    {TABLE(evaluation_window), "evaluation || ', ' || \"window\"", NULL, "PRIMARY KEY (evaluation, window)",
     true},
    {TABLE(position_loss), "evaluation || ', ' || bin", NULL, "PRIMARY KEY (evaluation, bin)", true},
    {TABLE(task_example), "evaluation || ', ' || example",
     "of evaluations with the protocol 'exact': length is the size, requested the number of examples",
     "PRIMARY KEY (evaluation, example)", true},
    {TABLE(reference), "rowid", "numbers from papers"},
    {TABLE(bench), "id", "measurements of speed by `poslab bench --db`"},
    {TABLE(bench_result), "bench || ', ' || method || ', ' || length || ', ' || phase",
     "medians over rounds, from lower to upper quartile", "PRIMARY KEY (bench, method, label, length, phase)",
     true},
};
const int schema_table_count = COUNT_OF(schema_tables);

/* --- SQL --- */

static const SchemaTable *find(const char *name) {
    for (int i = 0; i < schema_table_count; i++)
        if (!strcmp(schema_tables[i].name, name)) return &schema_tables[i];
    BUG("there is no table '%s'", name);
}

/* Replaces `@` in a condition with the name of a column. */
static const char *condition(const char *text, const char *name, Arena *arena) {
    const char *result = "";
    for (const char *end; (end = strchr(text, '@')) != NULL; text = end + 1)
        result = arena_format(arena, "%s%.*s%s", result, (int)(end - text), text, name);
    return arena_format(arena, "%s%s", result, text);
}

const char *schema_condition(const SchemaColumn *column, Arena *arena) {
    const char *text = column->kind->condition;
    const char *name = arena_format(arena, "\"%s\"", column->name);
    if (!text) return "1";
    return arena_format(arena, "%s%s",
                        column->flags & SCHEMA_OR_NULL ? arena_format(arena, "%s IS NULL OR ", name) : "",
                        condition(text, name, arena));
}

const char *schema_values(const SchemaColumn *column, Arena *arena) {
    return arena_format(arena, "%s%s", column->flags & SCHEMA_OR_NULL ? "NULL or " : "",
                        column->kind->values);
}

/* "    status TEXT NOT NULL CHECK (...), -- comment\n" */
static const char *define_column(const SchemaColumn *column, const char *comma, Arena *arena) {
    const SchemaKind *kind = column->kind;
    bool primary = kind == &NUMBER || kind == &NAME;
    const char *check = "";
    if (kind->check)
        check = arena_format(arena, " CHECK (%s)", condition(kind->condition, column->name, arena));
    return arena_format(arena, "    %s %s%s%s%s%s%s%s\n", column->name, kind->type,
                        column->flags & SCHEMA_OR_NULL || primary ? "" : " NOT NULL", check,
                        column->more ? column->more : "", comma, column->comment ? " -- " : "",
                        column->comment ? column->comment : "");
}

static const char *create(const char *name, Arena *arena) {
    const SchemaTable *table = find(name);
    const char *text = arena_format(arena, "CREATE TABLE %s (%s%s\n", name, table->comment ? " -- " : "",
                                    table->comment ? table->comment : "");
    for (int i = 0; i < table->count; i++) {
        bool last = i == table->count - 1 && !table->constraints;
        text = arena_format(arena, "%s%s", text, define_column(&table->columns[i], last ? "" : ",", arena));
    }
    if (table->constraints) text = arena_format(arena, "%s    %s\n", text, table->constraints);
    return arena_format(arena, "%s) STRICT%s;\n", text, table->without_rowid ? ", WITHOUT ROWID" : "");
}

const char *schema_sql(Arena *arena) {
    const char *text = "";
    for (int i = 0; i < schema_table_count; i++)
        text = arena_format(arena, "%s%s", text, create(schema_tables[i].name, arena));
    return arena_format(arena, "%s%s", text, schema_views);
}

#define DROP_VIEWS                                                                                           \
    "DROP VIEW IF EXISTS curve; DROP VIEW IF EXISTS outcome; DROP VIEW IF EXISTS accuracy;"                  \
    "DROP VIEW IF EXISTS setting;"

/* The columns of `corpus` before version 6. */
#define CORPUS_5                                                                                             \
    "id, hash, tokenizer, vocabulary, train_tokens, valid_tokens, test_tokens, documents, bytes_per_token"

/* The last migration that changes a table creates the table again from the rows above, because ALTER TABLE
   would change the CREATE text that SQLite stores. Earlier migrations of the table can use ALTER TABLE. If a
   row above changes, the migration that creates its table must get the old CREATE text instead. Comments may
   change, because they are not compared. */
const char *schema_migration(int64_t version, Arena *arena) {
    if (version == 1)
        return arena_format(
            arena,
            DROP_VIEWS
            "ALTER TABLE main.run ADD COLUMN machine TEXT; ALTER TABLE main.run ADD COLUMN ranks INTEGER;"

            "CREATE TEMP TABLE old_request AS SELECT * FROM main.request; DROP TABLE main.request; %s"
            "INSERT INTO main.request"
            " (experiment, run, split, protocol, stride_rule, length, requested, stride, added)"
            " SELECT experiment, run, split, protocol, stride_rule, length, requested, stride, added"
            " FROM old_request; DROP TABLE old_request;"

            "ALTER TABLE main.evaluation ADD COLUMN precision TEXT NOT NULL DEFAULT 'fp32';"
            "ALTER TABLE main.evaluation ADD COLUMN variant TEXT NOT NULL DEFAULT '';"
            "ALTER TABLE main.evaluation ADD COLUMN variant_options TEXT NOT NULL DEFAULT '{}'; %s%s",
            create("request", arena), create("bench", arena), create("bench_result", arena));
    if (version == 2)
        return DROP_VIEWS
            "ALTER TABLE main.run ADD COLUMN processor_seconds REAL;"
            "ALTER TABLE main.run ADD COLUMN load REAL; ALTER TABLE main.run ADD COLUMN settings TEXT;";
    if (version == 3) {
        const char *names = schema_columns("run", SCHEMA_ALL | SCHEMA_ID | SCHEMA_STATUS, "", arena);
        return arena_format(arena,
                            DROP_VIEWS
                            "ALTER TABLE main.run ADD COLUMN method_files TEXT;"
                            "ALTER TABLE main.run ADD COLUMN shared_sources TEXT;"
                            "ALTER TABLE main.run ADD COLUMN until_step INTEGER;"
                            "CREATE TEMP TABLE old_run AS SELECT * FROM main.run; DROP TABLE main.run; %s"
                            "INSERT INTO main.run (%s) SELECT %s FROM old_run; DROP TABLE old_run; %s%s",
                            create("run", arena), names, names, create("task_example", arena), schema_views);
    }
    if (version == 4) return arena_format(arena, DROP_VIEWS " %s", schema_views);
    if (version == 5) {
        const char *names = schema_columns("evaluation", SCHEMA_ALL | SCHEMA_ID, "", arena);
        return arena_format(
            arena,
            DROP_VIEWS "CREATE TEMP TABLE old_point AS SELECT p.*, point_name(r.label, p.variant) FROM"
                       " main.point p JOIN main.run r ON r.key = p.run; DROP TABLE main.point; %s"
                       "INSERT INTO main.point SELECT * FROM old_point; DROP TABLE old_point;"
                       "ALTER TABLE main.evaluation ADD COLUMN method_files TEXT;"
                       "CREATE TEMP TABLE old_evaluation AS SELECT * FROM main.evaluation;"
                       "DROP TABLE main.evaluation; %s INSERT INTO main.evaluation (%s) SELECT %s"
                       " FROM old_evaluation; DROP TABLE old_evaluation;"
                       "CREATE TEMP TABLE old_corpus AS SELECT * FROM main.corpus; DROP TABLE main.corpus; %s"
                       "INSERT INTO main.corpus (" CORPUS_5 ") SELECT " CORPUS_5 " FROM old_corpus;"
                       "DROP TABLE old_corpus; %s",
            create("point", arena), create("evaluation", arena), names, names, create("corpus", arena),
            schema_views);
    }
    return NULL;
}

const char *const *schema_evaluation_parts(Arena *arena) {
    const char **names = NULL;
    int count = 0;
    for (int i = 0; i < schema_table_count; i++)
        if (!strcmp(schema_tables[i].columns->name, "evaluation"))
            *ARENA_PUSH(arena, names, count) = schema_tables[i].name;
    *ARENA_PUSH(arena, names, count) = NULL;
    return names;
}

const char *schema_columns(const char *name, int parts, const char *prefix, Arena *arena) {
    const SchemaTable *table = find(name);
    const char *list = "";
    for (int i = 0; i < table->count; i++) {
        int part = table->columns[i].flags & ~SCHEMA_OR_NULL;
        if ((part ? part : SCHEMA_REST) & parts)
            list = arena_format(arena, "%s%s%s%s", list, *list ? ", " : "", prefix, table->columns[i].name);
    }
    return list;
}
