/* integrity_numbers: checks numbers that can be recomputed from other columns of a database.
 *
 * The config of a run determines its method, length, seed, parameters and number of updates, and the learning
 * rate of each update. Config and corpus determine the key. The training log determines the final loss. The
 * corpus and the protocol of an evaluation determine the number of targets in each window and in each bin.
 */
#include <math.h>
#include <string.h>

#include "base/text.h"
#include "sys/version.h"
#include "position/encoding.h"
#include "experiment/config.h"
#include "experiment/plan.h"
#include "experiment/run_label.h"
#include "store/internal.h"

typedef struct Numbers {
    Database *store;
    void (*problem)(void *user, const char *text);
    void *user;
    Arena *arena;
} Numbers;

#define PROBLEM(numbers, ...) (numbers)->problem((numbers)->user, arena_format((numbers)->arena, __VA_ARGS__))

/* Compares results of the same formula, possibly from different machines, with a tolerance. */
static bool differ(double a, double b) {
    return isnan(a) != isnan(b) || fabs(a - b) > 1e-9 * fabs(b);
}

/* --- methods --- */

static const char *unknown_method(const Json *method) {
    for (; method; method = json_get(method, "with")) {
        const char *name = json_text(json_get(method, "name"), "");
        if (*name && !encoding_find(name)) return name;
    }
    return NULL;
}

const char *integrity_numbers_missing_method(const char *config, Arena *arena) {
    Error ignored; /* config_parse reports an invalid config */
    Json *json = json_parse(config, strlen(config), "", arena, &ignored);
    const Json *variants = json_get(json_get(json, "evaluate"), "variants");
    const char *name = unknown_method(json_get(json, "method"));
    for (int i = 0; !name && i < json_count(variants); i++)
        name = unknown_method(json_get(json_at(variants, i), "method"));
    return name;
}

/* --- runs --- */

static const char runs_sql[] = "SELECT r.*, c.hash, c.tokenizer, c.vocabulary, c.bytes_per_token"
                               " FROM run r JOIN corpus c ON c.id = r.corpus_id ORDER BY r.key";

static void expect(const Numbers *numbers, Query *run, const char *column, int64_t expected) {
    if (query_int_of(run, column) != expected)
        PROBLEM(numbers, "run %s: '%s' is %lld; its config gives %lld", query_text_of(run, "key"), column,
                (long long)query_int_of(run, column), (long long)expected);
}

static void expect_text(const Numbers *numbers, Query *run, const char *column, const char *expected) {
    char a[JSON_EXCERPT_SIZE], b[JSON_EXCERPT_SIZE];
    if (strcmp(query_text_of(run, column), expected))
        PROBLEM(numbers, "run %s: '%s' is %s; its config gives %s", query_text_of(run, "key"), column,
                json_excerpt_text(query_text_of(run, column), a), json_excerpt_text(expected, b));
}

/* Checks the columns that the config determines. If this program would write the config differently, another
   revision with other options wrote it; then the key cannot be recomputed. */
static void check_plan(const Numbers *numbers, Query *run, const Config *config) {
    expect_text(numbers, run, "method", config->position.method->name);
    expect(numbers, run, "train_length", config->train.length);
    expect(numbers, run, "seed", config->train.seed);
    expect_text(numbers, run, "tokenizer", tokenizer_names[config->data.tokenizer]);
    expect(numbers, run, "vocabulary", config->model.vocabulary);
    if (config->data.tokenizer == TOKENIZER_BYTES && query_real_of(run, "bytes_per_token") != 1)
        PROBLEM(numbers, "run %s: 'bytes_per_token' of its corpus is not 1", query_text_of(run, "key"));
    const Model *model =
        model_new(&config->model, &config->position, (int)config->train.length, numbers->arena);
    expect(numbers, run, "parameters", model->parameters);
    expect(numbers, run, "position_parameters", model->position_parameters);
    if (strcmp(config->resolved, query_text_of(run, "config"))) return;
    char key[PLAN_KEY_SIZE];
    point_key(key, config, query_text_of(run, "hash"), numbers->arena);
    expect_text(numbers, run, "key", key);
    expect_text(numbers, run, "method_options", encoding_options_text(&config->position, numbers->arena));
    /* Another revision may have used another label for the method. */
    if (strcmp(query_text_of(run, "revision"), version_revision()) == 0)
        expect_text(numbers, run, "label", run_label_method(&config->position, numbers->arena));
}

/* Checks that the learning rates follow the schedule, that loss and norm are missing only at the update at
   which the run diverged, and that the final loss is the mean of the last losses. */
static bool check_log(const Numbers *numbers, Query *run, const Config *config, Error *err) {
    const char *key = query_text_of(run, "key"), *wrong = NULL;
    int64_t steps = train_steps(&config->train), made = query_int_of(run, "steps"), step = 0;
    int64_t diverged = query_int_of(run, "diverged_step"), last = (made + 19) / 20;
    double loss = 0;
    Query *log = query_begin(numbers->store,
                             "SELECT step, loss, rate, norm FROM train_log WHERE run = ? ORDER BY step",
                             (const char *const[]){key, NULL});
    while (query_next(log) && !wrong) {
        step = query_int(log, 0);
        if (step > made - last) loss += query_real(log, 1) / (double)last;
        if (step > 0 && step <= steps &&
            differ(query_real(log, 2),
                   optimizer_schedule_rate(&config->schedule, config->optimizer.lr, step, steps)))
            wrong = "rate";
        else if (step != diverged && !(query_real(log, 1) >= 0))
            wrong = "loss";
        else if (step != diverged && !(query_real(log, 3) >= 0))
            wrong = "norm";
    }
    if (!query_end(log, err)) return false;
    if (wrong)
        PROBLEM(numbers, "run %s: the %s in the log of step %lld is impossible", key, wrong, (long long)step);
    else if (differ(loss, query_real_of(run, "final_loss")))
        PROBLEM(numbers, "run %s: its final loss is not the mean of the last %lld steps", key,
                (long long)last);
    return true;
}

static bool check_run(const Numbers *numbers, Query *run, Error *err) {
    Error why;
    const char *text = query_text_of(run, "config");
    if (integrity_numbers_missing_method(text, numbers->arena))
        return true; /* the check of the run's weights reports this */
    const char *place = arena_format(numbers->arena, "run %s", query_text_of(run, "key"));
    const Config *config = config_parse(text, place, numbers->arena, &why);
    if (!config) return PROBLEM(numbers, "%s", why.text), true;
    check_plan(numbers, run, config);
    if (query_is_null(run, query_column(run, "steps"))) return true;
    bool diverged = !query_is_null(run, query_column(run, "diverged_step"));
    int64_t steps = query_int_of(run, "steps");
    int64_t expected = diverged ? query_int_of(run, "diverged_step") : train_steps(&config->train);
    int64_t until = query_int_of(run, "until_step"), every = config->train.until_updates;
    if (until && (diverged || !every || until % every || until >= expected))
        PROBLEM(numbers, "run %s: its config does not end training at step %lld", query_text_of(run, "key"),
                (long long)until);
    if (until) expected = until;
    if (!steps && !diverged) { /* imported: the log is empty */
        expected = 0;
        if (!query_is_null(run, query_column(run, "final_loss")))
            PROBLEM(numbers, "run %s: it has a final loss without an update", query_text_of(run, "key"));
    }
    if (steps != expected)
        PROBLEM(numbers, "run %s: it has %lld updates; %s gives %lld", query_text_of(run, "key"),
                (long long)steps, diverged ? "its divergence" : "its config", (long long)expected);
    expect(numbers, run, "train_tokens", steps * config->train.tokens_per_step);
    return !steps || check_log(numbers, run, config, err);
}

/* --- evaluations --- */

static const char evaluations_sql[] =
    "SELECT e.*, 'run ' || e.run || ': evaluation of ' || e.split || ', ' || e.protocol || ', length ' ||"
    " e.length AS name,"
    " CASE e.split WHEN 'train' THEN c.train_tokens WHEN 'valid' THEN c.valid_tokens WHEN 'test' THEN"
    " c.test_tokens END AS available,"
    " (SELECT count(*) FROM evaluation_window w WHERE w.evaluation = e.id) AS stored_windows,"
    " coalesce((SELECT atom FROM json_each(r.config, '$.data.task') WHERE key = 'name'), '') AS task"
    " FROM evaluation e JOIN run r ON r.key = e.run JOIN corpus c ON c.id = r.corpus_id"
    " WHERE e.status = 'done' ORDER BY e.id";

/* Whether the rows of an evaluation, (number, first, last, tokens) in the order of numbers, are the expected
   rows. */
static bool same_rows(Database *store, const char *sql, const char *id, const EvaluateBin *rows,
                      int64_t count, bool *same, Error *err) {
    Query *query = query_begin(store, sql, (const char *const[]){id, NULL});
    int64_t row = 0;
    *same = true;
    for (; query_next(query); row++)
        *same = *same && row < count && query_int(query, 0) == row &&
                query_int(query, 1) == rows[row].first && query_int(query, 2) == rows[row].last &&
                query_int(query, 3) == rows[row].tokens;
    *same = *same && row == count;
    return query_end(query, err);
}

static bool check_layout(const Numbers *numbers, const char *name, const char *id,
                         const EvaluateResult *layout, Error *err) {
    bool same;
    EvaluateBin *windows = NEW(numbers->arena, layout->windows, EvaluateBin);
    for (int64_t w = 0; w < layout->windows; w++) windows[w].tokens = layout->window[w].tokens;
    if (!same_rows(numbers->store,
                   "SELECT window, 0, 0, tokens FROM evaluation_window WHERE evaluation = ? ORDER BY window",
                   id, windows, layout->windows, &same, err))
        return false;
    if (!same) PROBLEM(numbers, "%s: its windows are not those of its protocol", name);
    if (!same_rows(numbers->store,
                   "SELECT bin, first, last, tokens FROM position_loss WHERE evaluation = ? ORDER BY bin", id,
                   layout->bin, layout->bins, &same, err))
        return false;
    if (!same) PROBLEM(numbers, "%s: its positions are not those of its protocol", name);
    return true;
}

/* The split of an evaluation, -1 if it is unknown. For rows with a hint, the column has the hint's name. */
static int split_of(Query *row, int protocol) {
    const char *name = query_text_of(row, "split"), *nearest;
    const Task *task = protocol == EVALUATE_EXACT ? task_find(query_text_of(row, "task"), &nearest) : NULL;
    if (task && task->hints && text_index(name, task->hints) > 0) return SPLIT_TEST;
    return text_index(name, corpus_split_names);
}

static bool check_evaluation(const Numbers *numbers, Query *row, Error *err) {
    int protocol = text_index(query_text_of(row, "protocol"), evaluate_protocol_names);
    EvaluateRequest request = {.split = split_of(row, protocol),
                               .protocol = protocol,
                               .length = query_int_of(row, "length"),
                               .stride = query_int_of(row, "stride"),
                               .tokens = query_int_of(row, "requested")};
    const char *name = query_text_of(row, "name");
    const int64_t available = query_int_of(row, "available"), stored = query_int_of(row, "windows");
    const int64_t most = available - 1;
    if (request.split <= SPLIT_TRAIN || request.protocol < 0)
        return PROBLEM(numbers, "%s: unknown %s", name, request.split <= SPLIT_TRAIN ? "split" : "protocol"),
               true;
    if (request.stride < 1 || request.stride > request.length) return true; /* a value out of range */
    if (request.protocol == EVALUATE_EXACT) {
        if (request.tokens != stored)
            PROBLEM(numbers, "%s: it has %lld examples; %lld are requested", name, (long long)stored,
                    (long long)request.tokens);
        return true; /* `rules` in integrity.c check the windows */
    }
    /* Earlier versions scored fewer targets than requested if the split was shorter. */
    if (request.protocol != EVALUATE_LAST_N && request.tokens > most) request.tokens = most;
    EvaluateSpan span = evaluate_span(&request, available);
    int64_t targets = span.end - span.first, windows = (targets + request.stride - 1) / request.stride;
    if (targets != query_int_of(row, "tokens") || windows != stored ||
        windows != query_int_of(row, "stored_windows")) {
        PROBLEM(numbers, "%s: it has %lld targets in %lld windows; its corpus gives %lld in %lld", name,
                (long long)query_int_of(row, "tokens"), (long long)stored, (long long)targets,
                (long long)windows);
        return true; /* computing the layout of a corrupt evaluation could take very long */
    }
    EvaluateResult layout;
    evaluate_layout(&request, available, &layout, numbers->arena);
    return check_layout(numbers, name, query_text_of(row, "id"), &layout, err);
}

/* Calls `check` for each row of a query. */
static bool check_rows(const Numbers *numbers, const char *sql,
                       bool (*check)(const Numbers *, Query *row, Error *), Error *err) {
    Query *row = query_begin(numbers->store, sql, NULL);
    bool fine = true;
    while (fine && query_next(row)) {
        ArenaMark mark = arena_mark(numbers->arena);
        fine = check(numbers, row, err);
        arena_release(numbers->arena, mark);
    }
    return query_end(row, fine ? err : &(Error){0}) && fine;
}

bool integrity_numbers(Database *store, void (*problem)(void *user, const char *text), void *user,
                       Arena *arena, Error *err) {
    const Numbers numbers = {.store = store, .problem = problem, .user = user, .arena = arena};
    return check_rows(&numbers, runs_sql, check_run, err) &&
           check_rows(&numbers, evaluations_sql, check_evaluation, err);
}
