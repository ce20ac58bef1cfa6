#include "store/bench_results.h"

#include <string.h>

#include "sys/version.h"
#include "math/blas.h"
#include "math/hardware.h"
#include "math/nn_ops.h"
#include "store/internal.h"

static const char *const phases[] = {"evaluate", "train"};

/* The columns of a result that are numbers, and the corresponding members of BenchResult. */
static const struct {
    const char *column;
    size_t offset;
} numbers[] = {
#define NUMBER(column, member)                                                                               \
    { column, offsetof(BenchResult, member) }
    NUMBER("tokens_per_second", rate),
    NUMBER("tokens_per_second_low", rate_low),
    NUMBER("tokens_per_second_high", rate_high),
    NUMBER("flops_per_second", flops),
    NUMBER("share", share),
    NUMBER("ratio", ratio),
    NUMBER("ratio_low", ratio_low),
    NUMBER("ratio_high", ratio_high),
#undef NUMBER
};

static double *number_of(const BenchResult *result, int i) {
    void *member = (char *)result + numbers[i].offset;
    return member;
}

/* --- writing --- */

static bool write_result(Database *store, int64_t bench, const BenchResult *result, Error *err) {
    DatabaseColumn row[COUNT_OF(numbers) + 6] = {{"bench", database_int(bench)},
                                                 {"method", database_text(result->method)},
                                                 {"label", database_text(result->label)},
                                                 {"length", database_int(result->length)},
                                                 {"phase", database_text(phases[result->train])},
                                                 {"peak_bytes", database_int(result->bytes)}};
    for (int i = 0; i < COUNT_OF(numbers); i++)
        row[6 + i] = (DatabaseColumn){numbers[i].column, database_real(*number_of(result, i))};
    return database_row(store, err, NULL, "INSERT INTO bench_result", " VALUES ", " ON CONFLICT DO NOTHING",
                        row, COUNT_OF(row));
}

bool bench_results_write(Database *store, const BenchRecord *bench, Error *err) {
    int64_t id = 0;
    Arena *arena = database_arena(store);
    if (!database_execute(store, err, "BEGIN IMMEDIATE")) return false;
    bool ok = DATABASE_GET(store, err, &id, "SELECT coalesce(max(id), 0) + 1 FROM bench") &&
              DATABASE_INSERT(store, err, "bench", "", {"id", database_int(id)},
                              {"created", database_text(database_now(arena))},
                              DATABASE_ORIGIN(arena, version_revision(), bench->threads),
                              {"machine", database_text(hardware_text(arena))},
                              {"precision", database_text(bench->precision)},
                              {"config", database_text(bench->config)},
                              {"reference", database_text(bench->reference)},
                              {"gemm_rate", database_real(bench->gemm_rate)});
    for (int i = 0; ok && i < bench->count; i++) ok = write_result(store, id, &bench->results[i], err);
    return database_finish(store, err, ok);
}

/* --- reading --- */

static BenchResult read_result(Query *query, Arena *arena) {
    BenchResult result = {.method = arena_copy(arena, query_text_of(query, "method")),
                          .label = arena_copy(arena, query_text_of(query, "label")),
                          .length = query_int_of(query, "length"),
                          .train = !strcmp(query_text_of(query, "phase"), phases[true]),
                          .bytes = query_int_of(query, "peak_bytes")};
    for (int i = 0; i < COUNT_OF(numbers); i++)
        *number_of(&result, i) = query_real_of(query, numbers[i].column);
    return result;
}

static bool read_results(BenchRecord *bench, Database *store, Arena *arena, Error *err) {
    const char *const id[] = {arena_format(arena, "%lld", (long long)bench->id), NULL};
    Query *query = query_begin(
        store, "SELECT * FROM bench_result WHERE bench = ? ORDER BY phase DESC, length, label", id);
    while (query_next(query)) *ARENA_PUSH(arena, bench->results, bench->count) = read_result(query, arena);
    return query_end(query, err);
}

#define RUNS QUERY_RUNS " WHERE x.name = ?1)"

const BenchResults *bench_results_read(Database *store, const char *experiment, Arena *arena, Error *err) {
    BenchResults *list = NEW(arena, 1, BenchResults);
    const char *const parameters[] = {experiment, NULL};
    Query *query = query_begin(
        store,
        "SELECT max(id) AS newest, created, precision, reference, threads, gemm_rate,"
        " precision IN (SELECT json_extract(r.config, '$.train.precision')" RUNS " AS own FROM bench"
        " WHERE json_extract(config, '$.model') IN (SELECT json_extract(r.config, '$.model')" RUNS
        " GROUP BY json_extract(config, '$.model'), threads, precision ORDER BY own DESC, threads, 1",
        parameters);
    while (query_next(query)) {
        *ARENA_PUSH(arena, list->items, list->count) =
            (BenchRecord){.id = query_int_of(query, "newest"),
                          .created = arena_copy(arena, query_text_of(query, "created")),
                          .precision = arena_copy(arena, query_text_of(query, "precision")),
                          .reference = arena_copy(arena, query_text_of(query, "reference")),
                          .threads = query_int_of(query, "threads"),
                          .gemm_rate = query_real_of(query, "gemm_rate"),
                          .own = query_int_of(query, "own")};
    }
    bool fine = query_end(query, err);
    for (int i = 0; fine && i < list->count; i++) fine = read_results(&list->items[i], store, arena, err);
    return fine ? list : NULL;
}

const BenchResult *bench_results_find(const BenchRecord *bench, const char *label, int64_t length,
                                      bool train) {
    for (int i = 0; i < bench->count; i++) {
        const BenchResult *result = &bench->results[i];
        if (!strcmp(result->label, label) && result->length == length && result->train == train)
            return result;
    }
    return NULL;
}
