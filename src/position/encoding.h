/* encoding: the registry of methods, and a method with its options as a run uses it.
 */
#ifndef POSLAB_ENCODING_H
#define POSLAB_ENCODING_H

#include "position/position.h"

/* The registry, generated from methods/ in alphabetical order of names. The build checks that a method's name
   is its file's. */
extern const PositionMethod *const position_methods[];
extern const int position_method_count;

const PositionMethod *position_find(const char *name); /* NULL if there is none of that name */
const PositionMethod *position_find_or_nearest(const char *name,
                                               const char **nearest); /* for error messages */

/* The hooks by which a method acts, in the order of a pass. */
#define POSITION_HOOKS(HOOK)                                                                                 \
    HOOK(embed)                                                                                              \
    HOOK(input)                                                                                              \
    HOOK(transform)                                                                                          \
    HOOK(horizon)                                                                                            \
    HOOK(distance_bias)                                                                                      \
    HOOK(pair_bias)                                                                                          \
    HOOK(vectors)                                                                                            \
    HOOK(gate)                                                                                               \
    HOOK(scores)                                                                                             \
    HOOK(positions)

enum {
#define HOOK(name) POS_HOOK_##name,
    POSITION_HOOKS(HOOK)
#undef HOOK
        POS_HOOK_COUNT
};
extern const char *const position_hook_names[POS_HOOK_COUNT];

/* Bit i is set if the method has hook i. */
unsigned position_hooks(const PositionMethod *method);

/* The control: the first method without any hook; NULL if there is none. */
const PositionMethod *position_control(void);

/* The method's rules, and for methods with `frequency` that n is an even whole number. Code EXIT_USAGE. */
bool position_check(const PositionMethod *method, const PositionShape *shape, const void *options, Err *err);

/* The method's tables, see the hook `prepare`; NULL for methods that have none, and with a counting arena. */
void *position_prepare(const PositionMethod *method, const PositionShape *shape, const void *options,
                       int length, const double *positions, Arena *arena);

/* A method with its options, as a run uses it. */
typedef struct Position {
    const PositionMethod *method;
    void *options;               /* options_size bytes, NULL without options */
    const struct Position *with; /* the partner of a method with `positions`; else NULL */
} Position;

/* The one whose hooks act in the model: the partner, if there is one. */
static inline const Position *position_acting(const Position *position) {
    return position->with ? position->with : position;
}

/* The method, its options and its partner, with all defaults spelled out. */
Json *position_json(const Position *position);

/* The method with its defaults, those of its default partner too; false if there is no such partner. */
bool position_default(Position *position, const PositionMethod *method, Arena *arena);

/* Whether passes of this length can be made: within the method's limit, and at no position beyond the
   partner's. */
bool position_usable(const Position *position, const PositionShape *shape, int64_t length);

/* Bytes of the tables for one sequence. */
size_t position_table_bytes(const Position *position, const PositionShape *shape, int length);

/* Which rows are to be drawn. Training: sequence `sequence` of update `step`; evaluation: window `sequence`.
 */
typedef struct PositionPlace {
    uint64_t seed;
    bool training;
    int64_t step, sequence;
} PositionPlace;

/* Writes positions[T] and returns true, or returns false where rows stand at 0..T-1. */
bool position_draw(const Position *position, const PositionShape *shape, PositionPlace place,
                   double *positions, int length);

/* The layout, checked: writes the tensors and returns how many. */
int position_layout(const Position *position, const PositionShape *shape, PositionTensor tensors[]);
size_t position_tensor_size(const PositionTensor *tensor); /* floats of one copy */

/* Whether a tensor is per layer, so that what follows from the tensors must be computed for each layer. */
bool position_per_layer(const Position *position, const PositionShape *shape);

#endif
