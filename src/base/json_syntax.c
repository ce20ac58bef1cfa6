/* json_syntax: a recursive-descent recogniser that follows the grammar of RFC 8259, section by section.
 *
 * Every function reads from `at` and moves `at` past the text that it recognises; on failure `at` is at the
 * problem. The check is needed because cJSON accepts "01", "1.", control characters in strings, invalid
 * UTF-8 and text after the value, and reads at most 63 characters of a number.
 */
#include "base/json_syntax.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"

enum { NUMBER_SIZE = 60 };

typedef struct Scan {
    const unsigned char *text;
    size_t length, at;
    const char *problem;
} Scan;

static bool fail(Scan *scan, const char *problem) {
    scan->problem = problem;
    return false;
}

/* The byte at `at`; -1 at the end. */
static int peek(const Scan *scan) {
    return scan->at < scan->length ? scan->text[scan->at] : -1;
}

static bool take(Scan *scan, int byte) {
    if (peek(scan) != byte) return false;
    scan->at++;
    return true;
}

static void space(Scan *scan) {
    while (peek(scan) == ' ' || peek(scan) == '\t' || peek(scan) == '\n' || peek(scan) == '\r') scan->at++;
}

/* Section 6: numbers. */
static bool digits(Scan *scan) {
    size_t start = scan->at;
    while (peek(scan) >= '0' && peek(scan) <= '9') scan->at++;
    return scan->at > start || fail(scan, "expected a digit");
}

/* The significant digits of a decimal number; returns their count. *exponent is the power of ten of the
   last digit. */
static int significant(const char *text, char digits[NUMBER_SIZE + 1], int *exponent) {
    int count = 0;
    bool fraction = false;
    *exponent = 0;
    for (; *text && *text != 'e' && *text != 'E'; text++) {
        if (*text == '.') fraction = true;
        if (*text < '0' || *text > '9') continue;
        if (count || *text != '0') digits[count++] = *text;
        *exponent -= fraction;
    }
    if (*text) *exponent += atoi(text + 1);
    for (; count && digits[count - 1] == '0'; count--) ++*exponent;
    return count;
}

/* Whether a double represents a written integer exactly. A number beyond 2^53 with an exponent is accepted
   as an approximation: 1e30 means the nearest double. */
static bool is_held(const char *text) {
    char written[NUMBER_SIZE + 1], held[NUMBER_SIZE + 1], exact[NUMBER_SIZE + 1];
    int written_exponent, held_exponent;
    double number = strtod(text, NULL);
    bool large = fabs(number) > 0x1p53;
    if (number == 0 || number != floor(number) || (large && strpbrk(text, "eE"))) return true;
    /* exact: a whole number that is not longer than the text */
    snprintf(exact, sizeof exact, "%.0f", number);
    int count = significant(text, written, &written_exponent);
    return count == significant(exact, held, &held_exponent) && written_exponent == held_exponent &&
           memcmp(written, held, (size_t)count) == 0;
}

static bool number(Scan *scan) {
    size_t start = scan->at;
    take(scan, '-');
    if (take(scan, '0')) {
        if (peek(scan) >= '0' && peek(scan) <= '9') return fail(scan, "a number must not begin with 0");
    } else if (!digits(scan)) {
        return false;
    }
    if (take(scan, '.') && !digits(scan)) return false;
    if (take(scan, 'e') || take(scan, 'E')) {
        if (!take(scan, '+')) take(scan, '-');
        if (!digits(scan)) return false;
    }
    char copy[NUMBER_SIZE + 1] = "";
    size_t size = scan->at - start;
    if (size <= NUMBER_SIZE) memcpy(copy, scan->text + start, size);
    bool finite = size <= NUMBER_SIZE && isfinite(strtod(copy, NULL));
    if (finite && is_held(copy)) return true;
    scan->at = start;
    return fail(scan, size > NUMBER_SIZE ? "a number must have at most 60 characters"
                      : finite ? "a double cannot hold this number exactly; use one with fewer digits"
                               : "the number is too large");
}

static bool utf8(Scan *scan) {
    unsigned code;
    int size = escape_decode((const char *)scan->text + scan->at, scan->length - scan->at, &code);
    if (code == ESCAPE_INVALID) return fail(scan, "invalid UTF-8");
    scan->at += (size_t)size;
    return true;
}

/* The value of four hexadecimal digits; -1 on error. */
static int hex4(Scan *scan) {
    int code = 0;
    for (int i = 0; i < 4; i++, scan->at++) {
        int byte = peek(scan);
        const char *hex = "0123456789abcdef0123456789ABCDEF";
        const char *found = byte > 0 ? strchr(hex, byte) : NULL;
        if (!found) return -1;
        code = code * 16 + (int)((found - hex) % 16);
    }
    return code;
}

/* Section 7: strings; the escape after a backslash. */
static bool escape(Scan *scan) {
    int byte = peek(scan);
    if (byte > 0 && strchr("\"\\/bfnrt", byte)) return take(scan, byte);
    if (!take(scan, 'u')) return fail(scan, "unknown escape");
    int code = hex4(scan);
    if (code < 0) return fail(scan, "expected four hexadecimal digits");
    if (code == 0) return fail(scan, "\\u0000 is not allowed");
    if (code < 0xD800 || code > 0xDFFF) return true;
    if (code > 0xDBFF || !take(scan, '\\') || !take(scan, 'u')) return fail(scan, "half of a surrogate pair");
    int second = hex4(scan);
    return (second >= 0xDC00 && second <= 0xDFFF) || fail(scan, "half of a surrogate pair");
}

static bool string(Scan *scan) {
    scan->at++;
    while (!take(scan, '"')) {
        if (peek(scan) < 0) return fail(scan, "unterminated string");
        if (peek(scan) < 0x20) return fail(scan, "a control character in a string must be escaped");
        if (take(scan, '\\') ? !escape(scan) : !utf8(scan)) return false;
    }
    return true;
}

static bool value(Scan *scan, int depth);

/* Sections 4 and 5: objects (with keys) and arrays. */
static bool container(Scan *scan, int depth, char close) {
    if (depth >= JSON_SYNTAX_MAX_DEPTH) return fail(scan, "nested more than 64 deep");
    scan->at++;
    space(scan);
    if (take(scan, close)) return true;
    do {
        space(scan);
        if (close == '}') {
            if (peek(scan) != '"') return fail(scan, "expected a key in double quotes");
            if (!string(scan)) return false;
            space(scan);
            if (!take(scan, ':')) return fail(scan, "expected ':' after the key");
        }
        if (!value(scan, depth + 1)) return false;
        space(scan);
    } while (take(scan, ','));
    return take(scan, close) || fail(scan, close == '}' ? "expected ',' or '}'" : "expected ',' or ']'");
}

static bool literal(Scan *scan, const char *word) {
    size_t size = strlen(word);
    if (scan->length - scan->at < size || memcmp(scan->text + scan->at, word, size) != 0) return false;
    scan->at += size;
    return true;
}

static bool value(Scan *scan, int depth) {
    space(scan);
    int byte = peek(scan);
    if (byte == '{') return container(scan, depth, '}');
    if (byte == '[') return container(scan, depth, ']');
    if (byte == '"') return string(scan);
    if (byte == '-' || (byte >= '0' && byte <= '9')) return number(scan);
    if (literal(scan, "true") || literal(scan, "false") || literal(scan, "null")) return true;
    return fail(scan, byte < 0 ? "expected a value, got the end of the text" : "expected a value");
}

static bool report(const Scan *scan, const char *source, Error *err) {
    int line = 1, column = 1;
    for (size_t i = scan_mark(scan->text, scan->length); i < scan->at; i++) {
        if (scan->text[i] == '\n')
            line++, column = 1;
        else if ((scan->text[i] & 0xC0) != 0x80)
            column++; /* counts characters: continuation bytes of UTF-8 are skipped */
    }
    return error_set(err, EXIT_USAGE, "%s: line %d, column %d: %s", source, line, column, scan->problem);
}

/* ---- the beginning of a text ---- */

static bool begins(const void *text, size_t length, const char *bytes, size_t size) {
    return length >= size && memcmp(text, bytes, size) == 0;
}

size_t scan_mark(const void *text, size_t length) {
    return begins(text, length, "\xEF\xBB\xBF", 3) ? 3 : 0;
}

const char *scan_encoding(const void *text, size_t length) {
    if (begins(text, length, "\xFF\xFE\0", 4) || begins(text, length, "\0\0\xFE\xFF", 4)) return "UTF-32";
    return begins(text, length, "\xFF\xFE", 2) || begins(text, length, "\xFE\xFF", 2) ? "UTF-16" : NULL;
}

bool scan_begin(const char *text, size_t length, size_t *begin, const char *source, Error *err) {
    const char *encoding = scan_encoding(text, length);
    /* the first character is ASCII, so one zero byte among the first two means UTF-16 */
    if (!encoding && length >= 4 && (!text[0] != !text[1])) encoding = "UTF-16";
    *begin = scan_mark(text, length);
    return !encoding || error_set(err, EXIT_USAGE, "%s: the text is %s; save it as UTF-8", source, encoding);
}

bool json_syntax_check(const char *text, size_t length, const char *source, Error *err) {
    Scan scan = {.text = (const unsigned char *)text, .length = length};
    if (length > JSON_SYNTAX_MAX_SIZE)
        return error_set(err, EXIT_USAGE, "%s: larger than %d MiB", source, JSON_SYNTAX_MAX_SIZE >> 20);
    if (!scan_begin(text, length, &scan.at, source, err)) return false;
    if (value(&scan, 0)) {
        space(&scan);
        if (scan.at == length) return true;
        scan.problem = "expected nothing after the value";
    }
    return report(&scan, source, err);
}

bool json_syntax_check_utf8(const char *text, size_t length, const char *source, Error *err) {
    Scan scan = {.text = (const unsigned char *)text, .length = length};
    while (scan.at < length)
        if (peek(&scan) == 0 ? !fail(&scan, "a zero byte") : !utf8(&scan)) return report(&scan, source, err);
    return true;
}
