/* observations: the perplexities of an experiment (analysis/results.h) as a list, with fields.
 *
 * An observation is the perplexity of a series at one evaluation length, of one seed or averaged over seeds.
 * Fields describe an observation: --rows, --columns and --where use their names. Observations of a paper
 * (analysis/reference_curves.h) are at the multiples of the training length that the experiment has.
 */
#ifndef POSLAB_ANALYSIS_OBSERVATIONS_H
#define POSLAB_ANALYSIS_OBSERVATIONS_H

#include "analysis/results.h"

typedef struct Observation {
    const Series *series;
    const char *name;       /* of the series, without settings that have fields of their own */
    const SeriesCell *cell; /* all its seeds, or one */
    const SeriesCell *base; /* likewise at the training length; NULL: there is none */
    int64_t seed;           /* -1: all */
    bool paper, between;    /* from a paper; interpolated (reference_curves_at) */
} Observation;

/* What identifies an observation. Each field shows some of these parts. */
enum {
    OBSERVATION_METHOD = 1,
    OBSERVATION_SPLIT = 2,
    OBSERVATION_PROTOCOL = 4,
    OBSERVATION_STRIDE = 8,
    OBSERVATION_TARGETS = 16,
    OBSERVATION_TRAIN_LENGTH = 32,
    OBSERVATION_LENGTH = 64,
    OBSERVATION_CORPUS = 128,
    OBSERVATION_SOURCE = 256,
    OBSERVATION_SEED = 512,
    OBSERVATION_PRECISION = 1024,
    OBSERVATION_EXPERIMENT = 2048,
    OBSERVATION_DATABASE = 4096,
};

/* Where a field's value comes from. Values from OBSERVATION_COUNT on are numbers. */
typedef enum ObservationKind {
    OBSERVATION_NAME,
    OBSERVATION_OF_SERIES, /* a text of the series, at `offset` */
    OBSERVATION_FROM,      /* "here" or "paper" */
    OBSERVATION_OF_CONFIG, /* the value of a key of the config; the field has the name of the key */
    OBSERVATION_COUNT,     /* a whole number of the series, at `offset`; negative: unknown */
    OBSERVATION_AT,        /* the evaluation length */
    OBSERVATION_MULTIPLE,  /* of the training length */
    OBSERVATION_OF_SEED
} ObservationKind;

typedef struct ObservationField {
    const char *name;         /* in --rows, --columns and --where */
    const char *head, *under; /* the two lines of the head of a column */
    const char *words;        /* in text: "trained at %s", "perplexity by WORDS" */
    unsigned shows;           /* OBSERVATION_* */
    ObservationKind kind;
    size_t offset;
} ObservationField;

extern const ObservationField observations_all_fields[];
extern const int observations_field_count;

bool observations_is_number(const ObservationField *field);
const char *observations_text(const ObservationField *field, const Observation *observation, Arena *arena);
double observations_number(const ObservationField *field, const Observation *observation);

/* Parses a list of at most `most` fields, separated by commas. A key of a config ("train.optimizer.lr") is
   also a field; equal fields have equal names. Returns their number; 0 and a usage error (with the nearest
   name) if a name is unknown. */
int observations_parse_fields(const ObservationField **fields, int most, const char *list, Arena *arena,
                              Error *err);
bool observations_same_field(const ObservationField *a, const ObservationField *b);

/* Whether two texts are the same value of a field. */
bool observations_same_value(const ObservationField *field, const char *a, const char *b);

typedef struct ObservationOptions {
    bool by_seed;             /* an observation for each seed */
    bool paper;               /* include the curves of papers */
    const char *const *shown; /* keys of the config that have fields, and are omitted from names */
    int shown_count;
} ObservationOptions;

typedef struct ObservationList {
    const Results *set;
    const ReferenceCurves *paper; /* NULL unless requested */
    Observation *items;           /* in the order of the config; a method's curves of papers follow it */
    int count;
} ObservationList;

/* Returns NULL with err set if the paper's curves are requested and there are none. */
const ObservationList *observations_list(const Results *set, const ObservationOptions *options, Arena *arena,
                                         Error *err);

/* The ratio to the perplexity at the training length (`base`), over the seeds that have both, and its text:
   "1.032 ± 0.004", with "(2/3)" where seeds are missing. */
StatsSpread observations_ratio(const Observation *observation, Arena *arena);
const char *observations_ratio_text(const Observation *observation, const StatsSpread *ratio, Arena *arena);

/* The names of the fields that rows show by default, separated by commas: methods; databases, experiments,
   protocols and corpora if there are several; training lengths; position parameters. For tasks, fields that
   follow from the settings in the names are omitted. */
const char *observations_default_rows(const ObservationList *list, const ObservationField *column,
                                      Arena *arena);

#endif
