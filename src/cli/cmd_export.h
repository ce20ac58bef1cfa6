/* cmd_export: `poslab export`, which writes the inputs and results of a run as safetensors for other
 * programs, and `poslab tasks`, which prints synthetic tasks and examples.
 *
 * `export` writes the trained weights, or one of: the weights before training (--initial); the batches of the
 * first K updates (--batches K: tensor `batches`, int32 [K * sequences, length + 1]; inputs are [:, :-1],
 * targets [:, 1:]); the tokens of a split (--tokens SPLIT: tensor `tokens`, int32 [n]). Batches of a task
 * also have `targets` (65535: not scored) and, if the task gives positions, `positions`, both int32 [K *
 * sequences, length]. `__metadata__` has the key, the resolved config and the corpus hash.
 */
#ifndef POSLAB_CLI_CMD_EXPORT_H
#define POSLAB_CLI_CMD_EXPORT_H

#include "cli/arguments.h"

extern const char cmd_export_loader[]; /* loader.py.in, as a string made by the build */

#endif
