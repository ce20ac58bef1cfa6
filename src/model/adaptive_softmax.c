#include "model/adaptive_softmax.h"

#include <math.h>

static const OptionField adaptive_fields[] = {
    {"factor", OPTION_INT, offsetof(AdaptiveSoftmax, factor), .default_value = 4, .low = 1, .high = 1024,
     .help = "factor by which each band's embeddings are narrower than the previous band's"},
    {"dropout", OPTION_REAL, offsetof(AdaptiveSoftmax, dropout), .default_value = 0, .low = 0, .high = 0.95,
     .help = "dropout of the output: of its input, and again of the projections of all bands but the first"},
};

static const OptionPart adaptive_parts[] = {
    {"cutoffs", "list of whole numbers", "required",
     "ascending; each is the first token of the next band; empty: one band, a full softmax",
     .item = OPTION_INT, .low = 1, .most = ADAPTIVE_SOFTMAX_MAX_CUTOFFS, .or_empty = true},
    {0},
};
const OptionSection adaptive_softmax_section = {
    "model.adaptive",
    "Adaptive input and softmax (Baevski and Auli), for text whose frequent tokens come first",
    adaptive_fields, COUNT_OF(adaptive_fields), adaptive_parts};

static const char path[] = "model.adaptive.cutoffs";

static bool read_cutoffs(const OptionReader *reader, AdaptiveSoftmax *adaptive, const Json *list,
                         int64_t vocabulary) {
    if (!list) return options_refuse(reader, list, path, "a list");
    bool empty = json_is_array(list) && !json_count(list);
    if (!empty && !options_check_list(reader, list, path, ADAPTIVE_SOFTMAX_MAX_CUTOFFS)) return false;
    int64_t before = 0, end = vocabulary ? vocabulary : INT32_MAX;
    for (int i = 0; i < json_count(list); i++) {
        double number = json_number(json_at(list, i), NAN);
        if (!(number > (double)before && number < (double)end && number == floor(number)))
            return options_refuse(reader, json_at(list, i), arena_format(reader->arena, "%s[%d]", path, i),
                                  arena_format(reader->arena, "a whole number above %lld and below %s%lld",
                                               (long long)before, vocabulary ? "the vocabulary's " : "",
                                               (long long)end));
        adaptive->cutoffs[i] = before = (int64_t)number;
    }
    adaptive->bands = json_count(list) + 1;
    return true;
}

bool adaptive_softmax_check(const AdaptiveSoftmax *adaptive, int64_t vocabulary, const char *source,
                            Error *err) {
    int last = adaptive->bands - 2;
    return last < 0 || adaptive->cutoffs[last] < vocabulary ||
           error_set(err, EXIT_USAGE,
                     "%s: '%s[%d]' must be below the vocabulary's %lld, got %lld; lower or remove it", source,
                     path, last, (long long)vocabulary, (long long)adaptive->cutoffs[last]);
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
    for (int b = 1; b < adaptive->bands; b++) {
        if (narrowest % adaptive->factor)
            return error_set(
                reader->err, EXIT_USAGE,
                "%s: 'model.width' (%lld) must be divisible by 'model.adaptive.factor' (%lld) once "
                "for each cutoff (%d)",
                reader->source, (long long)width, (long long)adaptive->factor, adaptive->bands - 1);
        narrowest /= adaptive->factor;
    }
    return true;
}

Json *adaptive_softmax_json(const AdaptiveSoftmax *adaptive, Arena *arena) {
    Json *json = json_new_object(arena);
    json_set(json, "cutoffs", json_new_integers(adaptive->cutoffs, adaptive->bands - 1, arena));
    options_write(json, adaptive, adaptive_fields, COUNT_OF(adaptive_fields));
    return json;
}

AdaptiveBand adaptive_softmax_band(const AdaptiveSoftmax *adaptive, int64_t vocabulary, int64_t width,
                                   int band) {
    int64_t first = band ? adaptive->cutoffs[band - 1] : 0;
    int64_t end = band + 1 < adaptive->bands ? adaptive->cutoffs[band] : vocabulary;
    for (int b = 0; b < band; b++) width /= adaptive->factor;
    return (AdaptiveBand){first, end > first ? (int)(end - first) : 0, (int)width};
}

int adaptive_softmax_band_of(const AdaptiveSoftmax *adaptive, uint32_t token) {
    int band = 0;
    while (band + 1 < adaptive->bands && token >= adaptive->cutoffs[band]) band++;
    return band;
}

int64_t adaptive_softmax_compute_rows(const AdaptiveSoftmax *adaptive, int64_t vocabulary, int64_t width) {
    if (!adaptive->bands) return vocabulary;
    return width + adaptive_softmax_band(adaptive, vocabulary, width, 0).size + adaptive->bands - 1;
}
