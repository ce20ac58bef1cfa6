#include "math/precision.h"

#include "math/bf16.h"

const char *const precision_names[] = {[PRECISION_FP32] = "fp32", [PRECISION_BF16] = "bf16", NULL};

bool precision_check(int precision, const char *source, const char *path, Error *err) {
    const char *obstacle = precision == PRECISION_BF16 ? bf16_unavailable_reason() : NULL;
    if (!obstacle) return true;
    return error_set(err, EXIT_USAGE, "%s: '%s' cannot be \"%s\": %s, or choose \"%s\"", source, path,
                     precision_names[precision], obstacle, precision_names[PRECISION_FP32]);
}
