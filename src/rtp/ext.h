#ifndef TK_RTP_EXT_H
#define TK_RTP_EXT_H

/*
 * Header extensions (RFC 8285), one-byte and two-byte form: the table of URIs, reading by
 * negotiated id, and a writer that builds the extension block behind a fixed header. Sans-IO.
 */

#include "base/attrs.h"
#include "base/bytes.h"
#include "rtp/packet.h"
#include "rtp/types.h"

/* The URI of an extension, or NULL for RTP_EXT_NONE. */
const char *rtp_ext_uri(enum rtp_ext ext);

/* The extension of a URI given by pointer and length; RTP_EXT_NONE if we do not know it. */
enum rtp_ext rtp_ext_from_uri(const char *uri, size_t length);

/* One extension element in place. */
struct rtp_ext_value {
    const uint8_t *data;
    uint8_t size;
};

/* Every known extension of one packet, found in one pass. What is absent is not written either: a
 * set is read for every packet that comes. */
struct rtp_ext_set {
    uint32_t present; /* bit RTP_EXT_BIT(e): value[e] is there */
    struct rtp_ext_value value[RTP_EXT_COUNT_];
};

#define RTP_EXT_BIT(ext) (UINT32_C(1) << (ext))

/* NULL = absent. */
static inline const struct rtp_ext_value *rtp_ext_find(const struct rtp_ext_set *set,
                                                       enum rtp_ext ext)
{
    return (set->present & RTP_EXT_BIT(ext)) != 0 ? &set->value[ext] : NULL;
}

static inline void rtp_ext_add(struct rtp_ext_set *set, enum rtp_ext ext, const uint8_t *data,
                               uint8_t size)
{
    set->present |= RTP_EXT_BIT(ext);
    set->value[ext].data = data;
    set->value[ext].size = size;
}

/* Always fills the set; what is malformed or not negotiated is absent. The first of two elements
 * with one id wins. */
void rtp_ext_read(const struct rtp_view *view, const struct rtp_ext_ids *ids,
                  struct rtp_ext_set *ret_set);

/* Values. Each answers false if the element is absent or has the wrong size. */
bool rtp_ext_get_audio_level(const struct rtp_ext_set *set, uint8_t *ret_dbov, /* RFC 6464 */
                             bool *ret_is_voice); /* 0 (loudest) .. 127 (silence) */
bool rtp_ext_get_twcc(const struct rtp_ext_set *set, uint16_t *ret_seq);
/* MID (RFC 9143), RID or repaired RID (RFC 8852) as a terminated text of RFC 8866's token
 * characters. */
bool rtp_ext_get_text(const struct rtp_ext_set *set, enum rtp_ext ext, char *dst, size_t dst_size);

/*
 * Writes a header and then its extensions:
 *
 *     rtp_ext_writer_init(&w, dst, dst_size, &header, &ids);
 *     rtp_ext_put(&w, RTP_EXT_MID, "0", 1);
 *     int head_size = rtp_ext_writer_finish(&w);
 *
 * The one-byte form is used unless an id above 14, an empty value or one longer than 16 bytes asks
 * for the two-byte form; what is not negotiated is left out without an error.
 */
struct rtp_ext_writer {
    uint8_t *dst;
    const struct rtp_ext_ids *ids;
    uint16_t size, size_max; /* of header and extensions so far; of dst */
    bool is_two_byte;
    bool is_full; /* something did not fit */
};

/* `dst_size` must be at least RTP_HEADER_SIZE. */
void rtp_ext_writer_init(struct rtp_ext_writer *w, uint8_t *dst, size_t dst_size,
                         const struct rtp_header *header, const struct rtp_ext_ids *ids);
void rtp_ext_put(struct rtp_ext_writer *w, enum rtp_ext ext, const void *data, uint8_t size);
/* Returns the size of header and extensions (a multiple of 4), or ERR_NO_SPACE. */
MUST_CHECK int rtp_ext_writer_finish(struct rtp_ext_writer *w);

#endif
