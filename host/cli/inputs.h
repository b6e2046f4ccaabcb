/* Where texts, vocabularies and tokens come from, for the commands that need them. */
#ifndef PX_INPUTS_H
#define PX_INPUTS_H

#include "config.h"
#include "corpus.h"
#include "model_file.h"
#include "options.h"
#include "vocabulary_list.h"

#include <stdio.h>

enum { PX_TOKEN_TEXT_BYTES = 256 };

/* Where --data is a token file, level and normalise are the file's; PX_ERR_ARGUMENT where the command line says another
 * one. A configuration file, which states every setting, is not asked. */
px_status px_input_settle_level(const px_command_line *line, px_config *config);
/* px_model_file_open for a command: says on standard error where a run's last weights stand in for its best ones. */
px_status px_input_model(const char *path, px_model_file *model);
/* The vocabulary of a token file, a checkpoint or a run folder. The caller destroys it. */
px_status px_input_vocabulary(const char *path, px_vocabulary **vocabulary);
/* 1 if path is a folder or begins like a .safetensors file: a model; 0 for anything else, a missing file too. A failure
 * says that the file could not be looked at. */
px_status px_input_is_model(const char *path, int *is_model);
/* A list of tokens in the order of their ids: a file (vocabulary_list.h), the vocabulary of a model or a token file, or
 * the 256 bytes where path is "bytes". */
px_status px_input_vocabulary_list(const char *path, px_vocabulary_list *list);
/* A token for a person or a table: control characters, backslash and what is not UTF-8 escaped (\n, \t, \\, \xNN). */
const char *px_input_token_text(const px_vocabulary *vocabulary, int32_t id, char buffer[PX_TOKEN_TEXT_BYTES]);
/* Same for any bytes; longer texts are cut. */
const char *px_input_escape(const char *text, size_t bytes, char *buffer, size_t buffer_bytes);
/* Everything of a file, or of standard input where path is "-", as malloc'ed bytes; at most limit. */
px_status px_input_read_all(const char *path, size_t limit, char **text, size_t *bytes);
/* 1 if path begins like a token file. */
px_status px_input_is_token_file(const char *path, int *is_one);
/* PX_ERR_INPUT if path is no token file: for commands that would otherwise read it as a text. */
px_status px_input_check_token_file(const char *path);

#endif
