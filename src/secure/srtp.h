#ifndef TK_SECURE_SRTP_H
#define TK_SECURE_SRTP_H

/*
 * SRTP and SRTCP (RFC 3711, RFC 7714) in batches. A context is one direction of one connection: one
 * master key, many SSRCs, each with its own roll-over counter and replay window. The state of an
 * SSRC that we receive is made only after a packet of it was authenticated.
 *
 * One thread per context. No allocation per packet (the table of SSRCs grows when a new one comes,
 * up to its maximum). No clock, no randomness.
 */

#include "base/attrs.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEC_SRTP_KEY_SIZE       16
#define SEC_SRTP_SALT_SIZE_MAX  14   /* AES-CM; AES-GCM uses 12 */
#define SEC_SRTP_RTP_GROWTH     16   /* bytes that protection adds to RTP, at most */
#define SEC_SRTP_RTCP_GROWTH    20   /* bytes that protection adds to RTCP, at most */
#define SEC_SRTP_REPLAY_PACKETS 1024 /* replay window of RTP, per SSRC */
#define SEC_SRTP_REPLAY_RTCP    128  /* replay window of RTCP, per SSRC */
#define SEC_SRTP_SSRCS_MAX      1024 /* SSRCs per context, for RTP and for RTCP each */
#define SEC_SRTP_SIZE_MAX       2048 /* packets larger than this are refused */

enum sec_profile {
    SEC_PROFILE_NONE,
    SEC_PROFILE_AEAD_AES_128_GCM,       /* RFC 7714, preferred */
    SEC_PROFILE_AES128_CM_HMAC_SHA1_80, /* RFC 3711, which every WebRTC client has */
    SEC_PROFILE_COUNT_
};

struct sec_srtp_keys {
    enum sec_profile profile;
    uint8_t key[SEC_SRTP_KEY_SIZE];
    uint8_t salt[SEC_SRTP_SALT_SIZE_MAX];
};

enum sec_direction { SEC_SEND, SEC_RECEIVE };

struct sec_srtp;

/* Intel's library, on x86-64 with AES instructions; or OpenSSL, everywhere. */
#define SEC_SRTP_BACKEND_AUTO     "auto"
#define SEC_SRTP_BACKEND_IPSEC_MB "ipsec-mb"
#define SEC_SRTP_BACKEND_OPENSSL  "openssl"

/*
 * Which implementation of the ciphers the process uses, by name; "auto", which is also what holds
 * when nobody calls this, takes the fastest one that the machine has. ERR_SEC_BACKEND if the
 * machine, or this build, lacks it; ERR_STATE while there are contexts. Any thread.
 */
MUST_CHECK int sec_srtp_select_backend(const char *name);
/* Which one it is; makes the choice if none was made. */
const char *sec_srtp_backend_name(void);

/* Derives the session keys; the master key is not kept. ERR_SEC_PROFILE, ERR_SEC_CRYPTO, -ENOMEM.
 */
MUST_CHECK int sec_srtp_create(const struct sec_srtp_keys *keys, enum sec_direction direction,
                               struct sec_srtp **ret_srtp);
/* Asks for the memory that protecting a packet will need; NULL is a no-op. Worth it when a batch
 * goes to many contexts, which are in no cache by then. */
void sec_srtp_prefetch(const struct sec_srtp *s);
/* The same of the state of the SSRC that was used last, which lies apart. A little later. */
void sec_srtp_prefetch_ssrc(const struct sec_srtp *s);
void sec_srtp_destroy(struct sec_srtp *s); /* NULL is a no-op; wipes the keys */

/*
 * Sending: an RTP packet with this header has its number, but is not sent. Without a word, 2^15 of
 * them in a row would look like a step back, to packet indices that have been used: nonces, with
 * AES-GCM (RFC 7714, 8.1).
 */
void sec_srtp_skip(struct sec_srtp *s, const uint8_t *head, size_t head_size);

/*
 * Sending: gives the place of an SSRC back, of SEC_SRTP_SSRCS_MAX. Nothing of its roll-over counter
 * is remembered: a packet sent under it later would begin at 0 again, meet indices that have been
 * used, and with AES-GCM give the key of the authentication away (RFC 7714, 8.1). So the caller
 * vouches that no packet of it waits anywhere, and that this connection never uses it again. One
 * that was never sent is ignored.
 */
void sec_srtp_retire(struct sec_srtp *s, uint32_t ssrc);

/* The bytes that protection adds to an RTP packet; at most SEC_SRTP_RTP_GROWTH. */
size_t sec_srtp_rtp_growth(const struct sec_srtp *s);

/*
 * One packet of a batch.
 *
 * Protecting RTP: `src` holds the RTP header of `head_size` bytes (authenticated, not encrypted)
 * and then `prefix_size` bytes of payload; `body` is the rest of the payload, possibly shared with
 * other jobs. Everything else (RTCP, and unprotecting): the packet is the `head_size` bytes at
 * `src`; prefix and body are unused.
 *
 * The result goes to `dst`, which must not overlap the input when protecting; when unprotecting it
 * may be equal to `src`, and then a packet that fails is destroyed.
 */
struct sec_srtp_job {
    struct sec_srtp *srtp;
    const uint8_t *src;
    const uint8_t *body;
    uint8_t *dst;
    size_t dst_size;
    uint16_t head_size;
    uint16_t prefix_size;
    uint16_t body_size;
    bool is_rtcp;
    int result; /* out: bytes in dst, or an error code */
};

/*
 * Protects or unprotects a batch, in order; contexts may be mixed, and must have the right
 * direction. Each job gets its own result:
 *   ERR_MALFORMED      not an RTP or RTCP packet, or too large
 *   ERR_NO_SPACE       dst_size is too small
 *   ERR_SEC_AUTH       authentication failed
 *   ERR_SEC_REPLAY     seen before, or older than the window
 *   ERR_LIMIT          over SEC_SRTP_SSRCS_MAX
 *   ERR_SEC_KEY_LIMIT  2^48 RTP or 2^31 RTCP packets were sent with this key
 *
 * Sending a sequence number again, or one out of order, is allowed while it is less than 2^15
 * behind: the roll-over counter is chosen as a receiver would. The caller sees to it that a packet
 * sent again is the same packet, byte for byte (RFC 7714, 8.1).
 */
void sec_srtp_protect_batch(struct sec_srtp_job *jobs, size_t count);
void sec_srtp_unprotect_batch(struct sec_srtp_job *jobs, size_t count);

/* The same for one packet: the size of the result, or an error code as above. */
MUST_CHECK int sec_srtp_protect(struct sec_srtp *s, const uint8_t *head, size_t head_size,
                                size_t prefix_size, const uint8_t *body, size_t body_size,
                                uint8_t *dst, size_t dst_size);
MUST_CHECK int sec_srtp_protect_rtcp(struct sec_srtp *s, const uint8_t *data, size_t size,
                                     uint8_t *dst, size_t dst_size);
MUST_CHECK int sec_srtp_unprotect(struct sec_srtp *s, const uint8_t *data, size_t size,
                                  uint8_t *dst, size_t dst_size);
MUST_CHECK int sec_srtp_unprotect_rtcp(struct sec_srtp *s, const uint8_t *data, size_t size,
                                       uint8_t *dst, size_t dst_size);

#endif
