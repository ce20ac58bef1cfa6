/* train_session: processor time, load and environment of the sessions of a run.
 *
 * A session is the part of a run's training that one process performs; a run that was stopped and resumed has
 * several. The environment of a session is the number of threads of all ranks, the BLAS and the processor.
 * The bits of a trained model depend on it. The saved state carries these values from one session to the
 * next.
 */
#ifndef POSLAB_TRAIN_TRAIN_SESSION_H
#define POSLAB_TRAIN_TRAIN_SESSION_H

#include "base/json.h"

typedef struct Session {
    double processor_seconds; /* of all threads of this process during updates; NAN: unknown */
    double load_seconds;      /* the machine's load, integrated over the time of updates; NAN: unknown */
    const char *environment;  /* of the current session: "2 threads, BLAS, CPU" */
    const char *environments; /* of all sessions if they differ: "A to step 106; B"; else NULL */
    double wall, processor;   /* clock_now and processor time at the start of the current update */
    double load, sampled;     /* last sample of the machine's load, and its time */
} Session;

/* The first session of a run with `threads` threads per rank. Texts are owned by the arena. */
Session train_session_new(int threads, Arena *arena);

/* Called before and after an update. train_session_stop returns the seconds since train_session_start. */
void train_session_start(Session *session);
double train_session_stop(Session *session);

/* Writes the session to the metadata of a saved state. */
void train_session_write(const Session *session, Json *metadata, Arena *arena);

/* Makes a new session continue the sessions of a saved state of `step` updates. Returns the environment of
   the state's last session if it differs, else NULL. */
const char *train_session_read(Session *session, const Json *metadata, int64_t step, Arena *arena);

#endif
