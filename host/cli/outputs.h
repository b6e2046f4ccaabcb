/* Where commands write: one check that nothing goes over what is read or over a file of a run, and texts for files or
 * standard output. */
#ifndef PX_OUTPUTS_H
#define PX_OUTPUTS_H

#include "file.h"
#include "options.h"

/* Checks the outputs of a command line that has been read: px_command_line_read ends with it. PX_ERR_ARGUMENT where one
 * is, by device and inode, what the command reads (texts, models, runs and the texts behind them, --config, standard
 * input) or what standard output goes to; where it would be a file of a run; where - or something else than a regular
 * file is given for what is no text. */
px_status px_outputs_check(const px_command_line *line);
/* The same for one file whose name the command has made from the flag's value (kind OUT_FILE or OUT_TEXT), before it is
 * written. */
px_status px_output_check(const px_command_line *line, const char *flag, const char *path, px_flag_kind kind);

/* For a folder that several files go to: PX_ERR_ARGUMENT where it is a run. */
px_status px_output_check_folder(const char *flag, const char *folder);

/* Only against what is read: for the files of a new run, which may lie in the folder of an old one. */
px_status px_output_check_inputs(const px_command_line *line, const char *flag, const char *path);

/* A text that goes to standard output (path -), to a pipe or a device as it is, or to a regular file, which appears
 * whole. */
typedef struct px_text_output {
    FILE *stream; /* NULL: not open */
    const char *flag, *path;
    px_atomic_file file;
    int atomic, standard;
} px_text_output;

/* PX_ERR_IO, naming flag and path. */
px_status px_text_output_open(const char *flag, const char *path, px_text_output *output);
/* After a write that failed: PX_ERR_IO with its errno. */
px_status px_text_output_failed(const px_text_output *output);
/* status: what became of the writing; a regular file stays as it was unless that is PX_OK. A zeroed output may be
 * closed, too. */
px_status px_text_output_close(px_text_output *output, px_status status);

#endif
