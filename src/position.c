/* position: the registry, looked up by name. The list itself is generated from methods/ (see the Makefile).
 */
#include "position.h"

#include <string.h>

const PositionMethod *position_find(const char *name) {
    for (int i = 0; i < position_method_count; i++)
        if (strcmp(position_methods[i]->name, name) == 0) return position_methods[i];
    return NULL;
}

const PositionMethod *position_find_or_nearest(const char *name, const char **nearest) {
    *nearest = NULL;
    for (int i = 0; i < position_method_count; i++) {
        const char *candidate = position_methods[i]->name;
        *nearest =
            nearest_name(name, (const char *const[]){*nearest ? *nearest : candidate, candidate, NULL});
    }
    return position_find(name);
}

int64_t position_parameters(const Position *position, const PositionShape *shape) {
    const PositionMethod *method = position->method;
    PositionTensor tensors[POS_MAX_TENSORS];
    int count = method->layout ? method->layout(shape, position->options, tensors) : 0;
    if (count > POS_MAX_TENSORS)
        BUG("%s has %d tensors, at most %d are allowed", method->name, count, POS_MAX_TENSORS);
    int64_t sum = 0;
    for (int i = 0; i < count; i++)
        sum += (int64_t)tensors[i].dims[0] * (tensors[i].rank == 2 ? tensors[i].dims[1] : 1);
    return sum;
}

const PositionMethod *position_control(void) {
    for (int i = 0; i < position_method_count; i++) {
        const PositionMethod *method = position_methods[i];
        if (!method->embed && !method->transform && !method->distance_bias) return method;
    }
    return NULL;
}
