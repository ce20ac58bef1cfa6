/* train_options: the options of training, and the stages into which they divide a run.
 *
 * A run makes tokens / tokens_per_step (rounded to nearest, at least 1) updates. Each item of `stages` makes
 * its share of them (rounded to nearest, at least 1) at its length; `length` makes the rest. With `growth`,
 * the number of layers grows during training (train/growth.h). A stage is a part of the updates at one length
 * and one number of layers: a new one begins where either changes. An update has tokens_per_step tokens in
 * every stage, so tokens, optimizer and learning rate do not depend on stages, and batches do not depend on
 * growth. In the order of the text (`order`, and always with `cache`), sequence b of an update continues
 * sequence b of the update before, except at the beginning of an epoch and of a stage. Everything that
 * depends on the length or the layers of an update asks train_stage or train_stage_at.
 *
 * With `from`, the initial weights are those with which another run ended. A config names that run by its
 * key, or as a point of the same experiment; then the plan sets the key (experiment/point.h).
 */
#ifndef POSLAB_TRAIN_TRAIN_OPTIONS_H
#define POSLAB_TRAIN_TRAIN_OPTIONS_H

#include "base/options.h"
#include "train/growth.h"

typedef struct TrainStageOptions { /* an item of `train.stages` */
    int64_t length;
    double share; /* of the updates */
    int item;     /* its index in the config: items of share 0 are left out of the options */
} TrainStageOptions;

typedef enum TrainOrder { TRAIN_RANDOM, TRAIN_TEXT } TrainOrder;

typedef struct TrainOptions {
    int64_t length, tokens, tokens_per_step, seed;
    int64_t cache;         /* rows of earlier segments that every layer attends to (model/cache.h); 0: none */
    int order;             /* TrainOrder; has no effect with `cache` (train_in_order) */
    int precision;         /* Precision */
    double checkpoint;     /* seconds between saved states; 0: none */
    double until_exact;    /* of a task, section `until`: training ends at this share of answered examples, */
    int64_t until_updates; /* computed each time after this number of updates; 0: never */
    const TrainStageOptions *stages; /* [stage_count]: all stages but the last */
    int stage_count;
    GrowthOptions growth;
    const char *from;       /* key of the run that is continued; NULL: none, or not known yet */
    const char *from_point; /* values by path of the point that is continued, as JSON; NULL: given by key */
    const char *const *frozen; /* names and patterns of tensors that are not trained; NULL-terminated */
} TrainOptions;

extern const OptionField train_fields[];
extern const int train_field_count;
extern const OptionSection train_section, train_until_section, train_stage_section;

/* Reads the section `train` without optimizer and schedule, of a model of `layers` layers, and writes it;
   json may be NULL: the defaults. */
bool train_options_read(TrainOptions *options, const Json *json, int64_t layers, const char *source,
                        Arena *arena, Error *err);
Json *train_options_json(const TrainOptions *options, Arena *arena);

/* Reads the section `train` of a stored run's config. False for a config of another revision that cannot be
   read. */
bool train_options_of_run(TrainOptions *options, const Json *config, Arena *arena);

/* The values of options->from_point, which must not be NULL. */
Json *train_from_point(const TrainOptions *options, Arena *arena);

/* Checks the rules between options: tokens_per_step is a multiple of all lengths, shares and growth leave
   updates to the last stage, and the model can grow. */
bool train_check(const TrainOptions *options, const ModelOptions *model, const char *source, Error *err);

/* Whether the sequences of updates follow each other in the text. */
bool train_in_order(const TrainOptions *options);

int64_t train_steps(const TrainOptions *options);

typedef struct TrainStage {
    int index;              /* from 0 */
    int length, sequences;  /* of an update */
    int64_t first, updates; /* the stage makes the updates first + 1 .. first + updates */
    int item;               /* of `stages`, which has this length; stage_count: `length` */
    int64_t item_first;     /* the updates before those of the item, with which its batches begin */
    int blocks;             /* of the growing model, from 1 */
} TrainStage;

int train_stage_count(const TrainOptions *options); /* at least 1 */
TrainStage train_stage(const TrainOptions *options, int index);

/* The stage that makes update `step`, from 1; after the last update, the last stage. */
TrainStage train_stage_at(const TrainOptions *options, int64_t step);

/* The layers in a stage, of a model that has `layers` at the end. */
int train_stage_layers(const TrainOptions *options, const TrainStage *stage, int layers);

/* The path of the stage's length in a config: "train.stages[0].length", or "train.length". */
const char *train_stage_path(const TrainOptions *options, const TrainStage *stage, Arena *arena);

/* "length 64", of a growing model "length 64, 2 of 4 layers" */
const char *train_stage_text(const TrainOptions *options, const TrainStage *stage, Arena *arena);

/* "length 64 to update 250, 512 to 1000"; "layers 1 to update 400, 2 to 1000" */
const char *train_stages_text(const TrainOptions *options, Arena *arena);

#endif
