#ifndef TK_RTP_TYPES_H
#define TK_RTP_TYPES_H

/*
 * The words that RTP shares with the modules above it: codecs, header extensions, payload types.
 * Plain values; sans-IO.
 */

#include <stdbool.h>
#include <stdint.h>

enum rtp_kind { RTP_KIND_AUDIO, RTP_KIND_VIDEO };

enum rtp_codec {
    RTP_CODEC_NONE,
    RTP_CODEC_OPUS,
    RTP_CODEC_RED, /* RFC 2198 around Opus */
    RTP_CODEC_PCMU,
    RTP_CODEC_PCMA,
    RTP_CODEC_G722,
    RTP_CODEC_VP8,
    RTP_CODEC_H264,
    RTP_CODEC_VP9,
    RTP_CODEC_AV1,
    RTP_CODEC_COUNT_
};

/* Header extensions that we read or write (RFC 8285); the URI table is in rtp/ext.c. */
enum rtp_ext {
    RTP_EXT_NONE,
    RTP_EXT_MID,
    RTP_EXT_RID,
    RTP_EXT_REPAIRED_RID,
    RTP_EXT_AUDIO_LEVEL,
    RTP_EXT_TWCC,
    RTP_EXT_ABS_SEND_TIME,
    RTP_EXT_ABS_CAPTURE_TIME,
    RTP_EXT_PLAYOUT_DELAY,
    RTP_EXT_VIDEO_ORIENTATION,
    RTP_EXT_DEPENDENCY_DESCRIPTOR,
    RTP_EXT_COUNT_
};

/* The negotiated id (1..255) of each extension on one connection; 0 = not negotiated. */
struct rtp_ext_ids {
    uint8_t id[RTP_EXT_COUNT_];
};

/* One negotiated payload type. */
struct rtp_pt {
    uint8_t pt;        /* 0..127 */
    uint8_t rtx_pt;    /* 0 = no RTX */
    uint8_t codec;     /* enum rtp_codec */
    uint8_t h264_mode; /* packetization-mode for H.264 */
};

#define RTP_PTS_MAX    16 /* payload types kept per track */
#define RTP_MID_SIZE   17 /* 16 characters and the zero (RFC 9143 keeps mids short) */
#define RTP_RID_SIZE   17
#define RTP_LAYERS_MAX 3 /* simulcast encodings of one track */

static inline uint32_t rtp_codec_clock_hz(enum rtp_codec codec)
{
    switch (codec) {
    case RTP_CODEC_OPUS:
    case RTP_CODEC_RED:
        return 48000;
    case RTP_CODEC_PCMU:
    case RTP_CODEC_PCMA:
    case RTP_CODEC_G722: /* RFC 3551, 4.5.2: 8000 by an old error that stays */
        return 8000;
    default:
        return 90000;
    }
}

static inline enum rtp_kind rtp_codec_kind(enum rtp_codec codec)
{
    return codec >= RTP_CODEC_VP8 ? RTP_KIND_VIDEO : RTP_KIND_AUDIO;
}

#endif
