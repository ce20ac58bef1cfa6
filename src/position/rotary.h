/* rotary: services for methods that rotate pairs of coordinates.
 *
 * The first n = fraction * D of the D coordinates of a head are n/2 pairs. A method that rotates them is a
 * function of the pair, or of the role, the pair and the position, and has one of these lines:
 *
 *     ROTARY_HOOKS(frequency),        the angle is the position times a frequency; queries as keys
 *     ROTARY_ROTATION(rotation),      any angle and amplitude
 *
 * Both also set the transforms. The core makes the tables of cosines and sines (rotary_prepare) and refuses
 * an n that is not an even whole number.
 *
 * The options struct of such a method is one of the structs below or begins with one of them; its rows begin
 * with the rows of that struct.
 */
#ifndef POSLAB_ROTARY_H
#define POSLAB_ROTARY_H

#include "position/position.h"

#define ROTARY_HOOKS(hook)    .frequency = (hook), ROTARY_TRANSFORMS
#define ROTARY_ROTATION(hook) .rotation = (hook), ROTARY_TRANSFORMS
#define ROTARY_TRANSFORMS     .transform = rotary_rotate, .transform_backward = rotary_rotate_backward

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

/* Options of a rotation that is another one for keys from a distance on, the hook `horizon`. Rows:
   ROTARY_WINDOW_FIELDS, with the help of `window`. */
typedef struct RotaryWindow {
    RotaryOptions rotation;
    int64_t window; /* 0: a default of the method */
} RotaryWindow;

#define ROTARY_FIELD(Struct, member, type, ...)                                                              \
    { #member, type, offsetof(Struct, member), __VA_ARGS__ }
#define ROTARY_BASE_FIELD                                                                                    \
    ROTARY_FIELD(RotaryOptions, base, OPTION_REAL, .default_value = 10000, .low = 1.01, .high = 1e9,         \
                 .help = "base of the frequencies, base^(-2i/n) for pair i of n coordinates")
#define ROTARY_FRACTION_FIELD(is_newer)                                                                      \
    ROTARY_FIELD(RotaryOptions, fraction, OPTION_REAL, .default_value = 1, .low = 0, .high = 1,              \
                 .newer = (is_newer), .help = "share of each head's coordinates that is rotated")
#define ROTARY_PAIR_FIELDS                                                                                   \
    ROTARY_FIELD(RotaryOptions, pairs, OPTION_CHOICE, .default_value = ROTARY_INTERLEAVED,                   \
                 .choices = rotary_pair_names,                                                               \
                 .help = "coordinates of a pair: adjacent, or half of the rotated coordinates apart"),       \
        ROTARY_FIELD(RotaryOptions, resonance, OPTION_BOOL, .newer = true,                                   \
                     .help = "round the wavelength of every pair to a whole number of positions")
#define ROTARY_FIELDS ROTARY_BASE_FIELD, ROTARY_FRACTION_FIELD(false), ROTARY_PAIR_FIELDS
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
    ROTARY_FIELD(RotaryWindow, window, OPTION_INT, .high = 1 << 24, .help = (meaning)), ROTARY_BASE_FIELD,   \
        ROTARY_FRACTION_FIELD(true), ROTARY_PAIR_FIELDS

/* The window; `standard`, at least 1, if the option is 0. */
int rotary_window(const RotaryWindow *options, int64_t standard);

/* Returns n; -1 if fraction * D is not an even whole number. */
int rotary_size(const PositionShape *shape, const void *options);

/* Checks that n is even; the core calls this for every method that rotates. */
bool rotary_check(const PositionShape *shape, const void *options, Error *err);

/* Hooks `check`. rotary_check_two_pairs: there are at least two pairs, as rotary_ntk_frequency needs.
   rotary_check_ramp: beta_slow <= beta_fast in a RotaryRamp. */
bool rotary_check_two_pairs(const PositionShape *shape, const void *options, Error *err);
bool rotary_check_ramp(const PositionShape *shape, const void *options, Error *err);

/* w = base^(-2 pair / n): the frequency without context extension; usable as a hook. */
double rotary_frequency(const PositionContext *context, int pair);

/* Resonance (Wang et al. 2024, arXiv 2403.00071): with that option, the frequency whose wavelength 2 pi / w
   is rounded to a whole number of positions, so that angles repeat exactly; w without it, and for w = 0. The
   core applies it to the hook `frequency`, after context extension; a hook `rotation` applies it itself. */
double rotary_resonance(const void *options, double w);

/* The same with base * s^(n / (n - 2)) instead of base. It divides the frequency of the slowest pair by s
   and does not change that of the fastest. */
double rotary_ntk_frequency(const PositionContext *context, int pair, double s);

/* The context extension factor s of a RotaryExtension: its option; if that is 0, max(1, T / L) for passes
   of T positions and training length L. */
double rotary_factor(const PositionContext *context);

/* L w / 2 pi: the number of turns of a pair within the training length. */
double rotary_turns(const PositionContext *context, double frequency);

/* n ln(L / 2 pi turns) / (2 ln base): the index of the pair, as a real number, that turns so often. */
double rotary_pair_of(const PositionContext *context, double turns);

/* x / length, limited to [0, 1]. For length 0: a step, 1 if x > 0. */
double rotary_ramp(double x, double length);

/* w (1 - g (1 - 1/s)) with the factor s of a RotaryExtension: from the frequency itself (g = 0) to that of
   position interpolation (g = 1). */
double rotary_blend(const PositionContext *context, int pair, double g);

/* The rotation of a position by a frequency, with resonance, and an amplitude, for hooks `rotation`. */
PositionRotation rotary_turn(const PositionContext *context, double frequency, double position,
                             double amplitude);

/* The tables of a method with the hook `frequency` or `rotation`, for rotary_rotate; see the hook `prepare`.
 */
void *rotary_prepare(const PositionMethod *method, const PositionContext *context, const double *positions,
                     Arena *arena);

/* The hooks `transform` of these methods. Coordinates from n on are unchanged. Backward: the transpose, a
   rotation by the opposite angles with the same amplitudes. */
void rotary_rotate(const PositionContext *context, PositionRole role, float *x, int stride);
void rotary_rotate_backward(const PositionContext *context, PositionRole role, const float *x, float *dx,
                            int stride);

#endif
