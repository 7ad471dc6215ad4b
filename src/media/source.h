#ifndef TK_MEDIA_SOURCE_H
#define TK_MEDIA_SOURCE_H

/*
 * A media file or stream (anything libavformat opens) as frames that can go into RTP: H.264 without
 * B-frames, VP8 and Opus are passed through, everything else is decoded and encoded as VP8 and
 * Opus (48 kHz, 20 ms). Sound and picture share one clock that goes on over loops. Calls block on
 * the file or network, at most MEDIA_STALL_MAX without progress; one thread per source.
 */

#include "base/attrs.h"
#include "base/time.h"
#include "rtp/types.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct media_source;

#define MEDIA_STALL_MAX MONO_S(10)

struct media_source_config {
    const char *url;
    bool is_looping;
    bool has_audio, has_video; /* what is wanted of it */
    bool may_pass_through;     /* false: always decode and encode */
    uint16_t pass_height_max;  /* passed through: the shorter side; beyond it, encoded */
    uint32_t pass_bps_max;     /* the same for the bitrate, as far as the file tells */
    uint16_t height_max;       /* of encoded pictures; larger ones are scaled down */
    uint16_t fps_max;          /* of encoded pictures */
    uint32_t video_bps;        /* 0 = by size */
    uint32_t audio_bps;        /* 0 = by channels */
};

struct media_info {
    bool has_audio, has_video;
    bool is_audio_passed, is_video_passed;   /* passed through as they are */
    bool is_still;                           /* one picture: it is shown without end */
    uint8_t video_codec;                     /* enum rtp_codec: VP8 or H264 */
    uint16_t width, height;                  /* as sent */
    uint16_t fps;                            /* rounded; 0 unknown */
    uint8_t channels;                        /* 1 or 2 */
    char h264_profile_level_id[7];           /* "42c01f" (RFC 6184, 8.1); "" unless H264 */
    mono_us duration;                        /* of one round; 0 unknown */
    char format[32];                         /* "mov,mp4,…" */
    char audio_source[32], video_source[32]; /* codec names in the file; "" = none */
};

/* One frame, the memory is the receiver's: media_frame_fini(). */
struct media_frame {
    enum rtp_kind kind;
    uint8_t *data;
    size_t size;
    mono_us pts;        /* from the start of the source, growing over loops; may begin below 0 */
    mono_us duration;   /* 0 unknown */
    bool is_keyframe;   /* audio: always */
    uint8_t level_dbov; /* audio: 0 (loudest) .. 127 (silence), as in RFC 6464 */
};

/* What went wrong, in words for the person who named the file. */
struct media_error {
    char text[320];
};

struct media_source_config media_source_config_default(const char *url);

/* ERR_MEDIA_OPEN, ERR_MEDIA_CODEC, ERR_NOT_FOUND (neither sound nor picture), ERR_TIMEOUT, -ENOMEM;
 * `ret_error` says what and where. */
MUST_CHECK int media_source_open(const struct media_source_config *config,
                                 struct media_source **ret_source, struct media_error *ret_error);
void media_source_close(struct media_source *s); /* NULL is a no-op */
void media_source_info(const struct media_source *s, struct media_info *ret_info);

/* The next frame in file order: 1, 0 = end. Negative: broken there (a file that ends before its own
 * length, too), or ERR_TIMEOUT, ERR_CLOSED (interrupted). */
MUST_CHECK int media_source_next(struct media_source *s, struct media_frame *ret_frame,
                                 struct media_error *ret_error);

/* The next picture that is encoded becomes a keyframe; any thread. */
void media_source_want_keyframe(struct media_source *s);
/* What is due now: encoding that falls behind it leaves out pictures, never sound; any thread. */
void media_source_set_due(struct media_source *s, mono_us pts);
/* Pictures left out so far; any thread. */
uint64_t media_source_left_out(const struct media_source *s);
/* Makes a blocked call return ERR_CLOSED, and all later ones; any thread. */
void media_source_interrupt(struct media_source *s);

void media_frame_fini(struct media_frame *f);

#endif
