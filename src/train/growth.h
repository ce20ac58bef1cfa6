/* growth: a model that becomes deeper during training (MIDAS, Saunshi et al. 2024, arXiv 2409.19044).
 *
 *     "train": { "growth": { "block": 1, "alpha": 1, "place": "middle", "state": "copy" } }
 *
 * Training starts with one block of `block` layers. Each later stage begins by copying a block and inserting
 * the copy after the original; the layers after it move up. There are k = layers / block stages. Stage
 * i = 1..k ends after the share (1^alpha + ... + i^alpha) / (1^alpha + ... + k^alpha) of the updates, rounded
 * to nearest, and makes at least one update.
 *
 * The model has the tensors of all layers from the start. A stage uses only its first layers (model_part);
 * the other layers have their initial values and are not trained. Growth copies parameters and the
 * optimizer's arrays from one layer to another.
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
    int stages; /* number of stages, the blocks of the whole model; 0 if the model does not grow */
} GrowthOptions;

extern const OptionSection growth_section;

/* Reads the section (json NULL: no growth) for a model of `layers` layers. A block of all layers means no
   growth. Fails as options_read does, or if the block does not divide the layers. */
bool growth_read(GrowthOptions *options, const Json *json, int64_t layers, const char *source, Arena *arena,
                 Error *err);
Json *growth_json(const GrowthOptions *options, Arena *arena);

/* Checks that a layer and its copy have the same tensors (EXIT_USAGE). */
bool growth_check(const GrowthOptions *options, const ModelOptions *model, const char *source, Error *err);

/* Checks that a tensor is frozen in all layers or in none (EXIT_USAGE). */
bool growth_check_frozen(const GrowthOptions *options, const Model *model, const char *source, Error *err);

/* The number of the last update, of `steps`, at which the model has `blocks` blocks. */
int64_t growth_end(const GrowthOptions *options, int64_t steps, int blocks);

/* The first layer of the block that is copied when the model has `layers` layers. */
int growth_source(const GrowthOptions *options, int layers);

/* Inserts a block when the model has `layers` layers. `seed` determines the values of a random block. */
void growth_step(const GrowthOptions *options, Model *model, Optimizer *optimizer, int layers, uint64_t seed);

#endif
