#ifndef TK_SFU_LIMITS_H
#define TK_SFU_LIMITS_H

/*
 * Named maxima of one forwarding node and the intervals that its behaviour is made of.
 */

#include "base/time.h"
#include "rtp/types.h"

#define SFU_PEERS_MAX  8192
#define SFU_TRACKS_MAX 16384
#define SFU_SUBS_MAX   131072

/* Outputs that wait to be polled; what does not fit is dropped and counted. A worker polls at the
 * latest after 64 packets. */
#define SFU_EVENTS_MAX  4096
#define SFU_EVENTS_FREE 1024 /* kept for what is not repeated: periodic events stay below */
#define SFU_RELAYS_MAX  8192
#define SFU_RESENDS_MAX 4096

#define SFU_RING_AUDIO     64   /* packets kept of an audio track: 1.3 s at 20 ms */
#define SFU_CHUNK          16   /* slots that a ring takes and gives back at once: 1.9 KiB */
#define SFU_SPARE_MAX      128  /* chunks that wait for the next ring: one burst of 2,048 packets */
#define SFU_RING_MIN       64   /* accepted for sfu_node_config.ring_packets */
#define SFU_RING_MAX       8192 /* same */
#define SFU_HISTORY_FIRST  128  /* numbers that a video subscription remembers at first */
#define SFU_HISTORY_MAX    512  /* and at most: 16 bytes each */
#define SFU_RTCP_SIZE      1200 /* one compound packet stays below any path MTU */
#define SFU_NACKS_MAX      128  /* sequence numbers in one NACK, read or written */
#define SFU_KEPT_MAX       32   /* SSRCs of one peer that subscriptions follow each other under */
#define SFU_EXTS_MAX       5    /* header extensions that are passed through */
#define SFU_BLOCK_MAX      16   /* bytes of written extensions kept with a packet */
#define SFU_PARAMETERS_MAX 8    /* packets in front of an H.264 picture that belong to it */
#define SFU_RESENT_MAX     10   /* answers to NACKs for one packet */
#define SFU_STEPS_MAX      8    /* changes of the temporal layers remembered for late packets */
#define SFU_AUDIO_ACTIVE   35   /* louder than -35 dBov counts as speech */

/* A layer with at least SFU_MANY receivers holds a frame until its last packet has come, but never
 * longer than SFU_HOLD (if sfu_node_release() is called in time) and not more than
 * SFU_HOLD_PACKETS: a frame that leaves as one costs less than its packets one by one. */
#define SFU_MANY         8
#define SFU_HOLD         MONO_MS(1)
#define SFU_HOLD_PACKETS 64

/* How long packets are kept for retransmission, and for late packets to find their order in a layer
 * that nobody has received for SFU_RING_AGE. Only a layer with SFU_MANY receivers keeps them for
 * the whole of sfu_node_config.ring_age_max, for those who join. */
#define SFU_RING_AGE      MONO_MS(600)
#define SFU_RING_AGE_IDLE MONO_MS(200)

/* A history that is four times as long as needed for so long is halved. */
#define SFU_HISTORY_LOW MONO_S(5)

/* A subscription may start from a keyframe in the ring that is at most so old, with at most so many
 * packets since; they leave in bursts, so that they do not overrun its line or delay others. */
#define SFU_START_AGE     MONO_S(2)
#define SFU_START_PACKETS 400
#define SFU_START_BURST   24
#define SFU_START_REST    MONO_MS(5)
#define SFU_START_MARGIN  MONO_MS(150) /* younger than the ring by this: it is being read */

/* A request for a keyframe is sent to the publisher once in this time per layer. */
#define SFU_KEYFRAME_WAIT_LOW  MONO_MS(500)
#define SFU_KEYFRAME_WAIT_HIGH MONO_S(1)
/* Another worker that wants a keyframe repeats its wish within this time. */
#define SFU_KEYFRAME_EXTERNAL MONO_S(3)

/* So long after another SSRC took its place, packets of an SSRC do not make it the layer's again:
 * they are late. */
#define SFU_SSRC_LATE MONO_S(2)

#define SFU_LAYER_SILENT MONO_MS(1500) /* a layer without packets counts as gone */
#define SFU_START_WAIT   MONO_MS(300)  /* then a lower layer's keyframe is good enough to start */
#define SFU_WANTED_LOWER MONO_S(5)     /* dynacast: how long a lower wish has to stand */
#define SFU_AUDIO_WINDOW MONO_MS(400)
#define SFU_AUDIO_SPEECH 40 /* percent of a window that are loud where somebody speaks */
#define SFU_TRACK_TICK   MONO_MS(250)
#define SFU_PEER_TICK    MONO_MS(500)
/* A tick wakes nobody until it is late by this: a packet of sound (20 ms) and a bit, so that where
 * sound flows, it takes the ticks along. Ticks that were handled together stay together. */
#define SFU_TICK_SLACK  MONO_MS(25)
#define SFU_RR_EVERY    MONO_S(1)    /* receiver reports to publishers */
#define SFU_SR_EVERY    MONO_S(2)    /* sender reports to subscribers, after one at the start */
#define SFU_SR_AGAIN    MONO_MS(500) /* while the publisher has not told its own clock */
#define SFU_QUALITY     MONO_S(5)
#define SFU_TWCC_EVERY  MONO_MS(60)
#define SFU_RTT_DEFAULT MONO_MS(100)

_Static_assert((SFU_RING_AUDIO & (SFU_RING_AUDIO - 1)) == 0, "a power of two");
_Static_assert((SFU_CHUNK & (SFU_CHUNK - 1)) == 0 && SFU_CHUNK <= SFU_RING_MIN,
               "a part of every ring");
_Static_assert((SFU_HISTORY_FIRST & (SFU_HISTORY_FIRST - 1)) == 0, "a power of two");
_Static_assert((SFU_HISTORY_MAX & (SFU_HISTORY_MAX - 1)) == 0, "a power of two");
_Static_assert(SFU_EVENTS_FREE < SFU_EVENTS_MAX, "periodic events need room");
_Static_assert(SFU_WANTED_LOWER > SFU_KEYFRAME_WAIT_HIGH, "a wish outlives a keyframe request");
_Static_assert(SFU_START_PACKETS < SFU_HISTORY_MAX, "what a start sends can be asked for again");
_Static_assert(SFU_START_PACKETS / SFU_START_BURST * SFU_START_REST < SFU_START_MARGIN,
               "a start is over before its packets leave the ring");

#endif
