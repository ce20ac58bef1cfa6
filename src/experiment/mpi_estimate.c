#include "experiment/mpi_estimate.h"

#include <math.h>

#include "sys/mpi.h"
#include "train/batch_gradient.h"
#include "experiment/adaptive_softmax.h"

/* Of one message between two machines: the order of magnitude of Ethernet and TCP. */
static const double latency = 30e-6;

typedef struct Share { /* of a point on a given number of ranks */
    double train, evaluate, exchange, sent, bytes;
} Share;

static Share share_of(const PlanPoint *point, int ranks, double seconds_per_flop, double gigabits,
                      Arena *arena) {
    const Config *config = point->config;
    int sequences = train_sequences(&config->train), length = (int)config->train.length;
    int active = ranks < sequences ? ranks : sequences;
    ModelOptions weights = config->model;
    weights.vocabulary = adaptive_softmax_weight_rows(&config->adaptive, weights.vocabulary, weights.width);
    Model *model = model_new(&weights, &config->position, length, arena);
    model->threads = point->threads;
    double most = ceil((double)sequences / active), gradients = (double)model->size * sizeof(float);
    double messages = 2 * (active - 1) * ceil((double)model->size / RANKS_CHUNK_FLOATS);
    Share share = {.train = point->train_flops * seconds_per_flop * most / sequences,
                   .evaluate = point->evaluate_flops * seconds_per_flop / ranks,
                   .sent = 2 * gradients * (active - 1) / active};
    share.exchange = (double)point->steps * (share.sent / (gigabits * 1e9 / 8) + messages * latency);
    double train = (double)point->train_bytes - (double)batch_gradient_bytes(model, sequences, length, 1) +
                   (double)batch_gradient_bytes(model, sequences, length, ranks);
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

void mpi_estimate_print(const Plan *plan, double seconds_per_flop, FILE *out) {
    fprintf(out, "\nOn several ranks with %.4g Gbit/s each:\n", plan->gigabits);
    fprintf(out, "%6s  %14s  %9s  %9s  %11s  %16s  %15s\n", "ranks", "time, hours", "messages", "speed-up",
            "efficiency", "memory of a rank", "sent per update");
    for (int i = 0; i < plan->rank_count; i++) {
        const MpiEstimate s = mpi_estimate_make(plan, plan->ranks[i], seconds_per_flop);
        fprintf(out, "%6d  %14.5g  %8.1f%%  %9.4g  %10.1f%%  %12.1f MiB  %11.1f MiB\n", s.ranks,
                s.seconds / 3600, 100 * s.exchange / s.seconds, s.speedup, 100 * s.efficiency,
                s.bytes / 1048576, s.sent / 1048576);
    }
    fprintf(
        out,
        "Memory is that of the largest run. Ranks beyond the sequences of an update have no part in it.\n");
}

Json *mpi_estimate_json(const Plan *plan, double seconds_per_flop, Arena *arena) {
    Json *list = json_new_array(arena);
    for (int i = 0; i < plan->rank_count; i++) {
        const MpiEstimate s = mpi_estimate_make(plan, plan->ranks[i], seconds_per_flop);
        Json *row = json_new_object(arena);
        json_set_number(row, "ranks", s.ranks);
        json_set_number(row, "seconds", s.seconds);
        json_set_number(row, "exchange_seconds", s.exchange);
        json_set_number(row, "speedup", s.speedup);
        json_set_number(row, "efficiency", s.efficiency);
        json_set_number(row, "peak_bytes", s.bytes);
        json_set_number(row, "sent_bytes_per_update", s.sent);
        json_append(list, row);
    }
    return list;
}
