/* What cmd_tokenize.c and tokenize_ids.c share. */
#ifndef PX_TOKENIZE_H
#define PX_TOKENIZE_H

#include "options.h"
#include "paths.h"
#include "progress.h"
#include "vocabulary_list.h"

typedef struct tokenize_flags {
    const char *out, *vocabulary;
    px_flag_list vocabulary_from;
    px_flag_list ids;   /* files of ids that another program wrote */
    const char *tokens; /* the list that they number */
    int32_t id_bytes;
    px_vocabulary_names names; /* --unk, --eos */
    int json;
} tokenize_flags;

/* --ids: as px_tokenize, for ids. given: the vocabulary that --vocabulary names, or NULL. name: of the files, for a
 * person. */
px_status px_tokenize_id_files(const px_command_line *line, const tokenize_flags *flags, const px_vocabulary *given,
                               px_progress *progress, char name[PX_PATHS_NAME_BYTES], px_tokenize_result *result,
                               px_vocabulary **vocabulary);

#endif
