/* Padded Markdown tables (text_table.h). */
#include "text_table.h"

#include "utf8.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void px_text_table_start(px_text_table *table) { memset(table, 0, sizeof *table); }

void px_text_table_column(px_text_table *table, const char *title, int align, int show)
{
    if (table->columns == PX_TEXT_TABLE_COLUMNS) return;
    px_text_column *column = &table->column[table->columns++];
    column->title = title;
    column->align = align;
    column->show = show;
}

void px_text_table_cell(px_text_table *table, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (table->cells == table->room) {
        size_t room = table->room ? 2 * table->room : 256;
        char **grown = realloc(table->cell, room * sizeof *grown);
        if (!grown) {
            table->failed = 1;
            return;
        }
        table->cell = grown;
        table->room = room;
    }
    if (!(table->cell[table->cells] = strdup(text))) {
        table->failed = 1;
        return;
    }
    table->cells++;
}

static const char *at(const px_text_table *t, size_t row, size_t column) { return t->cell[row * t->columns + column]; }

static int is_same_everywhere(const px_text_table *t, size_t rows, size_t column)
{
    for (size_t row = 1; row < rows; row++)
        if (strcmp(at(t, row, column), at(t, 0, column)) != 0) return 0;
    return 1;
}

static int is_empty(const px_text_table *t, size_t rows, size_t column)
{
    for (size_t row = 0; row < rows; row++)
        if (at(t, row, column)[0] && strcmp(at(t, row, column), "-") != 0) return 0;
    return 1;
}

/* Decides which columns are shown; writes those that are folded. */
static void fold(const px_text_table *t, size_t rows, unsigned char *shown, FILE *out)
{
    int folded = 0;
    for (size_t i = 0; i < t->columns; i++) {
        const px_text_column *column = &t->column[i];
        shown[i] = 1;
        if (column->show == PX_COLUMN_IF_ANY) shown[i] = !is_empty(t, rows, i);
        if (column->show != PX_COLUMN_FOLD_VALUE && column->show != PX_COLUMN_FOLD_NAMED) continue;
        shown[i] = !is_same_everywhere(t, rows, i);
        if (shown[i] || !at(t, 0, i)[0]) continue;
        fprintf(out, "%s%s%s%s",
                folded++   ? ", "
                : rows > 1 ? "All: "
                           : "",
                column->show == PX_COLUMN_FOLD_NAMED ? column->title : "",
                column->show == PX_COLUMN_FOLD_NAMED ? "=" : "", at(t, 0, i));
    }
    if (folded) fprintf(out, "\n\n");
}

static void write_cell(FILE *out, const char *text, size_t width, int align)
{
    int padding = (int)width - px_utf8_columns(text);
    if (align == PX_COLUMN_NUMBER)
        fprintf(out, " %*s%s |", padding, "", text);
    else
        fprintf(out, " %s%*s |", text, padding, "");
}

static void write_rule(FILE *out, size_t width, int align)
{
    fputc(' ', out);
    for (size_t i = 1; i < width; i++) fputc('-', out);
    fputs(align == PX_COLUMN_NUMBER ? ": |" : "- |", out);
}

static void write_rows(const px_text_table *t, size_t rows, const unsigned char *shown, FILE *out)
{
    size_t width[PX_TEXT_TABLE_COLUMNS];
    for (size_t i = 0; i < t->columns; i++) {
        width[i] = (size_t)px_utf8_columns(t->column[i].title);
        if (width[i] < 3) width[i] = 3;
        for (size_t row = 0; row < rows; row++)
            if ((size_t)px_utf8_columns(at(t, row, i)) > width[i]) width[i] = (size_t)px_utf8_columns(at(t, row, i));
    }
    fputc('|', out);
    for (size_t i = 0; i < t->columns; i++)
        if (shown[i]) write_cell(out, t->column[i].title, width[i], t->column[i].align);
    fputs("\n|", out);
    for (size_t i = 0; i < t->columns; i++)
        if (shown[i]) write_rule(out, width[i], t->column[i].align);
    fputc('\n', out);
    for (size_t row = 0; row < rows; row++) {
        fputc('|', out);
        for (size_t i = 0; i < t->columns; i++)
            if (shown[i]) write_cell(out, at(t, row, i), width[i], t->column[i].align);
        fputc('\n', out);
    }
}

int px_text_table_end(px_text_table *t, FILE *out)
{
    unsigned char shown[PX_TEXT_TABLE_COLUMNS] = {0};
    size_t rows = t->columns ? t->cells / t->columns : 0;
    int failed = t->failed;
    if (rows > 0 && !failed) {
        fold(t, rows, shown, out);
        write_rows(t, rows, shown, out);
    }
    for (size_t i = 0; i < t->cells; i++) free(t->cell[i]);
    free(t->cell);
    memset(t, 0, sizeof *t);
    return failed;
}
