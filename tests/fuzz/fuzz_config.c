/* fuzz_config: an accepted experiment has points, and each resolved config can be read and resolves to
 * itself.
 */
#include "experiment/config.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    Error err = {0};
    Arena *arena = arena_new(0);
    char *text = arena_alloc(arena, size + 1, 1);
    memcpy(text, data, size);
    const Experiment *experiment = config_read_text(text, "config 'fuzz'", arena, &err);
    if (!experiment) fuzz_refused(&err, EXIT_USAGE);
    for (int i = 0; experiment && i < experiment->count && i < 3; i++) {
        const Config *again = config_parse(experiment->points[i].resolved, "config 'again'", arena, &err);
        if (!again || strcmp(again->trained, experiment->points[i].trained) != 0) abort();
    }
    arena_free(arena);
    return 0;
}
