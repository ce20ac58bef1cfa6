/* prune: `poslab prune`: runs that no experiment has, run folders of no run, and weights that are not needed.
 *
 * Nothing but what was listed is deleted. A run that has become a point meanwhile stays. Folders are those of
 * the experiments of the database; only the files that poslab writes are removed. A folder stays, with the
 * reason, if it has another file, if a worker is busy in it, or if another database in the same folder has
 * its run. The caller holds DATABASE.lock (sys/lock.h). A process that is killed leaves the rest for the next
 * one.
 */
#ifndef POSLAB_STORE_PRUNE_H
#define POSLAB_STORE_PRUNE_H

#include "store/database.h"

typedef enum PruneKind { PRUNE_RUN, PRUNE_FOLDER, PRUNE_WEIGHTS } PruneKind;
extern const char *const prune_kind_names[]; /* "run", "folder", "weights" */

typedef struct PruneItem {
    PruneKind kind;
    const char *key;
    const char *name; /* of the run; "" if it is unknown */
    const char *path; /* of the folder, or of the weights; "" of a run */
    int64_t bytes;
    const char *kept; /* why it is not deleted; "": it is */
} PruneItem;

typedef struct PruneList {
    PruneItem *items;
    int count;
} PruneList;

/* Lists what can be deleted: runs and folders, or with `weights` the weights of finished runs, that lack no
   evaluation. Fails if a neighbouring database cannot be read. */
bool prune_find(PruneList *list, Database *store, bool weights, Arena *arena, Error *err);

/* Deletes what is listed; `kept` is set for what stays after all. Fails (EXIT_SYSTEM) if the database
 * refuses. */
bool prune_delete(PruneList *list, Database *store, Arena *arena, Error *err);

#endif
