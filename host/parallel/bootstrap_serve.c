/* Rank 0 of the bootstrap over TCP: listens on one address, and answers whoever knows the key. The conversation is
 * described in bootstrap_tcp.c. Many connections are open at a time, so that one that says nothing keeps nobody
 * waiting. */
#include "bootstrap_tcp.h"

#include "check.h"
#include "machine.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { GUESTS_MAX = 64 }; /* connections that have not asked yet; the oldest goes where more come */

typedef struct guest {
    int socket; /* -1: an empty place */
    double came;
    unsigned char number[PX_TCP_NUMBER_BYTES], request[PX_TCP_REQUEST_BYTES];
    size_t got;
    char from[64];
} guest;

struct px_tcp_hall {
    const px_bootstrap *bootstrap;
    px_bootstrap_key key;
    const void *data;
    size_t bytes;
    int socket;
    char place[PX_TCP_PLACE_BYTES]; /* "127.0.0.1:29500" */
    char port[16];
    unsigned char *served;                 /* [size] */
    int *sockets;                          /* [size], or NULL: the caller keeps them */
    char published[PX_BOOTSTRAP_PATH_MAX]; /* "": nothing */
    int32_t missing;
    int refused;
    char last_refused[160]; /* who, and why */
    guest guests[GUESTS_MAX];
};

static px_status listen_at(px_tcp_hall *h, const struct addrinfo *place)
{
    const px_bootstrap *b = h->bootstrap;
    const char *port = b->port[0] ? b->port : "0";
    px_tcp_place_text(place, port, h->place, sizeof h->place);
    h->socket = socket(place->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (h->socket < 0) return px_fail(PX_ERR_IO, "%s: no socket: %s", h->place, strerror(errno));
    /* the port of a job that has just ended may be taken again; one that is in use may not */
    setsockopt(h->socket, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(h->socket, place->ai_addr, place->ai_addrlen) != 0 || listen(h->socket, GUESTS_MAX) != 0) {
        if (errno == EADDRINUSE)
            return px_fail(PX_ERR_IO,
                           "rank 0: the port %s is in use; export another MASTER_PORT on every rank (or none: "
                           "--bootstrap tcp then lets the system "
                           "choose one)",
                           h->place);
        if (errno == EADDRNOTAVAIL)
            return px_fail(PX_ERR_ARGUMENT,
                           "rank 0: MASTER_ADDR=%s is no address of this machine; it must be that of the machine that "
                           "rank 0 runs on",
                           b->address);
        return px_fail(PX_ERR_IO, "rank 0: cannot listen on %s: %s", h->place, strerror(errno));
    }
    struct sockaddr_storage bound;
    socklen_t length = sizeof bound;
    if (getsockname(h->socket, (struct sockaddr *)&bound, &length) != 0)
        return px_fail(PX_ERR_IO, "rank 0: %s: %s", h->place, strerror(errno));
    in_port_t number = bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
                                                   : ((struct sockaddr_in *)&bound)->sin_port;
    snprintf(h->port, sizeof h->port, "%u", (unsigned)ntohs(number));
    px_tcp_place_text(place, h->port, h->place, sizeof h->place);
    return PX_OK;
}

static void part(guest *g)
{
    if (g->socket >= 0) close(g->socket);
    *g = (guest){.socket = -1};
}

static void refuse(px_tcp_hall *h, const guest *g, const char *why)
{
    h->refused++;
    snprintf(h->last_refused, sizeof h->last_refused, "%s: %s", g->from, why);
}

/* A new connection is greeted; the messages are so small that a fresh socket always takes them whole. */
static px_status welcome(px_tcp_hall *h)
{
    struct sockaddr_storage from;
    socklen_t length = sizeof from;
    unsigned char greeting[PX_TCP_GREETING_BYTES];
    char host[48] = "?", port[8] = "?";
    int socket = accept4(h->socket, (struct sockaddr *)&from, &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (socket < 0) return PX_OK; /* gone again */
    guest *place = &h->guests[0];
    for (int i = 0; i < GUESTS_MAX; i++) {
        if (h->guests[i].socket < 0) {
            place = &h->guests[i];
            break;
        }
        if (h->guests[i].came < place->came) place = &h->guests[i];
    }
    part(place);
    place->socket = socket;
    place->came = px_clock();
    getnameinfo((struct sockaddr *)&from, length, host, sizeof host, port, sizeof port,
                NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(place->from, sizeof place->from, "%s:%s", host, port);
    PX_TRY(px_private_random(place->number, sizeof place->number));
    memcpy(greeting, PX_TCP_GREETING, PX_TCP_MAGIC_BYTES);
    memcpy(greeting + PX_TCP_MAGIC_BYTES, place->number, PX_TCP_NUMBER_BYTES);
    if (send(socket, greeting, sizeof greeting, MSG_NOSIGNAL) != (ssize_t)sizeof greeting) part(place);
    return PX_OK;
}

static px_tcp_verdict judge(px_tcp_hall *h, const guest *g)
{
    unsigned char proof[8];
    uint32_t rank = px_tcp_get_u32(g->request), size = px_tcp_get_u32(g->request + 4);
    px_tcp_prove_request(&h->key, g->number, g->request, proof);
    if (!px_tcp_same(proof, g->request + PX_TCP_REQUEST_BYTES - 8, sizeof proof)) return PX_TCP_WRONG_KEY;
    if (size != (uint32_t)h->bootstrap->size) return PX_TCP_WRONG_SIZE;
    if (rank == 0 || rank >= size) return PX_TCP_WRONG_RANK;
    return h->served[rank] ? PX_TCP_RANK_TWICE : PX_TCP_WELCOME;
}

/* A whole request is there: the verdict, and the data for who may have it. */
static void answer(px_tcp_hall *h, guest *g)
{
    static const char *const why[] = {"", "not the key of this job", "counts other ranks", "no rank of this job",
                                      "a rank that came twice"};
    unsigned char text[PX_TCP_ANSWER_BYTES];
    px_tcp_verdict said = judge(h, g);
    size_t bytes = said == PX_TCP_WELCOME ? h->bytes : 0;
    px_tcp_put_u32(text, (uint32_t)said);
    px_tcp_put_u32(text + 4, (uint32_t)bytes);
    memcpy(text + 8, h->data, bytes);
    px_tcp_prove_answer(&h->key, g->number, g->request, text, bytes, text + 8 + bytes);
    ssize_t sent = send(g->socket, text, 16 + bytes, MSG_NOSIGNAL);
    if (said != PX_TCP_WELCOME)
        refuse(h, g, why[said]);
    else if (sent == (ssize_t)(16 + bytes)) {
        uint32_t rank = px_tcp_get_u32(g->request);
        h->served[rank] = 1;
        h->missing--;
        if (h->sockets) {
            h->sockets[rank] = g->socket;
            g->socket = -1;
        }
    }
    part(g);
}

static void hear(px_tcp_hall *h, guest *g)
{
    ssize_t got = recv(g->socket, g->request + g->got, PX_TCP_REQUEST_BYTES - g->got, 0);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return;
    if (got <= 0) {
        refuse(h, g, "left without asking");
        part(g);
        return;
    }
    g->got += (size_t)got;
    if (g->got == PX_TCP_REQUEST_BYTES) answer(h, g);
}

static px_status did_not_come(const px_tcp_hall *h)
{
    char list[128] = "", strangers[256] = "";
    int count = 0;
    size_t at = 0;
    for (int32_t rank = 1; rank < h->bootstrap->size; rank++) {
        if (h->served[rank]) continue;
        if (count < 8) at += (size_t)snprintf(list + at, sizeof list - at, "%s%d", count ? ", " : "", (int)rank);
        if (count++ == 8) at += (size_t)snprintf(list + at, sizeof list - at, ", ...");
    }
    if (h->refused)
        snprintf(strangers, sizeof strangers, "; %d connection%s refused, the last from %s", h->refused,
                 h->refused == 1 ? " was" : "s were", h->last_refused);
    return px_fail(PX_ERR_IO,
                   "rank %s of %d did not come to %s within %g s%s; do all ranks run, with the same MASTER_ADDR and "
                   "MASTER_PORT? raise "
                   "--bootstrap-timeout if they start late",
                   list, (int)h->bootstrap->size, h->place, h->bootstrap->timeout_s, strangers);
}

static px_status receive_all(px_tcp_hall *h, double end)
{
    while (h->missing > 0) {
        struct pollfd waits[1 + GUESTS_MAX] = {{.fd = h->socket, .events = POLLIN}};
        double now = px_clock(), wake = end;
        if (now >= end) return did_not_come(h);
        for (int i = 0; i < GUESTS_MAX; i++) {
            guest *g = &h->guests[i];
            if (g->socket >= 0 && now - g->came > PX_TCP_PATIENCE_S) {
                refuse(h, g, "did not ask");
                part(g);
            }
            if (g->socket >= 0 && g->came + PX_TCP_PATIENCE_S < wake) wake = g->came + PX_TCP_PATIENCE_S;
            waits[1 + i] = (struct pollfd){.fd = g->socket, .events = POLLIN};
        }
        if (poll(waits, 1 + GUESTS_MAX, px_tcp_left_ms(wake)) < 0 && errno != EINTR)
            return px_fail(PX_ERR_IO, "rank 0: %s: %s", h->place, strerror(errno));
        for (int i = 0; i < GUESTS_MAX; i++)
            if (h->guests[i].socket >= 0 && waits[1 + i].fd == h->guests[i].socket && waits[1 + i].revents)
                hear(h, &h->guests[i]);
        if (waits[0].revents) PX_TRY(welcome(h));
    }
    return PX_OK;
}

static px_status publish(px_tcp_hall *h)
{
    char path[PX_BOOTSTRAP_PATH_MAX];
    PX_TRY(px_private_folder(h->bootstrap->folder));
    px_private_clean(h->bootstrap);
    PX_TRY(px_private_path(h->bootstrap, "port", path));
    PX_TRY(px_private_write(path, h->port, strlen(h->port)));
    snprintf(h->published, sizeof h->published, "%s", path);
    return PX_OK;
}

static px_status open_hall(px_tcp_hall *h, int publishes)
{
    const px_bootstrap *b = h->bootstrap;
    struct addrinfo *places;
    h->served = calloc((size_t)b->size, 1);
    if (!h->served) return px_fail(PX_ERR_MEMORY, "no memory for %d ranks", (int)b->size);
    PX_TRY(px_tcp_resolve(b, b->port[0] ? b->port : "0", 1, &places));
    px_status status = listen_at(h, places);
    freeaddrinfo(places);
    return status == PX_OK && publishes && !b->port[0] ? publish(h) : status;
}

px_status px_tcp_open(const px_bootstrap *bootstrap, const px_bootstrap_key *key, int publishes, px_tcp_hall **result)
{
    *result = NULL;
    px_tcp_hall *h = calloc(1, sizeof *h);
    if (!h) return px_fail(PX_ERR_MEMORY, "no memory for %d ranks", (int)bootstrap->size);
    *h = (px_tcp_hall){.bootstrap = bootstrap, .key = *key, .socket = -1, .missing = bootstrap->size - 1};
    for (int i = 0; i < GUESTS_MAX; i++) h->guests[i].socket = -1;
    px_status status = open_hall(h, publishes);
    if (status == PX_OK)
        *result = h;
    else
        px_tcp_close(h);
    return status;
}

const char *px_tcp_port(const px_tcp_hall *hall) { return hall->port; }

px_status px_tcp_receive(px_tcp_hall *h, const void *data, size_t bytes, int *sockets, double end)
{
    int32_t size = h->bootstrap->size;
    h->data = data;
    h->bytes = bytes;
    h->sockets = sockets;
    for (int32_t rank = 0; sockets && rank < size; rank++) sockets[rank] = -1;
    px_status status = receive_all(h, end);
    for (int32_t rank = 0; status != PX_OK && sockets && rank < size; rank++)
        if (sockets[rank] >= 0) {
            close(sockets[rank]);
            sockets[rank] = -1;
        }
    return status;
}

void px_tcp_close(px_tcp_hall *h)
{
    if (!h) return;
    if (h->published[0]) unlink(h->published);
    for (int i = 0; i < GUESTS_MAX; i++) part(&h->guests[i]);
    if (h->socket >= 0) close(h->socket);
    free(h->served);
    free(h);
}
