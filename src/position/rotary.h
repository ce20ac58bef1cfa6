/* rotary: what methods that rotate pairs of coordinates share.
 */
#ifndef POSLAB_ROTARY_H
#define POSLAB_ROTARY_H

#include "position/position.h"

/* Rotations. Of the D coordinates of a head the first n are n/2 pairs; pair i of row t is turned by an angle
   of its own and multiplied by an amplitude m:

       (a, b) -> (m (a cos - b sin), m (a sin + b cos))

   A method that rotates is its frequencies: the hook `frequency`. Its options struct begins with a
   PositionRotation, its fields with the rows POS_ROTATION_FIELDS, and its description has the line

       POS_ROTATION_HOOKS(frequency),

   which also sets the transforms; the core makes the table of cosines and sines. Methods whose angles are not
   a frequency times the position have a prepare of their own, call position_fill_angles or fill such a table
   themselves, and use the same transforms. */
#define POS_ROTATION_HOOKS(hook)                                                                             \
    .frequency = hook, .transform = position_rotate_forward, .transform_backward = position_rotate_backward

typedef enum PositionPairs {
    POS_INTERLEAVED, /* neighbours: (2i, 2i + 1) */
    POS_HALF         /* half of the rotated part apart: (i, i + n/2) */
} PositionPairs;

typedef struct PositionRotation {
    double base;     /* of the frequencies */
    double fraction; /* n / D */
    int pairs;       /* PositionPairs */
} PositionRotation;

extern const char *const position_pair_names[]; /* of PositionPairs, as choices of a field */

/* The rows of these options. */
#define POS_ROTATION_FIELD(member, type, ...)                                                                \
    { #member, type, offsetof(PositionRotation, member), __VA_ARGS__ }
#define POS_ROTATION_FIELDS                                                                                  \
    POS_ROTATION_FIELD(base, FIELD_REAL, .standard = 10000, .low = 1.01, .high = 1e9,                        \
                       .help = "the slowest pair turns about base times slower than the fastest"),           \
        POS_ROTATION_FIELD(fraction, FIELD_REAL, .standard = 1, .low = 0, .high = 1,                         \
                           .help = "share of each head's coordinates that is rotated"),                      \
        POS_ROTATION_FIELD(                                                                                  \
            pairs, FIELD_CHOICE, .standard = POS_INTERLEAVED, .choices = position_pair_names,                \
            .help = "which coordinates form a pair: neighbours, or half of the rotated part apart")

/* n; -1 if fraction * D is not an even whole number. The core refuses that for methods with `frequency`; a
   method with a prepare of its own calls position_check_rotated. `options` begins with a PositionRotation. */
int position_rotated(const PositionShape *shape, const void *options);
bool position_check_rotated(const char *name, const PositionShape *shape, const void *options, Err *err);

/* base^(-2 pair / n): the plain frequency, from which others are made. */
double position_base_frequency(const PositionContext *context, int pair);

/* Context extension: the factor s by which a pass is longer than training, and its option. */
#define POS_FACTOR_FIELD(Options)                                                                            \
    {                                                                                                        \
        "factor", FIELD_REAL, offsetof(Options, factor),                                                     \
            .low = 1, .high = 1e6, .or_zero = true,                                                          \
            .help = "context extension factor s; 0: evaluation length / training length, at least 1"         \
    }
double position_factor(const PositionContext *context,
                       double factor); /* factor, or where it is 0 max(1, T / L) */

/* Pair i of a table for T rows: cosines[T,n/2], then sines[T,n/2], T n floats, of the angles p frequency
   times the amplitude, where row t stands at p = position_at(positions, t). Angles are computed in double. */
void position_fill_angles(float *table, int i, double frequency, double amplitude, const double *positions,
                          int length, int n);

/* Turns T rows of x, row t at x + t * stride, by the table. Direction 1: forward; -1: by the opposite angles
   with the same amplitudes, which is the transpose, hence backward. Coordinates from n on stay. */
void position_rotate(float *x, int stride, const float *table, int length, int n, PositionPairs pairs,
                     float direction);

/* The hooks, for options that begin with a PositionRotation and tables that are one such table. Methods with
   several tables call position_rotate from hooks of their own. */
void position_rotate_forward(const PositionContext *context, PositionRole role, float *x, int stride);
void position_rotate_backward(const PositionContext *context, PositionRole role, float *dx, int stride);

#endif
