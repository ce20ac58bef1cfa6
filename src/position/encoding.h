/* encoding: the registry of position methods, and a method with its options as a run uses it.
 *
 * The Makefile generates the registry from methods/, in alphabetical order. An Encoding is a method with
 * checked options, and with a partner if the method only moves positions. All other modules use methods
 * through this module and through the hooks; none of them names a method.
 */
#ifndef POSLAB_ENCODING_H
#define POSLAB_ENCODING_H

#include "position/position.h"

/* The registry, in alphabetical order of names. The build checks that the name of a method is that of its
   file. */
extern const PositionMethod *const encoding_methods[];
extern const int encoding_method_count;
extern const char *const encoding_method_hashes[]; /* hashes of the files of the methods */
extern const char *const encoding_common[]; /* the methods that `poslab init` compares, NULL-terminated */

const PositionMethod *encoding_find(const char *name); /* NULL if there is no method of that name */
const char *const *encoding_names(Arena *arena);       /* the names of all methods, NULL-terminated */
const PositionMethod *encoding_require(const char *name, Error *err); /* an unknown name is an error */

/* The same as encoding_find; if there is none, *nearest is the name that is probably meant, or NULL. */
const PositionMethod *encoding_find_or_nearest(const char *name, const char **nearest);

/* The hooks by which a method acts, in the order in which a pass calls them. */
#define ENCODING_HOOKS(HOOK)                                                                                 \
    HOOK(embed)                                                                                              \
    HOOK(input)                                                                                              \
    HOOK(transform)                                                                                          \
    HOOK(horizon)                                                                                            \
    HOOK(distance_bias)                                                                                      \
    HOOK(pair_bias)                                                                                          \
    HOOK(vectors)                                                                                            \
    HOOK(gate)                                                                                               \
    HOOK(features)                                                                                           \
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

/* Checks the rules of the method and, for methods that rotate, that n is an even whole number. Errors
   are EXIT_USAGE and begin with the name of the method. */
bool encoding_check(const PositionMethod *method, const PositionShape *shape, const void *options,
                    Error *err);

/* Whether passes of the method have tables: those of its hook `prepare`, or of its rotations. */
bool encoding_has_tables(const PositionMethod *method);

/* These tables; NULL for methods without tables and for a counting arena. */
void *encoding_prepare(const PositionMethod *method, const PositionShape *shape, const void *options,
                       int length, const double *positions, Arena *arena);

/* A method with its options, as a run uses it. */
typedef struct Encoding {
    const PositionMethod *method;
    void *options;                  /* options_size bytes; NULL for methods without options */
    const struct Encoding *partner; /* of a method with `positions`; otherwise NULL */
} Encoding;

/* The encoding whose hooks the model calls: the partner, if there is one. */
static inline const Encoding *encoding_acting(const Encoding *position) {
    return position->partner ? position->partner : position;
}

/* The method, its options and its partner as JSON, with all defaults. */
Json *encoding_json(const Encoding *position, Arena *arena);

/* Sets the method with the options that a JSON object has (NULL: none), and defaults for the others. The
   caller reads the keys `parts`, and the partner. Errors as in options_read. */
bool encoding_read(Encoding *position, const PositionMethod *method, const Json *json,
                   const OptionPart *parts, const char *source, const char *path, Arena *arena, Error *err);

/* Sets the method with default options, and its default partner likewise. Returns false if that partner
   does not exist. */
bool encoding_default(Encoding *position, const PositionMethod *method, Arena *arena);

/* Whether passes of this length are possible: within the limit of the method, and with no position beyond
   the limit of the partner. */
bool encoding_usable(const Encoding *position, const PositionShape *shape, int64_t length);

/* The options of the method that are not the default, as "key=value"; those of the partner are not
   included. "" if there are none. */
const char *encoding_changed_options(const Encoding *position, const char *separator, Arena *arena);

/* The options of the method as canonical JSON ("{}" without options). */
const char *encoding_options_text(const Encoding *position, Arena *arena);

/* The method and its partner with the hashes of their files: "randomised:0123456789ab
   rotary:ba9876543210". */
const char *encoding_files(const Encoding *position, Arena *arena);

/* Whether `files`, a text from encoding_files, names a method whose file has changed since. Every edit
   counts, also of a comment. Methods that this program does not have, and NULL (unknown), do not count. */
bool encoding_files_edited(const char *files);

/* Bytes of the tables of one sequence. */
size_t encoding_table_bytes(const Encoding *position, const PositionShape *shape, int length);

/* Which positions are drawn. Training: sequence `sequence` of update `step`; evaluation: window
   `sequence`. */
typedef struct EncodingDraw {
    uint64_t seed;
    bool training;
    int64_t step, sequence;
} EncodingDraw;

/* Writes positions[T] and returns true; returns false if the positions are 0..T-1. */
bool encoding_draw(const Encoding *position, const PositionShape *shape, EncodingDraw draw, double *positions,
                   int length);

/* Writes the tensors of the method, checks them, and returns their count. */
int encoding_layout(const Encoding *position, const PositionShape *shape, PositionTensor tensors[]);

/* Whether a tensor is per layer; the hooks that depend on the tensors are then called for each layer. */
bool encoding_per_layer(const Encoding *position, const PositionShape *shape);

#endif
