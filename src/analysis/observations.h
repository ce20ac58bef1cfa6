/* facts: the numbers of an experiment as a list, for tables that choose their own rows and columns.
 *
 * A fact is one perplexity: a series (series.h) at one evaluation length, over its seeds or of one of them.
 * The fields are what can be said of a fact; rows, columns and --where name them. Facts of a paper (paper.h)
 * stand at the multiples of the training length that ours have.
 */
#ifndef POSLAB_FACTS_H
#define POSLAB_FACTS_H

#include "analysis/reference_curves.h"
#include "analysis/results.h"

typedef struct Fact {
    const Series *series;
    const SeriesCell *cell; /* the seeds that are wanted */
    const SeriesCell *base; /* the same at the training length; NULL if there is none */
    int64_t seed;           /* -1: all of the cell's */
    bool paper, between;    /* from a paper; there between two lengths (paper_at) */
} Fact;

/* What identifies a fact; fields say which parts of that they show. */
enum {
    FACT_METHOD = 1,
    FACT_SPLIT = 2,
    FACT_PROTOCOL = 4,
    FACT_STRIDE = 8,
    FACT_TARGETS = 16,
    FACT_TRAIN_LENGTH = 32,
    FACT_LENGTH = 64,
    FACT_CORPUS = 128,
    FACT_SOURCE = 256,
    FACT_SEED = 512,
    FACT_PRECISION = 1024,
};

typedef struct FactField {
    const char *name;         /* in --rows, --columns and --where */
    const char *head, *under; /* of a column of a table, two lines */
    const char *words;        /* in a sentence: "trained at %s", "perplexity by WORDS" */
    unsigned shows;           /* FACT_* */
    const char *(*text)(const Fact *fact, Arena *arena);
    double (*number)(const Fact *fact); /* NULL: a text */
} FactField;

extern const FactField fact_fields[];
extern const int fact_field_count;

/* NULL and a usage error (with the nearest name) if there is none of that name. */
const FactField *facts_field(const char *name, Err *err);

/* Fields separated by commas; at most `most`. Returns how many, 0 and err set for none. */
int facts_fields(const FactField **fields, int most, const char *list, Err *err);

/* A condition "field=value". Several about one field are alternatives; those about different ones must all
 * hold. */
typedef struct FactWhere {
    const FactField *field;
    const char *value;
} FactWhere;

/* texts: NULL-terminated, or NULL. Returns how many, -1 and err set for one that is none. */
int facts_where(FactWhere **where, const char *const *texts, Arena *arena, Err *err);

/* Whether the conditions about `field` allow any of these values. */
bool facts_allow(const FactWhere *where, int count, const FactField *field, const char *const *values,
                 int value_count);

typedef struct FactOptions {
    const FactWhere *where;
    int where_count;
    bool by_seed, paper;
} FactOptions;

typedef struct FactList {
    const SeriesSet *set;
    const Paper *paper; /* NULL unless asked for */
    Fact *items;        /* in the order of the config, those of the paper behind ours of the same method */
    int count;
} FactList;

/* Keeps those of `names` of experiments in which the conditions hold for anything. Fails (usage) if that is
   none, or if any one condition holds for nothing, and says what values there are. */
bool facts_choose(Store *store, const char **names, int *count, const FactOptions *options, Arena *arena,
                  Err *err);

/* NULL and err if reading fails. */
const FactList *facts_read(Store *store, const char *experiment, const FactOptions *options, Arena *arena,
                           Err *err);

#endif
