/* Ranks that talk over TCP: what carries a px_comm where there is no MPI (comm.h). Rank 0 is in the middle of a star:
 * it has a connection to every other rank, and they have none among themselves. That is enough for what ranks on GPUs
 * say to each other beside NCCL (counts, wishes to stop, states on their way to a checkpoint); sums of gradients do not
 * go this way.
 *
 * The connections come from a bootstrap: over TCP they are its own; through files rank 0 hands out where it listens,
 * and a key.
 *
 * A message is 8 bytes (what it is, how long) and its body. Calls only start something; test moves it on without
 * waiting. A rank that is ahead may have sent for its next call: that stays in the connection until this one's next
 * call. */
#include "comm_tcp.h"

#include "bootstrap_tcp.h"
#include "check.h"
#include "comm_load.h"
#include "machine.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEADER_BYTES = 8, DATA = 1, TOLD = 2, WORDS_BYTES = 700, LAST_WORDS_S = 2 };

/* One connection. */
typedef struct wire {
    int socket;   /* -1: none (to oneself) */
    int32_t rank; /* of the other side */
    int ended;    /* it will say nothing more */
    unsigned char out_header[HEADER_BYTES];
    size_t header_left, body_left; /* still to be sent */
    const unsigned char *body;
    unsigned char in_header[HEADER_BYTES];
    size_t header_got, in_left; /* of the message being read; in_left counts once its header is there */
    unsigned char *in;          /* where this call's message goes */
    size_t in_bytes;
    int expects; /* 1: this call needs a message */
    char words[WORDS_BYTES];
} wire;

typedef struct star {
    int32_t rank, size;
    wire *links; /* rank 0: [size]; others: [1], to rank 0 */
    int32_t count;
    const unsigned char *next; /* rank 0: what goes to everybody once all messages are there; NULL: nothing */
    size_t next_bytes;
    int32_t told_by; /* -1: nobody has told a failure */
    char told[WORDS_BYTES];
} star;

/* ---- one connection ---------------------------------------------------------------------------------------------- */

static void put_header(unsigned char *header, uint32_t kind, size_t bytes)
{
    px_tcp_put_u32(header, kind);
    px_tcp_put_u32(header + 4, (uint32_t)bytes);
}

static void say(wire *l, const void *body, size_t bytes)
{
    put_header(l->out_header, DATA, bytes);
    l->header_left = HEADER_BYTES;
    l->body = body;
    l->body_left = bytes;
}

static void expect(wire *l, void *to, size_t bytes)
{
    l->in = to;
    l->in_bytes = bytes;
    l->expects = 1;
}

static px_status lost(const star *s, const wire *l)
{
    if (s->told_by >= 0)
        return px_fail(PX_ERR_IO, "rank %d of %d has failed: %s", (int)s->told_by, (int)s->size, s->told);
    return px_fail(PX_ERR_IO, "rank %d of %d: the connection to rank %d has ended: it has died, or the network failed",
                   (int)s->rank, (int)s->size, (int)l->rank);
}

static int would_wait(void) { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

static px_status write_on(const star *s, wire *l)
{
    while (l->header_left + l->body_left > 0) {
        int header = l->header_left > 0;
        ssize_t sent = header ? send(l->socket, l->out_header + HEADER_BYTES - l->header_left, l->header_left,
                                     MSG_NOSIGNAL | (l->body_left ? MSG_MORE : 0))
                              : send(l->socket, l->body, l->body_left, MSG_NOSIGNAL);
        if (sent < 0 && would_wait()) return PX_OK;
        if (sent <= 0) return lost(s, l);
        if (header)
            l->header_left -= (size_t)sent;
        else {
            l->body += sent;
            l->body_left -= (size_t)sent;
        }
    }
    return PX_OK;
}

/* Reads up to that many bytes; *got 0: nothing there now. An end of the connection is remembered. */
static void read_some(wire *l, void *to, size_t bytes, size_t *got)
{
    ssize_t count = recv(l->socket, to, bytes, MSG_DONTWAIT);
    *got = count > 0 ? (size_t)count : 0;
    if (count == 0 || (count < 0 && !would_wait())) l->ended = 1;
}

static void pass_on(star *s, const wire *from);

/* Reads what this call needs, and news of failures. */
static px_status read_on(star *s, wire *l)
{
    size_t got = 1;
    while (got > 0 && !l->ended) {
        if (l->header_got < HEADER_BYTES) {
            read_some(l, l->in_header + l->header_got, HEADER_BYTES - l->header_got, &got);
            l->header_got += got;
            if (l->header_got == HEADER_BYTES) l->in_left = px_tcp_get_u32(l->in_header + 4);
            continue;
        }
        uint32_t kind = px_tcp_get_u32(l->in_header), bytes = px_tcp_get_u32(l->in_header + 4);
        if (kind == DATA && !l->expects) return PX_OK; /* of a later call */
        if (kind == DATA ? bytes != l->in_bytes : kind != TOLD || bytes >= WORDS_BYTES)
            return px_fail(
                PX_ERR_INTERNAL,
                "rank %d of %d: %u bytes from rank %d where %zu were expected: the ranks are not at the same place",
                (int)s->rank, (int)s->size, (unsigned)bytes, (int)l->rank, l->in_bytes);
        unsigned char *to = kind == DATA ? l->in : (unsigned char *)l->words;
        if (l->in_left > 0) {
            read_some(l, to + (bytes - l->in_left), l->in_left, &got);
            l->in_left -= got;
        }
        if (l->in_left > 0) continue;
        l->header_got = 0;
        if (kind == DATA) {
            l->expects = 0;
        } else if (s->told_by < 0) {
            l->words[bytes] = '\0';
            pass_on(s, l);
        }
    }
    return PX_OK;
}

/* ---- failures that are told -------------------------------------------------------------------------------------- */

/* "7 text": who fails, and why. Behind what is being sent; waits only for a moment. */
static void tell_one(const star *s, wire *l, int32_t who, const char *words)
{
    char text[HEADER_BYTES + WORDS_BYTES];
    double end = px_clock() + LAST_WORDS_S;
    int length = snprintf(text + HEADER_BYTES, WORDS_BYTES, "%d %s", (int)who, words);
    if (length >= WORDS_BYTES) length = WORDS_BYTES - 1;
    put_header((unsigned char *)text, TOLD, (size_t)length);
    if (l->socket < 0 || l->ended) return;
    while (l->header_left + l->body_left > 0) {
        struct pollfd wait = {.fd = l->socket, .events = POLLOUT};
        if (px_clock() >= end || poll(&wait, 1, px_tcp_left_ms(end)) < 0 || write_on(s, l) != PX_OK) return;
    }
    if (send(l->socket, text, (size_t)(HEADER_BYTES + length), MSG_NOSIGNAL) < 0) l->ended = 1;
}

/* A message of a failure has come: kept, and rank 0 tells it to the others. */
static void pass_on(star *s, const wire *from)
{
    char *words;
    long who = strtol(from->words, &words, 10);
    s->told_by = who >= 0 && who < s->size ? (int32_t)who : from->rank;
    snprintf(s->told, sizeof s->told, "%s", *words == ' ' ? words + 1 : words);
    for (int32_t i = 0; s->rank == 0 && i < s->count; i++)
        if (&s->links[i] != from) tell_one(s, &s->links[i], s->told_by, s->told);
}

static void star_tell(void *state, const char *text)
{
    star *s = state;
    for (int32_t i = 0; i < s->count; i++) tell_one(s, &s->links[i], s->rank, text);
}

static int star_heard(void *state, int32_t *from, char *text, size_t text_bytes)
{
    star *s = state;
    for (int32_t i = 0; i < s->count && s->told_by < 0; i++)
        if (s->links[i].socket >= 0 && !s->links[i].expects) read_on(s, &s->links[i]); /* those of a call are test's */
    if (s->told_by < 0) return 0;
    *from = s->told_by;
    snprintf(text, text_bytes, "%s", s->told);
    return 1;
}

/* ---- calls ------------------------------------------------------------------------------------------------------- */

static px_status star_broadcast(void *state, void *data, size_t bytes)
{
    star *s = state;
    if (s->rank != 0) expect(&s->links[0], data, bytes);
    for (int32_t i = 1; s->rank == 0 && i < s->count; i++) say(&s->links[i], data, bytes);
    return PX_OK;
}

static px_status star_all_gather(void *state, const void *mine, size_t bytes, void *all)
{
    star *s = state;
    unsigned char *places = all;
    memmove(places + (size_t)s->rank * bytes, mine, bytes);
    if (s->rank != 0) {
        say(&s->links[0], places + (size_t)s->rank * bytes, bytes); /* its place in the answer holds the same bytes */
        expect(&s->links[0], all, (size_t)s->size * bytes);
        return PX_OK;
    }
    for (int32_t i = 1; i < s->count; i++) expect(&s->links[i], places + (size_t)i * bytes, bytes);
    s->next = all;
    s->next_bytes = (size_t)s->size * bytes;
    return PX_OK;
}

static px_status star_exchange(void *state, int32_t peer, const void *send, size_t send_bytes, void *receive,
                               size_t receive_bytes)
{
    star *s = state;
    if (s->rank != 0 && peer != 0)
        return px_fail(PX_ERR_DEVICE,
                       "ranks %d and %d: without MPI ranks reach rank 0 alone, so that gradients on CPUs cannot be "
                       "summed; start by mpirun, or use GPUs",
                       (int)s->rank, (int)peer);
    wire *l = &s->links[s->rank == 0 ? peer : 0];
    if (send_bytes) say(l, send, send_bytes);
    if (receive_bytes) expect(l, receive, receive_bytes);
    return PX_OK;
}

static px_status star_sum_floats(void *state, float *part, size_t count)
{
    if (!px_comm_mpi_is_built())
        return px_fail(PX_ERR_DEVICE, "--reduce fast on CPUs needs MPI, and this perplex was built without; install "
                                      "openmpi-bin and libopenmpi-dev and build again, "
                                      "or give --reduce tree");
    return px_fail(PX_ERR_DEVICE,
                   "--reduce fast on CPUs needs MPI; start by mpirun or srun --mpi=pmix, or give --reduce tree");
}

static px_status move(star *s, int *busy)
{
    *busy = 0;
    for (int32_t i = 0; i < s->count; i++) {
        wire *l = &s->links[i];
        if (l->socket < 0) continue;
        if (l->header_left + l->body_left > 0) PX_TRY(write_on(s, l));
        if (l->expects) PX_TRY(read_on(s, l));
        if (l->expects && l->ended) return lost(s, l);
        *busy |= l->expects || l->header_left + l->body_left > 0;
    }
    return PX_OK;
}

static px_status star_test(void *state, px_comm_work work, int *done)
{
    star *s = state;
    int busy = 0;
    *done = 1;
    if (work == PX_COMM_SUMS) return PX_OK;
    PX_TRY(move(s, &busy));
    if (!busy && s->next) {
        for (int32_t i = 1; i < s->count; i++) say(&s->links[i], s->next, s->next_bytes);
        s->next = NULL;
        PX_TRY(move(s, &busy));
    }
    *done = !busy;
    return PX_OK;
}

static void star_close(void *state, int abort_code)
{
    star *s = state;
    for (int32_t i = 0; i < s->count; i++)
        if (s->links[i].socket >= 0) close(s->links[i].socket);
    free(s->links);
    free(s);
}

static const px_comm_ops star_ops = {
    .name = "tcp",
    .broadcast = star_broadcast,
    .all_gather = star_all_gather,
    .exchange = star_exchange,
    .sum_floats = star_sum_floats,
    .test = star_test,
    .tell = star_tell,
    .heard = star_heard,
    .close = star_close,
};

/* ---- meeting ----------------------------------------------------------------------------------------------------- */

/* What goes through files: where rank 0 listens, and a key of this attempt. */
typedef struct invitation {
    px_bootstrap_key key;
    char address[256], port[16];
} invitation;

/* Greets everybody, or comes to be greeted; a word of data shows that both mean the same thing. */
static px_status gather(const px_bootstrap *b, const px_bootstrap_key *key, px_tcp_hall *hall, int *sockets, double end)
{
    char word[8] = "PXCOMM1", got[8];
    if (b->rank == 0) return px_tcp_receive(hall, word, sizeof word, sockets, end);
    sockets[0] = -1;
    PX_TRY(px_tcp_come(b, key, got, sizeof got, &sockets[0], end));
    if (memcmp(word, got, sizeof word) == 0) return PX_OK;
    close(sockets[0]);
    sockets[0] = -1;
    return px_fail(PX_ERR_INPUT, "rank %d: rank 0 runs another version of perplex", (int)b->rank);
}

static px_status meet_by_tcp(const px_bootstrap *b, int *sockets, double end)
{
    px_bootstrap_key key;
    px_tcp_hall *hall = NULL;
    PX_TRY(px_private_key(b->key_path, &key));
    if (b->rank == 0) PX_TRY(px_tcp_open(b, &key, 1, &hall));
    px_status status = gather(b, &key, hall, sockets, end);
    px_tcp_close(hall);
    return status;
}

static px_status meet_by_file(const px_bootstrap *b, int *sockets, double end)
{
    invitation card = {.port = ""};
    px_bootstrap at = *b;
    px_tcp_hall *hall = NULL;
    px_status status = PX_OK;
    at.port[0] = '\0';
    if (b->rank == 0) {
        if (!at.address[0] && gethostname(at.address, sizeof at.address - 1) != 0)
            return px_fail(PX_ERR_IO, "this machine has no name; export MASTER_ADDR");
        PX_TRY(px_private_random(&card.key, sizeof card.key));
        PX_TRY(px_tcp_open(&at, &card.key, 0, &hall));
        memcpy(card.address, at.address, sizeof card.address);
        snprintf(card.port, sizeof card.port, "%s", px_tcp_port(hall));
    }
    PX_TRY_GOTO(status, px_bootstrap_file(b, &card, sizeof card, end), done);
    if (b->rank != 0) {
        snprintf(at.address, sizeof at.address, "%.*s", (int)sizeof card.address - 1, card.address);
        snprintf(at.port, sizeof at.port, "%.*s", (int)sizeof card.port - 1, card.port);
    }
    status = gather(&at, &card.key, hall, sockets, end);
done:
    px_tcp_close(hall);
    return status;
}

px_status px_comm_meet_tcp(const px_bootstrap *bootstrap, const px_comm_ops **ops, void **state)
{
    px_bootstrap b = *bootstrap;
    double end = px_clock() + b.timeout_s;
    b.broadcast = NULL;
    PX_TRY(px_bootstrap_choose(&b, &b.way));
    star *s = calloc(1, sizeof *s);
    int32_t count = b.rank == 0 ? b.size : 1;
    int *sockets = calloc((size_t)count, sizeof *sockets);
    px_status status = PX_ERR_MEMORY;
    if (s) s->links = calloc((size_t)count, sizeof *s->links);
    if (!s || !sockets || !s->links)
        (void)px_fail(status, "no memory to talk to %d ranks", (int)b.size);
    else
        status = b.way == PX_BOOTSTRAP_TCP ? meet_by_tcp(&b, sockets, end) : meet_by_file(&b, sockets, end);
    if (status != PX_OK) {
        if (s) free(s->links);
        free(s);
        free(sockets);
        return status;
    }
    s->rank = b.rank;
    s->size = b.size;
    s->count = count;
    s->told_by = -1;
    for (int32_t i = 0; i < count; i++) {
        s->links[i].socket = sockets[i];
        s->links[i].rank = i;
        if (sockets[i] >= 0)
            setsockopt(sockets[i], IPPROTO_TCP, TCP_NODELAY, &(int){1},
                       sizeof(int)); /* answers are small and awaited */
    }
    free(sockets);
    *ops = &star_ops;
    *state = s;
    return PX_OK;
}
