/* train_session: processor time, load and environment of each session of a run.
 *
 * A session is the part of a run's training that one process performs; a run that was stopped and resumed has
 * several. The environment is the number of threads of all ranks, the BLAS and the processor: the bits of a
 * trained model depend on them. The state file passes these values from session to session.
 */
#ifndef POSLAB_TRAIN_TRAIN_SESSION_H
#define POSLAB_TRAIN_TRAIN_SESSION_H

#include "base/json.h"

typedef struct Session {
    double processor_seconds; /* of all threads of this process during updates; NAN: unknown */
    double load_seconds;      /* the machine's load, integrated over the time of updates; NAN: unknown */
    const char *environment;  /* "2 threads, BLAS, CPU" of the current session */
    const char *environments; /* of all sessions if they differ, "A to step 106; B"; else NULL */
    double wall, processor, load,
        sampled; /* values at the start of the current update; time of the last sample of the load */
} Session;

/* The first session of a run with `threads` threads per rank. Texts are owned by the arena. */
Session train_session_new(int threads, Arena *arena);

/* Called before and after an update; train_session_stop returns the seconds since train_session_start. */
void train_session_start(Session *session);
double train_session_stop(Session *session);

/* Write the session to the metadata of a saved state of `step` updates, and read it. train_session_read makes
   a new session the continuation of the state's sessions; it returns the environment of the last of these if
   it differs, else NULL. */
void train_session_write(const Session *session, Json *metadata, Arena *arena);
const char *train_session_read(Session *session, const Json *metadata, int64_t step, Arena *arena);

#endif
