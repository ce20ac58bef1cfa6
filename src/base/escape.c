/* escape: decodes a text into characters; a table of formats says how each kind of character is written. */
#include "base/escape.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#include "base/text.h"

enum { PIECE = 32 };

#define PLAIN "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:,+@%"

/* --- characters --- */

int escape_decode(const char *at, size_t length, unsigned *code) {
    static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned first = (unsigned char)*at;
    int size = first < 0x80   ? 1
               : first < 0xC0 ? 0
               : first < 0xE0 ? 2
               : first < 0xF0 ? 3
               : first < 0xF8 ? 4
                              : 0;
    *code = size > 1 ? first & (0x7FU >> size) : first;
    if ((size_t)size > length) size = 0;
    for (int i = 1; i < size; i++) {
        if ((at[i] & 0xC0) != 0x80) size = 0;
        *code = *code << 6 | ((unsigned)at[i] & 0x3F);
    }
    bool surrogate = *code >= 0xD800 && *code <= 0xDFFF;
    if (size && *code >= least[size] && *code < ESCAPE_INVALID && !surrogate) return size;
    *code = ESCAPE_INVALID;
    return 1;
}

/* The same of a text that ends with a zero byte. */
static int decode(const char *at, unsigned *code) {
    return escape_decode(at, SIZE_MAX, code);
}

static bool is_space(unsigned code) {
    return code >= '\t' && code <= '\r';
}

/* Whether a character is written unchanged. */
static bool is_visible(unsigned code) {
    static const struct {
        unsigned first, last;
    } hidden[] = {{0, 0x1F},        {0x7F, 0x9F},
                  {0x61C, 0x61C},   {0x200E, 0x200F},
                  {0x2028, 0x2029}, {0x202A, 0x202E},
                  {0x2066, 0x2069}, {0xFEFF, 0xFEFF},
                  {0xFFFE, 0xFFFF}, {ESCAPE_INVALID, ESCAPE_INVALID}};
    for (int i = 0; i < COUNT_OF(hidden); i++)
        if (code >= hidden[i].first && code <= hidden[i].last) return false;
    return true;
}

int escape_size(const char *at) {
    unsigned code;
    int size = decode(at, &code);
    return is_visible(code) || code == '\n' || code == '\t' ? size : 0;
}

int escape_width(const char *text) {
    unsigned code;
    int width = 0;
    for (; *text; width++) text += decode(text, &code);
    return width;
}

/* --- formats --- */

typedef struct Substitute {
    const char *text, *becomes;
} Substitute;

static const Substitute xml[] = {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"},
                                 {"'", "&#39;"}, {"\n", "\n"},  {"\t", "\t"},  {NULL, NULL}};

/* Special characters of GitHub's Markdown. */
static const Substitute markdown[] = {{"*", "\\*"},   {"_", "\\_"}, {"`", "\\`"}, {"|", "\\|"},
                                      {"\\", "\\\\"}, {"<", "\\<"}, {"[", "\\["}, {"]", "\\]"},
                                      {"&", "\\&"},   {"~", "\\~"}, {"$", "\\$"}, {NULL, NULL}};

static const Substitute code[] = {{"`", "'"}, {NULL, NULL}};

static const Substitute csv[] = {{"\"", "\"\""}, {"\n", "\n"}, {"\r", "\r"}, {"\t", "\t"}, {NULL, NULL}};

static const Substitute json[] = {{"\"", "\\\""}, {"\\", "\\\\"}, {NULL, NULL}};

/* Special characters of TeX, and characters that its default font encoding does not have. */
static const Substitute latex[] = {
    {"\\", "\\textbackslash{}"},
    {"{", "\\{"},
    {"}", "\\}"},
    {"$", "\\$"},
    {"&", "\\&"},
    {"#", "\\#"},
    {"%", "\\%"},
    {"_", "\\_"},
    {"^", "\\textasciicircum{}"},
    {"~", "\\textasciitilde{}"},
    {"<", "\\textless{}"},
    {">", "\\textgreater{}"},
    {"|", "\\textbar{}"},
    {"`", "\\textasciigrave{}"},
    {"'", "\\textquotesingle{}"},
    {"-", "-{}"},
    {"±", "$\\pm$"},
    {"×", "$\\times$"},
    {"†", "$\\dagger$"},
    {"–", "--"},
    {"—", "---"},
    {"…", "\\dots{}"},
    {"µ", "$\\mu$"},
    {NULL, NULL},
};

static const Substitute none[] = {{NULL, NULL}};

static const Substitute *const substitutes[] = {
    [ESCAPE_LINE] = none,  [ESCAPE_MARKDOWN] = markdown, [ESCAPE_CODE] = code, [ESCAPE_LATEX] = latex,
    [ESCAPE_XML] = xml,    [ESCAPE_CSV] = csv,           [ESCAPE_JSON] = json, [ESCAPE_GNUPLOT] = none,
    [ESCAPE_SHELL] = none, [ESCAPE_PATH] = none,
};

/* Whether a character is an accented Latin letter, which every encoding of LaTeX has; other characters
   beyond ASCII may cause errors. */
static bool is_latin(unsigned letter) {
    static const unsigned unknown[] = {0xD0, 0xD7, 0xDE, 0xF0, 0xF7, 0xFE}; /* eth, thorn and signs */
    for (int i = 0; i < COUNT_OF(unknown); i++)
        if (letter == unknown[i]) return false;
    return letter < 0x7F || (letter >= 0xC0 && letter <= 0xFF);
}

/* Writes the character at `at` to `piece`, in the format; returns the number of bytes read. */
static int translate(Escape format, const char *at, char piece[PIECE]) {
    unsigned letter;
    int size = decode(at, &letter);
    const Substitute *entry = substitutes[format];
    while (entry->text && (strlen(entry->text) != (size_t)size || memcmp(entry->text, at, (size_t)size)))
        entry++;
    if (entry->text)
        snprintf(piece, PIECE, "%s", entry->becomes);
    else if (is_visible(letter) && (format != ESCAPE_LATEX || is_latin(letter)))
        /* the fast path for most characters: snprintf is slow */
        *(char *)mempcpy(piece, at, (size_t)size) = '\0';
    else if (format == ESCAPE_JSON)
        snprintf(piece, PIECE, "\\u%04x", letter == ESCAPE_INVALID ? 0xFFFD : letter);
    else if (is_space(letter))
        snprintf(piece, PIECE, " ");
    else
        snprintf(piece, PIECE, format == ESCAPE_LATEX ? "?" : "\xEF\xBF\xBD");
    return size;
}

/* Writes bytes in octal, except a few that are never special. Always three digits, because a following
   digit would be read as part of a shorter number. */
static void put_octal(const char *bytes, char piece[PIECE]) {
    for (; *bytes; bytes++) {
        bool plain = isalpha((unsigned char)*bytes) || strchr("/._-", *bytes);
        piece += sprintf(piece, plain ? "%c" : "\\%03o", (unsigned char)*bytes);
    }
}

/* Writes the next piece of output; returns the number of bytes read. */
static int next_piece(Escape format, bool octal, const char *at, char piece[PIECE]) {
    char text[PIECE] = {*at, '\0'};
    bool exact = format == ESCAPE_SHELL || format == ESCAPE_PATH;
    int size = exact ? 1 : translate(format, at, text);
    if (octal)
        put_octal(text, piece);
    else
        strcpy(piece, exact && *at == '\'' ? "'\\''" : text); /* NOLINT(*strcpy): both have PIECE bytes */
    return size;
}

/* --- whole texts --- */

/* Whether a spreadsheet would take the text for a formula; fullwidth signs are included. */
static bool is_formula(const char *text) {
    static const char *const starts[] = {"=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"};
    for (int i = 0; i < COUNT_OF(starts); i++)
        if (!strncmp(text, starts[i], strlen(starts[i]))) return isnan(text_number(text));
    return false;
}

static bool is_printable(const char *text) {
    unsigned letter;
    bool printable = true;
    for (; *text; text += decode(text, &letter))
        printable = printable && escape_size(text) && *text != '\n' && *text != '\t';
    return printable;
}

/* Sets the delimiters before and after the characters. */
static void find_quotes(Escape format, const char *text, const char **before, const char **behind) {
    bool quoted = text[strcspn(text, ",\"\r\n")] != '\0', plain = *text && !text[strspn(text, PLAIN)];
    *before = *behind = "";
    switch (format) {
    case ESCAPE_CSV:
        *before = is_formula(text) ? (quoted ? "\"'" : "'") : quoted ? "\"" : "";
        *behind = quoted ? "\"" : "";
        break;
    case ESCAPE_JSON:
    case ESCAPE_GNUPLOT:
    case ESCAPE_PATH:
        *before = *behind = "\"";
        break;
    case ESCAPE_SHELL:
        *before = plain ? "" : is_printable(text) ? "'" : "$'";
        *behind = plain ? "" : "'";
        break;
    default:
        break;
    }
}

typedef struct Sink {
    FILE *file; /* either a file */
    char *text; /* or a buffer; NULL: only count */
    size_t size;
} Sink;

static void put(Sink *sink, const char *text) {
    size_t size = strlen(text);
    if (sink->file) fwrite(text, 1, size, sink->file);
    if (sink->text) memcpy(sink->text + sink->size, text, size);
    sink->size += size;
}

static void escape(Sink *sink, Escape format, const char *text) {
    const char *before, *behind;
    char piece[PIECE];
    find_quotes(format, text, &before, &behind);
    put(sink, before);
    bool octal = format == ESCAPE_GNUPLOT || format == ESCAPE_PATH || *before == '$';
    for (const char *at = text; *at; put(sink, piece)) at += next_piece(format, octal, at, piece);
    put(sink, behind);
}

void escape_put(Escape format, const char *text, FILE *out) {
    escape(&(Sink){.file = out}, format, text);
}

size_t escape_into(Escape format, const char *text, char *out) {
    Sink sink = {.text = out};
    escape(&sink, format, text);
    return sink.size;
}

const char *escape_text(Escape format, const char *text, Arena *arena) {
    char *out = arena_alloc(arena, escape_into(format, text, NULL) + 1, 1); /* zeroed, so terminated */
    escape_into(format, text, out);
    return out;
}

void escape_line_list(FILE *out, const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    size_t size = (size_t)vsnprintf(NULL, 0, format, again) + 1;
    va_end(again);
    Arena *arena = arena_new(0);
    char *line = arena_alloc(arena, size, 1);
    vsnprintf(line, size, format, args);
    escape_put(ESCAPE_LINE, line, out);
    putc('\n', out);
    arena_free(arena);
}

void escape_line(FILE *out, const char *format, ...) {
    va_list args;
    va_start(args, format);
    escape_line_list(out, format, args);
    va_end(args);
}
