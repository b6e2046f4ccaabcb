/* The vocabulary of a model that another program trained: a list of tokens in the order of that program's ids.
 *
 * perplex numbers tokens its own way (id 0 is <unk>), so such a list is first of all an order of rows. */
#ifndef PX_VOCABULARY_LIST_H
#define PX_VOCABULARY_LIST_H

#include "corpus.h"

typedef struct px_vocabulary_list {
    char **token;  /* [count], each [bytes] and a NUL; byte level: one byte each, or "<unk>" */
    size_t *bytes; /* [count] */
    size_t count;
    int has_lines; /* 1: token i stands in line i + 1; 0: it is entry i, or has id i */
    int level;     /* a px_level; -1: the file does not say */
    int normalise; /* a px_normalise; -1: the file does not say */
    char *source;  /* the file's name, for messages */
} px_vocabulary_list;

/* Reads path:
 *   JSON   a list of strings; an object of string -> id (0, 1, ... without gaps); or a model card of perplex export
 *   text   one token a line, as it stands (so that a line end can be a token only in JSON); of SentencePiece's .vocab,
 *          the piece before the tab
 *   llm.c  its tokenizer file (magic 20240328), whose pieces are spelled as GPT-2 does
 * A byte order mark is passed over. PX_ERR_INPUT says what is wrong: JSON that is cut off with its line, other
 * encodings. */
px_status px_vocabulary_list_read(const char *path, px_vocabulary_list *list);
/* The 256 bytes: id = value. */
px_status px_vocabulary_list_bytes(px_vocabulary_list *list);
/* Of a vocabulary of perplex, in the order of its ids. */
px_status px_vocabulary_list_of(const px_vocabulary *vocabulary, const char *source, px_vocabulary_list *list);
void px_vocabulary_list_free(px_vocabulary_list *list); /* zeroed afterwards */

/* What the options of an import say of a vocabulary. */
typedef struct px_vocabulary_names {
    const char *unknown;  /* the list's token for what it lacks; NULL = "<unk>", which need not be there */
    const char *line_end; /* word level: the list's token for a line end; NULL = "<eos>", which need not be there */
    int level;     /* -1: what the list says or its spelling shows, else char where all are one character, else word */
    int normalise; /* -1: what the list says, else none */
} px_vocabulary_names;

/* The vocabulary of perplex for a list. *row [size of the vocabulary], malloc'ed: the list's index of each id, -1 for
 * an <unk> that the list does not have. At the level of characters, longer tokens (<pad>, ...), which no text gives,
 * become characters of a private area (U+F0000 and up), counted in *placeholders. A list's tokens of byte level that
 * are code points up to U+00FF become those bytes. PX_ERR_INPUT names the line or entry that no text of that level
 * gives, or that stands there twice. */
px_status px_vocabulary_list_make(px_vocabulary_list *list, const px_vocabulary_names *names,
                                  px_vocabulary **vocabulary, int32_t **row, size_t *placeholders);

#endif
