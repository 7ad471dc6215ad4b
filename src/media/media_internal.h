#ifndef TK_MEDIA_MEDIA_INTERNAL_H
#define TK_MEDIA_MEDIA_INTERNAL_H

/* Shared inside media/ only: a source and its two tracks. */

#include "media/source.h"

#include <libavcodec/avcodec.h>
#include <libavcodec/bsf.h>
#include <libavformat/avformat.h>
#include <stdatomic.h>

struct SwsContext;
struct SwrContext;
struct AVAudioFifo;

/* Errors in a row after which a file counts as broken. */
#define MEDIA_ERRORS_MAX 60

/* Frames that one packet may yield at most (a long packet of PCM). */
#define MEDIA_QUEUE_MAX 4096

struct media_node {
    struct media_node *next;
    struct media_frame frame;
};

struct media_video {
    struct media_source *source; /* parent */
    AVStream *stream;
    enum rtp_codec codec;
    bool is_passed;

    /* Passed through. */
    AVBSFContext *bsf;       /* to Annex B; NULL if it is already, or VP8 */
    uint8_t *parameter_sets; /* SPS and PPS with start codes */
    size_t parameter_sets_size;
    int64_t packets; /* for streams without times */

    /* Decoded and encoded. */
    AVCodecContext *decoder;
    AVCodecContext *encoder; /* opened with the first picture */
    struct SwsContext *scaler;
    AVFrame *picture, *scaled, *turned; /* turned: NULL when upright */
    int quarter_turns;
    int scaler_width, scaler_height, scaler_format;
    uint16_t width, height; /* as encoded, upright */
    int64_t pts_last;       /* of the encoder, ms */

    /* When it is too slow. */
    bool is_waiting_for_key;
    mono_us shown_last; /* MONO_NEVER = none yet */
};

struct media_audio {
    struct media_source *source; /* parent */
    AVStream *stream;
    bool is_passed;
    int channels;

    AVCodecContext *decoder;
    AVCodecContext *encoder;
    struct SwrContext *resampler;
    struct AVAudioFifo *fifo;
    AVFrame *decoded, *block;
    int in_rate, in_format, in_channels;
    mono_us fifo_pts; /* time of the first sample in the fifo */
    bool has_fifo_pts;
};

struct media_source {
    /* Set at creation, read-only afterwards. */
    struct media_source_config config;
    char *url;

    /* The reading thread's. */
    AVFormatContext *format;
    AVPacket *packet;
    struct media_video *video; /* NULL = none */
    struct media_audio *audio;
    mono_us start;  /* file time of the first moment */
    mono_us offset; /* of this round */
    mono_us end;    /* of all frames so far */
    mono_us deadline;
    uint64_t round_frames; /* emitted in this round */
    unsigned errors;       /* in a row */
    struct media_node *head, *tail;
    size_t queued;

    /* Any thread. */
    _Atomic bool is_keyframe_wanted;
    _Atomic bool is_interrupted;
    _Atomic mono_us due; /* MONO_NEVER = not known */
    _Atomic uint64_t left_out;
};

MUST_CHECK int media__fail(struct media_error *error, int code, const char *form, ...)
    PRINTF_LIKE(3, 4);
/* The text of a libav error. */
const char *media__av_text(int av_error, char buf[AV_ERROR_MAX_STRING_SIZE]);

/* Stream time to time since the start of the source. */
mono_us media__time(const struct media_source *s, const AVStream *stream, int64_t ts);

/* Back to the beginning. Negative libav error. */
MUST_CHECK int media__rewind(struct media_source *s);

/* Copies a frame into the queue. -ENOMEM, ERR_LIMIT. */
MUST_CHECK int media__emit(struct media_source *s, const struct media_frame *frame);

/* A decoder for a stream. ERR_MEDIA_CODEC, -ENOMEM. */
MUST_CHECK int media__open_decoder(struct media_source *s, AVStream *stream,
                                   AVCodecContext **ret_decoder, struct media_error *error);

/* At the end of a round, once its last frames are out: ERR_MEDIA_OPEN if the file is longer by its
 * own word. */
MUST_CHECK int media__check_end(const struct media_source *s, struct media_error *error);
/* The source is one picture. */
bool media__is_still(const struct media_source *s);

MUST_CHECK int media__video_open(struct media_source *s, AVStream *stream,
                                 struct media_error *error);
/* One packet, or NULL at the end of a round. Negative libav error or project code. */
MUST_CHECK int media__video_push(struct media_video *v, AVPacket *packet);
void media__video_close(struct media_video *v);

/* Whether a packet is decoded, and a decoded picture encoded, or left out because it is late. */
bool media__late_takes_packet(struct media_video *v, const AVPacket *packet);
bool media__late_takes_picture(struct media_video *v, mono_us pts);

/* Whether the stream can be sent as it is; then `ret_codec` is set. */
bool media__video_can_pass(struct media_source *s, AVStream *stream, enum rtp_codec *ret_codec);
/* Keyframes more than 2 s apart, as far as an index or the beginning of a file tells; a live stream
 * is taken as it is. */
bool media__has_rare_keyframes(struct media_source *s, AVStream *stream);
/* How often the picture has to be turned right by 90 degrees to be seen upright: 0 .. 3. */
int media__quarter_turns(const AVStream *stream);
/* Turns a YUV 4:2:0 picture into `to`, whose sides fit. */
void media__turn(const AVFrame *from, AVFrame *to, int quarter_turns);
MUST_CHECK int media__pass_open(struct media_video *v);
MUST_CHECK int media__pass_push(struct media_video *v, AVPacket *packet);
void media__h264_profile(const AVStream *stream, char ret_id[7]);

MUST_CHECK int media__audio_open(struct media_source *s, AVStream *stream,
                                 struct media_error *error);
MUST_CHECK int media__audio_push(struct media_audio *a, AVPacket *packet);
void media__audio_close(struct media_audio *a);

#endif
