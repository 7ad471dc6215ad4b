#ifndef TK_PEER_PEER_H
#define TK_PEER_PEER_H

/*
 * One WebRTC connection below the media: ICE (RFC 8445), DTLS (RFC 5764, 8842) and the SRTP keys.
 * Reads datagrams, yields datagrams and plaintext; touches no socket. One thread per peer. The SCTP
 * packets of data channels pass through as DTLS application data (dchan/ runs them on the control
 * thread).
 *
 * Demultiplexing of one socket (RFC 7983) is the caller's: it hands STUN, DTLS, SRTP and SRTCP to
 * the functions below; only authenticated STUN makes an address known (peer_owns_addr()).
 *
 * Contract: after any handle call, poll transmit and event until empty.
 */

#include "base/addr.h"
#include "base/rng.h"
#include "base/time.h"
#include "secure/srtp.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct peer;
struct sec_cert;
struct sec_srtp;

#define PEER_UFRAG_SIZE       33 /* RFC 8839 allows 256; ours are short */
#define PEER_PWD_SIZE         65
#define PEER_FINGERPRINT_SIZE 96 /* "AA:BB:…" of SHA-256 with the zero */
#define PEER_DATAGRAM_MAX     1500

enum peer_dtls_role { PEER_DTLS_CLIENT, PEER_DTLS_SERVER };

struct peer_config {
    bool is_controlling;           /* our own client; the server is ICE-lite and controlled */
    enum peer_dtls_role dtls_role; /* "active" is the client */
    enum sec_profile srtp;         /* negotiate only this profile; NONE: both */
    const struct sec_cert *cert;   /* outlives the peer */
    struct rng *rng;               /* outlives the peer */
    char local_ufrag[PEER_UFRAG_SIZE];
    char local_pwd[PEER_PWD_SIZE];
};

/* What the other side's SDP says; again after every negotiation. A new ufrag is an ICE restart. */
struct peer_remote {
    char ufrag[PEER_UFRAG_SIZE]; /* may be 257 in the wild: longer ones are refused by sdp/ */
    char pwd[PEER_PWD_SIZE];
    char fingerprint_sha256[PEER_FINGERPRINT_SIZE]; /* upper-case hex with colons */
};

enum peer_event_kind {
    PEER_EVENT_CONNECTED,    /* ICE and DTLS done, fingerprint checked, keys in place */
    PEER_EVENT_DISCONNECTED, /* nothing authenticated heard for 10 s; may connect again */
    PEER_EVENT_FAILED,       /* DTLS failed, or consent lost for good: err says which */
    PEER_EVENT_SCTP,         /* data: one SCTP packet, valid until the next call */
    PEER_EVENT_ADDR_CHANGED, /* media now goes to `addr` */
    PEER_EVENT_ADDR_ADDED,   /* an authenticated address to be mapped to this peer */
    PEER_EVENT_ADDR_REMOVED  /* no longer ours */
};

struct peer_event {
    enum peer_event_kind kind;
    int err;
    struct addr addr;
    const uint8_t *data;
    size_t size;
};

struct peer_out {
    struct addr from; /* local address the datagram has to leave from */
    struct addr to;
    size_t size;
    uint8_t data[PEER_DATAGRAM_MAX];
};

struct peer_stats {
    uint64_t stun_drops, dtls_drops, srtp_auth_drops, srtp_replay_drops;
};

MUST_CHECK int peer_create(const struct peer_config *config, mono_us now, struct peer **ret_peer);
void peer_destroy(struct peer *p); /* NULL is a no-op; wipes the keys */

MUST_CHECK int peer_set_remote(struct peer *p, const struct peer_remote *remote, mono_us now);
/* ICE restart: new local credentials; the old ones stay valid until the first check with the new.
 */
MUST_CHECK int peer_set_local_credentials(struct peer *p, const char *ufrag, const char *pwd);
/* Controlling side only: a candidate of the server. */
MUST_CHECK int peer_add_remote_candidate(struct peer *p, const struct addr *candidate,
                                         uint32_t priority, mono_us now);
/* Controlling side only: a local address that checks may be sent from. */
MUST_CHECK int peer_add_local_addr(struct peer *p, const struct addr *local);

/* Each checks for itself and drops what is not authentic; a negative result is only for counting.
 */
MUST_CHECK int peer_handle_stun(struct peer *p, const uint8_t *data, size_t size,
                                const struct addr *from, const struct addr *local, mono_us now);
MUST_CHECK int peer_handle_dtls(struct peer *p, const uint8_t *data, size_t size,
                                const struct addr *from, mono_us now);
void peer_handle_timeout(struct peer *p, mono_us now);
mono_us peer_next_timeout(const struct peer *p);

/*
 * SRTP in: decrypts one packet into `dst` (dst_size >= size). Returns the plaintext size, or
 * ERR_SEC_AUTH, ERR_SEC_REPLAY, ERR_STATE before the keys are there.
 */
MUST_CHECK int peer_unprotect_rtp(struct peer *p, const uint8_t *data, size_t size, uint8_t *dst,
                                  size_t dst_size, mono_us now);
MUST_CHECK int peer_unprotect_rtcp(struct peer *p, const uint8_t *data, size_t size, uint8_t *dst,
                                   size_t dst_size, mono_us now);

/*
 * SRTP out: `head` is the RTP header, followed by prefix and body as plaintext in two pieces (see
 * struct sfu_out); writes the protected packet into `dst` without an intermediate copy. Returns its
 * size.
 */
MUST_CHECK int peer_protect_rtp(struct peer *p, const uint8_t *head, size_t head_size,
                                size_t prefix_size, const uint8_t *body, size_t body_size,
                                uint8_t *dst, size_t dst_size);
MUST_CHECK int peer_protect_rtcp(struct peer *p, const uint8_t *data, size_t size, uint8_t *dst,
                                 size_t dst_size);

/*
 * The same for whole batches: a caller that has many packets for many peers makes one array of
 * struct sec_srtp_job (secure/srtp.h) over these contexts and hands it to sec_srtp_protect_batch()
 * or sec_srtp_unprotect_batch() itself. NULL before the keys are there: such a packet is ERR_STATE.
 * From then on a context is the same one until peer_destroy(), which frees it: no job may outlive
 * the peer. Only the peer's thread may use them.
 *
 * Whoever unprotects tells the peer of each packet that failed, ERR_STATE included, so that
 * peer_stats() stays true. Nothing is to be told of packets that passed: media is neither consent
 * (RFC 7675, 5.1: STUN alone) nor a sign of life to ICE here.
 */
struct sec_srtp *peer_srtp_send(const struct peer *p);
struct sec_srtp *peer_srtp_receive(const struct peer *p);
void peer_note_unprotect_failure(struct peer *p, int err);

/* One SCTP packet as DTLS application data; yields transmits. ERR_STATE before DTLS is up. */
MUST_CHECK int peer_send_sctp(struct peer *p, const uint8_t *data, size_t size);

/* 1, 0 = empty. */
int peer_poll_transmit(struct peer *p, struct peer_out *ret_out);
int peer_poll_event(struct peer *p, struct peer_event *ret_event);

bool peer_is_connected(const struct peer *p);
/* Where media goes now; family NONE before a pair is nominated. */
void peer_media_path(const struct peer *p, struct addr *ret_from, struct addr *ret_to);
bool peer_owns_addr(const struct peer *p, const struct addr *from);
/* The index-th address that is mapped to this peer; false past the last. */
bool peer_addr_at(const struct peer *p, size_t index, struct addr *ret_addr);
void peer_stats(const struct peer *p, struct peer_stats *ret_stats);

#endif
