/* samples: an experiment "x" in the current folder, and its results. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "samples.h"
#include "sys/version.h"
#include "store/merge.h"
#include "store/runs.h"

#include "fixture.h"
#include "need.h"

#include <math.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Arena *sample_arena;
const double sample_perplexities[3] = {4.5, 4.25, 1e3};

int sample_setup(void **state) {
    int code = fixture_folder(state);
    sample_arena = arena;
    return code;
}

int sample_teardown(void **state) {
    return fixture_folder_remove(state);
}

const Plan *sample_plan(const char *extra) {
    Error err = {0};
    char text[4096] = "";
    for (size_t i = 0; i < sizeof text - 1; i++) text[i] = (char)('a' + i * i % 23);
    fixture_put_text("corpus.txt", text);
    fixture_put_text(
        "x.json",
        arena_format(sample_arena,
                     "{\"name\": \"x\", \"data\": {\"files\": [\"corpus.txt\"], \"split\": {\"valid\": "
                     "0.25, \"test\": 0.25}}, \"model\": {\"layers\": 1, \"heads\": 2, \"width\": 16, "
                     "\"ffn\": 16}, %s}",
                     extra));
    Experiment *experiment = config_read("x.json", NULL, sample_arena, &err);
    if (!experiment) need_methods_of_config(&err);
    if (!experiment) fail_msg("%s", err.text);
    Plan *plan = plan_make(experiment, 1, sample_arena, &err);
    if (!plan) fail_msg("%s", err.text);
    return plan;
}

Database *sample_store(const Plan *plan) {
    Error err = {0};
    Database *store = database_open("x.db", DATABASE_CREATE, &err);
    if (!store || !runs_store_plan(store, plan, &err)) fail_msg("%s", err.text);
    return store;
}

static void make_evaluation(EvaluateResult *evaluation, const PlanPoint *point, int index,
                            double perplexity) {
    const EvaluateRequest *request = &point->requests[index];
    const CorpusStream *stream = &point->corpus->splits[request->split];
    int64_t targets = stream->count - 1;
    if (request->tokens && request->tokens < targets) targets = request->tokens;
    int64_t windows = (targets + request->stride - 1) / request->stride;
    *evaluation = (EvaluateResult){.request = *request,
                                   .tokens = targets,
                                   .windows = windows,
                                   .seconds = 0.5,
                                   .peak_bytes = 1000,
                                   .bins = 2};
    evaluation->window = NEW(sample_arena, windows, EvaluateWindow);
    evaluation->bin = NEW(sample_arena, 2, EvaluateBin);
    for (int64_t i = 0; i < windows; i++) {
        int64_t tokens = i + 1 < windows ? request->stride : targets - i * request->stride;
        evaluation->window[i] = (EvaluateWindow){.nll = log(perplexity) * (double)tokens, .tokens = tokens};
        evaluation->nll += evaluation->window[i].nll;
    }
    evaluation->bin[0] = (EvaluateBin){.first = 0, .last = 0, .nll = 2, .tokens = windows};
    evaluation->bin[1] =
        (EvaluateBin){.first = 1, .last = request->length - 1, .nll = 3, .tokens = targets - windows};
}

const RunRecord *sample_record(const PlanPoint *point, RunStatus status, const char *reason,
                               const double *perplexities) {
    RunRecord *record = NEW(sample_arena, 1, RunRecord);
    TrainResult *training = NEW(sample_arena, 1, TrainResult);
    *training = (TrainResult){.files = encoding_files(&point->config->position, sample_arena),
                              .steps = 3,
                              .tokens = 96,
                              .seconds = 1.5,
                              .session = {.processor_seconds = 1.25, .load_seconds = 3},
                              .final_loss = 2.25,
                              .peak_bytes = 4096,
                              .revision = version_revision(),
                              .shared = version_shared(),
                              .diverged = status == RUN_DIVERGED,
                              .diverged_step = 3,
                              .log = NEW(sample_arena, 3, TrainLog)};
    for (int i = 0; i < 3; i++)
        training->log[i] = (TrainLog){.step = i + 1, .loss = 3.0 / (i + 1), .rate = 0.1, .norm = 1};
    if (status == RUN_DIVERGED) training->log[2].loss = training->final_loss = NAN;
    *record =
        (RunRecord){.point = point, .threads = 1, .status = status, .reason = reason, .training = training};
    if (!perplexities) return record;
    EvaluateResult *evaluations = NEW(sample_arena, point->request_count, EvaluateResult);
    for (int i = 0; i < point->request_count; i++)
        make_evaluation(&evaluations[i], point, i, perplexities[i]);
    record->evaluations = evaluations;
    record->evaluation_count = point->request_count;
    return record;
}

void sample_import(Database *store, const RunRecord *record) {
    Error err = {0};
    if (!runs_write_result("result.db", record, &err) || !merge_result(store, "result.db", &err))
        fail_msg("%s", err.text);
}

int sample_index(const char *const *names, const char *name) {
    int index = 0;
    while (names[index] && strcmp(names[index], name)) index++;
    if (!names[index]) fail_msg("there is no '%s'", name);
    return index;
}

char *sample_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (!file) fail_msg("file '%s' does not exist", path);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    size_t length = (size_t)ftell(file);
    rewind(file);
    char *bytes = arena_alloc(sample_arena, length + 1, 1);
    assert_int_equal(fread(bytes, 1, length, file), length);
    fclose(file);
    if (size) *size = length;
    return bytes;
}

const char *sample_value(Database *store, const char *sql) {
    Error err = {0};
    Query *query = query_begin(store, sql, NULL);
    const char *value = query_next(query) ? arena_copy(sample_arena, query_text(query, 0)) : "";
    if (!query_end(query, &err)) fail_msg("%s", err.text);
    return value;
}

void sample_expect(Database *store, const char *sql, const char *value) {
    const char *found = sample_value(store, sql);
    if (strcmp(found, value)) fail_msg("%s is '%s', expected '%s'", sql, found, value);
}

int sample_outside(const char *sql) {
    sqlite3 *db;
    assert_int_equal(sqlite3_open("x.db", &db), SQLITE_OK);
    sqlite3_exec(db, "PRAGMA foreign_keys = ON", NULL, NULL, NULL);
    int code = sqlite3_exec(db, sql, NULL, NULL, NULL);
    if (code == SQLITE_ERROR) print_error("SQLite: %s\n", sqlite3_errmsg(db));
    sqlite3_close(db);
    return code;
}

const char *sample_dump(void) {
    assert_int_equal(system("sqlite3 x.db .dump > dump.sql"), 0);
    return sample_file("dump.sql", NULL);
}

/* Checks that tags are nested, attributes are quoted and "&" begins an entity; enough for the pages that
 * poslab writes.
 */
void sample_well_formed(const char *page) {
    const char *open[64] = {0};
    size_t sizes[64] = {0};
    int depth = 0;
    const char *at = strstr(page, "<html");
    assert_non_null(at);
    while (*at) {
        if (*at == '&') {
            size_t size = strcspn(at, ";<\n ");
            if (at[size] != ';' || size > 6) fail_msg("an entity: %.40s", at);
        }
        if (*at++ != '<') continue;
        bool closes = *at == '/';
        const char *name = at + closes;
        size_t size = strcspn(name, " \n>/");
        for (at = name + size; *at && *at != '>' && *at != '/'; at++) {
            if (*at != '=') continue;
            while (at[1] == ' ') at++;
            char quote = *++at;
            if (quote != '"' && quote != '\'') fail_msg("a value without quotes: %.40s", at);
            const char *end = strchr(at + 1, quote);
            assert_non_null(end);
            if (memchr(at, '<', (size_t)(end - at))) fail_msg("an attribute: %.60s", at);
            at = end;
        }
        if (closes) {
            assert_in_range(--depth, 0, COUNT_OF(open) - 1);
            if (depth < 0 || sizes[depth] != size || strncmp(open[depth], name, size))
                fail_msg("closed: %.40s", name);
        } else if (*at != '/') {
            assert_in_range(depth, 0, 62);
            sizes[depth] = size;
            open[depth++] = name;
        }
    }
    assert_int_equal(depth, 0);
}
