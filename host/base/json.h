/* JSON made and read with cJSON, so that memory which runs out is never taken for something else: an object that lacks
 * members is not printed, and a text that could not be parsed for want of memory is not called wrong. */
#ifndef PX_JSON_H
#define PX_JSON_H

#include <perplex/status.h>
#include <cjson/cJSON.h>
#include <stddef.h>

/* From here on every allocation of cJSON that fails is remembered, in the thread where it happens. Called once, by a
 * program before it makes JSON; a library leaves its host's cJSON alone. */
void px_json_watch(void);
/* Remembers the same of a caller whose own memory ran out while it made a part. */
void px_json_lost(void);
/* The object as text (malloc'ed), formatted over many lines or on one; the object is deleted in every case.
 * PX_ERR_MEMORY if anything was lost since the last call. what: for the message. */
px_status px_json_write(cJSON *object, int formatted, const char *what, char **text);
/* Parses bytes of text, which need no NUL. PX_ERR_INPUT "place: wrong" where it is not JSON, PX_ERR_MEMORY where memory
 * ran out; *root is then NULL. end: where the value ends; NULL: not asked for. */
px_status px_json_parse(const char *text, size_t bytes, const char *place, const char *wrong, const char **end,
                        cJSON **root);
/* Before a text of others is parsed: PX_ERR_INPUT where it would make more than values_max nodes, of some 64 bytes
 * each, while "0," in the text takes two; so that a file of a few megabytes cannot ask for gigabytes. One pass, no
 * memory. */
px_status px_json_bound(const char *text, size_t bytes, size_t values_max, const char *place);

/* Members of an object.
 * JSON numbers: infinity, which JSON lacks, is the text "inf" (as in metrics.jsonl); NaN, a value that is not there,
 * null. */
void px_json_number(cJSON *object, const char *name, double value);
void px_json_count(cJSON *object, const char *name, long long value);
/* A text that may hold any bytes: what is not UTF-8, and NUL, becomes U+FFFD. */
void px_json_text(cJSON *object, const char *name, const char *text, size_t bytes);

#endif
