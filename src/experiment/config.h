/* config: a config file, read into one Config per point.
 *
 * An experiment is one JSON object (README, "Experiments"). `sweep` is a product over dotted paths to any
 * option; `exclude` is a list of objects of path: value pairs, each of which removes the points that match
 * all its pairs. Every point is read into one Config with all defaults filled in, and all points are checked
 * before anything runs. `resolved` is the whole config as canonical JSON; `trained` is the part that
 * determines training, and enters the run's key.
 */
#ifndef POSLAB_EXPERIMENT_CONFIG_H
#define POSLAB_EXPERIMENT_CONFIG_H

#include "position/encoding.h"
#include "model/model.h"
#include "data/corpus.h"
#include "train/optimizer.h"
#include "train/train.h"
#include "experiment/adaptive_softmax.h"
#include "experiment/evaluation_config.h"
#include "experiment/slurm_config.h"

enum { CONFIG_FORMAT = 1 }; /* changes when equal configs would train differently */

typedef struct Config {
    const char *source; /* "config 'x.json'", for errors */
    const char *name;   /* of the experiment: [A-Za-z0-9._-]{1,64}, not starting with '.' or '-' */
    CorpusOptions data;
    ModelOptions model;       /* vocabulary set for `bytes` */
    AdaptiveSoftmax adaptive; /* "model.adaptive" */
    Encoding position;
    TrainOptions train;
    OptimizerOptions optimizer;
    OptimizerScheduleOptions schedule;
    EvaluationConfig evaluate;
    const char
        *resolved; /* canonical JSON of this point, all defaults spelled out, without `sweep` and `exclude` */
    const char *trained; /* canonical JSON of what determines training: `resolved` without name, evaluate,
                            data's file lists (the corpus hash represents them) and train.checkpoint */
} Config;

typedef struct Experiment {
    const char *name;
    const char *source;     /* the file's JSON with --set applied, canonical */
    const char *directory;  /* results folder of this experiment: results/NAME */
    SlurmConfig allocation; /* of the section `cluster` */
    Config *points;
    int count;
} Experiment;

/* Errors of the functions below have a line for each mistake.
   sets: NULL-terminated list of "path=value" (value is JSON, or a bare word taken as text), or NULL. */
Experiment *config_read(const char *path, const char *const *sets, Arena *arena, Error *err);

/* The same from the text of an experiment, which must have a name. */
Experiment *config_read_text(const char *text, const char *source, Arena *arena, Error *err);

/* One point from the text of its `resolved` JSON, as a worker gets it. */
Config *config_parse(const char *text, const char *source, Arena *arena, Error *err);

/* Whether the program can run a config, not only plan it: an error (usage) names what it cannot do
 * yet. */
bool config_runnable(const Config *config, Error *err);

/* Whether rows have positions of their own (data/examples.h). */
bool config_gives_positions(const Config *config);

/* The evaluations that a config asks for, lengths by protocols; owned by the arena. */
EvaluateRequest *config_requests(const Config *config, int *count, Arena *arena);

/* The trained model as a variant changes it; the variant's options may come from elsewhere than the config.
 * Owned by the arena, except for the values, which are the model's. */
Model *config_variant(const Config *config, const Model *model, const EvaluateVariant *variant, Arena *arena,
                      Error *err);

/* The method's options as canonical JSON ("{}" without options). */
const char *config_method_options(const Encoding *position, Arena *arena);

#endif
