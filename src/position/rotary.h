/* rotary: services for methods that rotate pairs of coordinates.
 *
 * A method supplies the angular frequency of each pair (the hook `frequency`); the check, the table of
 * angles, the transform and its backward are here. The options of such a method begin with RotaryOptions.
 * The share `fraction` of a head's coordinates is rotated, the others are unchanged.
 */
#ifndef POSLAB_ROTARY_H
#define POSLAB_ROTARY_H

#include "position/position.h"

/* Rotations. Of the D coordinates of a head the first n are n/2 pairs; pair i of row t is turned by an angle
   of its own and multiplied by an amplitude m:

       (a, b) -> (m (a cos - b sin), m (a sin + b cos))

   A method that rotates is its frequencies: the hook `frequency`. Its options struct begins with a
   RotaryOptions, its fields with the rows ROTARY_FIELDS, and its description has the line

       ROTARY_HOOKS(frequency),

   which also sets the transforms; the core makes the table of cosines and sines. Methods whose angles are not
   a frequency times the position have a prepare of their own, call rotary_fill_angles or fill such a table
   themselves, and use the same transforms. */
#define ROTARY_HOOKS(hook)                                                                                   \
    .frequency = (hook), .transform = rotary_rotate, .transform_backward = rotary_rotate_backward

typedef enum RotaryPairs {
    ROTARY_INTERLEAVED, /* neighbours: (2i, 2i + 1) */
    ROTARY_HALF         /* half of the rotated part apart: (i, i + n/2) */
} RotaryPairs;

typedef struct RotaryOptions {
    double base;     /* of the frequencies */
    double fraction; /* n / D */
    int pairs;       /* RotaryPairs */
} RotaryOptions;

extern const char *const rotary_pair_names[]; /* of RotaryPairs, as choices of a field */

/* The rows of these options. */
#define ROTARY_FIELD(member, type, ...)                                                                      \
    { #member, type, offsetof(RotaryOptions, member), __VA_ARGS__ }
#define ROTARY_FIELDS                                                                                        \
    ROTARY_FIELD(base, OPTION_REAL, .default_value = 10000, .low = 1.01, .high = 1e9,                        \
                 .help = "the slowest pair turns about base times slower than the fastest"),                 \
        ROTARY_FIELD(fraction, OPTION_REAL, .default_value = 1, .low = 0, .high = 1,                         \
                     .help = "share of each head's coordinates that is rotated"),                            \
        ROTARY_FIELD(pairs, OPTION_CHOICE, .default_value = ROTARY_INTERLEAVED,                              \
                     .choices = rotary_pair_names,                                                           \
                     .help = "which coordinates form a pair: neighbours, or half of the rotated part apart")

/* n; -1 if fraction * D is not an even whole number. The core refuses that for methods with `frequency`; a
   method with a prepare of its own calls rotary_check. `options` begins with a RotaryOptions. */
int rotary_size(const PositionShape *shape, const void *options);
bool rotary_check(const char *name, const PositionShape *shape, const void *options, Error *err);

/* base^(-2 pair / n): the plain frequency, from which others are made. */
double rotary_base_frequency(const PositionContext *context, int pair);

/* Context extension: the factor s by which a pass is longer than training, and its option. */
#define ROTARY_FACTOR_FIELD(Options)                                                                         \
    {                                                                                                        \
        "factor", OPTION_REAL, offsetof(Options, factor),                                                    \
            .low = 1, .high = 1e6, .or_zero = true,                                                          \
            .help = "context extension factor s; 0: evaluation length / training length, at least 1"         \
    }
double rotary_factor(const PositionContext *context,
                     double factor); /* factor, or where it is 0 max(1, T / L) */

/* Pair i of a table for T rows: cosines[T,n/2], then sines[T,n/2], T n floats, of the angles p frequency
   times the amplitude, where row t stands at p = position_at(positions, t). Angles are computed in double. */
void rotary_fill_angles(float *table, int i, double frequency, double amplitude, const double *positions,
                        int length, int n);

/* Turns T rows of x, row t at x + t * stride, by the table. Direction 1: forward; -1: by the opposite angles
   with the same amplitudes, which is the transpose, hence backward. Coordinates from n on stay. */
void rotary_apply(float *x, int stride, const float *table, int length, int n, RotaryPairs pairs,
                  float direction);

/* The hooks, for options that begin with a RotaryOptions and tables that are one such table. Methods with
   several tables call rotary_apply from hooks of their own. */
void rotary_rotate(const PositionContext *context, PositionRole role, float *x, int stride);
void rotary_rotate_backward(const PositionContext *context, PositionRole role, float *dx, int stride);

#endif
