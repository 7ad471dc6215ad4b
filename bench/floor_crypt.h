#ifndef TK_BENCH_FLOOR_CRYPT_H
#define TK_BENCH_FLOOR_CRYPT_H

/*
 * The least that SRTP costs: intel-ipsec-mb with the keys expanded once. AES-GCM goes through the
 * direct interface, AES-CM with HMAC-SHA1 through the multi-buffer jobs. Written for the floor
 * program alone and on purpose without the server's own code, so that a mistake in one does not
 * hide in the other. Packets in, packets out; no replay window, no SSRC table.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FLOOR_TAG_MAX 16 /* AES-GCM; AES-CM with HMAC-SHA1-80 has 10 */

struct floor_crypt; /* one direction of one connection */

/* One packet: where it lies, and the index that both sides count it by. */
struct floor_packet {
    uint8_t *data;
    uint16_t size;        /* without the tag once it is decrypted */
    uint16_t header_size; /* RTP header with CSRCs and extension: authenticated, not encrypted */
    uint32_t ssrc;
    uint64_t index; /* roll-over counter * 2^16 + sequence number */

    /* For floor_crypt_open(). */
    const struct floor_crypt *from;
    uint8_t sent[FLOOR_TAG_MAX], want[FLOOR_TAG_MAX];
    bool is_authentic; /* out */
};

/* Once per process: chooses the fastest code for this CPU. False when the library refuses. */
bool floor_crypt_start(bool is_gcm);
size_t floor_crypt_tag_size(void);

/* Keys for `role` "pub" or "sub" and its number, as bench/README.md tells. NULL: out of memory. */
struct floor_crypt *floor_crypt_create(const char *role, unsigned number);
void floor_crypt_destroy(struct floor_crypt *c);

/* Decrypts a batch in place, each packet with the keys of its `from`, and takes the tags off. */
void floor_crypt_open(struct floor_packet *packets, size_t count);

/*
 * Writes the protected packet to `out` (`size` + tag bytes). With AES-CM the bytes at `out` are
 * complete only after floor_crypt_flush().
 */
void floor_crypt_seal(const struct floor_crypt *c, const struct floor_packet *p, uint8_t *out);
void floor_crypt_flush(void);

#endif
