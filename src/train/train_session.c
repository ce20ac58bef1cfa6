#include "train/train_session.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "sys/mpi.h"
#include "math/blas.h"
#include "math/hardware.h"
#include "math/nn_ops.h"

static const double SECONDS_BETWEEN_SAMPLES = 1; /* of the machine's load, itself an average over a minute */

static const char *environment_now(int threads, Arena *arena) {
    threads *= mpi_ranks(); /* the distribution of threads over ranks does not affect the bits */
    return arena_format(arena, "%d thread%s, %s, %s", threads, threads == 1 ? "" : "s", blas_name(),
                        hardware_cpu(arena));
}

Session train_session_new(int threads, Arena *arena) {
    return (Session){.environment = environment_now(threads, arena)};
}

void train_session_start(Session *session) {
    session->wall = clock_now();
    session->processor = machine_processor_seconds();
}

double train_session_stop(Session *session) {
    double now = clock_now(), seconds = now - session->wall;
    session->processor_seconds += machine_processor_seconds() - session->processor;
    if (!(now - session->sampled < SECONDS_BETWEEN_SAMPLES)) {
        session->load = machine_load();
        session->sampled = now;
    }
    session->load_seconds += session->load * seconds;
    return seconds;
}

void train_session_write(const Session *session, Json *metadata, Arena *arena) {
    json_set_text(metadata, "processor_seconds", arena_format(arena, "%a", session->processor_seconds));
    json_set_text(metadata, "load_seconds", arena_format(arena, "%a", session->load_seconds));
    json_set_text(metadata, "setting", session->environment);
    if (session->environments) json_set_text(metadata, "settings", session->environments);
}

/* A number of the metadata; NAN if an earlier version wrote the state without it. */
static double number_of(const Json *metadata, const char *key) {
    return strtod(json_text(json_get(metadata, key), "nan"), NULL);
}

const char *train_session_read(Session *session, const Json *metadata, int64_t step, Arena *arena) {
    const char *last = arena_copy(arena, json_text(json_get(metadata, "setting"), "an unknown environment"));
    const char *before = json_text(json_get(metadata, "settings"), last);
    bool same = !strcmp(last, session->environment);
    session->processor_seconds = number_of(metadata, "processor_seconds");
    session->load_seconds = number_of(metadata, "load_seconds");
    if (!same)
        session->environments =
            arena_format(arena, "%s to step %lld; %s", before, (long long)step, session->environment);
    else if (json_get(metadata, "settings"))
        session->environments = arena_copy(arena, before);
    return same ? NULL : last;
}
