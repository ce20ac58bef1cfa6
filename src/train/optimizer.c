#include "train/optimizer.h"

#include <math.h>
#include <string.h>

#include "math/nn_ops.h"

static const char *const optimizer_names[] = {"adamw", "nag", NULL};

const OptionField optimizer_fields[] = {
    {"name", OPTION_CHOICE, offsetof(OptimizerOptions, name), .default_value = OPTIMIZER_ADAMW,
     .choices = optimizer_names, .help = "AdamW, or NAG (Nesterov momentum, as in fairseq)"},
    {"lr", OPTION_REAL, offsetof(OptimizerOptions, lr), .default_value = 2e-3, .low = 1e-9, .high = 100,
     .help = "peak learning rate"},
    {"beta1", OPTION_REAL, offsetof(OptimizerOptions, beta1), .default_value = 0.9, .low = 0,
     .high = 0.999999, .help = "adamw: decay rate of the running mean of gradients"},
    {"beta2", OPTION_REAL, offsetof(OptimizerOptions, beta2), .default_value = 0.98, .low = 0,
     .high = 0.999999, .help = "adamw: decay rate of the running mean of squared gradients"},
    {"eps", OPTION_REAL, offsetof(OptimizerOptions, eps), .default_value = 1e-8, .low = 1e-15, .high = 1,
     .help = "adamw: added to the root of the mean square"},
    {"decay", OPTION_REAL, offsetof(OptimizerOptions, decay), .default_value = 0.01, .low = 0, .high = 10,
     .help = "decoupled weight decay"},
    {"momentum", OPTION_REAL, offsetof(OptimizerOptions, momentum), .default_value = 0.99, .low = 0,
     .high = 0.999999, .help = "nag: momentum"},
    {"clip", OPTION_REAL, offsetof(OptimizerOptions, clip), .default_value = 1, .low = 0, .high = 1e9,
     .help = "largest norm of the gradient; 0: no clipping"},
    {"clip_eps", OPTION_REAL, offsetof(OptimizerOptions, clip_eps), .low = 0, .high = 1, .newer = true,
     .help = "added to the norm by which gradients are clipped; fairseq and PyTorch: 1e-6"},
};
const int optimizer_field_count = COUNT_OF(optimizer_fields);
const OptionSection optimizer_section = {"train.optimizer", "The optimizer and the size of its updates",
                                         optimizer_fields, COUNT_OF(optimizer_fields), NULL};

const OptionField optimizer_schedule_fields[] = {
    {"warmup", OPTION_REAL, offsetof(OptimizerScheduleOptions, warmup), .default_value = 0.05, .low = 0,
     .high = 1, .help = "share of the updates in which the learning rate rises linearly to lr"},
    {"floor", OPTION_REAL, offsetof(OptimizerScheduleOptions, floor), .default_value = 0.1, .low = 0,
     .high = 1, .help = "learning rate at the end, as a share of lr"},
    {"warmup_init", OPTION_REAL, offsetof(OptimizerScheduleOptions, warmup_init), .low = 0, .high = 1,
     .newer = true, .help = "learning rate at which the warm-up starts, as a share of lr"},
    {"first", OPTION_INT, offsetof(OptimizerScheduleOptions, first), .default_value = 1, .low = 0, .high = 1,
     .newer = true,
     .help = "number of the first update in the schedule; 0: its rate is warmup_init, as in fairseq"},
};
const int optimizer_schedule_field_count = COUNT_OF(optimizer_schedule_fields);
const OptionSection optimizer_schedule_section = {
    "train.schedule", "The learning rate over the updates: a linear warm-up, then a cosine",
    optimizer_schedule_fields, COUNT_OF(optimizer_schedule_fields), NULL};

double optimizer_schedule_rate(const OptimizerScheduleOptions *schedule, double lr, int64_t step,
                               int64_t steps) {
    int64_t warmup = llround(schedule->warmup * (double)steps);
    double start = lr * schedule->warmup_init;
    step += schedule->first - 1;
    if (step <= warmup && warmup > 0) return start + (lr - start) * (double)step / (double)warmup;
    double place = (double)(step - warmup) / (double)(steps - warmup);
    return lr * (schedule->floor + (1 - schedule->floor) * 0.5 * (1 + cos(M_PI * place)));
}

Optimizer *optimizer_new(const OptimizerOptions *options, const Model *model, Arena *arena) {
    Optimizer *optimizer = NEW(arena, 1, Optimizer);
    float *first = NEW(arena, model->size, float);
    float *second = options->name == OPTIMIZER_ADAMW ? NEW(arena, model->size, float) : NULL;
    if (optimizer) *optimizer = (Optimizer){.options = *options, .first = first, .second = second};
    return optimizer;
}

static void adamw(const Optimizer *optimizer, float *w, const float *g, float *m, float *v, size_t size,
                  double rate, double decay) {
    const OptimizerOptions *o = &optimizer->options;
    float beta1 = (float)o->beta1, beta2 = (float)o->beta2, rest1 = (float)(1 - o->beta1);
    float rest2 = (float)(1 - o->beta2), eps = (float)o->eps, keep = (float)(1 - rate * decay);
    float step = (float)(rate / (1 - pow(o->beta1, (double)optimizer->step)));
    float correct = (float)(1 / sqrt(1 - pow(o->beta2, (double)optimizer->step)));
    for (size_t i = 0; i < size; i++) {
        m[i] = beta1 * m[i] + rest1 * g[i];
        v[i] = beta2 * v[i] + rest2 * g[i] * g[i];
        w[i] = keep * w[i] - step * m[i] / (sqrtf(v[i]) * correct + eps);
    }
}

static void nag(const Optimizer *optimizer, float *w, const float *g, float *u, size_t size, double rate,
                double decay) {
    double momentum = optimizer->options.momentum;
    double change = optimizer->last_rate > 0 ? rate / optimizer->last_rate : 1;
    float keep = (float)(1 - rate * decay), old = (float)(momentum * momentum * change);
    float fresh = (float)((1 + momentum) * rate), slide = (float)(momentum * change), lr = (float)rate;
    for (size_t i = 0; i < size; i++) {
        w[i] = keep * w[i] + old * u[i] - fresh * g[i];
        u[i] = slide * u[i] - lr * g[i];
    }
}

double optimizer_step(Optimizer *optimizer, Model *model, float *gradients, double rate) {
    const OptimizerOptions *options = &optimizer->options;
    for (int p = 0; p < model->param_count; p++)
        if (!model_trains(model, &model->params[p]))
            memset(gradients + model->params[p].offset, 0, model->params[p].size * sizeof *gradients);
    double norm = sqrt(nn_ops_squared_norm(gradients, model->size));
    if (!isfinite(norm)) return norm;
    float scale = options->clip > 0 && norm + options->clip_eps > options->clip
                      ? (float)(options->clip / (norm + options->clip_eps))
                      : 1;
    if (scale != 1)
        for (size_t i = 0; i < model->size; i++) gradients[i] *= scale;
    optimizer->step++;
    for (int p = 0; p < model->param_count; p++) {
        const ModelParam *param = &model->params[p];
        size_t at = param->offset;
        if (!model_trains(model, param)) continue;
        double decay = param->decay ? options->decay : 0;
        if (options->name == OPTIMIZER_ADAMW)
            adamw(optimizer, model->values + at, gradients + at, optimizer->first + at,
                  optimizer->second + at, param->size, rate, decay);
        else
            nag(optimizer, model->values + at, gradients + at, optimizer->first + at, param->size, rate,
                decay);
    }
    optimizer->last_rate = rate;
    model_project(model);
    return norm;
}
