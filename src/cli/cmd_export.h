/* cmd_export: `poslab export`: the inputs and results of a run as safetensors, for other programs; and
 * `poslab tasks`, which prints synthetic tasks and examples of them.
 *
 * One of: the trained weights; the weights before training (--initial); the token ids of the first K updates
 * (--batches K: tensor `batches` int32 [K * sequences, length + 1], inputs are [:, :-1] and targets [:,
 * 1:]); the tokens of a split (--tokens SPLIT: tensor `tokens` int32 [n]). `__metadata__` contains key,
 * resolved config and corpus hash.
 * Batches of a task have the tensors `targets` (65535: ignored) and, if the task gives positions,
 * `positions`, both int32 [K * sequences, length].
 *
 * With --loader also a Python program for the run: the template loader.py.in with the run's numbers and the
 * method's formula (PositionMethod.pytorch). src/model/README.md has the formulas.
 */
#ifndef POSLAB_CLI_CMD_EXPORT_H
#define POSLAB_CLI_CMD_EXPORT_H

#include "cli/arguments.h"

extern const char cmd_export_loader[]; /* loader.py.in, which the build turns into a string */

#endif
