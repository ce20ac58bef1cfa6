#define PCRE2_CODE_UNIT_WIDTH 8
#include "tokenizers/split_pattern.h"

#include <pcre2.h>
#include <string.h>

enum { MOST_EXPRESSION = 4096, MOST_STEPS = 10000000, MOST_KIB = 65536 };

struct SplitPattern {
    pcre2_code *code;
    pcre2_match_data *match;
    pcre2_match_context *limits;
};

#define WHITESPACE "\\p{Z}\\t-\\r\\x{85}"

/* Replaces \s and \S by Unicode's whitespace, since PCRE2's includes U+180E. NULL if sets are nested. */
static const char *rewrite(const char *expression, Arena *arena) {
    size_t room = strlen(expression) * (sizeof WHITESPACE + 4) + 1, used = 0;
    char *out = NEW(arena, room, char);
    bool set = false;
    for (const char *p = expression; *p; p++) {
        const char escaped = *p == '\\' ? p[1] : '\0';
        if (escaped != '\0') {
            const char *space = "";
            if (escaped == 'S' && set) return NULL;
            if (escaped == 'S') space = "[^" WHITESPACE "]";
            if (escaped == 's') space = set ? WHITESPACE : "[" WHITESPACE "]";
            used += (size_t)(*space ? snprintf(out + used, room - used, "%s", space)
                                    : snprintf(out + used, room - used, "%.2s", p));
            p++;
            continue;
        }
        if (set && (*p == '[' || (*p == '&' && p[1] == '&'))) return NULL;
        if (*p == '[') {
            set = true;
            out[used++] = *p;
            if (p[1] == '^') out[used++] = *++p;
            if (p[1] == ']') return NULL;
            continue;
        }
        if (*p == ']') set = false;
        out[used++] = *p;
    }
    return out;
}

SplitPattern *split_pattern_new(const char *expression, bool literal, Arena *arena, const char **why) {
    *why = "is longer than 4096 bytes";
    if (strlen(expression) > MOST_EXPRESSION) return NULL;
    *why = "has sets of characters that are not supported";
    const char *text = literal ? expression : rewrite(expression, arena);
    if (!text) return NULL;
    int error;
    size_t at;
    uint32_t how = literal ? PCRE2_LITERAL | PCRE2_UTF : PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, how, &error, &at, NULL);
    if (!code) {
        unsigned char message[200];
        pcre2_get_error_message(error, message, sizeof message);
        *why = arena_format(arena, "is not valid: %s", (const char *)message);
        return NULL;
    }
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE); /* if it fails, matching is only slower */
    SplitPattern *pattern = NEW(arena, 1, SplitPattern);
    *pattern = (SplitPattern){code, pcre2_match_data_create(1, NULL), pcre2_match_context_create(NULL)};
    if (!pattern->match || !pattern->limits) error_fatal("out of memory");
    pcre2_set_match_limit(pattern->limits, MOST_STEPS);
    pcre2_set_heap_limit(pattern->limits, MOST_KIB);
    return pattern;
}

void split_pattern_free(SplitPattern *pattern) {
    if (!pattern) return;
    pcre2_match_context_free(pattern->limits);
    pcre2_match_data_free(pattern->match);
    pcre2_code_free(pattern->code);
}

int split_pattern_next(SplitPattern *pattern, const char *text, size_t size, size_t from, size_t *begin,
                       size_t *end) {
    const uint32_t how = PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY;
    PCRE2_SPTR subject = (PCRE2_SPTR)text;
    int found = pcre2_match(pattern->code, subject, size, from, how, pattern->match, pattern->limits);
    if (found == PCRE2_ERROR_JIT_STACKLIMIT) /* the interpreter needs no stack */
        found = pcre2_match(pattern->code, subject, size, from, how | PCRE2_NO_JIT, pattern->match,
                            pattern->limits);
    if (found == PCRE2_ERROR_NOMATCH) return 0;
    const size_t *range = pcre2_get_ovector_pointer(pattern->match);
    if (found < 0 || range[0] < from || range[1] <= range[0] || range[1] > size) return -1;
    *begin = range[0];
    *end = range[1];
    return 1;
}
