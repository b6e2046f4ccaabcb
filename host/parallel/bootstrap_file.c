/* The bootstrap through a shared folder.
 *
 *     rank k                                       rank 0
 *     writes  ...-rank-k: a random number   --->   reads all of them
 *     reads   ...-id      <---                     writes ...-id: the numbers of all ranks, and the data
 *     removes ...-rank-k  (it has the data) --->   waits until all are gone, removes ...-id
 *
 * A rank takes only data that comes with its own number of this very attempt: what an earlier attempt left behind,
 * under whatever name, cannot be taken for new. Rank 0 writes the data anew where a rank's number turns out to have
 * been such a leftover. */
#include "bootstrap_ways.h"

#include "check.h"
#include "machine.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NUMBER_BYTES = 16, HEADER_BYTES = 16 };
static const char RANK_MAGIC[8] = "PXRANK1", ID_MAGIC[8] = "PXIDFL1";

typedef struct number {
    unsigned char bytes[NUMBER_BYTES];
} number;

/* ---- rank 0 ------------------------------------------------------------------------------------------------------ */

typedef struct gathering {
    const px_bootstrap *bootstrap;
    const void *data;
    size_t bytes;
    char id_path[PX_BOOTSTRAP_PATH_MAX];
    number *numbers;      /* [size]; of rank 0 unused */
    unsigned char *here;  /* [size]: 1 = its number has been read, 2 = it has the data */
    unsigned char *image; /* the id file */
    size_t image_bytes;
} gathering;

static px_status rank_path(const px_bootstrap *bootstrap, int32_t rank, char path[PX_BOOTSTRAP_PATH_MAX])
{
    char what[32];
    snprintf(what, sizeof what, "rank-%d", (int)rank);
    return px_private_path(bootstrap, what, path);
}

static px_status write_id(gathering *g)
{
    uint32_t sizes[2] = {(uint32_t)g->bootstrap->size, (uint32_t)g->bytes};
    memcpy(g->image, ID_MAGIC, sizeof ID_MAGIC);
    memcpy(g->image + sizeof ID_MAGIC, sizes, sizeof sizes);
    memcpy(g->image + HEADER_BYTES, g->numbers, (size_t)g->bootstrap->size * NUMBER_BYTES);
    memcpy(g->image + HEADER_BYTES + (size_t)g->bootstrap->size * NUMBER_BYTES, g->data, g->bytes);
    return px_private_write(g->id_path, g->image, g->image_bytes);
}

/* Looks at one rank's file; *news: its number is new. */
static px_status look(gathering *g, int32_t rank, int written, int *news)
{
    unsigned char text[sizeof RANK_MAGIC + NUMBER_BYTES];
    char path[PX_BOOTSTRAP_PATH_MAX];
    size_t bytes;
    int found;
    PX_TRY(rank_path(g->bootstrap, rank, path));
    PX_TRY(px_private_read(path, text, sizeof text, &bytes, &found));
    if (!found) {
        if (written && g->here[rank] == 1) g->here[rank] = 2;
        return PX_OK;
    }
    if (bytes != sizeof text || memcmp(text, RANK_MAGIC, sizeof RANK_MAGIC) != 0) return PX_OK;
    if (g->here[rank] && memcmp(&g->numbers[rank], text + sizeof RANK_MAGIC, NUMBER_BYTES) == 0) return PX_OK;
    memcpy(&g->numbers[rank], text + sizeof RANK_MAGIC, NUMBER_BYTES);
    g->here[rank] = 1;
    *news = 1;
    return PX_OK;
}

/* The ranks whose `here` is below least: "1, 2, 5"; at most a few of them. */
static int list_missing(const gathering *g, int least, char *text, size_t size)
{
    int count = 0;
    size_t at = 0;
    text[0] = '\0';
    for (int32_t rank = 1; rank < g->bootstrap->size; rank++) {
        if (g->here[rank] >= least) continue;
        if (count < 8)
            at += (size_t)snprintf(text + at, size - at, "%s%d", count ? ", " : "", (int)rank);
        else if (count == 8)
            at += (size_t)snprintf(text + at, size - at, ", ...");
        count++;
    }
    return count;
}

static px_status gather(gathering *g, double end)
{
    int32_t size = g->bootstrap->size;
    char missing[128];
    int tries = 0, written = 0;
    for (;;) {
        int news = 0;
        /* reading the folder makes a network file system look for what is new */
        DIR *folder = opendir(g->bootstrap->folder);
        if (folder) closedir(folder);
        for (int32_t rank = 1; rank < size; rank++)
            if (g->here[rank] < 2) PX_TRY(look(g, rank, written, &news));
        if (list_missing(g, 1, missing, sizeof missing) == 0) {
            if (news) PX_TRY(write_id(g));
            written = 1;
            if (list_missing(g, 2, missing, sizeof missing) == 0) return PX_OK;
        }
        if (px_clock() >= end) break;
        px_bootstrap_pause(&tries);
    }
    list_missing(g, written ? 2 : 1, missing, sizeof missing);
    return px_fail(PX_ERR_IO,
                   "rank %s of %d did not come within %g s (looked for %s); do all ranks run, see the same folder, and "
                   "have the same "
                   "PERPLEX_JOB? raise --bootstrap-timeout if they start late",
                   missing, (int)size, g->bootstrap->timeout_s, g->id_path);
}

static px_status hand_out(const px_bootstrap *bootstrap, const void *data, size_t bytes, double end)
{
    size_t size = (size_t)bootstrap->size;
    gathering g = {.bootstrap = bootstrap,
                   .data = data,
                   .bytes = bytes,
                   .image_bytes = HEADER_BYTES + size * NUMBER_BYTES + bytes};
    PX_TRY(px_private_path(bootstrap, "id", g.id_path));
    px_private_clean(bootstrap);
    g.numbers = calloc(size, sizeof *g.numbers);
    g.here = calloc(size, 1);
    g.image = malloc(g.image_bytes);
    px_status status =
        g.numbers && g.here && g.image ? gather(&g, end) : px_fail(PX_ERR_MEMORY, "no memory for %zu ranks", size);
    unlink(g.id_path);
    free(g.numbers);
    free(g.here);
    free(g.image);
    return status;
}

/* ---- the others -------------------------------------------------------------------------------------------------- */

/* The data, if the id file answers to our number. image [capacity] is scratch. */
static px_status take(const px_bootstrap *bootstrap, const char *path, const number *own, unsigned char *image,
                      size_t capacity, void *data, size_t bytes, int *taken)
{
    uint32_t sizes[2];
    size_t got, numbers = (size_t)bootstrap->size * NUMBER_BYTES;
    int found;
    PX_TRY(px_private_read(path, image, capacity, &got, &found));
    if (!found || got < HEADER_BYTES || memcmp(image, ID_MAGIC, sizeof ID_MAGIC) != 0) return PX_OK;
    memcpy(sizes, image + sizeof ID_MAGIC, sizeof sizes);
    if (sizes[0] != (uint32_t)bootstrap->size || sizes[1] != bytes || got != HEADER_BYTES + numbers + bytes)
        return PX_OK;
    if (memcmp(image + HEADER_BYTES + (size_t)bootstrap->rank * NUMBER_BYTES, own, sizeof *own) != 0)
        return PX_OK; /* of another attempt */
    memcpy(data, image + HEADER_BYTES + numbers, bytes);
    *taken = 1;
    return PX_OK;
}

static px_status wait_for_id(const px_bootstrap *bootstrap, const number *own, void *data, size_t bytes, double end)
{
    char path[PX_BOOTSTRAP_PATH_MAX];
    size_t capacity = HEADER_BYTES + (size_t)bootstrap->size * NUMBER_BYTES + PX_BOOTSTRAP_BYTES_MAX;
    int tries = 0, taken = 0;
    px_status status;
    PX_TRY(px_private_path(bootstrap, "id", path));
    unsigned char *image = malloc(capacity);
    if (!image) return px_fail(PX_ERR_MEMORY, "no memory for %d ranks", (int)bootstrap->size);
    for (;;) {
        DIR *folder = opendir(bootstrap->folder);
        if (folder) closedir(folder);
        status = take(bootstrap, path, own, image, capacity, data, bytes, &taken);
        if (status != PX_OK || taken) break;
        if (px_clock() >= end) {
            status = px_fail(PX_ERR_IO,
                             "rank %d of %d: rank 0 gave no answer within %g s (%s); do all ranks run, see the same "
                             "folder, and have the same "
                             "PERPLEX_JOB? raise --bootstrap-timeout if they start late",
                             (int)bootstrap->rank, (int)bootstrap->size, bootstrap->timeout_s, path);
            break;
        }
        px_bootstrap_pause(&tries);
    }
    free(image);
    return status;
}

static px_status fetch(const px_bootstrap *bootstrap, void *data, size_t bytes, double end)
{
    unsigned char text[sizeof RANK_MAGIC + NUMBER_BYTES];
    char path[PX_BOOTSTRAP_PATH_MAX];
    number own;
    PX_TRY(px_private_random(&own, sizeof own));
    memcpy(text, RANK_MAGIC, sizeof RANK_MAGIC);
    memcpy(text + sizeof RANK_MAGIC, &own, sizeof own);
    PX_TRY(rank_path(bootstrap, bootstrap->rank, path));
    PX_TRY(px_private_write(path, text, sizeof text));
    px_status status = wait_for_id(bootstrap, &own, data, bytes, end);
    unlink(path);
    return status;
}

px_status px_bootstrap_file(const px_bootstrap *bootstrap, void *data, size_t bytes, double end)
{
    PX_TRY(px_private_folder(bootstrap->folder));
    return bootstrap->rank == 0 ? hand_out(bootstrap, data, bytes, end) : fetch(bootstrap, data, bytes, end);
}
