/* run_folder: finds, measures and removes the files of a run.
 *
 * The folder of a run is NAME/KEY/ in the folder of the database, where NAME is the experiment that trained
 * the run. Several experiments can share a run, so a run is searched in the folders of all experiments.
 */
#ifndef POSLAB_STORE_RUN_FOLDER_H
#define POSLAB_STORE_RUN_FOLDER_H

#include "store/database.h"

/* The names of the files of a training, the weights first; NULL-terminated. */
extern const char *const run_folder_files[];

/* An empty file that `poslab prune --weights` writes in place of the weights, so that `poslab check` does not
   report them as missing. */
#define RUN_FOLDER_PRUNED "model.safetensors.pruned"

/* The folder of a run of experiment `name`, which need not exist. The path is owned by the arena. */
const char *run_folder_path(const char *database, const char *name, const char *key, Arena *arena);

/* The folder of the database, which contains the folders of its experiments. */
const char *run_folder_parent(const char *database, Arena *arena);

/* All possible folders of a run: first that of experiment `name` (if not NULL), then those of the other
   experiments in the order of their creation. NULL-terminated, owned by the arena. */
const char **run_folder_candidates(Database *store, const char *name, const char *key, Arena *arena);

/* The first of these folders that has the weights; if none has, the first with another file of the training;
   if none has, the first folder. */
const char *run_folder_find(Database *store, const char *name, const char *key, Arena *arena);

/* Removes weights, saved states, train.jsonl and the result file from all folders of a run. */
void run_folder_delete_files(Database *store, const char *key, Arena *arena);

/* Whether a worker has locked the folder. Also true if the folder cannot be opened. */
bool run_folder_in_use(const char *folder);

/* The path of a folder's train.jsonl (train/train_log.h), which need not exist. */
const char *run_folder_log(const char *folder, Arena *arena);

/* The path of the weights of a run; NULL if no folder has them. */
const char *run_folder_weights(Database *store, const char *key, Arena *arena);

/* Whether a name is a run key: 16 hexadecimal digits. */
bool run_folder_is_key(const char *name);

/* The first file in a folder that is not one that poslab writes for a run; "" if there is none. Owned by the
   arena. NULL with errno set if the folder cannot be read or is a symbolic link. *bytes is the total size of
   the files. */
const char *run_folder_other_file(const char *folder, int64_t *bytes, Arena *arena);

/* Removes the files that poslab writes for a run from an open folder, and no others. */
void run_folder_empty(int folder);

/* The total size of the files in all folders of a run. */
int64_t run_folder_bytes(Database *store, const char *key, Arena *arena);

#endif
