/* Which kernels waited in vain: see stall.h. */
#include "stall.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static px_stall_watch *first;

/* By px_stall_kind. */
static const struct {
    const char *kernel, *awaits;
} words[] = {[PX_STALL_NONE] = {"", ""},
#define WORDS(NAME, kernel, awaits) [PX_STALL_##NAME] = {kernel, awaits},
             PX_STALLS(WORDS)
#undef WORDS
};

void px_stall_watch_begin(px_stall_watch *watch, px_stall *record)
{
    memset(record, 0, sizeof *record);
    pthread_mutex_lock(&lock);
    *watch = (px_stall_watch){record, first};
    first = watch;
    pthread_mutex_unlock(&lock);
}

void px_stall_watch_end(px_stall_watch *watch)
{
    if (!watch->record) return;
    pthread_mutex_lock(&lock);
    for (px_stall_watch **at = &first; *at; at = &(*at)->next)
        if (*at == watch) {
            *at = watch->next;
            break;
        }
    pthread_mutex_unlock(&lock);
    watch->record = NULL;
}

int px_stall_describe(char *text, size_t bytes)
{
    px_stall found = {0};
    pthread_mutex_lock(&lock);
    for (const px_stall_watch *watch = first; watch && !found.kind; watch = watch->next) found = *watch->record;
    pthread_mutex_unlock(&lock);
    if (found.kind == PX_STALL_NONE || found.kind >= sizeof words / sizeof words[0]) return 0;
    snprintf(text, bytes, "%s: block %u waited in vain at its step %u of %u for %s", words[found.kind].kernel,
             found.block, found.step, found.T, words[found.kind].awaits);
    return 1;
}
