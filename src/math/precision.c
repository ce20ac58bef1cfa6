#include "math/precision.h"

#include <string.h>

#include "math/bf16.h"

const char *const precision_names[] = {[PRECISION_FP32] = "fp32", [PRECISION_BF16] = "bf16", NULL};

bool precision_check(int precision, const char *source, const char *path, Error *err) {
    const char *obstacle = precision == PRECISION_BF16 ? bf16_unavailable_reason() : NULL;
    if (!obstacle) return true;
    return error_set(err, EXIT_USAGE, "%s: '%s' cannot be \"%s\": %s, or choose \"%s\"", source, path,
                     precision_names[precision], obstacle, precision_names[PRECISION_FP32]);
}

bool precision_list(const char *text, int precisions[PRECISION_COUNT], int *count, Error *err) {
    int found = 0;
    for (const char *word = text; word; word = strchr(word, ',') ? strchr(word, ',') + 1 : NULL) {
        size_t size = strcspn(word, ",");
        int p = 0;
        while (p < PRECISION_COUNT &&
               (strlen(precision_names[p]) != size || strncmp(precision_names[p], word, size)))
            p++;
        if (p == PRECISION_COUNT || found == PRECISION_COUNT)
            return error_set(err, EXIT_USAGE, "--precision is fp32, bf16 or both, got '%s'", text);
        precisions[found++] = p;
    }
    if (found) *count = found;
    return true;
}
