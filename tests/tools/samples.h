/* samples: synthetic experiments for tests of everything after training.
 *
 * The plan is made from a config by the program's own modules on a small corpus. Results are synthetic; they
 * are written as by a worker and imported as by a parent.
 */
#ifndef POSLAB_TESTS_SAMPLES_H
#define POSLAB_TESTS_SAMPLES_H

#include "store/database.h"
#include "store/runs.h"

/* cmocka fixtures: each test runs in its own empty folder, with an arena. */
int sample_setup(void **state);
int sample_teardown(void **state);
extern Arena *sample_arena;

/* An experiment from a config with the corpus, a tiny model, and `extra`. */
const Plan *sample_plan(const char *extra);

/* An open database "x.db" with that plan stored. */
Database *sample_store(const Plan *plan);

/* A record with one perplexity for each request of the point, as nll over windows; a value that is not finite
   becomes the nll itself. NULL: no evaluations. seconds and the training log are synthetic, too. */
const RunRecord *sample_record(const PlanPoint *point, RunStatus status, const char *reason,
                               const double *perplexities);

/* Writes "result.db" and imports it. */
void sample_import(Database *store, const RunRecord *record);

/* The index of a name in a list that ends with NULL; the test fails if it is not there. */
int sample_index(const char *const *names, const char *name);

/* The content of a file, and the first value of a query as text; owned by the arena. */
char *sample_file(const char *path, size_t *size);
const char *sample_value(Database *store, const char *sql);

void sample_expect(Database *store, const char *sql, const char *value); /* the query's first value is this */

/* Runs SQL on x.db without the store, as another program would; returns SQLite's code. */
int sample_outside(const char *sql);

/* All of x.db as SQL; also written to dump.sql. */
const char *sample_dump(void);

/* Checks that tags are nested, attributes are quoted and "&" begins an entity. */
void sample_well_formed(const char *page);

/* Two methods at one length, evaluated at three lengths, and their perplexities. */
extern const double sample_perplexities[3];
#define SAMPLE_TWO_METHODS                                                                                   \
    "\"train\": {\"length\": 16, \"tokens\": 96, \"tokens_per_step\": 32}, "                                 \
    "\"evaluate\": {\"tokens\": 500, \"multiples\": [1, 2, 4]}, "                                            \
    "\"sweep\": {\"method\": [\"rotary\", {\"name\": \"alibi\", \"trainable\": true}]}"

#endif
