#include "sys/signals.h"

void signals_handle(const int *list, void (*handler)(int signal), int flags) {
    const struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    for (struct sigaction old; *list; list++)
        if (sigaction(*list, NULL, &old) == 0 && old.sa_handler != SIG_IGN) sigaction(*list, &action, NULL);
}

void signals_default(const int *list) {
    signals_handle(list, SIG_DFL, 0);
}
