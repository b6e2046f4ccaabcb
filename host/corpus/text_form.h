/* What the first bytes of a file tell of it: plain text, a byte order mark, another encoding, a compressed file. */
#ifndef PX_TEXT_FORM_H
#define PX_TEXT_FORM_H

#include <perplex/status.h>
#include <stddef.h>

typedef enum px_text_form {
    PX_FORM_PLAIN,
    PX_FORM_MARKED,  /* UTF-8 behind a byte order mark of PX_MARK_BYTES */
    PX_FORM_FOREIGN, /* UTF-16 or UTF-32, with a byte order mark or without */
    PX_FORM_GZIP,
    PX_FORM_ZSTD,
    PX_FORM_PACKED /* compressed in another way */
} px_text_form;

enum { PX_MARK_BYTES = 3, PX_FORM_HEAD_BYTES = 264 /* as many bytes of the start as are looked at */ };

/* *what names the encoding as iconv does ("UTF-16LE") or the program that unpacks ("bzip2"); NULL for plain text. */
px_text_form px_text_form_of(const void *head, size_t bytes, const char **what);
/* PX_ERR_INPUT, naming the file, its form and what to do, unless it is plain text, marked or not. */
px_status px_text_form_refuse(const char *name, px_text_form form, const char *what);
/* Both in one, for a file that is there as a whole; *mark: bytes of the byte order mark before its text. */
px_status px_text_form_check(const char *name, const void *head, size_t bytes, size_t *mark);

#endif
