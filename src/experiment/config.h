/* config: reads a config file into one Config for each point.
 *
 * An experiment is one JSON object (configs/README.md). The points are the product of the lists in `sweep`,
 * without those that `exclude` matches (experiment/grid.h). Every point becomes a Config with all defaults,
 * and all points are checked before anything runs. `resolved` is the whole config of a point as canonical
 * JSON. `trained` is the part that determines training; the key of a run is computed from it.
 */
#ifndef POSLAB_EXPERIMENT_CONFIG_H
#define POSLAB_EXPERIMENT_CONFIG_H

#include "position/encoding.h"
#include "model/model.h"
#include "data/corpus.h"
#include "train/optimizer.h"
#include "train/train.h"
#include "experiment/evaluation_config.h"
#include "experiment/slurm_config.h"

enum { CONFIG_FORMAT = 1 }; /* incremented when equal configs would train differently */

typedef struct Config {
    const char *source; /* "config 'x.json'", for errors */
    const char *name;   /* name of the experiment: [A-Za-z0-9._-]{1,64}, not starting with '.' or '-' */
    CorpusOptions data;
    ModelOptions model; /* the vocabulary is 0 if only the files of the corpus or of `data.vocabulary`
                           determine it; the plan has it */
    Encoding position;
    TrainOptions train;
    OptimizerOptions optimizer;
    OptimizerScheduleOptions schedule;
    EvaluationConfig evaluate;
    const char *resolved; /* canonical JSON of this point with all defaults, without `sweep` and `exclude` */
    const char *trained; /* canonical JSON of what determines training: `resolved` without name, evaluate, the
                            file lists of data (the corpus hash represents them) and train.checkpoint */
} Config;

typedef struct Experiment {
    const char *name;
    const char *source;     /* canonical JSON of the file, with --set applied */
    const char *directory;  /* folder of the results of this experiment: results/NAME */
    SlurmConfig allocation; /* the section `cluster` */
    Config *points;
    int count;
} Experiment;

/* Reads a config file. `sets` is a NULL-terminated list of "path=value", or NULL; the value is JSON or a
   word, which is taken as text. Errors of this and the next two functions have one line for each
   mistake. */
Experiment *config_read(const char *path, const char *const *sets, Arena *arena, Error *err);

/* Reads an experiment, which must have a name, from text. */
Experiment *config_read_text(const char *text, const char *source, Arena *arena, Error *err);

/* Reads one point from its `resolved` JSON, as workers do. */
Config *config_parse(const char *text, const char *source, Arena *arena, Error *err);

/* The config with the vocabulary that its corpus has. Returns NULL with err set if a cutoff of model.adaptive
   is not below it. */
const Config *config_with_vocabulary(const Config *config, int64_t vocabulary, Arena *arena, Error *err);

/* The trained model with the changes of a variant, whose options need not come from the config. Owned by
   the arena; it shares the parameters of `model`. */
Model *config_variant(const Config *config, const Model *model, const EvaluateVariant *variant, Arena *arena,
                      Error *err);

/* Sets the key of the run that a point continues (`train.from`), also in its JSON. */
void config_set_from(Config *config, const char *key, Arena *arena);

/* The database of an experiment: `given`, or results/NAME.db if that is NULL. */
const char *config_database(const Experiment *experiment, const char *given, Arena *arena);

/* For a word that is a database or a config (*.json): sets *database to the word, or to the database of the
   config's experiment (*database is the given one, or NULL), and *experiment to the name of that. */
bool config_find_database(const char *word, const char **database, const char **experiment, Arena *arena,
                          Error *err);

#endif
