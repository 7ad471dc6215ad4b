#ifndef TK_SFU_NODE_H
#define TK_SFU_NODE_H

/*
 * The forwarding core of one worker: which packets go to whom, and how they are rewritten. Sans-IO:
 * packets, time and commands come in as arguments; packets, relays and events are polled out. After
 * any handle/add/set call, poll transmit, relay and event until empty before the next one; only
 * sfu_node_handle_rtp(), _rtcp() and _relay() may be called for a whole batch first, which lets the
 * outputs of one subscription come together.
 *
 *   in:  decrypted RTP and RTCP of this worker's peers, relays from other workers, commands
 *   out: RTP and RTCP to this worker's peers, relays to other workers, events to the control thread
 *
 * One thread per node. Bad packets are counted and dropped; commands about unknown ids answer
 * ERR_NOT_FOUND and change nothing (they may cross a removal).
 */

#include "base/rng.h"
#include "sfu/types.h"

#include <stddef.h>

struct sfu_node;

struct sfu_node_config {
    uint8_t worker;        /* index of this worker */
    uint64_t seed;         /* for start values of sequence numbers and timestamps */
    uint32_t ring_packets; /* packets kept per video layer for retransmission; a power of two */
    mono_us ring_age_max;  /* and at most this old */
};

struct sfu_node_stats {
    uint64_t rtp_in, rtp_out, rtx_in, rtx_out, rtcp_in, rtcp_out, relay_in, relay_out;
    uint64_t drop_unknown_ssrc, drop_malformed, drop_unknown_peer, drop_duplicate, drop_no_buffer;
    uint64_t keyframes_requested, layer_switches, nacks_sent;
    uint64_t nacks_answered, nacks_missed, nacks_dropped; /* of subscribers: one per number */
    uint32_t peers, tracks, subs;                         /* now */
};

/* -ENOMEM. */
MUST_CHECK int sfu_node_create(const struct sfu_node_config *config, struct sfu_node **ret_node);
void sfu_node_destroy(struct sfu_node *node); /* NULL is a no-op; drops every packet reference */

MUST_CHECK int sfu_node_add_peer(struct sfu_node *node, const struct sfu_peer_config *config);
/* A later negotiation may bring new extension ids; what went out before is then not sent again. */
MUST_CHECK int sfu_node_set_peer(struct sfu_node *node, const struct sfu_peer_config *config);
/* Also removes the peer's subscriptions and the tracks it is the source of. */
void sfu_node_remove_peer(struct sfu_node *node, sfu_peer_id peer);
/* Nothing is sent to a peer before it is connected; `is_connected` may become false again. */
void sfu_node_set_connected(struct sfu_node *node, sfu_peer_id peer, bool is_connected,
                            mono_us now);

MUST_CHECK int sfu_node_add_track(struct sfu_node *node, const struct sfu_track_config *config);
/* A later negotiation may change payload types, rids and sizes; mid and id stay. With other payload
 * types nothing that came before is sent any more. */
MUST_CHECK int sfu_node_set_track(struct sfu_node *node, const struct sfu_track_config *config);
void sfu_node_remove_track(struct sfu_node *node, sfu_track_id track); /* and its subscriptions */
/* Source node: the other workers that have subscriptions to this track. */
void sfu_node_set_relay_targets(struct sfu_node *node, sfu_track_id track, uint32_t worker_mask);
/* A muted or forbidden track's packets are dropped at the door, and what the ring still has goes to
 * nobody who joins: tell every node that has the track. */
void sfu_node_set_track_blocked(struct sfu_node *node, sfu_track_id track, bool is_blocked);

MUST_CHECK int sfu_node_add_sub(struct sfu_node *node, const struct sfu_sub_config *config,
                                mono_us now);
void sfu_node_remove_sub(struct sfu_node *node, sfu_sub_id sub);
void sfu_node_set_sub_target(struct sfu_node *node, const struct sfu_sub_target *target,
                             mono_us now);

/* Takes its own reference if it keeps the packet; the caller's must be the only one, because RTX is
 * turned into the original packet in place. Nobody may write to the packet afterwards. */
void sfu_node_handle_rtp(struct sfu_node *node, sfu_peer_id peer, struct pkt *pkt, mono_us now);
void sfu_node_handle_rtcp(struct sfu_node *node, sfu_peer_id peer, const uint8_t *data, size_t size,
                          mono_us now);
/* Takes over the message's packet reference. */
void sfu_node_handle_relay(struct sfu_node *node, const struct sfu_relay *relay, mono_us now);
/* Another worker's subscriptions want a keyframe of a track that is received here. */
void sfu_node_handle_keyframe_wanted(struct sfu_node *node, sfu_track_id track, int8_t layer,
                                     mono_us now);
/* Lets the frames go that have waited SFU_HOLD for their end: for who hands in one batch after the
 * other, at the end of each, before it is polled out. */
void sfu_node_release(struct sfu_node *node, mono_us now);
void sfu_node_handle_timeout(struct sfu_node *node, mono_us now);
/* When sfu_node_handle_timeout() has to be called at the latest; what is due and can wait
 * (SFU_TICK_SLACK) is handled in any call before. */
mono_us sfu_node_next_timeout(const struct sfu_node *node);
/* Whether sfu_node_handle_timeout() would find something: for who is awake anyway. */
bool sfu_node_is_due(const struct sfu_node *node, mono_us now);

/*
 * At most `max` packets; 0 = empty. The outputs of one subscription come together, in order. RTCP
 * comes alone.
 */
size_t sfu_node_poll_transmits(struct sfu_node *node, struct sfu_out *outs, size_t max);
/* One packet: 1, 0 = empty. */
int sfu_node_poll_transmit(struct sfu_node *node, struct sfu_out *ret_out);
int sfu_node_poll_relay(struct sfu_node *node, struct sfu_relay *ret_relay);
int sfu_node_poll_event(struct sfu_node *node, struct sfu_event *ret_event);

void sfu_node_stats(const struct sfu_node *node, struct sfu_node_stats *ret_stats);

#endif
