/* perplex tokenize --ids: a token file of ids that another program wrote, and of the list of tokens that they number.
 */
#include "tokenize.h"
#include "check.h"
#include "inputs.h"

#include <stdlib.h>

/* Flags that say how a text becomes tokens have nothing to say of ids. */
static px_status check_flags(const px_command_line *line, const tokenize_flags *flags)
{
    static const char *const of_texts[] = {"data", "invalid", "min-count", "max-vocab"};
    if (!flags->tokens)
        return px_fail(PX_ERR_ARGUMENT, "--ids: ids of which tokens? give --tokens LIST, in the order of the ids");
    if (flags->id_bytes != 0 && flags->id_bytes != 2 && flags->id_bytes != 4)
        return px_fail(PX_ERR_ARGUMENT, "--id-bytes %d: an id has 2 or 4 bytes", flags->id_bytes);
    for (size_t i = 0; i < sizeof of_texts / sizeof *of_texts; i++)
        if (px_command_line_gave(line, of_texts[i]))
            return px_fail(PX_ERR_ARGUMENT, "--%s: of a text, and --ids reads none; leave it out", of_texts[i]);
    if (flags->vocabulary_from.count)
        return px_fail(PX_ERR_ARGUMENT,
                       "--vocabulary-from: of texts; make a token file of their ids and give it to --vocabulary");
    return PX_OK;
}

/* The level that is asked for, else that of the vocabulary that is written. */
static px_vocabulary_names names_of(const px_command_line *line, const tokenize_flags *flags,
                                    const px_vocabulary *given)
{
    px_vocabulary_names names = flags->names;
    const px_text_options wanted = given ? px_vocabulary_options(given) : (px_text_options){0};
    const px_text_options typed = line->config->corpus.text;
    names.level = px_command_line_gave(line, "level") ? (int)typed.level : given ? (int)wanted.level : -1;
    names.normalise = px_command_line_gave(line, "normalise") ? (int)typed.normalise
                      : given                                 ? (int)wanted.normalise
                                                              : -1;
    return names;
}

static px_status read_ids(const px_command_line *line, const tokenize_flags *flags, px_vocabulary_list *list,
                          const px_vocabulary *given, px_ids_request *request, px_tokenize_result *result,
                          px_vocabulary **vocabulary)
{
    const px_vocabulary_names names = names_of(line, flags, given);
    px_vocabulary *listed = NULL;
    int32_t *row = NULL;
    size_t placeholders;
    PX_TRY(px_vocabulary_list_make(list, &names, &listed, &row, &placeholders));
    request->list_count = list->count;
    request->list_name = list->source;
    request->listed = listed;
    request->row = row;
    px_status status = px_tokenize_ids(request, flags->out, result, vocabulary);
    px_vocabulary_destroy(listed);
    free(row);
    return status;
}

px_status px_tokenize_id_files(const px_command_line *line, const tokenize_flags *flags, const px_vocabulary *given,
                               px_progress *progress, char name[PX_PATHS_NAME_BYTES], px_tokenize_result *result,
                               px_vocabulary **vocabulary)
{
    px_vocabulary_list list = {0};
    char *paths = NULL;
    PX_TRY(check_flags(line, flags));
    PX_TRY(px_paths_join(flags->ids.value, flags->ids.count, &paths));
    px_paths_name(paths, name);
    px_ids_request request = {.paths = paths,
                              .id_bytes = flags->id_bytes,
                              .vocabulary = given,
                              .limit_tokens = line->config->corpus.limit_tokens,
                              .progress = px_progress_hook_what,
                              .progress_context = progress};
    px_status status = px_input_vocabulary_list(flags->tokens, &list);
    if (status == PX_OK) status = read_ids(line, flags, &list, given, &request, result, vocabulary);
    px_vocabulary_list_free(&list);
    free(paths);
    return status;
}
