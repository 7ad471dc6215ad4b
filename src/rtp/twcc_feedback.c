/*
 * The feedback packet on the wire: chunks and deltas, written and read.
 *
 *   run length chunk     |0| S |        run length (13)      |
 *   vector, 1 bit each   |1|0|       14 symbols: missing, small |
 *   vector, 2 bits each  |1|1|        7 symbols              |
 */
#include "base/err.h"
#include "rtp/rtp_internal.h"

#include <string.h>

#define VECTOR_1_SYMBOLS 14
#define VECTOR_2_SYMBOLS 7
#define DELTA_US         250

static size_t run_length(const uint8_t *symbols, size_t count)
{
    size_t n = 1;
    while (n < count && symbols[n] == symbols[0])
        n++;
    return n;
}

static bool fits_one_bit(const uint8_t *symbols, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (symbols[i] == TWCC__LARGE)
            return false;
    return true;
}

/* Writes one chunk; returns how many symbols it took. */
static size_t put_chunk(struct wr *w, const uint8_t *symbols, size_t count)
{
    size_t run = run_length(symbols, count);
    size_t one_bit = TK_MIN(count, (size_t)VECTOR_1_SYMBOLS);
    bool is_one_bit = fits_one_bit(symbols, one_bit);
    if (run >= (is_one_bit ? VECTOR_1_SYMBOLS : VECTOR_2_SYMBOLS) || run == count) {
        wr_u16be(w, (uint16_t)(symbols[0] << 13 | run));
        return run;
    }
    size_t used = is_one_bit ? one_bit : TK_MIN(count, (size_t)VECTOR_2_SYMBOLS);
    unsigned bits = is_one_bit ? 1 : 2;
    uint32_t chunk = is_one_bit ? 0x8000 : 0xc000;
    for (size_t i = 0; i < used; i++)
        chunk |= (uint32_t)symbols[i] << (14 - bits * (i + 1));
    wr_u16be(w, (uint16_t)chunk);
    return used;
}

static void put_deltas(struct wr *w, const struct twcc__report *report)
{
    size_t delta = 0;
    for (size_t i = 0; i < report->symbol_count; i++) {
        if (report->symbols[i] == TWCC__SMALL)
            wr_u8(w, (uint8_t)report->deltas[delta++]);
        else if (report->symbols[i] == TWCC__LARGE)
            wr_u16be(w, (uint16_t)report->deltas[delta++]);
    }
}

void twcc__put(struct wr *w, const struct twcc__report *report)
{
    uint8_t *head = w->at;
    wr_u8(w, 2 << 6 | RTCP_RTPFB_TWCC);
    wr_u8(w, RTCP_RTPFB);
    wr_u16be(w, 0); /* length, filled below */
    wr_u32be(w, report->sender_ssrc);
    wr_u32be(w, report->media_ssrc);
    wr_u16be(w, report->base_seq);
    wr_u16be(w, (uint16_t)(report->leading_missing + report->symbol_count));
    wr_u24be(w, (uint32_t)report->reference_time & 0xffffff);
    wr_u8(w, report->feedback_count);
    if (report->leading_missing > 0)
        wr_u16be(w, report->leading_missing); /* a run of TWCC__MISSING */
    for (size_t i = 0; i < report->symbol_count;)
        i += put_chunk(w, report->symbols + i, report->symbol_count - i);
    put_deltas(w, report);
    size_t padding = (size_t)(4 - (w->at - head) % 4) % 4;
    for (size_t i = padding; i > 0; i--)
        wr_u8(w, i == 1 ? (uint8_t)padding : 0);
    if (w->is_bad)
        return;
    if (padding > 0)
        head[0] |= 0x20;
    put_u16be(head + 2, (uint16_t)((w->at - head) / 4 - 1));
}

/* A cursor over the symbols of the chunks. */
struct symbols {
    struct rd rd;
    uint16_t chunk;
    uint32_t left; /* symbols left in the chunk */
};

static void load_chunk(struct symbols *s)
{
    s->chunk = rd_u16be(&s->rd);
    if ((s->chunk & 0x8000) == 0)
        s->left = s->chunk & 0x1fff;
    else
        s->left = (s->chunk & 0x4000) == 0 ? VECTOR_1_SYMBOLS : VECTOR_2_SYMBOLS;
}

static uint8_t next_symbol(struct symbols *s)
{
    /* Empty runs are legal and useless; a packet holds a bounded number of them. */
    while (s->left == 0 && !s->rd.is_bad)
        load_chunk(s);
    if (s->rd.is_bad)
        return TWCC__MISSING;
    s->left--;
    if ((s->chunk & 0x8000) == 0)
        return s->chunk >> 13 & 3;
    if ((s->chunk & 0x4000) == 0)
        return s->chunk >> s->left & 1;
    return (uint8_t)(s->chunk >> (2 * s->left) & 3);
}

/* Skips all chunks; the deltas begin behind them. */
static struct rd find_deltas(struct rd chunks, uint32_t status_count)
{
    struct symbols s = {.rd = chunks};
    for (uint32_t covered = 0; covered < status_count && !s.rd.is_bad; covered += s.left)
        load_chunk(&s);
    return s.rd;
}

int rtp_twcc_parse(const struct rtcp_packet *p, struct rtp_twcc_feedback *ret_feedback,
                   struct rtp_twcc_status *ret_statuses, size_t statuses_max)
{
    if (p->type != RTCP_RTPFB || p->count != RTCP_RTPFB_TWCC || p->size < 16)
        return ERR_RTCP_HEADER;
    struct rd r = rd_init(p->body + 8, p->size - 8u);
    struct rtp_twcc_feedback f = {.base_seq = rd_u16be(&r)};
    f.status_count = rd_u16be(&r);
    uint32_t reference = rd_u24be(&r);
    f.reference_time =
        (reference & 0x800000) != 0 ? (int32_t)reference - 0x1000000 : (int32_t)reference;
    f.feedback_count = rd_u8(&r);
    struct rd deltas = find_deltas(r, f.status_count);
    struct symbols s = {.rd = r};
    int64_t at = (int64_t)f.reference_time * TWCC__REFERENCE_US;
    size_t count = TK_MIN((size_t)f.status_count, statuses_max);
    for (size_t i = 0; i < count; i++) {
        uint8_t symbol = next_symbol(&s);
        if (symbol == TWCC__RESERVED)
            return ERR_MALFORMED;
        bool is_received = symbol != TWCC__MISSING;
        if (symbol == TWCC__SMALL)
            at += (int64_t)rd_u8(&deltas) * DELTA_US;
        else if (symbol == TWCC__LARGE)
            at += (int64_t)(int16_t)rd_u16be(&deltas) * DELTA_US;
        ret_statuses[i] = (struct rtp_twcc_status){
            .seq = (uint16_t)(f.base_seq + i), .is_received = is_received, .arrived_us = at};
    }
    if (deltas.is_bad)
        return ERR_MALFORMED;
    *ret_feedback = f;
    return (int)count;
}
