/* A table as Markdown whose columns are padded, so that it reads as well in a terminal as on a page.
 *
 * Columns that say the same in every row (all of one device, one T, ...) can be left out of the table and written once
 * above it. */
#ifndef PX_TEXT_TABLE_H
#define PX_TEXT_TABLE_H

#include <stddef.h>
#include <stdio.h>

enum { PX_TEXT_TABLE_COLUMNS = 28 };

typedef struct px_text_column {
    const char *title;
    enum { PX_COLUMN_TEXT, PX_COLUMN_NUMBER } align;
    enum {
        PX_COLUMN_ALWAYS,
        PX_COLUMN_FOLD_VALUE, /* the same everywhere: "fp32" above the table */
        PX_COLUMN_FOLD_NAMED, /* the same everywhere: "n=32" above the table */
        PX_COLUMN_IF_ANY      /* left out where every cell is "-" or empty */
    } show;
} px_text_column;

typedef struct px_text_table {
    px_text_column column[PX_TEXT_TABLE_COLUMNS];
    size_t columns, cells, room;
    char **cell; /* row by row; owned */
    int failed;  /* memory ran out */
} px_text_table;

void px_text_table_start(px_text_table *table);
void px_text_table_column(px_text_table *table, const char *title, int align, int show);
/* The next cell, row by row. */
void px_text_table_cell(px_text_table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Writes what is the same everywhere as a line of its own, then the table; nothing where it has no rows. Frees the
 * table's cells. 1 where memory ran out for one of them: nothing is written then. */
int px_text_table_end(px_text_table *table, FILE *out);

#endif
