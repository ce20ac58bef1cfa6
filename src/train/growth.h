/* growth: a model that becomes deeper during training (MIDAS, Saunshi et al. 2024, arXiv 2409.19044).
 *
 *     "train": { "growth": { "block": 1, "alpha": 1, "place": "middle", "state": "copy" } }
 *
 * Training starts with the first block of `block` layers. Each later stage begins with a copy of a block,
 * inserted right after the original; later layers move up. With k = layers / block stages, stage i = 1..k
 * ends after the share (1^alpha + ... + i^alpha) / (1^alpha + ... + k^alpha) of the updates, rounded to
 * nearest, and makes at least one update.
 *
 * All tensors are there from the start. A stage uses the first layers of the model (model_part); the tensors
 * of the others have their initial values and are not trained. Growth copies parameters and the optimizer's
 * arrays from layer to layer.
 */
#ifndef POSLAB_TRAIN_GROWTH_H
#define POSLAB_TRAIN_GROWTH_H

#include "base/options.h"
#include "train/optimizer.h"

typedef enum GrowthPlace { GROWTH_MIDDLE, GROWTH_LAST, GROWTH_SPLIT, GROWTH_RANDOM } GrowthPlace;
typedef enum GrowthState { GROWTH_COPY, GROWTH_RESET } GrowthState;

typedef struct GrowthOptions { /* the section `train.growth` */
    int64_t block;             /* layers of a block; 0: the model does not grow */
    double alpha;
    int place;  /* GrowthPlace */
    int state;  /* GrowthState */
    int stages; /* of growth: blocks of the whole model; 0 if the model does not grow */
} GrowthOptions;

extern const OptionSection growth_section;

/* Reads the section (NULL: no growth) for a model of `layers` layers. One block of all layers is no growth.
   Errors as in options_read, or a block that does not divide the layers. */
bool growth_read(GrowthOptions *options, const Json *json, int64_t layers, const char *source, Arena *arena,
                 Error *err);
Json *growth_json(const GrowthOptions *options, Arena *arena);

/* Checks that layers at the distance of a block have the same tensors, and that a tensor is frozen
   in all layers or in none. */
bool growth_check(const GrowthOptions *options, const ModelOptions *model, const char *source, Error *err);
bool growth_check_frozen(const GrowthOptions *options, const Model *model, const char *source, Error *err);

/* The last of `steps` updates with `blocks` blocks. */
int64_t growth_end(const GrowthOptions *options, int64_t steps, int blocks);

/* The first of the `block` layers that are copied in a model of `layers` layers so far. */
int growth_source(const GrowthOptions *options, int layers);

/* Inserts a block into a model of `layers` layers so far. `seed` determines the values of a random one. */
void growth_step(const GrowthOptions *options, Model *model, Optimizer *optimizer, int layers, uint64_t seed);

#endif
