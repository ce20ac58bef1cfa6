/* speed: see speed.h. */
#include "store/bench_results.h"

#include <string.h>

#include "sys/version.h"
#include "math/blas.h"
#include "math/hardware.h"
#include "math/nn_ops.h"
#include "store/internal.h"

static const char *const phases[] = {"evaluate", "train"};

/* --- writing --- */

bool speed_write(Store *store, const SpeedBench *bench, Err *err) {
    int64_t id = 0;
    if (!store_execute(store, err, "BEGIN IMMEDIATE")) return false;
    bool ok =
        STORE_GET(store, err, &id, "SELECT coalesce(max(id), 0) + 1 FROM bench") &&
        STORE_RUN(
            store, err,
            "INSERT INTO bench (id, created, revision, host, cpu, blas, machine, threads, precision, config,"
            " reference, gemm_rate) VALUES (?, strftime('%Y-%m-%dT%H:%M:%SZ', 'now'), ?, ?, ?, ?, ?, ?,"
            " ?, ?, ?, ?)",
            value_whole(id), value_text(revision()), value_text(record_host(store_arena(store))),
            value_text(machine_cpu(store_arena(store))), value_text(ops_blas_name()),
            value_text(machine_text(store_arena(store))), value_whole(bench->threads),
            value_text(bench->precision), value_text(bench->config), value_text(bench->reference),
            value_real(bench->gemm_rate));
    for (int i = 0; ok && i < bench->count; i++) {
        const SpeedResult *r = &bench->results[i];
        ok = STORE_RUN(
            store, err,
            "INSERT INTO bench_result (bench, method, label, length, phase, tokens_per_second,"
            " tokens_per_second_low, tokens_per_second_high, flops_per_second, share, ratio, ratio_low,"
            " ratio_high, peak_bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO NOTHING",
            value_whole(id), value_text(r->method), value_text(r->label), value_whole(r->length),
            value_text(phases[r->train]), value_real(r->rate), value_real(r->rate_low),
            value_real(r->rate_high), value_real(r->flops), value_real(r->share), value_real(r->ratio),
            value_real(r->ratio_low), value_real(r->ratio_high), value_whole(r->bytes));
    }
    return store_finish(store, err, ok);
}

/* --- reading --- */

/* The array with room for one more; it doubles where `count` is a power of two. */
static void *grown(Arena *arena, void *items, int count, size_t size) {
    if (count & (count - 1)) return items;
    return arena_grow(arena, items, (size_t)count, count ? 2 * (size_t)count : 1, size);
}

static bool read_results(SpeedBench *bench, Store *store, Arena *arena, Err *err) {
    const char *const id[] = {arena_format(arena, "%lld", (long long)bench->id), NULL};
    Query *query =
        query_begin(store,
                    "SELECT method, label, length, phase = 'train', tokens_per_second,"
                    " tokens_per_second_low, tokens_per_second_high, flops_per_second, share, ratio,"
                    " ratio_low, ratio_high, peak_bytes FROM bench_result WHERE bench = ?"
                    " ORDER BY phase DESC, length, label",
                    id);
    while (query_next(query)) {
        bench->results = grown(arena, bench->results, bench->count, sizeof(SpeedResult));
        bench->results[bench->count++] = (SpeedResult){.method = arena_copy(arena, query_text(query, 0)),
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

const SpeedList *speed_read(Store *store, const char *experiment, Arena *arena, Err *err) {
    SpeedList *list = NEW(arena, 1, SpeedList);
    const char *const parameters[] = {experiment, NULL};
    Query *query = query_begin(
        store,
        "SELECT max(id), created, precision, reference, threads, gemm_rate,"
        " precision IN (SELECT json_extract(r.config, '$.train.precision')" RUNS " AS own FROM bench"
        " WHERE json_extract(config, '$.model') IN (SELECT json_extract(r.config, '$.model')" RUNS
        " GROUP BY json_extract(config, '$.model'), threads, precision ORDER BY own DESC, threads, 1",
        parameters);
    while (query_next(query)) {
        list->items = grown(arena, list->items, list->count, sizeof(SpeedBench));
        list->items[list->count++] = (SpeedBench){.id = query_int(query, 0),
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

const SpeedResult *speed_find(const SpeedBench *bench, const char *label, int64_t length, bool train) {
    for (int i = 0; i < bench->count; i++) {
        const SpeedResult *result = &bench->results[i];
        if (!strcmp(result->label, label) && result->length == length && result->train == train)
            return result;
    }
    return NULL;
}
