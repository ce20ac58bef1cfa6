#include "model/adaptive_softmax.h"

#include <math.h>

static const OptionField adaptive_fields[] = {
    {"factor", OPTION_INT, offsetof(AdaptiveSoftmax, factor), .default_value = 4, .low = 1, .high = 1024,
     .help = "factor by which each band's embeddings are narrower than the previous band's"},
    {"dropout", OPTION_REAL, offsetof(AdaptiveSoftmax, dropout), .default_value = 0, .low = 0, .high = 0.95,
     .help = "dropout of the output's projections"},
};

static const OptionPart adaptive_parts[] = {
    {"cutoffs", "list of whole numbers", "required", "ascending; each is the first token of the next band",
     .item = OPTION_INT, .low = 1, .most = ADAPTIVE_SOFTMAX_MAX_CUTOFFS},
    {0},
};
const OptionSection adaptive_softmax_section = {
    "model.adaptive", "Adaptive input and softmax (Baevski and Auli); for plan only", adaptive_fields,
    COUNT_OF(adaptive_fields), adaptive_parts};

static bool read_cutoffs(const OptionReader *reader, AdaptiveSoftmax *adaptive, const Json *list,
                         int64_t vocabulary) {
    static const char path[] = "model.adaptive.cutoffs";
    if (!list) return options_refuse(reader, list, path, "a list");
    if (!options_check_list(reader, list, path, ADAPTIVE_SOFTMAX_MAX_CUTOFFS)) return false;
    int64_t before = 0;
    for (int i = 0; i < json_count(list); i++) {
        double number = json_number(json_at(list, i), NAN);
        if (!(number > (double)before && number < (double)vocabulary && number == floor(number)))
            return options_refuse(reader, json_at(list, i), arena_format(reader->arena, "%s[%d]", path, i),
                                  arena_format(reader->arena,
                                               "a whole number above %lld and below the vocabulary's %lld",
                                               (long long)before, (long long)vocabulary));
        adaptive->cutoffs[adaptive->count++] = before = (int64_t)number;
    }
    return true;
}

bool adaptive_softmax_read(const OptionReader *reader, AdaptiveSoftmax *adaptive, const Json *json,
                           int64_t vocabulary, int64_t width) {
    *adaptive = (AdaptiveSoftmax){0};
    if (!json) return true;
    options_default(adaptive, adaptive_fields, COUNT_OF(adaptive_fields));
    if (!options_read(adaptive, &adaptive_softmax_section, json, reader->source, reader->arena,
                      reader->err) ||
        !read_cutoffs(reader, adaptive, json_get(json, "cutoffs"), vocabulary))
        return false;
    int64_t narrowest = width;
    for (int b = 0; b < adaptive->count; b++) {
        if (narrowest % adaptive->factor)
            return error_set(
                reader->err, EXIT_USAGE,
                "%s: 'model.width' (%lld) must be divisible by 'model.adaptive.factor' (%lld) once "
                "for each cutoff (%d)",
                reader->source, (long long)width, (long long)adaptive->factor, adaptive->count);
        narrowest /= adaptive->factor;
    }
    return true;
}

Json *adaptive_softmax_json(const AdaptiveSoftmax *adaptive, Arena *arena) {
    Json *json = json_new_object(arena);
    json_set(json, "cutoffs", json_new_integers(adaptive->cutoffs, adaptive->count, arena));
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
