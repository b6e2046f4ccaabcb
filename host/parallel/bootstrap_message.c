/* Messages and addresses of the bootstrap over TCP: see bootstrap_tcp.h. */
#include "bootstrap_tcp.h"

#include "check.h"
#include "machine.h"
#include "siphash.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

void px_tcp_put_u32(unsigned char *at, uint32_t value)
{
    for (int i = 0; i < 4; i++) at[i] = (unsigned char)(value >> (8 * i));
}

static void put_u64(unsigned char *at, uint64_t value)
{
    for (int i = 0; i < 8; i++) at[i] = (unsigned char)(value >> (8 * i));
}

uint32_t px_tcp_get_u32(const unsigned char *at) { return (uint32_t)px_siphash_word(at, 4); }

int px_tcp_same(const unsigned char *a, const unsigned char *b, size_t bytes)
{
    volatile unsigned char difference = 0;
    for (size_t i = 0; i < bytes; i++) difference = (unsigned char)(difference | (a[i] ^ b[i]));
    return difference == 0;
}

/* Both halves of the key go in, the second as part of the message. */
void px_tcp_prove_request(const px_bootstrap_key *key, const unsigned char *number, const unsigned char *request,
                          unsigned char proof[8])
{
    unsigned char message[4 + 16 + PX_TCP_NUMBER_BYTES + PX_TCP_REQUEST_BYTES - 8] = "ask";
    memcpy(message + 4, key->bytes + 16, 16);
    memcpy(message + 20, number, PX_TCP_NUMBER_BYTES);
    memcpy(message + 20 + PX_TCP_NUMBER_BYTES, request, PX_TCP_REQUEST_BYTES - 8);
    put_u64(proof, px_siphash(key->bytes, message, sizeof message));
}

void px_tcp_prove_answer(const px_bootstrap_key *key, const unsigned char *number, const unsigned char *request,
                         const unsigned char *answer, size_t bytes, unsigned char proof[8])
{
    unsigned char message[8 + 16 + 2 * PX_TCP_NUMBER_BYTES + 8 + PX_BOOTSTRAP_BYTES_MAX] = "answer";
    size_t at = 8;
    memcpy(message + at, key->bytes + 16, 16), at += 16;
    memcpy(message + at, request + 8, PX_TCP_NUMBER_BYTES), at += PX_TCP_NUMBER_BYTES;
    memcpy(message + at, number, PX_TCP_NUMBER_BYTES), at += PX_TCP_NUMBER_BYTES;
    memcpy(message + at, answer, 8 + bytes), at += 8 + bytes;
    put_u64(proof, px_siphash(key->bytes, message, at));
}

void px_tcp_place_text(const struct addrinfo *place, const char *port, char *text, size_t size)
{
    char host[128];
    if (getnameinfo(place->ai_addr, place->ai_addrlen, host, sizeof host, NULL, 0, NI_NUMERICHOST) != 0)
        snprintf(host, sizeof host, "?");
    snprintf(text, size, place->ai_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

px_status px_tcp_resolve(const px_bootstrap *b, const char *port, int passive, struct addrinfo **places)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | (passive ? AI_PASSIVE : 0)};
    int error = getaddrinfo(b->address, port, &hints, places);
    if (error)
        return px_fail(PX_ERR_ARGUMENT,
                       "MASTER_ADDR=%s: %s; it must be a name or address of the machine that rank 0 runs on",
                       b->address, error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error));
    return PX_OK;
}

int px_tcp_left_ms(double end)
{
    double left = (end - px_clock()) * 1e3;
    return left < 0 ? 0 : left > 60e3 ? 60000 : (int)left + 1;
}
