/* See plain_locale.h. */
#include "plain_locale.h"

#include <pthread.h>

static locale_t plain; /* kept for the process's life */

static void make(void)
{
    plain = newlocale(LC_ALL_MASK, "C", (locale_t)0); /* built into the C library: no file is read */
}

locale_t px_plain_locale_enter(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make);
    return uselocale(plain);
}

void px_plain_locale_leave(const locale_t *before) { uselocale(*before); }
