/* naive_formulas: the methods of the core as the papers and the authors' code have them, in double. */
#include "naive.h"

#include <math.h>
#include <string.h>

double naive_option(const Position *position, const char *key) {
    for (int i = 0; i < position->method->field_count; i++) {
        const Field *field = &position->method->fields[i];
        const char *at = (const char *)position->options + field->offset;
        if (strcmp(field->key, key) != 0) continue;
        switch (field->type) {
        case FIELD_INT:
            return (double)*(const int64_t *)(const void *)at;
        case FIELD_REAL:
            return *(const double *)(const void *)at;
        case FIELD_BOOL:
            return *(const bool *)(const void *)at;
        case FIELD_CHOICE:
            return *(const int *)(const void *)at;
        case FIELD_TEXT:
            break;
        }
    }
    BUG("%s has no option '%s' that is a number", position->method->name, key);
}

/* Vaswani et al. 2017, section 3.5; fairseq's sinusoidal_positional_embedding.py with padding_idx = 1. */
static double sinusoidal_embed(const Position *position, const PositionShape *shape, int t, int c) {
    double base = naive_option(position, "base");
    if (naive_option(position, "layout") == 1) { /* original */
        double angle = t / pow(base, (double)(c - c % 2) / shape->width);
        return c % 2 == 0 ? sin(angle) : cos(angle);
    }
    int half = shape->width / 2;
    double angle = (t + 2) * exp(-log(base) * (c % half) / (half - 1));
    return c < half ? sin(angle) : cos(angle);
}

/* Su et al. 2021, equation 34: pair (a, b) of position t turns by t base^(-2i/n). */
static void rotary_transform(const Position *position, const PositionShape *shape, double *row, int t,
                             int sign) {
    int n = (int)lround(naive_option(position, "fraction") * shape->head_dim);
    bool halves = naive_option(position, "pairs") == 1;
    for (int i = 0; i < n / 2; i++) {
        double angle = sign * t / pow(naive_option(position, "base"), 2.0 * i / n);
        double *a = &row[halves ? i : 2 * i], *b = &row[halves ? n / 2 + i : 2 * i + 1], was = *a;
        *a = was * cos(angle) - *b * sin(angle);
        *b = was * sin(angle) + *b * cos(angle);
    }
}

/* Raffel et al. 2020, section 2.1, mesh_tensorflow's _relative_position_bucket, by counting the buckets that
   begin at or before d: bucket e + k begins at e (max/e)^(k/(n-e)). The 1e-12 takes in a start that is a
   whole number. */
static double t5_bias(const Position *position, const PositionShape *shape, const double *const *param, int h,
                      int d) {
    int n = (int)naive_option(position, "buckets"), e = n / 2, bucket = e;
    double most = naive_option(position, "max_distance");
    while (bucket < n - 1 && d >= e * pow(most / e, (bucket + 1.0 - e) / (n - e)) * (1 - 1e-12)) bucket++;
    return param[0][(d < e ? d : bucket) * shape->heads + h];
}

/* Press et al. 2022: get_slopes of the authors' code, as it recurses. */
static double alibi_slope(double max_exponent, int heads, int h) {
    int power = 1;
    while (power * 2 <= heads) power *= 2;
    if (power == heads) return pow(pow(2, -max_exponent / heads), h + 1);
    return h < power ? alibi_slope(max_exponent, power, h)
                     : alibi_slope(max_exponent, 2 * power, 2 * (h - power));
}

static double alibi_bias(const Position *position, const PositionShape *shape, const double *const *param,
                         int h, int d) {
    bool trainable = naive_option(position, "trainable") != 0;
    return -d *
           (trainable ? param[0][h] : alibi_slope(naive_option(position, "max_exponent"), shape->heads, h));
}

typedef struct Formulas {
    const char *method;
    double (*embed)(const Position *, const PositionShape *, int t, int c);
    void (*transform)(const Position *, const PositionShape *, double *row, int t, int sign);
    double (*bias)(const Position *, const PositionShape *, const double *const *param, int h, int d);
} Formulas;

static const Formulas formulas[] = {
    {.method = "none"},
    {.method = "sinusoidal", .embed = sinusoidal_embed},
    {.method = "rotary", .transform = rotary_transform},
    {.method = "t5", .bias = t5_bias},
    {.method = "alibi", .bias = alibi_bias},
};

static const Formulas *find(const char *method) {
    for (int i = 0; i < COUNT_OF(formulas); i++)
        if (strcmp(formulas[i].method, method) == 0) return &formulas[i];
    return NULL;
}

bool naive_knows(const char *method) {
    return find(method) != NULL;
}

double naive_embed(const Position *position, const PositionShape *shape, int t, int c) {
    const Formulas *f = find(position->method->name);
    return f->embed ? f->embed(position, shape, t, c) : 0;
}

void naive_transform(const Position *position, const PositionShape *shape, double *row, int t, int sign) {
    const Formulas *f = find(position->method->name);
    if (f->transform) f->transform(position, shape, row, t, sign);
}

double naive_bias(const Position *position, const PositionShape *shape, const double *const *param, int h,
                  int d) {
    const Formulas *f = find(position->method->name);
    return f->bias ? f->bias(position, shape, param, h, d) : 0;
}
