/* adaptive: see adaptive.h. */
#include "experiment/adaptive_softmax.h"

#include <math.h>

#include "base/options.h"

static const Field adaptive_fields[] = {
    {"factor", FIELD_INT, offsetof(AdaptiveOptions, factor), .standard = 4, .low = 1, .high = 1024,
     .help = "each band's embeddings are so many times narrower than the one before"},
    {"dropout", FIELD_REAL, offsetof(AdaptiveOptions, dropout), .standard = 0, .low = 0, .high = 0.95,
     .help = "of the output's projections"},
};

static bool read_cutoffs(AdaptiveOptions *adaptive, const Json *list, int64_t vocabulary, const char *place,
                         Err *err) {
    if (!json_is_array(list)) return json_refuse(list, place, "model.adaptive.cutoffs", "a list", err);
    if (!json_check_list(list, place, "model.adaptive.cutoffs", ADAPTIVE_CUTOFFS, err)) return false;
    int64_t before = 0;
    for (int i = 0; i < json_count(list); i++) {
        char path[64], wanted[96];
        double number = json_number(json_at(list, i), NAN);
        snprintf(path, sizeof path, "model.adaptive.cutoffs[%d]", i);
        snprintf(wanted, sizeof wanted, "a whole number above %lld and below the vocabulary's %lld",
                 (long long)before, (long long)vocabulary);
        if (!(number > (double)before && number < (double)vocabulary && number == floor(number)))
            return json_refuse(json_at(list, i), place, path, wanted, err);
        adaptive->cutoffs[adaptive->count++] = before = (int64_t)number;
    }
    return true;
}

bool adaptive_read(AdaptiveOptions *adaptive, const Json *json, int64_t vocabulary, int64_t width,
                   const char *place, Arena *arena, Err *err) {
    static const char *const skip[] = {"cutoffs", NULL};
    *adaptive = (AdaptiveOptions){0};
    if (!json) return true;
    fields_default(adaptive, adaptive_fields, COUNT_OF(adaptive_fields));
    if (!fields_read(adaptive, adaptive_fields, COUNT_OF(adaptive_fields), json, skip, place,
                     "model.adaptive", arena, err) ||
        !read_cutoffs(adaptive, json_get(json, "cutoffs"), vocabulary, place, err))
        return false;
    int64_t narrowest = width;
    for (int b = 0; b < adaptive->count; b++) {
        if (narrowest % adaptive->factor)
            return err_set(
                err, EXIT_USAGE,
                "%s: 'model.width' (%lld) must be divisible by 'model.adaptive.factor' (%lld) once "
                "for each cutoff (%d)",
                place, (long long)width, (long long)adaptive->factor, adaptive->count);
        narrowest /= adaptive->factor;
    }
    return true;
}

Json *adaptive_json(const AdaptiveOptions *adaptive) {
    Json *json = json_new_object(), *cutoffs = json_new_array();
    for (int i = 0; i < adaptive->count; i++)
        json_append(cutoffs, json_new_number((double)adaptive->cutoffs[i]));
    json_set(json, "cutoffs", cutoffs);
    fields_write(json, adaptive, adaptive_fields, COUNT_OF(adaptive_fields));
    return json;
}

int64_t adaptive_weight_rows(const AdaptiveOptions *adaptive, int64_t vocabulary, int64_t width) {
    if (!adaptive->count) return vocabulary;
    int64_t weights = adaptive->count * width, first = 0, narrow = width; /* the further bands' classes */
    for (int b = 0; b <= adaptive->count; b++) {
        int64_t end = b < adaptive->count ? adaptive->cutoffs[b] : vocabulary;
        weights += (end - first) * narrow + narrow * width;
        first = end;
        narrow /= adaptive->factor;
    }
    return (weights + width - 1) / width;
}

int64_t adaptive_compute_rows(const AdaptiveOptions *adaptive, int64_t vocabulary, int64_t width) {
    return adaptive->count ? width + adaptive->cutoffs[0] + adaptive->count : vocabulary;
}
