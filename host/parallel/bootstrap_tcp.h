/* Messages of the bootstrap over TCP: what both sides share. The conversation is described in bootstrap_tcp.c. */
#ifndef PX_BOOTSTRAP_TCP_H
#define PX_BOOTSTRAP_TCP_H

#include "bootstrap_ways.h"

#include <netdb.h>

enum {
    PX_TCP_MAGIC_BYTES = 8,
    PX_TCP_NUMBER_BYTES = 16,
    PX_TCP_GREETING_BYTES = PX_TCP_MAGIC_BYTES + PX_TCP_NUMBER_BYTES,
    PX_TCP_REQUEST_BYTES = 4 + 4 + PX_TCP_NUMBER_BYTES + 8,   /* rank, size, number, proof */
    PX_TCP_ANSWER_BYTES = 4 + 4 + PX_BOOTSTRAP_BYTES_MAX + 8, /* at most: verdict, length, data, proof */
    PX_TCP_PATIENCE_S = 5,                                    /* with somebody who says nothing */
    PX_TCP_PLACE_BYTES = 320
};
#define PX_TCP_GREETING "PXBOOT1" /* with its 0: PX_TCP_MAGIC_BYTES */

/* What rank 0 says to a request. */
typedef enum px_tcp_verdict {
    PX_TCP_WELCOME,
    PX_TCP_WRONG_KEY,
    PX_TCP_WRONG_SIZE,
    PX_TCP_WRONG_RANK,
    PX_TCP_RANK_TWICE
} px_tcp_verdict;

/* ---- bootstrap_serve.c: rank 0's side. */
typedef struct px_tcp_hall px_tcp_hall;
/* Listens; where the bootstrap has no port, one is chosen, and published if `publish`. The bootstrap must outlive the
 * hall. */
px_status px_tcp_open(const px_bootstrap *bootstrap, const px_bootstrap_key *key, int publish, px_tcp_hall **hall);
/* "29500"; valid while the hall is open. */
const char *px_tcp_port(const px_tcp_hall *hall);
/* Answers until every rank has the data. sockets [size], where not NULL: the open connections to them, non-blocking,
 * the caller's; that of rank 0, and all after a failure, are -1. */
px_status px_tcp_receive(px_tcp_hall *hall, const void *data, size_t bytes, int *sockets, double end);
void px_tcp_close(px_tcp_hall *hall); /* NULL does nothing */

/* ---- bootstrap_tcp.c: the others' side. socket, where not NULL: the connection, still open. */
px_status px_tcp_come(const px_bootstrap *bootstrap, const px_bootstrap_key *key, void *data, size_t bytes, int *socket,
                      double end);

/* ---- bootstrap_message.c */
void px_tcp_put_u32(unsigned char *at, uint32_t value); /* little-endian */
uint32_t px_tcp_get_u32(const unsigned char *at);
/* Takes the same time wherever the first difference is. */
int px_tcp_same(const unsigned char *a, const unsigned char *b, size_t bytes);
/* The proof of a request without its last 8 bytes; number: rank 0's. */
void px_tcp_prove_request(const px_bootstrap_key *key, const unsigned char *number, const unsigned char *request,
                          unsigned char proof[8]);
/* The proof of an answer: verdict, length and data [bytes]. */
void px_tcp_prove_answer(const px_bootstrap_key *key, const unsigned char *number, const unsigned char *request,
                         const unsigned char *answer, size_t bytes, unsigned char proof[8]);
/* "127.0.0.1:29500", "[::1]:29500". */
void px_tcp_place_text(const struct addrinfo *place, const char *port, char *text, size_t size);
/* MASTER_ADDR as addresses; the caller frees them with freeaddrinfo. */
px_status px_tcp_resolve(const px_bootstrap *bootstrap, const char *port, int passive, struct addrinfo **places);
/* Milliseconds to `end`, for poll(). */
int px_tcp_left_ms(double end);

#endif
