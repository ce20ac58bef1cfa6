#include "store/bench_results.h"

#include <string.h>

#include "sys/version.h"
#include "math/blas.h"
#include "math/hardware.h"
#include "math/nn_ops.h"
#include "store/internal.h"

static const char *const phases[] = {"evaluate", "train"};

/* --- writing --- */

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
    for (int i = 0; ok && i < bench->count; i++) {
        const BenchResult *r = &bench->results[i];
        ok = DATABASE_INSERT(
            store, err, "bench_result", "ON CONFLICT DO NOTHING", {"bench", database_int(id)},
            {"method", database_text(r->method)}, {"label", database_text(r->label)},
            {"length", database_int(r->length)}, {"phase", database_text(phases[r->train])},
            {"tokens_per_second", database_real(r->rate)},
            {"tokens_per_second_low", database_real(r->rate_low)},
            {"tokens_per_second_high", database_real(r->rate_high)},
            {"flops_per_second", database_real(r->flops)}, {"share", database_real(r->share)},
            {"ratio", database_real(r->ratio)}, {"ratio_low", database_real(r->ratio_low)},
            {"ratio_high", database_real(r->ratio_high)}, {"peak_bytes", database_int(r->bytes)});
    }
    return database_finish(store, err, ok);
}

/* --- reading --- */

static bool read_results(BenchRecord *bench, Database *store, Arena *arena, Error *err) {
    const char *const id[] = {arena_format(arena, "%lld", (long long)bench->id), NULL};
    Query *query =
        query_begin(store,
                    "SELECT method, label, length, phase = 'train', tokens_per_second,"
                    " tokens_per_second_low, tokens_per_second_high, flops_per_second, share, ratio,"
                    " ratio_low, ratio_high, peak_bytes FROM bench_result WHERE bench = ?"
                    " ORDER BY phase DESC, length, label",
                    id);
    while (query_next(query)) {
        *ARENA_PUSH(arena, bench->results, bench->count) =
            (BenchResult){.method = arena_copy(arena, query_text(query, 0)),
                          .label = arena_copy(arena, query_text(query, 1)),
                          .length = query_int(query, 2),
                          .train = query_int(query, 3),
                          .rate = query_real(query, 4),
                          .rate_low = query_real(query, 5),
                          .rate_high = query_real(query, 6),
                          .flops = query_real(query, 7),
                          .share = query_real(query, 8),
                          .ratio = query_real(query, 9),
                          .ratio_low = query_real(query, 10),
                          .ratio_high = query_real(query, 11),
                          .bytes = query_int(query, 12)};
    }
    return query_end(query, err);
}

#define RUNS                                                                                                 \
    " FROM experiment x JOIN point p ON p.experiment = x.id JOIN run r ON r.key = p.run WHERE x.name = ?1)"

const BenchResults *bench_results_read(Database *store, const char *experiment, Arena *arena, Error *err) {
    BenchResults *list = NEW(arena, 1, BenchResults);
    const char *const parameters[] = {experiment, NULL};
    Query *query = query_begin(
        store,
        "SELECT max(id), created, precision, reference, threads, gemm_rate,"
        " precision IN (SELECT json_extract(r.config, '$.train.precision')" RUNS " AS own FROM bench"
        " WHERE json_extract(config, '$.model') IN (SELECT json_extract(r.config, '$.model')" RUNS
        " GROUP BY json_extract(config, '$.model'), threads, precision ORDER BY own DESC, threads, 1",
        parameters);
    while (query_next(query)) {
        *ARENA_PUSH(arena, list->items, list->count) =
            (BenchRecord){.id = query_int(query, 0),
                          .created = arena_copy(arena, query_text(query, 1)),
                          .precision = arena_copy(arena, query_text(query, 2)),
                          .reference = arena_copy(arena, query_text(query, 3)),
                          .threads = query_int(query, 4),
                          .gemm_rate = query_real(query, 5),
                          .own = query_int(query, 6)};
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
