/* encoding: the registry of position methods, and a method with its options as a run uses it.
 *
 * The list of methods is generated from methods/ by the Makefile, in alphabetical order. An Encoding is a
 * method with its checked options, and its partner if the method only moves positions. All other modules use
 * methods through this one and through the hooks; none names a method.
 */
#ifndef POSLAB_ENCODING_H
#define POSLAB_ENCODING_H

#include "position/position.h"

/* The registry, generated from methods/ in alphabetical order of names. The build checks that a method's name
   is its file's. */
extern const PositionMethod *const encoding_methods[];
extern const int encoding_method_count;
extern const char *const encoding_method_hashes[]; /* of the methods' files */
extern const char *const encoding_common[]; /* the methods that a new config compares, NULL-terminated */

const PositionMethod *encoding_find(const char *name); /* NULL if there is none of that name */
const PositionMethod *encoding_find_or_nearest(const char *name,
                                               const char **nearest); /* for error messages */

/* The hooks by which a method acts, in the order of a pass. */
#define ENCODING_HOOKS(HOOK)                                                                                 \
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
#define HOOK(name) ENCODING_HOOK_##name,
    ENCODING_HOOKS(HOOK)
#undef HOOK
        ENCODING_HOOK_COUNT
};
extern const char *const encoding_hook_names[ENCODING_HOOK_COUNT];

/* Bit i is set if the method has hook i. */
unsigned encoding_hooks(const PositionMethod *method);

/* The control: the first method without any hook; NULL if there is none. */
const PositionMethod *encoding_control(void);

/* The method's rules, and for methods with `frequency` that n is an even whole number. Code EXIT_USAGE; the
   error begins with the method's name. */
bool encoding_check(const PositionMethod *method, const PositionShape *shape, const void *options,
                    Error *err);

/* The method's tables, see the hook `prepare`; NULL for methods that have none, and with a counting arena. */
void *encoding_prepare(const PositionMethod *method, const PositionShape *shape, const void *options,
                       int length, const double *positions, Arena *arena);

/* A method with its options, as a run uses it. */
typedef struct Encoding {
    const PositionMethod *method;
    void *options;                  /* options_size bytes, NULL without options */
    const struct Encoding *partner; /* the partner of a method with `positions`; else NULL */
} Encoding;

/* The one whose hooks act in the model: the partner, if there is one. */
static inline const Encoding *encoding_acting(const Encoding *position) {
    return position->partner ? position->partner : position;
}

/* The method, its options and its partner, with all defaults spelled out. */
Json *encoding_json(const Encoding *position, Arena *arena);

/* The method with its defaults, those of its default partner too; false if there is no such partner. */
bool encoding_default(Encoding *position, const PositionMethod *method, Arena *arena);

/* Whether passes of this length can be made: within the method's limit, and at no position beyond the
   partner's. */
bool encoding_usable(const Encoding *position, const PositionShape *shape, int64_t length);

/* The options that are not the default, "key=value" each, its partner's apart; "" for none. */
const char *encoding_changed_options(const Encoding *position, const char *separator, Arena *arena);

/* The files by which the encoding acts: "randomised:0123456789ab rotary:ba9876543210", the method and its
   partner with the hashes of their files. */
const char *encoding_files(const Encoding *position, Arena *arena);

/* Whether such a text has a method whose file was another one when this program was built. Any edit counts,
   of comments, too. Methods that this program does not have, and NULL (not known), do not count. */
bool encoding_files_edited(const char *files);

/* Bytes of the tables for one sequence. */
size_t encoding_table_bytes(const Encoding *position, const PositionShape *shape, int length);

/* Which rows are to be drawn. Training: sequence `sequence` of update `step`; evaluation: window `sequence`.
 */
typedef struct EncodingDraw {
    uint64_t seed;
    bool training;
    int64_t step, sequence;
} EncodingDraw;

/* Writes positions[T] and returns true, or returns false if the positions are 0..T-1. */
bool encoding_draw(const Encoding *position, const PositionShape *shape, EncodingDraw draw, double *positions,
                   int length);

/* The layout, checked: writes the tensors and returns how many. */
int encoding_layout(const Encoding *position, const PositionShape *shape, PositionTensor tensors[]);

/* Whether a tensor is per layer, so that what follows from the tensors must be computed for each layer. */
bool encoding_per_layer(const Encoding *position, const PositionShape *shape);

#endif
