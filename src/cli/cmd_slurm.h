/* cluster: the commands `submit` and `collect`, from the command line to submit.h and collect.h. */
#ifndef POSLAB_CLUSTER_H
#define POSLAB_CLUSTER_H

#include "cli/arguments.h"

ExitCode cluster_submit(const Arguments *arguments, Err *err);
ExitCode cluster_collect(const Arguments *arguments, Err *err);

#endif
