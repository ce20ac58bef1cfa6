/* results: the runs, evaluations and reference numbers of an experiment, read once.
 *
 * Tables, figures, analyses, claims and the report are all computed from a Results: a list of series
 * (analysis/series.h) in the order of the config, and a signature that says what the numbers describe.
 */
#ifndef POSLAB_ANALYSIS_RESULTS_H
#define POSLAB_ANALYSIS_RESULTS_H

#include "base/table.h"
#include "store/database.h"
#include "analysis/series.h"

typedef struct Results {
    Database *store;
    const char *experiment;
    const char *signature; /* "tokenizer=bytes corpus=0123456789ab split=valid ..." */
    Series *items;         /* in the order of the config */
    int count;
    const ReferenceCurves *reference; /* all of its methods */
    const char *task;                 /* that the experiment is on; NULL: it is on text */
    const char **paths;               /* keys of the config that vary: those of the view `setting` */
    int path_count;
    const char **best_paths; /* whose best values were chosen */
    int best_count;
    const char *best; /* a note with the chosen values; NULL: none were chosen */
    Series *left_out; /* of methods that have no best values */
    int left_out_count;
} Results;

/* The evaluations that the config of the experiment requests, with their outcomes; NULL and err if reading
   fails. best: paths separated by commas, of which each method keeps its best values (series_choose_best);
   NULL: all values. A path that does not vary is an error (usage). */
Results *results_read(Database *store, const char *experiment, const char *best, Arena *arena, Error *err);

/* The name of a run, from its label and the settings of its point; NULL: `best` leaves it out. */
const char *results_run_name(const Results *set, const char *key, const char *label, const char *settings,
                             Arena *arena);

/* Sets `best` of an experiment, or a part of it, whose best values were chosen: of the methods in it. */
void results_note_best(Results *set, Arena *arena);

/* Sets the signature of a part of an experiment to that of the evaluations in its cells. */
bool results_sign(Results *set, Arena *arena, Error *err);

/* Whether no earlier series of the set is `same` as this one. */
bool results_is_first(const Results *set, int index, bool (*same)(const Series *, const Series *));

/* The longest length with a perplexity among the series that can be compared with this one; 0: none has one.
 */
int64_t results_longest(const Results *set, const Series *series);

/* Whether `wanted` is one of the series' names, its label ("Label [variant]") or, unless it has a variant,
   its method. */
bool results_is_called(const Series *series, const char *wanted);

/* The series that `wanted` calls, with the protocol of `series`, trained at `train_length`: by its name, or
   by its method or its label ("Label [variant]") and then with the settings of `series`. NULL if there is
   none. */
Series *results_counterpart(const Results *set, const char *wanted, const Series *series,
                            int64_t train_length);

/* Whether a series has a name in the views that is not its method alone. */
bool results_names_differ(const Results *set);

/* Checks that `wanted` is the method, label or name of a series and is not ambiguous; the error (usage) lists
   the names. */
bool results_check_name(const Results *set, const char *wanted, Arena *arena, Error *err);

/* The methods with stale runs (run/run_task.h), "ALiBi trained at 64; ... and 2 more", and the note on "†"
   in tables; NULL: there are none. */
const char *results_stale(const Results *set, Arena *arena);
const char *results_stale_note(const Results *set, Arena *arena);

/* Adds notes that say which settings differ among these series and are neither in their names nor in `shown`,
   and which values were chosen as the best. Options of methods are in the labels. */
void results_note_settings(Table *table, const Results *set, const Series *const *series, int count,
                           const char *const *shown, int shown_count);

/* A note on ">text" in tables; NULL: no cell of the set shows it. */
const char *results_beyond_text(const Results *set);

#endif
