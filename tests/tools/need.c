/* need: cmocka's skip() leaves the test by longjmp, so its memory is not freed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "need.h"
#include "position/encoding.h"

static bool any_skipped;

/* Called by LeakSanitizer: a test that ends early does not free its memory. */
int __lsan_is_turned_off(void);  /* NOLINT(*-reserved-identifier,cert-dcl*): the name is LeakSanitizer's */
int __lsan_is_turned_off(void) { /* NOLINT(*-reserved-identifier,cert-dcl*) */
    return any_skipped;
}

/* Prints `what` up to a semicolon and skips the test. */
static void skip_without(const char *what) {
    any_skipped = true;
    print_message("# skipped: %.*s\n", (int)strcspn(what, ";"), what);
    skip();
}

const PositionMethod *need_method(const char *name) {
    const PositionMethod *method = encoding_find(name);
    if (!method) {
        char what[64];
        snprintf(what, sizeof what, "method '%s' does not exist", name);
        skip_without(what);
    }
    return method;
}

void need_methods_of_config(const Error *err) {
    if (strstr(err->text, "unknown method '")) skip_without(err->text);
}
