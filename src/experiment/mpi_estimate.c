#include "experiment/mpi_estimate.h"

#include <math.h>

#include "sys/mpi.h"
#include "train/batch_gradient.h"

/* Latency of one message between two machines: the order of magnitude of TCP over Ethernet. */
static const double latency = 30e-6;

typedef struct Share { /* the work of one point on a given number of ranks */
    double train, evaluate, exchange, sent, bytes;
} Share;

/* The peak bytes of gradients, over the stages, on rank 0 of `ranks`. */
static double gradient_bytes(const PlanPoint *point, const Model *model, int ranks) {
    double peak = 0;
    for (int i = 0; i < point->stage_count; i++) {
        const TrainStage *stage = &point->stages[i].train;
        Cache cache = train_cache(model, &point->config->train, stage);
        Model part = train_stage_model(model, &point->config->train, stage);
        peak = fmax(peak, (double)batch_gradient_bytes(&part, cache.capacity ? &cache : NULL,
                                                       stage->sequences, stage->length, ranks));
    }
    return peak;
}

static Share share_of(const PlanPoint *point, int ranks, double seconds_per_flop, double gigabits,
                      Arena *arena) {
    const Config *config = point->config;
    Model *model = model_new(&config->model, &config->position, (int)config->train.length, arena);
    model->threads = point->threads;
    double gradients = (double)model->size * sizeof(float);
    Share share = {.evaluate = point->evaluate_flops * seconds_per_flop / ranks};
    for (int i = 0; i < point->stage_count; i++) {
        const TrainStage *stage = &point->stages[i].train;
        int active = ranks < stage->sequences ? ranks : stage->sequences;
        double most = ceil((double)stage->sequences / active), sent = 2 * gradients * (active - 1) / active;
        double messages = 2 * (active - 1) * ceil((double)model->size / RANKS_CHUNK_FLOATS);
        share.train += point->stages[i].flops * seconds_per_flop * most / stage->sequences;
        share.exchange += (double)stage->updates * (sent / (gigabits * 1e9 / 8) + messages * latency);
        share.sent = fmax(share.sent, sent);
    }
    double train =
        (double)point->train_bytes - gradient_bytes(point, model, 1) + gradient_bytes(point, model, ranks);
    share.bytes = fmax(train, (double)point->evaluate_bytes);
    return share;
}

MpiEstimate mpi_estimate_make(const Plan *plan, int ranks, double seconds_per_flop) {
    MpiEstimate scaling = {.ranks = ranks};
    double alone = 0;
    for (int i = 0; i < plan->count; i++) {
        Arena *arena = arena_new(0);
        Share share = share_of(&plan->points[i], ranks, seconds_per_flop, plan->gigabits, arena);
        arena_free(arena);
        alone += (plan->points[i].train_flops + plan->points[i].evaluate_flops) * seconds_per_flop;
        scaling.seconds += share.train + share.evaluate + share.exchange;
        scaling.exchange += share.exchange;
        scaling.sent = fmax(scaling.sent, share.sent);
        scaling.bytes = fmax(scaling.bytes, share.bytes);
    }
    scaling.speedup = alone / scaling.seconds;
    scaling.efficiency = scaling.speedup / ranks;
    return scaling;
}

static const char *percent_text(double share, Arena *arena) {
    return arena_format(arena, "%.1f%%", 100 * share);
}

static const char *mebibytes_text(double bytes, Arena *arena) {
    return arena_format(arena, "%.1f MiB", bytes / (1 << 20));
}

Table *mpi_estimate_table(const Plan *plan, double seconds_per_flop, Arena *arena) {
    static const TableColumn columns[] = {
        {"ranks", "ranks", TABLE_INT},
        {"seconds", "time, hours", TABLE_REAL},
        {"exchange_seconds", "messages", TABLE_REAL},
        {"speedup", "speed-up", TABLE_REAL},
        {"efficiency", "efficiency", TABLE_REAL},
        {"peak_bytes", "memory of a rank", TABLE_REAL},
        {"sent_bytes_per_update", "sent per update", TABLE_REAL},
    };
    Table *table = table_new(arena_format(arena, "On several ranks with %.4g Gbit/s each", plan->gigabits),
                             columns, COUNT_OF(columns), arena);
    for (int i = 0; i < plan->rank_count; i++) {
        const MpiEstimate s = mpi_estimate_make(plan, plan->ranks[i], seconds_per_flop);
        TableCell *row = table_row(table);
        *row++ = table_number(s.ranks);
        *row++ = table_shown(s.seconds, arena_format(arena, "%.5g", s.seconds / 3600));
        *row++ = table_shown(s.exchange, percent_text(s.exchange / s.seconds, arena));
        *row++ = table_shown(s.speedup, arena_format(arena, "%.4g", s.speedup));
        *row++ = table_shown(s.efficiency, percent_text(s.efficiency, arena));
        *row++ = table_shown(s.bytes, mebibytes_text(s.bytes, arena));
        *row = table_shown(s.sent, mebibytes_text(s.sent, arena));
    }
    table_note(
        table,
        "Memory is that of the largest run. Ranks beyond the number of sequences of an update are idle.");
    return table;
}
