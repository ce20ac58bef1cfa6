/* prune: `poslab prune` deletes runs of no experiment, folders of no run, and weights that are not needed.
 *
 * A run that a point of an experiment continues (`train.from`) is kept like a point; its weights are kept
 * until that point is trained.
 *
 * Only listed items are deleted, and a run is kept if it has become a point since the listing. Only folders
 * of the database's experiments are searched, and only files that poslab writes are removed. A folder is
 * kept, with a reason, if it has another file, if a worker holds its lock, or if another database in the same
 * folder has its run. If prune is killed, the next prune completes the deletion.
 */
#ifndef POSLAB_STORE_PRUNE_H
#define POSLAB_STORE_PRUNE_H

#include "store/database.h"

typedef enum PruneKind { PRUNE_RUN, PRUNE_FOLDER, PRUNE_WEIGHTS } PruneKind;
extern const char *const prune_kind_names[]; /* "run", "folder", "weights" */

typedef struct PruneItem {
    PruneKind kind;
    const char *key;
    const char *name; /* name of the run; "" if unknown */
    const char *path; /* path of the folder or of the weights; "" for a run */
    int64_t bytes;    /* of the files */
    const char *kept; /* why the item is not deleted; "" if it is deleted */
} PruneItem;

typedef struct PruneList {
    PruneItem *items;
    int count;
} PruneList;

/* Lists what can be deleted: runs and folders, or with `weights` the weights of finished runs whose requested
   evaluations are all stored. The list is owned by the arena. Fails with EXIT_SYSTEM if another database in
   the same folder cannot be read. */
bool prune_find(PruneList *list, Database *store, bool weights, Arena *arena, Error *err);

/* Deletes the listed items, and sets `kept` of items that are not deleted. The caller holds DATABASE.lock
   (sys/lock.h). Fails with EXIT_SYSTEM if the database cannot be written. */
bool prune_delete(PruneList *list, Database *store, Arena *arena, Error *err);

#endif
