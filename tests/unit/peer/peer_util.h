#ifndef TK_TESTS_PEER_UTIL_H
#define TK_TESTS_PEER_UTIL_H

/*
 * A lite server peer and a controlling client peer with a seeded network between them, stepped from
 * event to event. Time is virtual; only DTLS retransmissions need real time (see secure/dtls.h), so
 * that a run with loss lets `now` follow the real clock.
 */

#include "unit/cmocka_all.h"

#include "base/err.h"
#include "peer/peer.h"

#define SERVER 0
#define CLIENT 1

#define NET_FLYING_MAX  256
#define NET_MAPPED_MAX  64
#define NET_SCTP_SIZE   1150
#define NET_PACKET_SIZE 64

struct net_packet {
    mono_us at;
    int to; /* index of the peer */
    struct peer_out out;
};

/* What a peer told and sent, as far as tests ask. */
struct net_seen {
    size_t connected, disconnected, failed, sctp, addr_changed;
    int err;
    struct addr mapped[NET_MAPPED_MAX]; /* ADDR_ADDED without ADDR_REMOVED */
    size_t mapped_count;
    uint8_t sctp_data[NET_SCTP_SIZE];
    size_t sctp_size;
    size_t sent_stun, sent_dtls;
    struct peer_out last_dtls;
};

struct net {
    struct peer *peers[2];
    struct sec_cert *certs[2];
    bool has_own_certs;
    struct net_seen seen[2];
    struct addr addrs[2];
    struct rng rng;
    mono_us now;
    unsigned loss_percent;
    bool is_cut;
    struct addr blocked; /* datagrams from or to it are lost */
    struct net_packet flying[NET_FLYING_MAX];
    size_t flying_count;
};

struct net_options {
    uint64_t seed;
    enum peer_dtls_role server_role;
    bool is_client_pwd_wrong;     /* the client has another password for the server */
    bool is_fingerprint_wrong[2]; /* what this peer was told of the other is wrong */
    bool has_no_candidate;        /* the client is not told where the server is */
    struct sec_cert **certs;      /* two that many share, the caller's; NULL: new ones */
};

void net_init(struct net *n, const struct net_options *options);
void net_fini(struct net *n);
struct addr net_addr(const char *ip, uint16_t port);
/* What `index` is told about the other one, with these credentials. */
void net_tell(struct net *n, int index, const char *ufrag, const char *pwd, bool is_wrong);
/* Takes out what a peer has to say and to send. */
void net_drain(struct net *n, int index);
/* One arrival or timer that is due up to `until`; false if there is none. */
bool net_step(struct net *n, mono_us until);
void net_run(struct net *n, mono_us until);
/* Runs until both are connected; false if they are not by `until`. */
bool net_connect(struct net *n, mono_us until);

/* An RTP packet with this sequence number, protected by a peer. Returns its size. */
size_t net_protect(struct net *n, int index, uint16_t seq, uint8_t *dst, size_t dst_size);
/* The size of the plaintext, or the error. */
int net_unprotect(struct net *n, int index, const uint8_t *data, size_t size);
/* Sends RTP, RTCP and an SCTP packet each way and fails if one does not come through. */
void net_check_media(struct net *n, uint16_t seq);

#endif
