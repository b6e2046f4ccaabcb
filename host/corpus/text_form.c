/* The form of a file: see text_form.h. */
#include "text_form.h"
#include "check.h"

#include <string.h>

static const struct {
    const char *magic;
    size_t bytes;
    px_text_form form;
    const char *what;
} forms[] = {
    {"\xEF\xBB\xBF", PX_MARK_BYTES, PX_FORM_MARKED, "UTF-8"},
    {"\xFF\xFE\0\0", 4, PX_FORM_FOREIGN, "UTF-32LE"}, /* before UTF-16LE, whose mark it begins with */
    {"\0\0\xFE\xFF", 4, PX_FORM_FOREIGN, "UTF-32BE"},
    {"\xFF\xFE", 2, PX_FORM_FOREIGN, "UTF-16LE"},
    {"\xFE\xFF", 2, PX_FORM_FOREIGN, "UTF-16BE"},
    {"\x1F\x8B\x08", 3, PX_FORM_GZIP, "gzip"},
    {"\x28\xB5\x2F\xFD", 4, PX_FORM_ZSTD, "zstd"},
    {"BZh", 3, PX_FORM_PACKED, "bzip2"}, /* and a digit, then pi: see below */
    {"\xFD"
     "7zXZ\0",
     6, PX_FORM_PACKED, "xz"},
    {"\x04\x22\x4D\x18", 4, PX_FORM_PACKED, "lz4"},
    {"\x1F\x9D", 2, PX_FORM_PACKED, "gzip"}, /* of compress(1) */
    {"PK\x03\x04", 4, PX_FORM_PACKED, "unzip"},
    {"7z\xBC\xAF\x27\x1C", 6, PX_FORM_PACKED, "7z"},
};

enum { WIDE_BYTES = 64 };

/* ASCII in units of 2 or 4 bytes has its zeros always in the same places: 1 where, in every whole unit, byte `place`
 * alone is not 0. */
static int is_wide(const unsigned char *head, size_t bytes, size_t unit, size_t place)
{
    enum { LEAST_UNITS = 4 };
    size_t units = bytes / unit;
    for (size_t i = 0; i < units * unit; i++)
        if ((head[i] != 0) != (i % unit == place)) return 0;
    return units >= LEAST_UNITS;
}

/* The header of a tar archive's first file. */
static int is_tar(const unsigned char *head, size_t bytes)
{
    enum { AT = 257 };
    return bytes >= AT + 5 && memcmp(head + AT, "ustar", 5) == 0 && memchr(head, 0, 100);
}

px_text_form px_text_form_of(const void *start, size_t bytes, const char **what)
{
    static const char pi[] = "\x31\x41\x59\x26\x53\x59"; /* begins every block of bzip2 */
    const unsigned char *head = start;
    *what = "tar";
    if (is_tar(head, bytes)) return PX_FORM_PACKED;
    if (bytes > WIDE_BYTES) bytes = WIDE_BYTES;
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (bytes < forms[i].bytes || memcmp(head, forms[i].magic, forms[i].bytes) != 0) continue;
        if (head[0] == 'B' && (bytes < 10 || memcmp(head + 4, pi, 6) != 0)) continue;
        *what = forms[i].what;
        return forms[i].form;
    }
    *what = is_wide(head, bytes, 2, 0)   ? "UTF-16LE"
            : is_wide(head, bytes, 2, 1) ? "UTF-16BE"
            : is_wide(head, bytes, 4, 0) ? "UTF-32LE"
            : is_wide(head, bytes, 4, 3) ? "UTF-32BE"
                                         : NULL;
    return *what ? PX_FORM_FOREIGN : PX_FORM_PLAIN;
}

px_status px_text_form_refuse(const char *name, px_text_form form, const char *what)
{
    if (form == PX_FORM_PLAIN || form == PX_FORM_MARKED) return PX_OK;
    if (form == PX_FORM_FOREIGN)
        return px_fail(PX_ERR_INPUT, "%s: %s, and UTF-8 is needed; make it so: iconv -f %s -t UTF-8 FILE >NEW", name,
                       what, what);
    if (form == PX_FORM_PACKED && (strcmp(what, "unzip") == 0 || strcmp(what, "7z") == 0 || strcmp(what, "tar") == 0))
        return px_fail(PX_ERR_INPUT, "%s: an archive, not a text; unpack it with %s and give the files in it", name,
                       what);
    return px_fail(PX_ERR_INPUT, "%s: a compressed file, not a text; unpack it: %s -dc FILE >NEW", name, what);
}

px_status px_text_form_check(const char *name, const void *head, size_t bytes, size_t *mark)
{
    const char *what;
    px_text_form form = px_text_form_of(head, bytes, &what);
    *mark = form == PX_FORM_MARKED ? PX_MARK_BYTES : 0;
    return px_text_form_refuse(name, form, what);
}
