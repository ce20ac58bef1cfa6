/* point: the key of a point, its label, and the point that it continues (`train.from`).
 *
 * The key of a run is the first 16 hexadecimal digits of the SHA-256 of "poslab FORMAT\n", the corpus hash,
 * "\n" and the `trained` JSON of the config. That contains the key of the run that it continues, so another
 * parent makes another run.
 *
 * The values of `train.from` are compared with the points of the experiment that have the same seed, unless
 * they name another. If they do not name `train.from`, only points that continue no run are meant. The one
 * point that has all values is the parent; its key then replaces the values.
 */
#ifndef POSLAB_EXPERIMENT_POINT_H
#define POSLAB_EXPERIMENT_POINT_H

#include "experiment/config.h"

enum { POINT_KEY_SIZE = 17 };

/* Computes the key of a run; `corpus` is the corpus hash. */
void point_key(char key[POINT_KEY_SIZE], const Config *config, const char *corpus, Arena *arena);

/* A line that names a point: "METHOD(option=value) L=128 seed=1", with the options that are not the
   default. */
const char *point_label(const Config *config, Arena *arena);

/* Sets the keys of the runs that points continue; corpora[i] is the corpus of point i. Fails (EXIT_USAGE) if
   there is no parent or there are several, if a run would continue itself, and if its tensors do not fit. */
bool point_set_parents(Experiment *experiment, const Corpus *const *corpora, Arena *arena, Error *err);

#endif
