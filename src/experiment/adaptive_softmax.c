#include "experiment/adaptive_softmax.h"

#include <math.h>

static const OptionField adaptive_fields[] = {
    {"factor", OPTION_INT, offsetof(AdaptiveSoftmax, factor), .default_value = 4, .low = 1, .high = 1024,
     .help = "factor by which each band's embeddings are narrower than the previous band's"},
    {"dropout", OPTION_REAL, offsetof(AdaptiveSoftmax, dropout), .default_value = 0, .low = 0, .high = 0.95,
     .help = "dropout of the output's projections"},
};

static const OptionPart adaptive_parts[] = {
    {"cutoffs", "list of whole numbers", "required", "ascending; each is the first token of the next band",
     "{\"type\":\"array\",\"minItems\":1,\"maxItems\":16,\"items\":{\"type\":\"integer\",\"minimum\":1}}"},
    {0},
};
const OptionSection adaptive_softmax_section = {
    "model.adaptive", "Adaptive input and softmax (Baevski and Auli); for plan only", adaptive_fields,
    COUNT_OF(adaptive_fields), adaptive_parts};

static bool read_cutoffs(AdaptiveSoftmax *adaptive, const Json *list, int64_t vocabulary, const char *source,
                         Error *err) {
    if (!json_is_array(list)) return json_value_error(list, source, "model.adaptive.cutoffs", "a list", err);
    if (!json_check_list(list, source, "model.adaptive.cutoffs", ADAPTIVE_SOFTMAX_MAX_CUTOFFS, err))
        return false;
    int64_t before = 0;
    for (int i = 0; i < json_count(list); i++) {
        char path[64], wanted[96];
        double number = json_number(json_at(list, i), NAN);
        snprintf(path, sizeof path, "model.adaptive.cutoffs[%d]", i);
        snprintf(wanted, sizeof wanted, "a whole number above %lld and below the vocabulary's %lld",
                 (long long)before, (long long)vocabulary);
        if (!(number > (double)before && number < (double)vocabulary && number == floor(number)))
            return json_value_error(json_at(list, i), source, path, wanted, err);
        adaptive->cutoffs[adaptive->count++] = before = (int64_t)number;
    }
    return true;
}

bool adaptive_softmax_read(AdaptiveSoftmax *adaptive, const Json *json, int64_t vocabulary, int64_t width,
                           const char *source, Arena *arena, Error *err) {
    *adaptive = (AdaptiveSoftmax){0};
    if (!json) return true;
    options_default(adaptive, adaptive_fields, COUNT_OF(adaptive_fields));
    if (!options_read(adaptive, adaptive_fields, COUNT_OF(adaptive_fields), json, adaptive_parts, source,
                      "model.adaptive", arena, err) ||
        !read_cutoffs(adaptive, json_get(json, "cutoffs"), vocabulary, source, err))
        return false;
    int64_t narrowest = width;
    for (int b = 0; b < adaptive->count; b++) {
        if (narrowest % adaptive->factor)
            return error_set(
                err, EXIT_USAGE,
                "%s: 'model.width' (%lld) must be divisible by 'model.adaptive.factor' (%lld) once "
                "for each cutoff (%d)",
                source, (long long)width, (long long)adaptive->factor, adaptive->count);
        narrowest /= adaptive->factor;
    }
    return true;
}

Json *adaptive_softmax_json(const AdaptiveSoftmax *adaptive, Arena *arena) {
    Json *json = json_new_object(arena), *cutoffs = json_new_array(arena);
    for (int i = 0; i < adaptive->count; i++)
        json_append(cutoffs, json_new_number((double)adaptive->cutoffs[i], arena));
    json_set(json, "cutoffs", cutoffs);
    options_write(json, adaptive, adaptive_fields, COUNT_OF(adaptive_fields));
    return json;
}

int64_t adaptive_softmax_weight_rows(const AdaptiveSoftmax *adaptive, int64_t vocabulary, int64_t width) {
    if (!adaptive->count) return vocabulary;
    /* the additional classes of the first softmax */
    int64_t weights = adaptive->count * width, first = 0, narrow = width;
    for (int b = 0; b <= adaptive->count; b++) {
        int64_t end = b < adaptive->count ? adaptive->cutoffs[b] : vocabulary;
        weights += (end - first) * narrow + narrow * width;
        first = end;
        narrow /= adaptive->factor;
    }
    return (weights + width - 1) / width;
}

int64_t adaptive_softmax_compute_rows(const AdaptiveSoftmax *adaptive, int64_t vocabulary, int64_t width) {
    return adaptive->count ? width + adaptive->cutoffs[0] + adaptive->count : vocabulary;
}
