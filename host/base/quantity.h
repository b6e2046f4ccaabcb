/* Numbers for people: "1,234,567", "1.5 MB", "2 min 05 s", "3.4100". Each is written into a buffer of 32 bytes that the
 * caller gives, and which is returned. */
#ifndef PX_QUANTITY_H
#define PX_QUANTITY_H

const char *px_text_count(char buffer[32], long long value);
/* In units of 1000. */
const char *px_text_bytes(char buffer[32], double bytes);
const char *px_text_seconds(char buffer[32], double seconds);
const char *px_text_perplexity(char buffer[32], double value);

#endif
