/* samples: made-up experiments for tests of what comes after training.
 *
 * The plan is made from a config by the program's own modules on a small corpus; results are made up, written
 * as a worker writes them and imported as a parent does.
 */
#ifndef POSLAB_TESTS_SAMPLES_H
#define POSLAB_TESTS_SAMPLES_H

#include "store/database.h"
#include "store/runs.h"

/* cmocka fixtures: each test runs in an empty folder of its own, with an arena. */
int sample_setup(void **state);
int sample_teardown(void **state);
extern Arena *sample_arena;

/* An experiment from a config in which `extra` stands beside the corpus and a tiny model. */
const Plan *sample_plan(const char *extra);

/* An open database "x.db" with that plan stored. */
Database *sample_store(const Plan *plan);

/* One perplexity for each request of the point, as nll over windows; not finite: nll is that. NULL: no
   evaluations. seconds and the training log are made up, too. */
const RunRecord *sample_record(const PlanPoint *point, RunStatus status, const char *reason,
                               const double *perplexities);

/* Writes "result.db" and imports it. */
void sample_import(Database *store, const RunRecord *record);

/* The whole of a file, and the first value of a query as text; owned by the arena. */
char *sample_file(const char *path, size_t *size);
const char *sample_value(Database *store, const char *sql);

void sample_expect(Database *store, const char *sql,
                   const char *value); /* the first value of a query is this */

/* Runs SQL on x.db past the store, as another program would; returns SQLite's code. */
int sample_outside(const char *sql);

/* All of x.db as SQL, also left in dump.sql. */
const char *sample_dump(void);

/* Tags open and close in order, attributes are quoted, "&" begins an entity: enough of XML for a report. */
void sample_well_formed(const char *page);

/* Two methods at one length, evaluated at three, and perplexities for them. */
extern const double sample_perplexities[3];
#define SAMPLE_TWO_METHODS                                                                                   \
    "\"train\": {\"length\": 16, \"tokens\": 96, \"tokens_per_step\": 32}, "                                 \
    "\"evaluate\": {\"tokens\": 500, \"multiples\": [1, 2, 4]}, "                                            \
    "\"sweep\": {\"method\": [\"rotary\", {\"name\": \"alibi\", \"trainable\": true}]}"

#endif
