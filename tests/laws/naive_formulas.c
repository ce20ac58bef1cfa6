/* naive_formulas: formulas of methods in double, from the papers and the authors' code. */
#include "naive.h"

#include <math.h>
#include <string.h>
#include "position/encoding.h"

double naive_option(const Encoding *position, const char *key) {
    for (int i = 0; i < position->method->field_count; i++) {
        const OptionField *field = &position->method->fields[i];
        const char *at = (const char *)position->options + field->offset;
        if (strcmp(field->key, key) != 0) continue;
        switch (field->type) {
        case OPTION_INT:
            return (double)*(const int64_t *)(const void *)at;
        case OPTION_REAL:
            return *(const double *)(const void *)at;
        case OPTION_BOOL:
            return *(const bool *)(const void *)at;
        case OPTION_CHOICE:
            return *(const int *)(const void *)at;
        case OPTION_TEXT:
            break;
        }
    }
    BUG("%s has no option '%s' that is a number", position->method->name, key);
}

static double option(const NaiveInputs *in, const char *key) {
    return naive_option(in->position, key);
}

/* Vaswani et al. 2017, section 3.5; fairseq's sinusoidal_positional_embedding.py with padding_idx = 1. */
static void sinusoidal_embed(const NaiveInputs *in, double *x) {
    int width = in->shape->width, half = width / 2;
    bool original = option(in, "layout") == 1;
    double base = option(in, "base");
    for (int t = 0; t < in->length; t++)
        for (int c = 0; c < width; c++, x++) {
            double angle =
                original ? position_at(in->positions, t) / pow(base, (double)(c - c % 2) / width)
                         : (position_at(in->positions, t) + 2) * exp(-log(base) * (c % half) / (half - 1));
            *x += (original ? c % 2 == 0 : c < half) ? sin(angle) : cos(angle);
        }
}

/* Gehring et al. 2017: row t gets a row of the table; `way` is the option for positions beyond its end. x +=
   table, or gradient += dx, for the arguments that are not NULL. */
static void learned_rows(const NaiveInputs *in, const double *table, double *x, const double *dx,
                         double *gradient) {
    int width = in->shape->width, rows = (int)option(in, "rows"), way = (int)option(in, "beyond");
    double end = (rows ? rows : in->shape->train_length) - 1.0, greatest = 0;
    for (int t = 0; t < in->length; t++) greatest = fmax(greatest, position_at(in->positions, t));
    for (int t = 0; t < in->length; t++) {
        double place = position_at(in->positions, t);
        if (way == 2 && greatest > end) place = place / greatest * end;
        if (place < 0) place = 0;
        if (place > end) place = end;
        double before = floor(place), share[2] = {1 - (place - before), place - before};
        for (int k = 0; k < 2 && before + k <= end; k++)
            for (int c = 0; c < width; c++) {
                size_t from = (size_t)(before + k) * (size_t)width + (size_t)c, to = (size_t)(t * width + c);
                if (x) x[to] += share[k] * table[from];
                if (dx) gradient[from] += share[k] * dx[to];
            }
    }
}

static void learned_embed(const NaiveInputs *in, double *x) {
    learned_rows(in, in->param[0], x, NULL, NULL);
}

static void learned_gradient(const NaiveInputs *in, const double *dx, double *gradient) {
    learned_rows(in, NULL, NULL, dx, gradient);
}

/* Press, Smith and Lewis 2020, section 5: fairseq's sinusoids. */
static void pia_input(const NaiveInputs *in, double *p) {
    int half = in->shape->width / 2;
    for (int t = 0; t < in->length; t++)
        for (int c = 0; c < 2 * half; c++) {
            double angle =
                (position_at(in->positions, t) + 2) * exp(-log(option(in, "base")) * (c % half) / (half - 1));
            *p++ += c < half ? sin(angle) : cos(angle);
        }
}

/* Su et al. 2021, equation 34: pair (a, b) at position t is rotated by t base^(-2i/n). */
static void rotary_transform(const NaiveInputs *in, PositionRole role, double *row, int t, int sign) {
    (void)role;
    int n = (int)lround(option(in, "fraction") * in->shape->head_dim);
    bool halves = option(in, "pairs") == 1;
    double base = option(in, "base"), place = sign * position_at(in->positions, t);
    for (int i = 0; i < n / 2; i++) {
        double angle = place / pow(base, 2.0 * i / n), wave = 2 * acos(-1) * pow(base, 2.0 * i / n);
        if (option(in, "resonance") != 0) angle = 2 * acos(-1) * place / floor(wave + 0.5);
        double *a = &row[halves ? i : 2 * i], *b = &row[halves ? n / 2 + i : 2 * i + 1], was = *a;
        *a = was * cos(angle) - *b * sin(angle);
        *b = was * sin(angle) + *b * cos(angle);
    }
}

/* Raffel et al. 2020, section 2.1, mesh_tensorflow's _relative_position_bucket, by counting the buckets that
   begin at or before d: bucket e + k begins at e (max/e)^(k/(n-e)). The 1e-12 includes bounds that are
   integers. */
static void t5_bias(const NaiveInputs *in, double *bias) {
    int n = (int)option(in, "buckets"), e = n / 2;
    double most = option(in, "max_distance"), factor = option(in, "scaled") ? sqrt(in->shape->head_dim) : 1;
    for (int d = 0, bucket = e; d < in->length; d++) {
        while (bucket < n - 1 && d >= e * pow(most / e, (bucket + 1.0 - e) / (n - e)) * (1 - 1e-12)) bucket++;
        for (int h = 0; h < in->shape->heads; h++)
            bias[h * in->length + d] = factor * in->param[0][(d < e ? d : bucket) * in->shape->heads + h];
    }
}

/* Press et al. 2022: the recursive get_slopes of the authors' code. */
static double alibi_slope(double max_exponent, int heads, int h) {
    int power = 1;
    while (power * 2 <= heads) power *= 2;
    if (power == heads) return pow(pow(2, -max_exponent / heads), h + 1);
    return h < power ? alibi_slope(max_exponent, power, h)
                     : alibi_slope(max_exponent, 2 * power, 2 * (h - power));
}

static void alibi_bias(const NaiveInputs *in, double *bias) {
    bool trainable = option(in, "trainable") != 0;
    for (int h = 0; h < in->shape->heads; h++) {
        double slope =
            trainable ? in->param[0][h] : alibi_slope(option(in, "max_exponent"), in->shape->heads, h);
        for (int d = 0; d < in->length; d++)
            *bias++ = option(in, "shape") == 1 ? expm1(-slope * d) : -d * slope;
    }
}

/* Chi et al. 2022, table 1 and equation 6; the parameters of the authors' code are p, then a. */
static void kerple_bias(const NaiveInputs *in, double *bias) {
    bool power = option(in, "kind") == 1;
    for (int h = 0; h < in->shape->heads; h++)
        for (int d = 0; d < in->length; d++) {
            double p = in->param[0][h], a = in->param[1][h];
            *bias++ = power ? -a * (d ? exp(p * log(d)) : 0) : -p * log1p(a * d);
        }
}

static const NaiveFormulas formulas[] = {
    {.method = "none"},
    {.method = "sinusoidal", .embed = sinusoidal_embed},
    {.method = "rotary", .transform = rotary_transform},
    {.method = "t5", .bias = t5_bias},
    {.method = "alibi", .bias = alibi_bias},
    {.method = "learned", .embed = learned_embed, .table = learned_gradient},
    {.method = "pia", .input = pia_input},
    {.method = "kerple", .bias = kerple_bias},
};

static const NaiveFormulas *find(const char *method) {
    for (int i = 0; i < COUNT_OF(formulas); i++)
        if (strcmp(formulas[i].method, method) == 0) return &formulas[i];
    for (int i = 0; i < family_formula_count; i++)
        if (strcmp(family_formulas[i].method, method) == 0) return &family_formulas[i];
    return NULL;
}

bool naive_knows(const char *method) {
    return find(method) != NULL;
}

void naive_embed(const NaiveInputs *in, double *x) {
    const NaiveFormulas *f = find(in->position->method->name);
    if (f->embed) f->embed(in, x);
}

bool naive_is_table(const Encoding *position) {
    return find(position->method->name)->table != NULL;
}

void naive_table_gradient(const NaiveInputs *in, const double *dx, double *gradient) {
    find(in->position->method->name)->table(in, dx, gradient);
}

void naive_input(const NaiveInputs *in, double *p) {
    const NaiveFormulas *f = find(in->position->method->name);
    if (f->input) f->input(in, p);
}

void naive_transform(const NaiveInputs *in, PositionRole role, double *row, int t, int sign) {
    const NaiveFormulas *f = find(in->position->method->name);
    if (f->transform) f->transform(in, role, row, t, sign);
}

void naive_bias(const NaiveInputs *in, double *bias) {
    const NaiveFormulas *f = find(in->position->method->name);
    memset(bias, 0, (size_t)in->shape->heads * (size_t)in->length * sizeof *bias);
    if (f->bias) f->bias(in, bias);
}
