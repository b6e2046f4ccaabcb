/* The bootstrap over TCP: rank 0 listens on one address, the others come, and both sides show that they know the key.
 *
 *     rank 0 -> rank k   greeting: magic, a random number N
 *     rank k -> rank 0   request: rank, size, a random number M, SipHash(key, "ask" N M rank size)
 *     rank 0 -> rank k   answer: verdict, the data, SipHash(key, "answer" M N verdict data)
 *
 * The key itself never travels, so that neither a program that holds the port nor one that listens learns it; the data
 * travels open. Who does not answer in time, or says something else, is let go and hinders nobody. */
#include "bootstrap_tcp.h"

#include "check.h"
#include "machine.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What came of one try. */
typedef enum outcome { DONE, AGAIN, FAILED } outcome;

/* Reads exactly that many bytes before `end`. */
static int read_whole(int socket, void *data, size_t bytes, double end)
{
    unsigned char *at = data;
    while (bytes > 0) {
        struct pollfd wait = {.fd = socket, .events = POLLIN};
        if (poll(&wait, 1, px_tcp_left_ms(end)) < 0 && errno != EINTR) return 0;
        ssize_t got = recv(socket, at, bytes, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
            if (px_clock() >= end) return 0;
            continue;
        }
        if (got <= 0) return 0;
        at += got;
        bytes -= (size_t)got;
    }
    return 1;
}

static int connect_to(const struct addrinfo *place, double end)
{
    int error = 0, made = socket(place->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    socklen_t length = sizeof error;
    if (made < 0) return -1;
    if (connect(made, place->ai_addr, place->ai_addrlen) == 0) return made;
    struct pollfd wait = {.fd = made, .events = POLLOUT};
    if (errno == EINPROGRESS && poll(&wait, 1, px_tcp_left_ms(end)) == 1 &&
        getsockopt(made, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error == 0)
        return made;
    close(made);
    return -1;
}

static outcome told(const px_bootstrap *b, const char *place, px_tcp_verdict said, px_status *status)
{
    switch (said) {
    case PX_TCP_WELCOME: return DONE;
    case PX_TCP_WRONG_KEY:
        *status =
            px_fail(PX_ERR_INPUT,
                    "rank %d: rank 0 at %s has another key; all ranks need the same file %s (PERPLEX_BOOTSTRAP_KEY)",
                    (int)b->rank, place, b->key_path);
        return FAILED;
    case PX_TCP_WRONG_SIZE:
        *status = px_fail(
            PX_ERR_ARGUMENT,
            "rank %d: rank 0 at %s belongs to a job of another number of ranks than %d; is MASTER_PORT another job's?",
            (int)b->rank, place, (int)b->size);
        return FAILED;
    case PX_TCP_WRONG_RANK:
    case PX_TCP_RANK_TWICE: break;
    }
    *status = px_fail(PX_ERR_ARGUMENT, "rank %d of %d: rank 0 at %s %s", (int)b->rank, (int)b->size, place,
                      said == PX_TCP_RANK_TWICE ? "has had a rank of this number already; every rank needs its own"
                                                : "knows no such rank");
    return FAILED;
}

/* One conversation. AGAIN: whoever listens there is not (yet) rank 0, or went away. */
static outcome ask(const px_bootstrap *b, const px_bootstrap_key *key, int socket, const char *place, void *data,
                   size_t bytes, double end, px_status *status)
{
    unsigned char greeting[PX_TCP_GREETING_BYTES], request[PX_TCP_REQUEST_BYTES], text[PX_TCP_ANSWER_BYTES], proof[8];
    double patience = px_clock() + PX_TCP_PATIENCE_S, until = patience < end ? patience : end;
    if (!read_whole(socket, greeting, sizeof greeting, until) ||
        memcmp(greeting, PX_TCP_GREETING, PX_TCP_MAGIC_BYTES) != 0)
        return AGAIN;
    const unsigned char *number = greeting + PX_TCP_MAGIC_BYTES;
    px_tcp_put_u32(request, (uint32_t)b->rank);
    px_tcp_put_u32(request + 4, (uint32_t)b->size);
    if ((*status = px_private_random(request + 8, PX_TCP_NUMBER_BYTES)) != PX_OK) return FAILED;
    px_tcp_prove_request(key, number, request, request + PX_TCP_REQUEST_BYTES - 8);
    if (send(socket, request, sizeof request, MSG_NOSIGNAL) != (ssize_t)sizeof request) return AGAIN;
    if (!read_whole(socket, text, 8, until)) return AGAIN;
    uint32_t said = px_tcp_get_u32(text), length = px_tcp_get_u32(text + 4);
    if (said > PX_TCP_RANK_TWICE || length != (said == PX_TCP_WELCOME ? bytes : 0) ||
        !read_whole(socket, text + 8, length + 8, until))
        return AGAIN;
    px_tcp_prove_answer(key, number, request, text, length, proof);
    /* a refusal for the wrong key cannot be proved, so it is believed: the worst that a stranger gets by it is this
     * message */
    if (said != PX_TCP_WRONG_KEY && !px_tcp_same(proof, text + 8 + length, sizeof proof))
        return told(b, place, PX_TCP_WRONG_KEY, status);
    outcome result = told(b, place, (px_tcp_verdict)said, status);
    if (result == DONE) memcpy(data, text + 8, bytes);
    return result;
}

/* The port of this attempt, where rank 0 has published one. */
static px_status find_port(const px_bootstrap *b, char port[16])
{
    char path[PX_BOOTSTRAP_PATH_MAX];
    size_t bytes;
    int found;
    snprintf(port, 16, "%s", b->port);
    if (port[0]) return PX_OK;
    PX_TRY(px_private_path(b, "port", path));
    PX_TRY(px_private_read(path, port, 15, &bytes, &found));
    port[bytes] = '\0';
    if (strspn(port, "0123456789") != bytes) port[0] = '\0';
    return PX_OK;
}

/* Tries every address of rank 0 once. */
static outcome try_once(const px_bootstrap *b, const px_bootstrap_key *key, void *data, size_t bytes, int *kept,
                        double end, char *place, size_t place_size, px_status *status)
{
    char port[16];
    struct addrinfo *places;
    outcome result = AGAIN;
    if ((*status = find_port(b, port)) != PX_OK) return FAILED;
    if (!port[0]) return AGAIN;
    if ((*status = px_tcp_resolve(b, port, 0, &places)) != PX_OK) return FAILED;
    for (struct addrinfo *p = places; p && result == AGAIN; p = p->ai_next) {
        px_tcp_place_text(p, port, place, place_size);
        int socket = connect_to(p, end);
        if (socket < 0) continue;
        result = ask(b, key, socket, place, data, bytes, end, status);
        if (result == DONE && kept)
            *kept = socket;
        else
            close(socket);
    }
    freeaddrinfo(places);
    return result;
}

px_status px_tcp_come(const px_bootstrap *b, const px_bootstrap_key *key, void *data, size_t bytes, int *kept,
                      double end)
{
    px_status status = PX_OK;
    char place[PX_TCP_PLACE_BYTES];
    int tries = 0;
    snprintf(place, sizeof place, "%s:%s", b->address, b->port[0] ? b->port : "(a port not published yet)");
    for (;;) {
        outcome result = try_once(b, key, data, bytes, kept, end, place, sizeof place, &status);
        if (result == DONE) return PX_OK;
        if (result == FAILED) return status;
        if (px_clock() >= end) break;
        px_bootstrap_pause(&tries);
    }
    return px_fail(PX_ERR_IO,
                   "rank %d of %d: no rank 0 at %s within %g s; does it run, with the same MASTER_ADDR and "
                   "MASTER_PORT? raise --bootstrap-timeout if it "
                   "starts late",
                   (int)b->rank, (int)b->size, place, b->timeout_s);
}

px_status px_bootstrap_tcp(const px_bootstrap *bootstrap, void *data, size_t bytes, double end)
{
    px_bootstrap_key key;
    px_tcp_hall *hall;
    PX_TRY(px_private_key(bootstrap->key_path, &key));
    if (bootstrap->rank != 0) return px_tcp_come(bootstrap, &key, data, bytes, NULL, end);
    PX_TRY(px_tcp_open(bootstrap, &key, 1, &hall));
    px_status status = px_tcp_receive(hall, data, bytes, NULL, end);
    px_tcp_close(hall);
    return status;
}
