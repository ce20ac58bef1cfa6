/* cmd_export: `poslab export`: the inputs and results of a run as safetensors, for other programs.
 *
 * One of: the trained weights; the weights before training (--initial); the token ids of the first K updates
 * (--batches K: tensor `batches` int32 [K * sequences, length + 1], inputs are [:, :-1] and targets [:,
 * 1:]); the tokens of a split (--tokens SPLIT: tensor `tokens` int32 [n]). `__metadata__` contains key,
 * resolved config and corpus hash.
 */
#ifndef POSLAB_CLI_CMD_EXPORT_H
#define POSLAB_CLI_CMD_EXPORT_H

#include "store/database.h"

typedef struct CmdExportOptions {
    const char *database;
    const char *run; /* its key, or the beginning of it that no other run shares */
    const char *path;
    bool initial;
    int64_t batches;    /* 0: not these */
    const char *tokens; /* name of a split, or NULL */
} CmdExportOptions;

bool cmd_export_run(const CmdExportOptions *options, Error *err);

#endif
