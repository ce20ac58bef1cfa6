/* run_folder: finds, measures and removes the files of a run.
 *
 * The folder of a run is NAME/KEY/ next to the database; NAME is the experiment that trained it. A run that
 * several experiments share is searched in the folders of all of them, so it is trained once.
 */
#ifndef POSLAB_STORE_RUN_FOLDER_H
#define POSLAB_STORE_RUN_FOLDER_H

#include "store/database.h"

/* The names of the files of a training, the weights first; NULL-terminated. */
extern const char *const run_folder_files[];

/* An empty file that replaces weights deleted by `poslab prune --weights`; `poslab check` does not report
   them as missing. */
#define RUN_FOLDER_PRUNED "model.safetensors.pruned"

/* The path of the folder of a run of experiment `name`, which need not exist; owned by the arena. */
const char *run_folder_path(const char *database, const char *name, const char *key, Arena *arena);

/* The folder that contains the folders of the experiments: the folder of the database. */
const char *run_folder_parent(const char *database, Arena *arena);

/* All possible folders of a run: that of experiment `name` (if not NULL), then those of the other
   experiments in the order of their creation. NULL-terminated, owned by the arena. */
const char **run_folder_candidates(Database *store, const char *name, const char *key, Arena *arena);

/* The first of these folders that has the weights, otherwise the first with another file of the training,
   otherwise the first. */
const char *run_folder_find(Database *store, const char *name, const char *key, Arena *arena);

/* Removes the files of the run: weights, state, log, and a result file that was not imported. */
void run_folder_delete_files(Database *store, const char *key, Arena *arena);

/* Whether a worker has locked the folder; true if that cannot be found out. */
bool run_folder_in_use(const char *folder);

/* The path of train.jsonl (train/train_log.h), which need not exist. */
const char *run_folder_log(const char *folder, Arena *arena);

/* The path of the weights of a run; NULL if no folder has them. */
const char *run_folder_weights(Database *store, const char *key, Arena *arena);

/* Whether the name of a folder is a run key: 16 hexadecimal digits. */
bool run_folder_is_key(const char *name);

/* The first file of a folder that poslab does not write for a run, "" if there is none; owned by the arena.
   NULL with errno if the folder cannot be read or is a symbolic link. *bytes is the size of its files. */
const char *run_folder_other_file(const char *folder, int64_t *bytes, Arena *arena);

/* Removes the files of a run from an open folder; other files stay. */
void run_folder_empty(int folder);

/* The total size of the files in all folders of a run. */
int64_t run_folder_bytes(Database *store, const char *key, Arena *arena);

#endif
