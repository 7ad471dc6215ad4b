#ifndef TK_LOAD_MEASURE_H
#define TK_LOAD_MEASURE_H

/* What a run counts, and the steps of a join that it times. Values only. */

#include "load/hist.h"

#include <stdint.h>

/* What a joining subscriber gets to, in this order; a target may leave some out. */
enum load_step {
    LOAD_STEP_DESCRIPTION, /* the server's first answer or offer is here */
    LOAD_STEP_PATH,        /* ICE has selected a pair */
    LOAD_STEP_KEYS,        /* DTLS is done */
    LOAD_STEP_PACKET,      /* the first packet of the picture (without pictures: of the sound) */
    LOAD_STEP_PICTURE,     /* the first whole decodable picture (or that packet): it has joined */
    LOAD_STEP_COUNT_
};

/* Reset when measuring begins. */
struct load_measure {
    uint64_t packets, bytes, datagram_bytes; /* received, authenticated; bytes of RTP */
    uint64_t hidden;     /* of the packets: not decrypted, so not authenticated either */
    uint64_t site_bytes; /* of the datagrams to far sites of a lesson */
    uint64_t delivered;  /* packets of media, each once */
    uint64_t lost, lost_video, duplicates, recovered, rtx_packets;
    uint64_t dropped; /* by us, on purpose */
    uint64_t auth_failures, replays, malformed, unknown_ssrc, unstamped;
    uint64_t frames, keyframes, frames_broken, freezes, freeze_us;
    uint64_t nacks_sent, nack_seqs_sent, plis_sent, rtcp_in;
    uint64_t sent_packets, sent_bytes, sent_frames, late_frames, send_failures;
    uint64_t nacks_got, resent, plis_got, keyframes_sent;
    uint64_t kernel_drops;
    uint64_t joins, failures;
    struct load_hist delay, recovery, lateness, join_us;
    struct load_hist backlog;   /* from the kernel's receipt to our handling */
    struct load_hist start_age; /* of packets sent before the stream began for its receiver */
    struct load_hist steps[LOAD_STEP_COUNT_];
};

#endif
