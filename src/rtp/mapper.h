#ifndef TK_RTP_MAPPER_H
#define TK_RTP_MAPPER_H

/*
 * The outgoing number spaces of one subscription: sequence numbers, timestamps, VP8 picture ids and
 * TL0PICIDX stay continuous while the source changes (layer switches) and while packets are left
 * out (temporal layers, padding). Remembers what was sent, so that a NACK for an outgoing number
 * finds its source packet. Sans-IO; no allocation. A packet in order takes constant time, one after
 * a gap a step for each missing number (RTP_MAPPER_GAP_MAX at most), a late one a binary search.
 *
 *   source (extended)   100 101 [102 dropped] 103 [104 missing] 105     switch to layer 1 at 7000
 *   outgoing            500 501               502  503 reserved 504     505 …
 *
 * A missing source packet keeps its place: when it comes late it gets the reserved number.
 * Invariant: within one stretch (between two switches) outgoing order is source order.
 */

#include "base/attrs.h"
#include "base/time.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A gap in the source longer than this keeps one place, which stays empty. */
#define RTP_MAPPER_GAP_MAX 256
/* Frames left out that are remembered for picture ids of late packets. */
#define RTP_MAPPER_DROPS_MAX 64

enum rtp_mapper_state {
    RTP_MAPPER_RESERVED, /* the source packet has not come (yet) */
    RTP_MAPPER_SENT,
    RTP_MAPPER_HOLE, /* came late and was left out: never sent */
    RTP_MAPPER_LOST  /* stands for a long gap: never sent, cannot be found */
};

/* 16 bytes per packet of history: a server holds hundreds of them for each subscription. */
struct rtp_mapper_entry {
    uint32_t src_seq; /* low bits of the extended sequence number of the source packet */
    uint32_t out_ts;
    uint16_t out_picture_id; /* 15 bits; cut to 7 when the descriptor has a short one */
    uint16_t resent_ms;      /* the user's: low bits of the last answer's time in ms */
    uint8_t out_tl0;
    uint8_t layer;
    uint8_t state;        /* enum rtp_mapper_state */
    uint8_t resent_count; /* the user's: retransmissions answered so far */
};
_Static_assert(sizeof(struct rtp_mapper_entry) == 16, "as told");

/* What the mapper needs to know of a source packet. */
struct rtp_mapper_in {
    uint64_t seq; /* extended (rtp/seq.h) */
    uint32_t ts;  /* source timestamp */
    uint16_t picture_id;
    uint8_t layer; /* 0..2, the source it comes from */
    uint8_t tl0;
    bool has_tl0;
    bool has_picture;      /* picture_id is there (VP8) */
    bool is_short_picture; /* 7 bits, not 15 */
};

struct rtp_mapper_out {
    uint16_t seq;
    uint32_t ts;
    uint16_t picture_id;
    uint8_t tl0;
};

struct rtp_mapper {
    /* Set at init. */
    struct rtp_mapper_entry *entries; /* the caller's memory; NULL = no history */
    uint32_t count;                   /* of them: 0 or a power of two */
    uint32_t clock_hz;

    uint64_t out_next;      /* extended number of the next packet in order */
    uint64_t out_first;     /* nothing before this is remembered */
    uint64_t stretch_first; /* first outgoing number since the last switch */
    uint64_t src_newest;    /* newest source number handled since the switch */
    uint64_t src_first;     /* first source number of the stretch */
    uint32_t ts_offset;     /* outgoing minus source, modulo 2^32 */
    uint32_t ts_newest;     /* newest outgoing timestamp */
    mono_us newest_at;      /* when it was sent; 0 = never */
    int8_t layer;           /* current source, -1 before the first switch */

    /* VP8: outgoing = source + offset - (frames left out before it). */
    bool has_picture;
    bool is_short_picture;
    uint8_t tl0_offset;
    uint8_t tl0_out_newest;
    uint8_t drop_count;
    uint64_t picture_newest;     /* extended source picture id */
    uint64_t picture_out_newest; /* newest outgoing picture id, extended */
    uint64_t picture_offset;
    uint64_t picture_floor;               /* source ids up to here are forgotten */
    uint64_t drops[RTP_MAPPER_DROPS_MAX]; /* extended source ids left out, ascending */
};

/* `entries` holds `count` entries, a power of two up to 32,768, or none: then rtp_mapper_move() has
 * to bring some before the first switch. Start values are random so that two streams do not look
 * alike (RFC 3550, 5.1). */
struct rtp_mapper_config {
    struct rtp_mapper_entry *entries;
    uint32_t count;
    uint32_t clock_hz;
    uint16_t first_seq;
    uint32_t first_ts;
    uint16_t first_picture_id;
    uint8_t first_tl0;
    mono_us goes_on_from; /* when the stream's newest packet went out, for one that another mapper
                             began: timestamps count on from there; 0 = a new stream */
};

void rtp_mapper_init(struct rtp_mapper *m, const struct rtp_mapper_config *config);

/*
 * Other memory for the history, larger or smaller: what fits of it is kept. NULL and 0 forget all;
 * nothing can be sent then until there is memory again. Returns what was used before, for the
 * caller to free.
 */
struct rtp_mapper_entry *rtp_mapper_move(struct rtp_mapper *m, struct rtp_mapper_entry *entries,
                                         uint32_t count);

/*
 * Makes `first` (the first packet of a keyframe, or of an audio stream) the start of a new stretch;
 * then hand it to rtp_mapper_forward(). `ts_delta`, if not NULL, is what has to be added to the new
 * source's timestamps to bring them onto the old source's clock (from rtp_sr_delta()); without it
 * the time passed since the newest packet decides. Outgoing timestamps always advance, and never by
 * more than the time passed plus 500 ms. For the same source after a pause the delta is 0. Send a
 * sender report soon afterwards: it tells the receiver what the new offset means.
 */
void rtp_mapper_switch(struct rtp_mapper *m, const struct rtp_mapper_in *first,
                       const uint32_t *ts_delta, mono_us now);

/*
 * Maps a packet that is to be sent. Returns 1 and the outgoing numbers; 0 if it must not be sent
 * now: not from the current source, before the switch, a duplicate, older than the history, or a
 * packet of a frame that was left out.
 */
MUST_CHECK int rtp_mapper_forward(struct rtp_mapper *m, const struct rtp_mapper_in *in, mono_us now,
                                  struct rtp_mapper_out *ret_out);

/* Asks memory for where the next packet in order will be noted. */
static inline void rtp_mapper_prefetch(const struct rtp_mapper *m)
{
    if (m->count > 0)
        PREFETCH(m->entries + (m->out_next & (m->count - 1)));
}

/* A packet of the current source that is left out on purpose: the numbers behind it close up. For
 * VP8 the whole frame has to be left out; call it for each of its packets. Without a picture id
 * only the sequence closes up: padding (RFC 3550, 5.1), sound, other codecs. Packets of other
 * sources are ignored. */
void rtp_mapper_drop(struct rtp_mapper *m, const struct rtp_mapper_in *in);

/* What went out cannot be found any more, and no place is kept: for a change after which the same
 * packets would be written in another way. What comes goes on being numbered. */
void rtp_mapper_forget(struct rtp_mapper *m);

/* What went out under an outgoing sequence number, or NULL if it is not in the history. SENT: the
 * source packet and the numbers it was given. RESERVED: ask the source's ring, then
 * rtp_mapper_forward(). HOLE: will never exist; an empty padding packet closes the gap. */
struct rtp_mapper_entry *rtp_mapper_find(struct rtp_mapper *m, uint16_t out_seq);

/* The extended number of an entry's source packet, of which `newest` is near. */
static inline uint64_t rtp_mapper_source(const struct rtp_mapper_entry *e, uint64_t newest)
{
    return newest - (uint64_t)(int64_t)(int32_t)((uint32_t)newest - e->src_seq);
}

#endif
