/* How far apart a stream's keyframes are, before it is decided whether it passes as it is: whoever
 * joins, or loses a packet, waits for the next one. */
#include "media/media_internal.h"

#define GAP_MAX MONO_S(2)
/* What is read of a file without an index. */
#define PROBE_TIME  MONO_S(10)
#define PROBE_BYTES (16 << 20)

/* The longest gap so far, in the stream's time. */
struct gap {
    int64_t last, longest;
};

static void gap_to(struct gap *g, int64_t ts)
{
    g->longest = TK_MAX(g->longest, ts - g->last);
    g->last = ts;
}

static int64_t first_time(const AVStream *stream)
{
    return stream->start_time != AV_NOPTS_VALUE ? stream->start_time : 0;
}

/* Matroska says it of the whole file only. 0 = unknown. */
static int64_t duration_of(const struct media_source *s, const AVStream *stream)
{
    if (stream->duration > 0)
        return stream->duration;
    return s->format->duration > 0
               ? av_rescale_q(s->format->duration, AV_TIME_BASE_Q, stream->time_base)
               : 0;
}

static void read_index(AVStream *stream, struct gap *g)
{
    int count = avformat_index_get_entries_count(stream);
    for (int i = 0; i < count; i++) {
        const AVIndexEntry *e = avformat_index_get_entry(stream, i);
        if (e != NULL && (e->flags & AVINDEX_KEYFRAME) != 0)
            gap_to(g, e->timestamp);
    }
}

/* After the last keyframe of the index; 0 = unknown. */
static int64_t tail(const struct media_source *s, const AVStream *stream, const struct gap *g)
{
    int64_t duration = duration_of(s, stream);
    return duration > 0 ? first_time(stream) + duration - g->last : 0;
}

static bool is_rare(const AVStream *stream, int64_t gap)
{
    return av_rescale_q(gap, stream->time_base, AV_TIME_BASE_Q) > GAP_MAX + MONO_MS(100);
}

/* Reads the beginning and goes back to the start. */
static void read_packets(struct media_source *s, AVStream *stream, struct gap *g)
{
    int64_t limit = av_rescale_q(PROBE_TIME, AV_TIME_BASE_Q, stream->time_base);
    int64_t bytes = 0, newest = g->last;
    s->deadline = mono_now() + MEDIA_STALL_MAX;
    while (bytes < PROBE_BYTES && newest - first_time(stream) < limit &&
           av_read_frame(s->format, s->packet) >= 0) {
        int64_t ts = s->packet->dts != AV_NOPTS_VALUE ? s->packet->dts : s->packet->pts;
        bytes += s->packet->size;
        if (s->packet->stream_index == stream->index && ts != AV_NOPTS_VALUE) {
            newest = ts;
            if ((s->packet->flags & AV_PKT_FLAG_KEY) != 0)
                gap_to(g, ts);
        }
        av_packet_unref(s->packet);
    }
    gap_to(g, newest);
}

bool media__has_rare_keyframes(struct media_source *s, AVStream *stream)
{
    struct gap g = {.last = first_time(stream)};
    bool is_seekable =
        s->format->pb != NULL && (s->format->pb->seekable & AVIO_SEEKABLE_NORMAL) != 0;
    if (!is_seekable)
        return false;
    if (media__rewind(s) < 0) /* also makes Matroska read its index */
        return true;          /* it will fail where it is read */
    read_index(stream, &g);
    int count = avformat_index_get_entries_count(stream);
    if (is_rare(stream, g.longest))
        return true;
    if (count > 0 && !is_rare(stream, tail(s, stream, &g)))
        return false;
    /* No index, or one that does not go to the end. */
    g = (struct gap){.last = first_time(stream)};
    read_packets(s, stream, &g);
    return media__rewind(s) < 0 || is_rare(stream, g.longest);
}
