/* results: the losses of an experiment by series, evaluation length and seed.
 *
 * A series is one method with its settings and variant, at one training length under one protocol; its cells
 * are at the evaluation lengths, ascending; a cell has one entry for each seed that has a loss.
 * analysis/curves.h has the same numbers averaged over seeds. This module also pairs runs of the same seed
 * and reads their windows, for the tests of math/stats.h.
 */
#ifndef POSLAB_ANALYSIS_RESULTS_H
#define POSLAB_ANALYSIS_RESULTS_H

#include "math/stats.h"
#include "store/database.h"

typedef struct ResultsSeed {
    int64_t seed;
    int64_t evaluation; /* its id */
    double loss;        /* nats per token, finite */
    double seconds;     /* NAN: unknown */
    int64_t tokens, peak_bytes;
} ResultsSeed;

typedef struct SeriesLost { /* a seed without a loss */
    int64_t seed;
    const char *outcome; /* "diverged", ... */
} SeriesLost;

typedef struct ResultsCell {
    int64_t length, stride;
    int seeds_requested; /* seeds that the experiment asks for */
    const char *outcome; /* of those without a loss, the first one's: "diverged", ...; NULL: all have one */
    ResultsSeed *seeds;  /* ascending */
    int count;
    SeriesLost *lost; /* the other seeds that the experiment asks for */
    int lost_count;
    double mean, deviation; /* of the perplexity over seeds; NAN for none; deviation NAN for one */
} ResultsCell;

typedef struct ResultsRun { /* what training cost, for each seed that has finished it */
    int64_t seed, threads, tokens, peak_bytes;
    double seconds, processor_seconds, load; /* of the last two NAN: unknown */
} ResultsRun;

typedef struct Series {
    const char *name;                     /* label, settings and variant */
    const char *label, *method, *setting; /* setting: "" or "train.optimizer.lr=0.001" */
    const char *run_label;                /* the label without the variant */
    const char *variant;                  /* what is changed after training: its name, or "" */
    const char *split, *protocol, *rule, *corpus, *precision;
    const char *evaluated; /* "valid, strided 0.125 L, first 4096 targets" */
    int64_t train_length, requested, parameters, position_parameters;
    ResultsCell *cells;
    int count;
    ResultsRun *runs;
    int run_count;
} Series;

typedef struct Results {
    const char *experiment, *signature;
    Series *items; /* in the order of the config */
    int count;
} Results;

/* What the experiment requests and its outcomes; NULL and err if reading fails. */
Results *results_read(Database *store, const char *experiment, Arena *arena, Error *err);

ResultsCell *results_cell(const Series *series, int64_t length); /* NULL if there is none */

/* Targets that its runs were trained on; 0: not known, where none is done. */
int64_t results_train_tokens(const Series *series);

/* The entry of that seed; NULL if there is none, or no cell. */
const ResultsSeed *results_seed(const ResultsCell *cell, int64_t seed);
bool results_same_protocol(const Series *a, const Series *b);

/* The series of `wanted` (method, label or "Label [variant]") with the settings and the protocol
   of `series`, trained at `train_length`. NULL if there is none. */
Series *results_counterpart(const Results *set, const char *wanted, const Series *series,
                            int64_t train_length);

/* Whether any series is called that (method, label or name), and whether the word leaves open which is meant.
   Fails (usage) with a list of what there is. */
bool results_check_name(const Results *set, const char *wanted, Arena *arena, Error *err);

/* Mean loss of a cell over seeds, nats per token; NAN for none. */
double results_mean_loss(const ResultsCell *cell);

/* What to say of the speeds of runs where those of one method and training length differ by more than 20 %;
   else NULL. */
const char *series_speed_warning(const Results *set, Arena *arena);

/* Whether anything is known of the method at this length: a perplexity, or that it diverges or has its limit
   before. */
bool series_evaluated(const ResultsCell *cell);

/* What ">text" in a table means, if any cell of the set may show it; else NULL. */
const char *series_beyond_text(const Results *set);

/* The text of a cell in a table: "6.25 ± 0.10", "6.25 ± 0.10 (2/3)", "diverged", ">limit", ">text", "-". */
const char *results_cell_text(const ResultsCell *cell, Arena *arena);

/* Paired differences of `cells` (each evaluated like `base`) from it, over the seeds that all of them and the
   base have, in units of at least max(length, block) targets. Fails (damaged) where windows do not match. */
bool results_compare(StatsDifference *differences, Database *store, const ResultsCell *const *cells,
                     int count, const ResultsCell *base, int64_t block, int resamples, Arena *arena,
                     Error *err);

#endif
