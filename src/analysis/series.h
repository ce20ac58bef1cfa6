/* series: one method with its settings and variant, at one training length under one protocol: a row of a
 * table, a line of a figure.
 *
 * Its cells are at the evaluation lengths (of a task: sizes), ascending. A cell has one entry for each run
 * (seed) that the experiment requests, with its loss or the reason why there is none. Every seed has the
 * same weight: exp(nats / tokens) of each, then mean and standard deviation (n - 1) as in math/stats.h.
 */
#ifndef POSLAB_ANALYSIS_SERIES_H
#define POSLAB_ANALYSIS_SERIES_H

#include "base/table.h"
#include "math/stats.h"
#include "experiment/run_label.h"
#include "analysis/reference_curves.h"

/* What a table or an analysis shows: of text perplexities; of tasks the share of examples that are answered
   as a whole, the share of targets, or nats per target. */
typedef enum SeriesMetric {
    SERIES_PERPLEXITY,
    SERIES_EXACT,
    SERIES_TOKENS,
    SERIES_NLL,
    SERIES_BITS,  /* bits per byte, and */
    SERIES_WORDS, /* perplexity per word: comparable across tokenizers */
} SeriesMetric;

typedef struct SeriesSeed { /* a requested evaluation of one run */
    int64_t seed;
    const char *outcome; /* "done", "diverged", "failed", "beyond_limit", "beyond_text", "missing" */
    double loss;         /* nats per token; finite if done */
    int64_t evaluation;  /* its id; 0: not evaluated, so only the members of the run are known */
    double nats, bits_per_byte, word_perplexity, seconds; /* NAN: unknown */
    int64_t tokens, windows, peak_bytes;
    int64_t exact, tokens_right; /* of tasks, whose windows are examples: examples answered, targets right */
    const char *revision;
    const char *run_key, *method_options, *tokenizer;
    int64_t stale_run; /* 1: the method's file was edited after the training */
    int64_t stale;     /* 1: after the training or the evaluation */
    int64_t row;       /* position in the order of the config, over all series */
    Database *store;
} SeriesSeed;

typedef struct SeriesCell {
    int64_t length, stride;
    SeriesSeed *seeds;      /* [seeds_requested]: first those that are done, ascending, then the others */
    double *perplexities;   /* [count]: of the seeds that are done */
    int count;              /* done */
    int seeds_requested;    /* by the experiment */
    const char *outcome;    /* of the first seed that is not done; NULL: all are */
    double mean, deviation; /* of the perplexities; NAN for none; deviation NAN for one */
} SeriesCell;

/* What training cost. */
enum {
    SERIES_SPEED, /* targets per second */
    SERIES_SECONDS,
    SERIES_PROCESSOR, /* seconds of all threads */
    SERIES_LOAD,      /* of the machine */
    SERIES_BYTES,     /* peak */
    SERIES_COSTS
};

typedef struct SeriesRun { /* a seed that has finished training */
    int64_t seed, threads, tokens;
    double cost[SERIES_COSTS]; /* NAN: unknown */
} SeriesRun;

/* How a method's best settings were chosen. */
typedef struct SeriesChoice {
    const char *text; /* "Rotary lr=0.001", "Rotary left out" */
    const char *by;   /* the evaluation that was compared: "valid, nonoverlapping" */
    bool incomplete;  /* values for which a seed has no perplexity were not considered */
} SeriesChoice;

typedef struct Series {
    const char *experiment, *database;    /* where it is from */
    const char *name;                     /* label, settings and variant: "Rotary lr=0.001 [yarn]" */
    const char *plain_name;               /* the same as in the views: "rotary lr=0.001 [yarn]" */
    const char *label, *method, *setting; /* setting: "" or "train.optimizer.lr=0.001" */
    const char *run_label;                /* the label without the variant */
    const char *variant;                  /* what is changed after training: its name, or "" */
    const RunLabelSetting *settings;      /* read from `setting` */
    int setting_count;
    const Json *config;    /* of its runs, except the seed; NULL: of a paper */
    const char *continues; /* label and length of the runs that its runs continue; NULL: none */
    const char *split, *protocol, *rule, *corpus, *precision;
    const char *evaluated; /* "valid, strided 0.125 L, first 4096 targets" */
    int64_t train_length, requested, parameters, position_parameters;
    const char *task;              /* its name; "": the series is of text */
    int64_t train_low, train_high; /* of a task: sizes in training; its lengths are sizes */
    SeriesCell *cells;
    int count;
    SeriesCell *base; /* at the training length, even if a selection leaves it out; NULL: there is none */
    SeriesRun *runs;
    int run_count;
    double cost[SERIES_COSTS];  /* means over the runs; NAN without any */
    const SeriesChoice *choice; /* NULL: all settings are shown */
} Series;

/* --- making --- */

/* For a task: the name of the hint whose rows were evaluated, or "none" for rows of the task itself. */
const char *series_hint(const Series *series);

/* Adds a seed to the cell of this length, which is created if it is missing. */
void series_add(Series *series, int64_t length, int64_t stride, SeriesSeed seed, Arena *arena);

/* Computes the members that follow from seeds and runs: means, `outcome`, `evaluated`, `base`. */
void series_finish(Series *series, Arena *arena);

/* The name without the settings of these paths. */
const char *series_name(const Series *series, const char *const *hidden, int count, Arena *arena);

/* Sets the settings from a text of run_label_settings, without those of the hidden paths, and both names. */
void series_set_settings(Series *series, const char *text, const char *const *hidden, int count,
                         Arena *arena);

/* Sets `config` from that of a run, and `continues` ("": none). In place of the key of a run, which differs
   between seeds, its train.from is the setting, or `continues`. */
void series_set_config(Series *series, const char *text, const char *continues, Arena *arena);

/* Whether the values of this key differ among the series and are in none of their names. */
bool series_differ_unnamed(const char *path, const Series *const *series, int count, Arena *arena);

/* Notes on the stages of those series whose training has several, and on the runs that some continue; NULL:
   there is none. */
const char *series_stages_note(const Series *const *series, int count, Arena *arena);
const char *series_continued_note(const Series *const *series, int count, Arena *arena);

/* The curve of a paper as a series, called `name`, with a cell of one seed at each of its lengths. */
Series *series_of_reference(const ReferenceCurve *curve, const char *name, Arena *arena);

/* --- comparing --- */

/* Whether two series have the same name; are of the same runs; are evaluated on the same targets; and by the
 * same protocol. */
bool series_same_name(const Series *a, const Series *b);
bool series_same_runs(const Series *a, const Series *b);
bool series_same_targets(const Series *a, const Series *b);
bool series_same_protocol(const Series *a, const Series *b);

/* Whether their perplexities can be compared: the same training length, corpus and protocol. */
bool series_comparable(const Series *a, const Series *b);

/* Whether the evaluation windows do not overlap. */
bool series_nonoverlapping(const Series *series);

/* The value of a key of the config ("train.optimizer.lr"); "": the key is missing. */
const char *series_config_value(const Series *series, const char *path, Arena *arena);

/* Whether its config has these values: "path=value,path=value". */
bool series_has_values(const Series *series, const char *list, Arena *arena);

/* The same for a table for programs: a number in JSON, in CSV the shortest text that is that number. */
TableCell series_key_cell(const Series *series, const char *path, TableFormat format, Arena *arena);

/* The number of targets that its runs were trained on; 0: no run is done. */
int64_t series_train_tokens(const Series *series);

/* A warning if the speeds of the runs of any series differ by more than 20 %; NULL: none do. */
const char *series_speed_warning(const Series *items, int count, Arena *arena);

typedef struct SeriesReach {
    int64_t within;  /* the last length up to which every P(l) <= 1.05 P(L), L the training length; 0: P(L) is
                        unknown; a length without a perplexity ends it */
    int64_t best;    /* the length l >= L of the lowest P(l); 0: unknown */
    int64_t longest; /* evaluated */
    double base;     /* P(L) */
} SeriesReach;

/* How far a series extrapolates, by its mean perplexities P. */
SeriesReach series_reach(const Series *series);

/* --- the best settings --- */

/* Among series that differ only in the values of these paths, keeps those with the best values: the lowest
   mean perplexity at the training length on the validation split, without a variant, among values for which
   every seed has one. Then hides the paths. After the `count` series that are kept are the `left_out` series
   of methods without such values. Fails (usage) if a method has no such evaluation. */
bool series_choose_best(Series *items, int *count, int *left_out, const char *const *paths, int path_count,
                        Arena *arena, Error *err);

/* --- cells --- */

SeriesCell *series_cell(const Series *series, int64_t length); /* NULL if there is none */

/* The cell with only the seeds for which keep[seeds_requested] is true. */
SeriesCell *series_cell_of(const SeriesCell *cell, const bool *keep, Arena *arena);

/* A cell of one seed; NAN: missing. */
SeriesCell series_cell_single(int64_t length, double perplexity, Arena *arena);

/* The entry of a seed that is done; NULL: the cell (may be NULL) has none. */
const SeriesSeed *series_seed(const SeriesCell *cell, int64_t seed);

/* Whether any seed is stale. */
bool series_stale(const SeriesCell *cell);

/* What is stale: "Rotary trained at 64" for the runs, "Rotary [yarn] trained at 64" for evaluations by a
   variant; NULL: nothing. */
const char *series_stale_name(const Series *series, Arena *arena);

/* The number of seeds with this outcome. */
int series_outcomes(const SeriesCell *cell, const char *outcome);

/* ln P / P' of the seeds that are done in `cell` and in `base` (P'), ascending, less the same of `other` (if
   not NULL) and its base; returns how many have all. `base` may be NULL: none has. */
int series_log_ratios(double *logs, const SeriesCell *cell, const SeriesCell *base, const SeriesCell *other,
                      const SeriesCell *other_base);

/* Mean loss over the seeds of a cell (may be NULL), nats per token; NAN without seeds. */
double series_mean_loss(const SeriesCell *cell);

/* The metric of a seed that is done (shares are from 0 to 1), and its spread over those of a cell. */
double series_score(const SeriesSeed *seed, SeriesMetric metric);
StatsSpread series_spread(const SeriesCell *cell, SeriesMetric metric, Arena *arena);

/* Whether training of a task used this size (the length of a cell). */
bool series_trained_size(const Series *series, int64_t size);

/* Of a task: the largest size up to which, from the smallest trained size on, every median of the exact match
   is at least 90 %; 0: there is none. */
int64_t series_answers_to(const Series *series, Arena *arena);

/* Whether the result at this length is known: a perplexity, a divergence, or a limit of the method. */
bool series_evaluated(const SeriesCell *cell);

/* The text of a cell in a table: "6.25 ± 0.10", "6.25 ± 0.10 (2/3)", "diverged", ">limit", ">text", "-". */
const char *series_cell_text(const SeriesCell *cell, Arena *arena);

/* The same for tasks: the median of a metric, shares in percent: "87.5", "87.5 (2/3)", "diverged", "-". */
/* The same for text, of SERIES_BITS and SERIES_WORDS: the mean over seeds; "?": unknown. */
const char *series_text_score(const SeriesCell *cell, SeriesMetric metric, Arena *arena);
const char *series_score_text(const SeriesCell *cell, SeriesMetric metric, Arena *arena);

/* --- paired differences --- */

/* Paired differences of `cells` (each evaluated like `base`) from it, each over the seeds that it shares with
   the base: of perplexity in nats per token, in units of at least max(length, block) targets; of the metrics
   of tasks in what they measure, each example a unit. Fails (damaged) where windows do not match. */
bool series_compare(StatsDifference *differences, const SeriesCell *const *cells, int count,
                    const SeriesCell *base, SeriesMetric metric, int64_t block, int resamples, Arena *arena,
                    Error *err);

/* The gain in exact match of several series over as many others at one size: the mean over pairs and seeds,
   with a bootstrap interval over both (math/stats.h; NAN with one seed). */
typedef struct SeriesGain {
    double mean, low, high;
    int series, seeds;
    bool unseen; /* both answer less than 5 % of the examples, or both more than 95 %: means over the series
                    of their medians over seeds */
} SeriesGain;

/* Pairs that lack a seed of the first are left out. Returns false if there is nothing to compare. */
bool series_exact_gain(SeriesGain *gain, const Series *const *ours, const Series *const *theirs, int count,
                       int64_t size, Arena *arena);

/* --- losses by position in the window --- */

enum { SERIES_BINS = 128 };
typedef struct SeriesBin {
    int64_t first, last, tokens; /* positions, counted from 0, both inside */
    double nats;
} SeriesBin;

/* bins[SERIES_BINS] of one evaluation, ascending; returns how many, -1 and err if reading fails. */
int series_bins(SeriesBin *bins, const SeriesSeed *seed, Error *err);

#endif
