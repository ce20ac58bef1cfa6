/* rotary: services for methods that rotate pairs of coordinates.
 *
 * The first n = fraction * D of the D coordinates of a head are n/2 pairs. In row t at position p, pair i
 * is rotated by an angle and multiplied by an amplitude m:
 *
 *     (a, b) -> (m (a cos - b sin), m (a sin + b cos))
 *
 * If the angle is p times a frequency, the method is a function of the pair, the hook `frequency`, and its
 * PositionMethod has the line
 *
 *     ROTARY_HOOKS(frequency),
 *
 * which also sets the transforms. The core makes the table of cosines and sines, and refuses an n that is
 * not an even whole number. Other methods fill such tables in their `prepare` (rotary_set_angle,
 * rotary_fill), set the transforms of one table or of several (RotaryTables), and call rotary_check in their
 * `check`.
 *
 * The options struct of such a method is one of the three below or begins with one of them; its rows begin
 * with the rows of that struct.
 */
#ifndef POSLAB_ROTARY_H
#define POSLAB_ROTARY_H

#include "position/position.h"

#define ROTARY_HOOKS(hook)                                                                                   \
    .frequency = (hook), .transform = rotary_rotate, .transform_backward = rotary_rotate_backward

typedef enum RotaryPairs {
    ROTARY_INTERLEAVED, /* neighbouring coordinates: (2i, 2i + 1) */
    ROTARY_HALF         /* coordinates from both halves of the rotated part: (i, i + n/2) */
} RotaryPairs;

extern const char *const rotary_pair_names[]; /* the names of RotaryPairs, for a field */

/* Options of a rotation. Rows: ROTARY_FIELDS. */
typedef struct RotaryOptions {
    double base;     /* base of the frequencies */
    double fraction; /* n / D */
    int pairs;       /* RotaryPairs */
    bool resonance;  /* wavelengths are rounded to whole positions; see rotary_resonance */
} RotaryOptions;

/* Options of a rotation with a context extension. Rows: ROTARY_EXTENSION_FIELDS. */
typedef struct RotaryExtension {
    RotaryOptions rotation;
    double factor; /* 0: from the length of the pass; see rotary_factor */
} RotaryExtension;

/* Options of a rotation whose slow pairs are extended and whose fast pairs are not. Rows:
   ROTARY_RAMP_FIELDS. */
typedef struct RotaryRamp {
    RotaryExtension extension;
    double beta_fast, beta_slow; /* turns within the training length */
} RotaryRamp;

/* Options of a rotation of whole heads that is another one for keys from a distance on, the hook `horizon`.
   Rows: ROTARY_WINDOW_FIELDS, with the help of `window`. */
typedef struct RotaryWindow {
    int64_t window; /* 0: a default of the method */
    double base;
    int pairs; /* RotaryPairs */
} RotaryWindow;

#define ROTARY_FIELD(Struct, member, type, ...)                                                              \
    { #member, type, offsetof(Struct, member), __VA_ARGS__ }
#define ROTARY_FIELDS                                                                                        \
    ROTARY_FIELD(RotaryOptions, base, OPTION_REAL, .default_value = 10000, .low = 1.01, .high = 1e9,         \
                 .help = "base of the frequencies, base^(-2i/n) for pair i of n coordinates"),               \
        ROTARY_FIELD(RotaryOptions, fraction, OPTION_REAL, .default_value = 1, .low = 0, .high = 1,          \
                     .help = "share of each head's coordinates that is rotated"),                            \
        ROTARY_FIELD(RotaryOptions, pairs, OPTION_CHOICE, .default_value = ROTARY_INTERLEAVED,               \
                     .choices = rotary_pair_names,                                                           \
                     .help = "coordinates of a pair: adjacent, or half of the rotated coordinates apart"),   \
        ROTARY_FIELD(RotaryOptions, resonance, OPTION_BOOL, .newer = true,                                   \
                     .help = "round the wavelength of every pair to a whole number of positions")
#define ROTARY_EXTENSION_FIELDS                                                                              \
    ROTARY_FIELDS,                                                                                           \
        ROTARY_FIELD(RotaryExtension, factor, OPTION_REAL, .low = 1, .high = 1e6, .or_zero = true,           \
                     .help = "context extension factor s; 0: evaluation length / training length, "          \
                             "at least 1")
#define ROTARY_RAMP_FIELDS                                                                                   \
    ROTARY_EXTENSION_FIELDS,                                                                                 \
        ROTARY_FIELD(RotaryRamp, beta_fast, OPTION_REAL, .default_value = 32, .low = 1, .high = 1e6,         \
                     .help = "pairs with at least this many rotations in the training length are not "       \
                             "interpolated"),                                                                \
        ROTARY_FIELD(RotaryRamp, beta_slow, OPTION_REAL, .default_value = 1, .low = 1e-3, .high = 1e3,       \
                     .help = "pairs with at most this many rotations in the training length are fully "      \
                             "interpolated")

#define ROTARY_WINDOW_FIELDS(meaning)                                                                        \
    ROTARY_FIELD(RotaryWindow, window, OPTION_INT, .high = 1 << 24, .help = (meaning)),                      \
        ROTARY_FIELD(RotaryWindow, base, OPTION_REAL, .default_value = 10000, .low = 1.01, .high = 1e9,      \
                     .help = "base of the frequencies, base^(-2i/n) for pair i of n coordinates"),           \
        ROTARY_FIELD(RotaryWindow, pairs, OPTION_CHOICE, .default_value = ROTARY_INTERLEAVED,                \
                     .choices = rotary_pair_names,                                                           \
                     .help = "coordinates of a pair: adjacent, or half of a head apart")

/* The window; `standard`, at least 1, if the option is 0. */
int rotary_window(const RotaryWindow *options, int64_t standard);

/* The hook `check` of methods with a RotaryWindow: the head size is even. */
bool rotary_check_head(const PositionShape *shape, const void *options, Error *err);

/* Returns n; -1 if fraction * D is not an even whole number. */
int rotary_size(const PositionShape *shape, const void *options);

/* Hooks `check`. rotary_check: n is even (for methods without `frequency`). rotary_check_two_pairs: there
   are at least two pairs, as rotary_ntk_frequency needs. rotary_check_ramp: beta_slow <= beta_fast in a
   RotaryRamp. */
bool rotary_check(const PositionShape *shape, const void *options, Error *err);
bool rotary_check_two_pairs(const PositionShape *shape, const void *options, Error *err);
bool rotary_check_ramp(const PositionShape *shape, const void *options, Error *err);

/* w = base^(-2 pair / n): the frequency without context extension; usable as a hook. */
double rotary_frequency(const PositionContext *context, int pair);

/* Resonance (Wang et al. 2024, arXiv 2403.00071): with that option, the frequency whose wavelength 2 pi / w
   is rounded to a whole number of positions, so that angles repeat exactly; w without it, and for w = 0. The
   core applies it to the hook `frequency`, after context extension; methods with tables of their own do. */
double rotary_resonance(const void *options, double w);

/* The same with base * s^(n / (n - 2)) instead of base. It divides the frequency of the slowest pair by s
   and does not change that of the fastest. */
double rotary_ntk_frequency(const PositionContext *context, int pair, double s);

/* The context extension factor s of a RotaryExtension: its option; if that is 0, max(1, T / L) for passes
   of T positions and training length L. */
double rotary_factor(const PositionContext *context);

/* L w / 2 pi: the number of turns of a pair within the training length. */
double rotary_turns(const PositionContext *context, double frequency);

/* x / length, limited to [0, 1]. For length 0: a step, 1 if x > 0. */
double rotary_ramp(double x, double length);

/* w (1 - g (1 - 1/s)) with the factor s of a RotaryExtension: from the frequency itself (g = 0) to that of
   position interpolation (g = 1). */
double rotary_blend(const PositionContext *context, int pair, double g);

/* Rotations by angles that the content accumulates, for methods whose features f[H,T,D] begin with D/2
   increments of the angles (rotary_accumulate turns them into the cosines and the sines of their sums up to
   each position). Pair i: coordinates i and D/2 + i. The backward function turns the gradient of these into
   that of the increments; f has the cosines and sines. */
void rotary_accumulate(const PositionContext *context, float *f);
void rotary_accumulate_backward(const PositionContext *context, const float *f, float *df);

/* The hooks `transform` for such features. */
void rotary_by_features(const PositionContext *context, PositionRole role, float *x, int stride);
void rotary_by_features_backward(const PositionContext *context, PositionRole role, const float *x, float *dx,
                                 int stride);

/* A table for T rows is cosines[T,n/2], then sines[T,n/2]: T n floats. rotary_set_angle writes those of row
   t and one pair, times the amplitude. */
void rotary_set_angle(float *table, int length, int n, int t, int pair, double angle, double amplitude);

/* Fills the rows of a table whose positions are at least `first` and below `end`. */
void rotary_fill(float *table, const PositionContext *context, const double *positions,
                 double (*frequency)(const PositionContext *context, int pair), double amplitude,
                 double first, double end);

/* Rotates T rows of x by the table; row t is at x + t * stride. Direction 1: forward; -1: backward, by the
   opposite angles with the same amplitudes (the transpose). Coordinates from n on are unchanged. */
void rotary_apply(float *x, int stride, const float *table, int length, int n, RotaryPairs pairs,
                  float direction);

/* The hooks `transform` for methods whose tables are one such table. */
void rotary_rotate(const PositionContext *context, PositionRole role, float *x, int stride);
void rotary_rotate_backward(const PositionContext *context, PositionRole role, const float *x, float *dx,
                            int stride);

/* The same for methods that rotate queries, keys and far pairs by different tables. */
typedef struct RotaryTables {
    int n;
    RotaryPairs pairs;
    int of[POS_VALUE];           /* the table of each PositionRole, from 1; 0: not rotated */
    _Alignas(64) float tables[]; /* [count,T,n] */
} RotaryTables;

/* For `prepare`: `count` tables, which the method fills; it sets `of`. NULL for a counting arena. */
RotaryTables *rotary_tables(int count, int length, int n, RotaryPairs pairs, Arena *arena);

void rotary_rotate_role(const PositionContext *context, PositionRole role, float *x, int stride);
void rotary_rotate_role_backward(const PositionContext *context, PositionRole role, const float *x, float *dx,
                                 int stride);

#endif
