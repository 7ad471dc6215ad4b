#include "rtp/ext.h"

#include "base/err.h"

#include <string.h>

static const char *const uris[RTP_EXT_COUNT_] = {
    [RTP_EXT_MID] = "urn:ietf:params:rtp-hdrext:sdes:mid",
    [RTP_EXT_RID] = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
    [RTP_EXT_REPAIRED_RID] = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
    [RTP_EXT_AUDIO_LEVEL] = "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    [RTP_EXT_TWCC] = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    [RTP_EXT_ABS_SEND_TIME] = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
    [RTP_EXT_ABS_CAPTURE_TIME] = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time",
    [RTP_EXT_PLAYOUT_DELAY] = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
    [RTP_EXT_VIDEO_ORIENTATION] = "urn:3gpp:video-orientation",
    [RTP_EXT_DEPENDENCY_DESCRIPTOR] =
        "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension",
};

const char *rtp_ext_uri(enum rtp_ext ext)
{
    return (size_t)ext < ARRAY_COUNT(uris) ? uris[ext] : NULL;
}

enum rtp_ext rtp_ext_from_uri(const char *uri, size_t length)
{
    for (size_t i = RTP_EXT_NONE + 1; i < ARRAY_COUNT(uris); i++)
        if (strlen(uris[i]) == length && memcmp(uris[i], uri, length) == 0)
            return (enum rtp_ext)i;
    return RTP_EXT_NONE;
}

static void note_value(const struct rtp_ext_ids *ids, uint8_t id, const uint8_t *data, size_t size,
                       struct rtp_ext_set *set)
{
    for (size_t i = RTP_EXT_NONE + 1; i < RTP_EXT_COUNT_; i++) {
        if (ids->id[i] != id || (set->present & RTP_EXT_BIT(i)) != 0)
            continue;
        rtp_ext_add(set, (enum rtp_ext)i, data, (uint8_t)size);
        return;
    }
}

/* RFC 8285, 4.2: "ID | len" in one byte, len = size - 1. */
static void read_one_byte(struct rd *r, const struct rtp_ext_ids *ids, struct rtp_ext_set *set)
{
    while (rd_left(r) > 0) {
        uint8_t head = rd_u8(r);
        uint8_t id = head >> 4;
        if (head == 0)
            continue; /* padding */
        if (id == 0 || id == 15)
            return; /* both end the processing of the block */
        size_t size = (size_t)(head & 0x0f) + 1;
        const uint8_t *data = rd_bytes(r, size);
        if (data == NULL)
            return;
        note_value(ids, id, data, size, set);
    }
}

/* RFC 8285, 4.3: ID and length in one byte each. */
static void read_two_byte(struct rd *r, const struct rtp_ext_ids *ids, struct rtp_ext_set *set)
{
    while (rd_left(r) > 0) {
        uint8_t id = rd_u8(r);
        if (id == 0)
            continue; /* padding */
        size_t size = rd_u8(r);
        const uint8_t *data = rd_bytes(r, size);
        if (data == NULL)
            return;
        note_value(ids, id, data, size, set);
    }
}

void rtp_ext_read(const struct rtp_view *view, const struct rtp_ext_ids *ids,
                  struct rtp_ext_set *ret_set)
{
    ret_set->present = 0;
    if (view->ext == NULL)
        return;
    struct rd r = rd_init(view->ext, view->ext_size);
    if (view->ext_profile == RTP_EXT_ONE_BYTE)
        read_one_byte(&r, ids, ret_set);
    else if ((view->ext_profile & 0xfff0) == RTP_EXT_TWO_BYTE)
        read_two_byte(&r, ids, ret_set);
}

/* RFC 6464, 3: V and a 7-bit level, padded in the two-byte form. */
bool rtp_ext_get_audio_level(const struct rtp_ext_set *set, uint8_t *ret_dbov, bool *ret_is_voice)
{
    const struct rtp_ext_value *v = rtp_ext_find(set, RTP_EXT_AUDIO_LEVEL);
    if (v == NULL || v->size < 1)
        return false;
    *ret_dbov = v->data[0] & 0x7f;
    *ret_is_voice = (v->data[0] & 0x80) != 0;
    return true;
}

bool rtp_ext_get_twcc(const struct rtp_ext_set *set, uint16_t *ret_seq)
{
    const struct rtp_ext_value *v = rtp_ext_find(set, RTP_EXT_TWCC);
    if (v == NULL || v->size < 2)
        return false;
    *ret_seq = get_u16be(v->data);
    return true;
}

/* RFC 8852, 3.1: rids are letters and digits, and "-_" from SDP (RFC 8851); mids are tokens. */
static bool is_token_char(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c != 0 && strchr("!#$%&'*+-.^_`{|}~", c) != NULL);
}

bool rtp_ext_get_text(const struct rtp_ext_set *set, enum rtp_ext ext, char *dst, size_t dst_size)
{
    const struct rtp_ext_value *v = rtp_ext_find(set, ext);
    if (v == NULL || v->size == 0 || v->size >= dst_size)
        return false;
    for (size_t i = 0; i < v->size; i++)
        if (!is_token_char(v->data[i]))
            return false;
    memcpy(dst, v->data, v->size);
    dst[v->size] = '\0';
    return true;
}

/* ---- writing ---- */

#define BLOCK_HEAD 4 /* profile and length, in front of the elements */

void rtp_ext_writer_init(struct rtp_ext_writer *w, uint8_t *dst, size_t dst_size,
                         const struct rtp_header *header, const struct rtp_ext_ids *ids)
{
    DCHECK(dst_size >= RTP_HEADER_SIZE);
    rtp_header_write(dst, header);
    w->dst = dst;
    w->ids = ids;
    w->size = RTP_HEADER_SIZE + BLOCK_HEAD;
    w->size_max = (uint16_t)TK_MIN(dst_size, (size_t)UINT16_MAX);
    w->is_two_byte = false;
    w->is_full = false;
}

static void put_element(struct rtp_ext_writer *w, uint8_t id, const uint8_t *data, uint8_t size)
{
    size_t head = w->is_two_byte ? 2 : 1;
    if (w->size + head + size > w->size_max) {
        w->is_full = true;
        return;
    }
    uint8_t *at = w->dst + w->size;
    at[0] = w->is_two_byte ? id : (uint8_t)(id << 4 | (size - 1));
    if (w->is_two_byte)
        at[1] = size;
    memcpy(at + head, data, size);
    w->size = (uint16_t)(w->size + head + size);
}

/* Writes what stands there in the one-byte form anew, in the two-byte form. */
static void widen(struct rtp_ext_writer *w)
{
    uint8_t old[RTP_EXT_BYTES_MAX];
    size_t old_size = w->size - (RTP_HEADER_SIZE + BLOCK_HEAD);
    if (old_size > sizeof(old)) {
        w->is_full = true;
        return;
    }
    memcpy(old, w->dst + RTP_HEADER_SIZE + BLOCK_HEAD, old_size);
    w->size = RTP_HEADER_SIZE + BLOCK_HEAD;
    w->is_two_byte = true;
    for (size_t at = 0; at < old_size; at += 2 + (old[at] & 0x0fu))
        put_element(w, old[at] >> 4, old + at + 1, (uint8_t)((old[at] & 0x0f) + 1));
}

void rtp_ext_put(struct rtp_ext_writer *w, enum rtp_ext ext, const void *data, uint8_t size)
{
    uint8_t id = w->ids->id[ext];
    if (id == 0)
        return;
    if (!w->is_two_byte && (id > 14 || size == 0 || size > 16))
        widen(w);
    put_element(w, id, data, size);
}

int rtp_ext_writer_finish(struct rtp_ext_writer *w)
{
    uint8_t *block = w->dst + RTP_HEADER_SIZE;
    size_t size = w->size - (RTP_HEADER_SIZE + BLOCK_HEAD);
    size_t padded = (size + 3) & ~(size_t)3;
    if (size == 0 && !w->is_full)
        return RTP_HEADER_SIZE;
    if (w->is_full || RTP_HEADER_SIZE + BLOCK_HEAD + padded > w->size_max)
        return ERR_NO_SPACE;
    for (size_t i = size; i < padded; i++)
        block[BLOCK_HEAD + i] = 0;
    put_u16be(block, w->is_two_byte ? RTP_EXT_TWO_BYTE : RTP_EXT_ONE_BYTE);
    put_u16be(block + 2, (uint16_t)(padded / 4));
    w->dst[0] |= RTP_HEADER_X;
    return RTP_HEADER_SIZE + BLOCK_HEAD + (int)padded;
}
