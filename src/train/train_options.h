/* train_options: the options of training, and the stages into which they divide a run.
 *
 * A run makes tokens / tokens_per_step updates (rounded to nearest, at least 1). Each item of `stages` makes
 * its share of them (rounded to nearest, at least 1) at its length; the rest is made at `length`. A stage is
 * the updates at one length and one number of layers, so it also ends where the model grows (train/growth.h).
 *
 * An update has tokens_per_step tokens in every stage. So the number of tokens and the learning rate do not
 * depend on stages, and batches do not depend on growth. Only train_stage and train_stage_at decide which
 * length and which layers an update has.
 */
#ifndef POSLAB_TRAIN_TRAIN_OPTIONS_H
#define POSLAB_TRAIN_TRAIN_OPTIONS_H

#include "base/options.h"
#include "train/growth.h"

typedef struct TrainStageOptions { /* an item of `train.stages` */
    int64_t length;
    double share; /* of the updates */
    int item;     /* its index in the config; items with share 0 are not in the options */
} TrainStageOptions;

typedef enum TrainOrder { TRAIN_RANDOM, TRAIN_TEXT } TrainOrder;

typedef struct TrainOptions {
    int64_t length, tokens, tokens_per_step, seed;
    int64_t cache;         /* cached rows that every layer attends to (model/cache.h); 0: no cache */
    int order;             /* TrainOrder; no effect with a cache (train_in_order) */
    int precision;         /* Precision */
    double checkpoint;     /* seconds between saved states; 0: saved only when stopped and at the end */
    double until_exact;    /* section `until`: share of answered examples at which training ends */
    int64_t until_updates; /* section `until`: updates between two measurements of the share; 0: no section */
    const TrainStageOptions *stages; /* [stage_count]: `train.stages`, all before the final length */
    int stage_count;
    GrowthOptions growth;
    const char *from; /* key of the run whose final weights are the initial weights; NULL: none or unknown */
    const char *from_point;    /* JSON of the values that identify that run as a point of the experiment; the
                                  plan sets `from` (experiment/point.h); NULL: it is given by its key */
    const char *const *frozen; /* names and patterns of tensors that are not trained; NULL-terminated */
} TrainOptions;

extern const OptionField train_fields[];
extern const int train_field_count;
extern const OptionSection train_section, train_until_section, train_stage_section;

/* Reads the section `train`, except optimizer and schedule, for a model of `layers` layers. json NULL means
   the defaults. Errors (EXIT_USAGE) begin with `source`. */
bool train_options_read(TrainOptions *options, const Json *json, int64_t layers, const char *source,
                        Arena *arena, Error *err);

/* The same section, with defaults filled in. */
Json *train_options_json(const TrainOptions *options, Arena *arena);

/* Reads the section `train` of a stored run's config. Returns false if this revision cannot read it. */
bool train_options_of_run(TrainOptions *options, const Json *config, Arena *arena);

/* The values of options->from_point, which must not be NULL. */
Json *train_from_point(const TrainOptions *options, Arena *arena);

/* Checks the rules between options (EXIT_USAGE): tokens_per_step is a multiple of all lengths, shares and
   growth leave updates for the last stage, and the model can grow. */
bool train_check(const TrainOptions *options, const ModelOptions *model, const char *source, Error *err);

/* Whether sequence b of an update continues sequence b of the update before it in the text, except at the
   first update of an epoch and of a stage. */
bool train_in_order(const TrainOptions *options);

/* The number of updates of a run. */
int64_t train_steps(const TrainOptions *options);

typedef struct TrainStage {
    int index;              /* from 0 */
    int length, sequences;  /* tokens of a sequence, sequences of an update */
    int64_t first, updates; /* the stage makes the updates first + 1 .. first + updates */
    int item;               /* index of the item of `stages` with its length; stage_count: `train.length` */
    int64_t item_first;     /* number of updates before the item's first one, at which its batches begin */
    int blocks;             /* number of blocks that a growing model has, from 1 */
} TrainStage;

int train_stage_count(const TrainOptions *options); /* at least 1 */
TrainStage train_stage(const TrainOptions *options, int index);

/* The stage that makes update `step`, counted from 1. After the last update, the last stage. */
TrainStage train_stage_at(const TrainOptions *options, int64_t step);

/* The number of layers in a stage, of a model that has `layers` layers at the end. */
int train_stage_layers(const TrainOptions *options, const TrainStage *stage, int layers);

/* The path of the stage's length in a config: "train.stages[0].length" or "train.length". */
const char *train_stage_path(const TrainOptions *options, const TrainStage *stage, Arena *arena);

/* A stage as text: "length 64"; of a growing model "length 64, 2 of 4 layers". */
const char *train_stage_text(const TrainOptions *options, const TrainStage *stage, Arena *arena);

/* All stages as text: "length 64 to update 250, 512 to 1000", "layers 1 to update 400, 2 to 1000". */
const char *train_stages_text(const TrainOptions *options, Arena *arena);

#endif
