#include "position/rotary.h"

#include <math.h>

const char *const rotary_pair_names[] = {[ROTARY_INTERLEAVED] = "interleaved", [ROTARY_HALF] = "half", NULL};

int rotary_size(const PositionShape *shape, const void *options) {
    double exact = ((const RotaryOptions *)options)->fraction * shape->head_dim;
    int n = 2 * (int)lround(exact / 2);
    return fabs(exact - n) < 1e-6 ? n : -1;
}

bool rotary_check(const PositionShape *shape, const void *options, Error *err) {
    if (rotary_size(shape, options) >= 0) return true;
    return error_set(err, EXIT_USAGE,
                     "rotates pairs: 'fraction' times the head size (%g x %d) must be an even whole number",
                     ((const RotaryOptions *)options)->fraction, shape->head_dim);
}

bool rotary_check_two_pairs(const PositionShape *shape, const void *options, Error *err) {
    if (rotary_size(shape, options) != 2) return true;
    return error_set(err, EXIT_USAGE, "needs at least two pairs, got one: the fastest pair is not scaled");
}

bool rotary_check_ramp(const PositionShape *shape, const void *options, Error *err) {
    const RotaryRamp *ramp = options;
    (void)shape;
    if (ramp->beta_slow <= ramp->beta_fast) return true;
    return error_set(err, EXIT_USAGE, "needs 'beta_slow' <= 'beta_fast', got %g and %g", ramp->beta_slow,
                     ramp->beta_fast);
}

double rotary_frequency(const PositionContext *context, int pair) {
    const RotaryOptions *rotation = context->options;
    return pow(rotation->base, -2.0 * pair / rotary_size(context->shape, rotation));
}

double rotary_resonance(const void *options, double w) {
    if (!((const RotaryOptions *)options)->resonance || w == 0) return w;
    return 2 * M_PI / round(2 * M_PI / w);
}

double rotary_ntk_frequency(const PositionContext *context, int pair, double s) {
    const RotaryOptions *rotation = context->options;
    int n = rotary_size(context->shape, rotation);
    return pow(rotation->base * pow(s, n / (n - 2.0)), -2.0 * pair / n);
}

double rotary_factor(const PositionContext *context) {
    double factor = ((const RotaryExtension *)context->options)->factor;
    return factor > 0 ? factor : fmax(1, (double)context->length / context->shape->train_length);
}

double rotary_turns(const PositionContext *context, double frequency) {
    return context->shape->train_length * frequency / (2 * M_PI);
}

double rotary_pair_of(const PositionContext *context, double turns) {
    const RotaryOptions *rotation = context->options;
    int n = rotary_size(context->shape, rotation);
    return n * log(context->shape->train_length / (2 * M_PI * turns)) / (2 * log(rotation->base));
}

double rotary_blend(const PositionContext *context, int pair, double g) {
    return rotary_frequency(context, pair) * (1 - g * (1 - 1 / rotary_factor(context)));
}

double rotary_ramp(double x, double length) {
    if (length == 0) return x > 0;
    return fmin(fmax(x / length, 0), 1);
}

PositionRotation rotary_turn(const PositionContext *context, double frequency, double position,
                             double amplitude) {
    return (PositionRotation){position * rotary_resonance(context->options, frequency), amplitude};
}

/* cosines[T,n/2], then sines[T,n/2], for each role, or once for all roles. */
typedef struct Tables {
    bool by_role;
    _Alignas(64) float angles[];
} Tables;

static void fill(float *table, const PositionMethod *method, const PositionContext *context,
                 PositionRole role, const double *positions) {
    int length = context->length, half = rotary_size(context->shape, context->options) / 2;
    float *cosines = table, *sines = table + (size_t)length * half;
    for (int pair = 0; pair < half; pair++) {
        double frequency = method->frequency ? method->frequency(context, pair) : 0;
        frequency = rotary_resonance(context->options, frequency);
        for (int t = 0; t < length; t++) {
            double position = position_at(positions, t);
            PositionRotation turn = {position * frequency, 1};
            if (method->rotation) turn = method->rotation(context, role, pair, position);
            cosines[t * half + pair] = (float)(turn.amplitude * cos(turn.angle));
            sines[t * half + pair] = (float)(turn.amplitude * sin(turn.angle));
        }
    }
}

void *rotary_prepare(const PositionMethod *method, const PositionContext *context, const double *positions,
                     Arena *arena) {
    int roles = !method->rotation ? 1 : method->horizon ? POS_KEY_FAR + 1 : POS_KEY + 1;
    size_t floats = (size_t)context->length * (size_t)rotary_size(context->shape, context->options);
    Tables *tables = arena_alloc(arena, 1, sizeof *tables + (size_t)roles * floats * sizeof(float));
    if (!tables) return NULL;
    tables->by_role = method->rotation;
    for (int role = 0; role < roles; role++)
        fill(tables->angles + (size_t)role * floats, method, context, (PositionRole)role, positions);
    return tables;
}

/* Direction 1: forward; -1: backward. */
static void rotate(const PositionContext *context, PositionRole role, float *x, int stride, float direction) {
    const RotaryOptions *options = context->options;
    const Tables *tables = context->tables;
    int length = context->length, half = rotary_size(context->shape, options) / 2;
    size_t size = (size_t)length * (size_t)half;
    const float *cosines = tables->angles + (tables->by_role ? 2 * size * role : 0), *sines = cosines + size;
    for (int t = 0; t < length; t++, x += stride, cosines += half, sines += half) {
        if (options->pairs == ROTARY_INTERLEAVED) {
            for (int i = 0; i < half; i++) {
                float a = x[2 * i], b = x[2 * i + 1], s = direction * sines[i];
                x[2 * i] = a * cosines[i] - b * s;
                x[2 * i + 1] = a * s + b * cosines[i];
            }
        } else {
            for (int i = 0; i < half; i++) {
                float a = x[i], b = x[half + i], s = direction * sines[i];
                x[i] = a * cosines[i] - b * s;
                x[half + i] = a * s + b * cosines[i];
            }
        }
    }
}

void rotary_rotate(const PositionContext *context, PositionRole role, float *x, int stride) {
    rotate(context, role, x, stride, 1);
}

void rotary_rotate_backward(const PositionContext *context, PositionRole role, const float *x, float *dx,
                            int stride) {
    (void)x;
    rotate(context, role, dx, stride, -1);
}

int rotary_window(const RotaryWindow *options, int64_t standard) {
    int64_t window = options->window ? options->window : standard;
    return window < 1 ? 1 : (int)window;
}
