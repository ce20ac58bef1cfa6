/* run_folder: where the files of a run are.
 *
 * The folder of a run is NAME/KEY/ next to the database, where NAME is the experiment that trained it. A run
 * that several experiments of a database share is searched in the folders of all of them, so that it is
 * trained once and found from each.
 */
#ifndef POSLAB_STORE_RUN_FOLDER_H
#define POSLAB_STORE_RUN_FOLDER_H

#include "store/database.h"

/* The files of a training, the weights first, then what is saved of it; NULL-terminated. */
extern const char *const run_folder_files[];

/* An empty file in place of weights that `poslab prune --weights` deleted: they are not missed. */
#define RUN_FOLDER_PRUNED "model.safetensors.pruned"

/* The folder of a run of experiment `name`, whether it is there or not; owned by the arena. */
const char *run_folder_path(const char *database, const char *name, const char *key, Arena *arena);

/* The folder that contains the run folders: that of the database. */
const char *run_folder_parent(const char *database, Arena *arena);

/* All folders that the run may have, the one of experiment `name` (if not NULL) first, then in the order in
   which the experiments came; NULL-terminated, owned by the arena. */
const char **run_folder_candidates(Database *store, const char *name, const char *key, Arena *arena);

/* The one of these that has the run's weights, or else what is there of its training, or else the first. */
const char *run_folder_find(Database *store, const char *name, const char *key, Arena *arena);

/* Removes what is there of the run: weights, state and log of training, a result that was not taken over. */
void run_folder_delete_files(Database *store, const char *key, Arena *arena);

/* The path of train.jsonl (train/train_log.h), whether it is there or not. */
const char *run_folder_log(const char *folder, Arena *arena);

/* The path of the run's weights, NULL if they are in none of the folders. */
const char *run_folder_weights(Database *store, const char *key, Arena *arena);

/* Whether a folder's name is that of a run: 16 hexadecimal digits. */
bool run_folder_is_key(const char *name);

/* The first file of a folder that no run has, "" if there is none; owned by the arena. NULL and errno if it
   cannot be read, or is a symbolic link. *bytes: the size of its files. */
const char *run_folder_other_file(const char *folder, int64_t *bytes, Arena *arena);

/* Removes the files of an open folder, but not what no run has. */
void run_folder_empty(int folder);

/* The size of the files in all folders of a run. */
int64_t run_folder_bytes(Database *store, const char *key, Arena *arena);

#endif
