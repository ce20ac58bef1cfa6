/* frame: what an analysis found, as rows under named columns, and its printing.
 *
 * Programs (csv, json) get every row and column, numbers with full precision, an empty field or no member
 * where there is nothing. People (text, md) get the columns marked for them, rounded; the values of a SPREAD
 * column become columns of their own, with what the SHOWN column says in the cells: one line for each
 * combination of the others. Below stand notes, and a signature that says what the numbers are of.
 */
#ifndef POSLAB_FRAME_H
#define POSLAB_FRAME_H

#include "base/arena.h"

typedef enum FrameType { FRAME_TEXT, FRAME_WHOLE, FRAME_REAL } FrameType;

enum {
    FRAME_PEOPLE = 1,   /* column shown to people */
    FRAME_PROGRAMS = 2, /* column written for programs */
    FRAME_BOTH = 3,
    FRAME_VARYING = 4, /* shown to people only where its values differ */
    FRAME_GROUP = 8,   /* for people: a table of its own for each value */
    FRAME_SPREAD = 16, /* for people: a column of its own for each value (a number) */
    FRAME_SHOWN = 32,  /* for people: stands in the cells of SPREAD columns */
};

typedef struct FrameColumn {
    const char *name, *head; /* for programs; for people */
    FrameType type;
    int flags;
    int decimals; /* of FRAME_REAL for people; -1: so that a perplexity has at least three digits */
} FrameColumn;

typedef struct FrameCell {
    const char *text; /* NULL: a number */
    double number;    /* NAN: nothing */
} FrameCell;

typedef struct Frame {
    Arena *arena;
    const FrameColumn *columns;
    int column_count, rows, note_count;
    FrameCell *cells; /* [rows, column_count] */
    const char *notes[8];
    const char *title, *signature;
} Frame;

Frame *frame_new(const char *title, const FrameColumn *columns, int count, Arena *arena);

/* A new row, all cells empty; valid until the next one. Texts must live as long as the arena. */
FrameCell *frame_row(Frame *frame);
FrameCell frame_text(const char *text);
FrameCell frame_number(double number);

/* A note is there once, however often it is added. At most 8. */
void frame_note(Frame *frame, const char *note);

/* 6.25, 123.4, 1234, 1.23e+06 */
const char *frame_perplexity(double perplexity, Arena *arena);

extern const char *const frame_formats[]; /* "text", "md", "csv", "json", NULL */

/* All frames have the same columns. format: index into frame_formats. Errors: writing fails. */
bool frame_print(const Frame *const *frames, int count, int format, FILE *out, Err *err);

#endif
