#include "base/text.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Formats a number with a prefixed unit, such as "1.2 MiB". The next prefix is used from `step` on. */
static const char *scaled(double number, double step, const char *const *units, Arena *arena) {
    int i = 0;
    for (; number >= step && units[i + 1]; i++) number /= step;
    return arena_format(arena, i ? "%.1f %s" : "%.0f %s", number, units[i]);
}

const char *text_bytes(double bytes, Arena *arena) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", NULL};
    return scaled(bytes, 1024, units, arena);
}

const char *text_flops(double flops, Arena *arena) {
    static const char *const units[] = {"F", "kF", "MF", "GF", "TF", "PF", "EF", "ZF", NULL};
    return scaled(flops, 1000, units, arena);
}

const char *text_seconds(double seconds, Arena *arena) {
    if (seconds < 99.5) return arena_format(arena, "%.*f s", seconds < 9.95 ? 1 : 0, seconds);
    if (seconds < 99.5 * 60) return arena_format(arena, "%.0f min", seconds / 60);
    if (seconds < 1e7) return arena_format(arena, "%.1f h", seconds / 3600);
    return arena_format(arena, "%.1f years", seconds / (365.25 * 86400));
}

int text_characters(const char *text) {
    int count = 0;
    for (; *text; text++) count += (*text & 0xC0) != 0x80; /* not the continuation bytes of UTF-8 */
    return count;
}

int text_screen_width(FILE *out) {
    struct winsize size;
    const char *columns = getenv("COLUMNS");
    int given = columns ? atoi(columns) : 0;
    if (!isatty(fileno(out))) return 0;
    if (given > 0) return given;
    return ioctl(fileno(out), TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}
