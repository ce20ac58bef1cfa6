/* series: one method with its settings and variant, at one training length under one protocol: a row of a
 * table, a line of a figure.
 *
 * It has a cell for each evaluation length (for tasks: size), ascending. A cell has one entry for each run
 * (seed) that the experiment requests, with its loss or the reason why there is none. All seeds have the same
 * weight: mean and standard deviation (n - 1, as in math/stats.h) are of their perplexities exp(nats /
 * tokens).
 */
#ifndef POSLAB_ANALYSIS_SERIES_H
#define POSLAB_ANALYSIS_SERIES_H

#include "base/table.h"
#include "math/stats.h"
#include "experiment/run_label.h"
#include "analysis/reference_curves.h"

/* What a table or an analysis shows. Text: perplexity, bits per byte, perplexity per word. Tasks: the share
   of examples that are answered completely, the share of right targets, nats per target. */
typedef enum SeriesMetric {
    SERIES_PERPLEXITY,
    SERIES_EXACT,
    SERIES_TOKENS,
    SERIES_NLL,
    SERIES_BITS, /* these two can be compared between tokenizers */
    SERIES_WORDS,
} SeriesMetric;

typedef struct SeriesSeed { /* a requested evaluation of one run */
    int64_t seed;
    const char *outcome; /* "done", "diverged", "failed", "beyond_limit", "beyond_text", "missing" */
    double loss;         /* nats per token; finite if done */
    int64_t evaluation;  /* its id; 0: not evaluated, and only the members that describe the run are set */
    double nats, bits_per_byte, word_perplexity, seconds; /* NAN: unknown */
    int64_t tokens, windows, peak_bytes;
    int64_t exact, tokens_right; /* tasks: number of examples answered and of targets right */
    const char *revision;
    const char *run_key, *method_options, *tokenizer;
    int64_t stale_run; /* 1: the method's file was edited after the training */
    int64_t stale;     /* 1: the file was edited after the training or the evaluation */
    int64_t row;       /* index in the order of the config, over all series */
    Database *store;
} SeriesSeed;

typedef struct SeriesCell {
    int64_t length, stride;
    SeriesSeed *seeds;      /* [seeds_requested]: those that are done, ascending, then the others */
    double *perplexities;   /* [count], of the seeds that are done */
    int count;              /* number of seeds that are done */
    int seeds_requested;    /* number that the experiment requests */
    const char *outcome;    /* of the first seed that is not done; NULL: all are done */
    double mean, deviation; /* of the perplexities; NAN without any; deviation also NAN for one */
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
    const char *experiment, *database;    /* where the results are stored */
    const char *name;                     /* label, settings and variant: "Rotary lr=0.001 [yarn]" */
    const char *plain_name;               /* the same as in the views: "rotary lr=0.001 [yarn]" */
    const char *label, *method, *setting; /* setting: "" or "train.optimizer.lr=0.001" */
    const char *run_label;                /* the label without the variant */
    const char *variant;                  /* the name of the change after training, or "" */
    const RunLabelSetting *settings;      /* read from `setting` */
    int setting_count;
    const Json *config;    /* of its runs, except the seed; NULL: of a paper */
    const char *continues; /* label and length of the runs that its runs continue; NULL: none */
    const char *split, *protocol, *rule, *corpus, *precision;
    const char *evaluated; /* "valid, strided 0.125 L, first 4096 targets" */
    int64_t train_length, requested, parameters, position_parameters;
    const char *task;              /* the name of the task; "" for text */
    int64_t train_low, train_high; /* tasks: the sizes in training; `length` of cells is the size */
    SeriesCell *cells;
    int count;
    SeriesCell *base; /* at the training length, even if a selection omits it; NULL: none */
    SeriesRun *runs;
    int run_count;
    double cost[SERIES_COSTS];  /* means over the runs; NAN without any */
    const SeriesChoice *choice; /* NULL: all settings are shown */
} Series;

/* --- making --- */

/* For tasks: the name of the hint whose rows were evaluated, or "none" for rows of the task itself. */
const char *series_hint(const Series *series);

/* Adds a seed to the cell of this length, which is created if it is missing. */
void series_add(Series *series, int64_t length, int64_t stride, SeriesSeed seed, Arena *arena);

/* Computes the members that follow from seeds and runs: means, `outcome`, `evaluated`, `base`. */
void series_finish(Series *series, Arena *arena);

/* The name without the settings of these paths. */
const char *series_name(const Series *series, const char *const *hidden, int count, Arena *arena);

/* "order=plain, trained at 14": the settings, and the training length, in which the series differs from any
   of the others; all settings if it differs in none. */
const char *series_conditions(const Series *series, const Series *others, int count, Arena *arena);

/* Sets the settings from a text of run_label_settings, without those of the hidden paths, and both names. */
void series_set_settings(Series *series, const char *text, const char *const *hidden, int count,
                         Arena *arena);

/* Sets `config` from that of a run, and `continues` ("": none). In place of the key of a run, which differs
   between seeds, its train.from is the setting, or `continues`. */
void series_set_config(Series *series, const char *text, const char *continues, Arena *arena);

/* Whether the values of this key differ among the series without being in their names. */
bool series_differ_unnamed(const char *path, const Series *const *series, int count, Arena *arena);

/* Notes on the stages of series that were trained in several, and on the runs that series continue; NULL if
   there is nothing to note. */
const char *series_stages_note(const Series *const *series, int count, Arena *arena);
const char *series_continued_note(const Series *const *series, int count, Arena *arena);

/* The curve of a paper as a series, called `name`, with a cell of one seed at each of its lengths. */
Series *series_of_reference(const ReferenceCurve *curve, const char *name, Arena *arena);

/* --- comparing --- */

/* Whether two series have the same name; the same runs; the same targets of evaluation; the same protocol. */
bool series_same_name(const Series *a, const Series *b);
bool series_same_runs(const Series *a, const Series *b);
bool series_same_targets(const Series *a, const Series *b);
bool series_same_protocol(const Series *a, const Series *b);

/* Whether their perplexities can be compared: the same training length, corpus and protocol. */
bool series_comparable(const Series *a, const Series *b);

/* Whether the evaluation windows do not overlap. */
bool series_nonoverlapping(const Series *series);

/* The value of a key of the config ("train.optimizer.lr"); "" if the key is missing. */
const char *series_config_value(const Series *series, const char *path, Arena *arena);

/* Whether it is of a task itself (not of a hint), without a variant, and its config has these values:
   "path=value,path=value". */
bool series_has_answers(const Series *series, const char *values, Arena *arena);

/* The value of a key as a cell for programs: in JSON a number, in CSV the shortest text of that number. */
TableCell series_key_cell(const Series *series, const char *path, TableFormat format, Arena *arena);

/* The number of targets on which its runs were trained; 0 if no run is done. */
int64_t series_train_tokens(const Series *series);

/* A warning if the speeds of the runs of a series differ by more than 20 %; otherwise NULL. */
const char *series_speed_warning(const Series *items, int count, Arena *arena);

typedef struct SeriesReach {
    int64_t within;  /* the largest length up to which every P(l) is known and at most 1.05 P(L), where L is
                        the training length; 0: P(L) is unknown */
    int64_t best;    /* the length l >= L of the lowest P(l); 0: unknown */
    int64_t longest; /* the longest evaluated length */
    double base;     /* P(L) */
} SeriesReach;

/* How far a series extrapolates, from its mean perplexities P. */
SeriesReach series_reach(const Series *series);

/* --- the best settings --- */

/* Among series that differ only in the values of these paths, keeps those with the best values: the lowest
   mean perplexity at the training length on the validation split, without a variant, among values for which
   every seed has one. Then hides the paths. After the `count` series that are kept are the `left_out` series
   of methods without such values. Fails (usage) if a method has no such evaluation. */
bool series_choose_best(Series *items, int *count, int *left_out, const char *const *paths, int path_count,
                        Arena *arena, Error *err);

/* --- cells --- */

SeriesCell *series_cell(const Series *series, int64_t length); /* NULL: no cell */

/* The cell with only the seeds for which keep[seeds_requested] is true. */
SeriesCell *series_cell_of(const SeriesCell *cell, const bool *keep, Arena *arena);

/* A cell of one seed; perplexity NAN: missing. */
SeriesCell series_cell_single(int64_t length, double perplexity, Arena *arena);

/* The entry of a seed that is done; NULL if the cell (NULL is allowed) has none. */
const SeriesSeed *series_seed(const SeriesCell *cell, int64_t seed);

/* Whether any seed is stale. */
bool series_stale(const SeriesCell *cell);

/* What is stale: "Rotary trained at 64" if runs are, "Rotary [yarn] trained at 64" if evaluations by a
   variant are; NULL: nothing. */
const char *series_stale_name(const Series *series, Arena *arena);

/* The number of seeds with this outcome. */
int series_outcomes(const SeriesCell *cell, const char *outcome);

/* ln P / P' of the seeds that are done in `cell` (P) and in `base` (P'), ascending. If `other` is not NULL,
   minus the same of `other` and `other_base`. Returns the number of seeds that all cells have; 0 if `base` is
   NULL. */
int series_log_ratios(double *logs, const SeriesCell *cell, const SeriesCell *base, const SeriesCell *other,
                      const SeriesCell *other_base);

/* ln of a cost of the runs over that of the runs of `other` with the same seed; logs[series->run_count];
   returns how many are known. */
int series_log_costs(double *logs, const Series *series, const Series *other, int cost);

/* Mean loss over the seeds of a cell (NULL is allowed), in nats per token; NAN without seeds. */
double series_mean_loss(const SeriesCell *cell);

/* The metric of a seed that is done (shares are from 0 to 1), and its spread over the seeds of a cell. */
double series_score(const SeriesSeed *seed, SeriesMetric metric);
StatsSpread series_spread(const SeriesCell *cell, SeriesMetric metric, Arena *arena);

/* Whether training of a task used this size (the length of a cell). */
bool series_trained_size(const Series *series, int64_t size);

/* For tasks: the largest size up to which, from the smallest trained size on, every median of the exact match
   is at least 90 %; 0 if there is none. */
int64_t series_answers_to(const Series *series, Arena *arena);

/* Whether the result at this length is known: a perplexity, a divergence, or a limit of the method. */
bool series_evaluated(const SeriesCell *cell);

/* The text of a cell in a table: "6.25 ± 0.10", "6.25 ± 0.10 (2/3)", "diverged", ">limit", ">text", "-". */
const char *series_cell_text(const SeriesCell *cell, Arena *arena);

/* The same for SERIES_BITS and SERIES_WORDS: the mean over seeds; "?" if it is unknown. */
const char *series_text_score(const SeriesCell *cell, SeriesMetric metric, Arena *arena);
/* The same for tasks: the median of a metric, shares in percent: "87.5", "87.5 (2/3)", "diverged", "-". */
const char *series_score_text(const SeriesCell *cell, SeriesMetric metric, Arena *arena);

/* --- paired differences --- */

/* Paired differences of `cells` from `base`, which was evaluated like them, each over the seeds that both
   have. Perplexity: in nats per token, with bootstrap units of at least max(length, block) targets. Metrics
   of tasks: as the metric, each example a unit. Fails (damaged) if windows do not match. */
bool series_compare(StatsDifference *differences, const SeriesCell *const *cells, int count,
                    const SeriesCell *base, SeriesMetric metric, int64_t block, int resamples, Arena *arena,
                    Error *err);

/* The gain in exact match of several series over their counterparts at one size: the mean over pairs and
   seeds, with a bootstrap interval over both (math/stats.h; NAN with one seed). */
typedef struct SeriesGain {
    double mean, low, high;
    int series, seeds;
    bool unseen; /* both sides answer less than 5 % of the examples, or both more than 95 %: means over the
                    series of medians over seeds */
} SeriesGain;

/* Omits pairs that lack a seed of the first pair. Returns false if nothing can be compared. */
bool series_exact_gain(SeriesGain *gain, const Series *const *ours, const Series *const *theirs, int count,
                       int64_t size, Arena *arena);

/* --- losses by position in the window --- */

enum { SERIES_BINS = 128 };
typedef struct SeriesBin {
    int64_t first, last, tokens; /* first and last position, counted from 0 */
    double nats;
} SeriesBin;

/* Reads the bins[SERIES_BINS] of one evaluation, ascending. Returns their number, or -1 with err set. */
int series_bins(SeriesBin *bins, const SeriesSeed *seed, Error *err);

#endif
