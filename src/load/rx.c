/*
 * One received stream: every sequence number is accounted for, frames are put together in order by
 * the edge below which everything is decided, and the way of each packet is measured.
 */
#include "load/load_internal.h"
#include "load/stamp.h"

#include "base/err.h"
#include "rtp/payload.h"

#include <stdlib.h>
#include <string.h>

#define GOT    1u
#define MARK   2u
#define START  4u
#define KEY    8u
#define UNREAD 16u /* has a payload, which was not looked at */

#define WAIT_WITHOUT_NACK MONO_MS(50)
#define WAIT_WITH_NACK    MONO_S(1)
#define TICK              MONO_MS(100)
#define NACKS_MAX         64
#define RTCP_SIZE         512

void load__rx_init(struct load_rx *rx, enum rtp_kind kind, uint32_t ssrc, uint32_t rtx_ssrc)
{
    *rx = (struct load_rx){.kind = kind, .ssrc = ssrc, .rtx_ssrc = rtx_ssrc};
    rtp_seq_ext_init(&rx->seq);
    rtp_recv_stats_init(&rx->recv, kind == RTP_KIND_AUDIO ? 48000 : 90000);
}

void load__rx_fini(struct load_rx *rx)
{
    if (rx->nack != NULL)
        rtp_nack_fini(rx->nack);
    free(rx->nack);
    rx->nack = NULL;
}

static uint8_t *flags_of(struct load_rx *rx, uint64_t seq)
{
    return &rx->flags[seq & (LOAD_RX_WINDOW - 1)];
}

/* ---- frames ---- */

static void on_frame(struct load_conn *conn, struct load_rx *rx, mono_us now)
{
    struct load_measure *m = &conn->client->run->m;
    if (!rx->had_frame) {
        rx->had_frame = true;
        load__client_stream(conn->client, rx->kind, now);
    }
    if (rx->kind != RTP_KIND_VIDEO)
        return;
    m->frames++;
    m->keyframes += rx->is_key;
    if (rx->frame_at != 0 && now - rx->frame_at > LOAD_FREEZE_US) {
        m->freezes++;
        m->freeze_us += (uint64_t)(now - rx->frame_at);
    }
    rx->frame_at = now;
}

static void pass_packet(struct load_conn *conn, struct load_rx *rx, uint8_t flags, mono_us now)
{
    if (rx->kind == RTP_KIND_AUDIO) {
        on_frame(conn, rx, now);
        return;
    }
    if ((flags & START) != 0 || (rx->is_between && flags != GOT)) {
        rx->is_open = true;
        rx->is_key = false;
    }
    rx->is_key = rx->is_key || (rx->is_open && (flags & KEY) != 0);
    rx->is_between = rx->is_between && flags == GOT; /* padding between frames changes nothing */
    if ((flags & MARK) == 0)
        return;
    rx->is_decodable = rx->is_decodable || (rx->is_open && rx->is_key);
    if (rx->is_open && rx->is_decodable)
        on_frame(conn, rx, now);
    rx->is_open = false;
    rx->is_between = true;
}

static void advance(struct load_conn *conn, struct load_rx *rx, mono_us now)
{
    uint64_t before = rx->edge;
    while (rx->edge <= rx->seq.newest && (*flags_of(rx, rx->edge) & GOT) != 0)
        pass_packet(conn, rx, *flags_of(rx, rx->edge++), now);
    if (rx->edge > rx->seq.newest)
        rx->gap_at = 0;
    else if (rx->edge != before || rx->gap_at == 0)
        rx->gap_at = now;
}

static void count_lost(struct load_measure *m, const struct load_rx *rx, uint64_t count)
{
    m->lost += count;
    m->lost_video += rx->kind == RTP_KIND_VIDEO ? count : 0;
}

/* What is missing below `until` will not come: the picture is broken up to the next keyframe. */
static void give_up(struct load_conn *conn, struct load_rx *rx, uint64_t until, mono_us now)
{
    struct load_measure *m = &conn->client->run->m;
    if (rx->kind == RTP_KIND_VIDEO && rx->is_decodable)
        m->frames_broken++;
    while (rx->edge < until) {
        bool is_got = (*flags_of(rx, rx->edge) & GOT) != 0;
        count_lost(m, rx, !is_got);
        if (!is_got) {
            rx->is_open = rx->is_between = false;
            rx->is_decodable = false;
        } else {
            pass_packet(conn, rx, *flags_of(rx, rx->edge), now);
        }
        rx->edge++;
    }
    advance(conn, rx, now);
}

/* ---- packets ---- */

static uint8_t inspect(const struct load_rx *rx, const struct rtp_view *view,
                       enum load_origin origin)
{
    struct rtp_payload_info info;
    uint8_t codec = RTP_CODEC_NONE;
    if (rx->kind == RTP_KIND_AUDIO || view->payload_size == 0)
        return GOT;
    if (origin == LOAD_UNREAD)
        return (uint8_t)(GOT | UNREAD | (view->is_marker ? MARK : 0u));
    for (size_t i = 0; i < rx->pt_count && codec == RTP_CODEC_NONE; i++)
        if (rx->pts[i].pt == view->pt)
            codec = rx->pts[i].codec;
    uint8_t flags = (uint8_t)(GOT | (view->is_marker ? MARK : 0u));
    if (rtp_payload_inspect(codec, view->payload, view->payload_size, NULL, &info) < 0)
        return flags;
    bool is_start = codec == RTP_CODEC_VP8 ? info.is_frame_start : info.is_keyframe;
    return (uint8_t)(flags | (is_start ? START : 0u) | (info.is_keyframe ? KEY : 0u));
}

/* A server may begin a stream with a keyframe of the past, and everything since: how old these
 * packets are is no delay. */
static void measure_way(struct load_measure *m, const struct load_rx *rx,
                        const struct rtp_view *view, enum load_origin origin, mono_us arrived)
{
    mono_us sent;
    if (origin == LOAD_UNREAD)
        return;
    if (!load_stamp_read(view->payload, view->payload_size, &sent)) {
        m->unstamped += view->payload_size > 0;
        return;
    }
    bool is_of_before = sent < rx->first_at - LOAD_START_MARGIN;
    struct load_hist *hist = is_of_before                ? &m->start_age
                             : origin == LOAD_SENT_AGAIN ? &m->recovery
                                                         : &m->delay;
    load_hist_add(hist, arrived - sent);
}

static void note_gap(struct load_conn *conn, struct load_rx *rx, uint64_t ext,
                     enum rtp_seq_result result, bool has_gap, mono_us now)
{
    if (rx->nack == NULL) {
        if (!has_gap || !conn->client->run->options->has_nack || rx->rtx_ssrc == 0)
            return;
        rx->nack = malloc(sizeof(*rx->nack));
        if (rx->nack == NULL)
            return;
        struct rtp_nack_config config = rtp_nack_config_default();
        rtp_nack_init(rx->nack, &config);
        rtp_nack_packet(rx->nack, rx->edge - 1, RTP_SEQ_NEWEST, now);
    }
    rtp_nack_packet(rx->nack, ext, result, now);
    load__conn_hurry(conn, TK_MAX(rtp_nack_next_at(rx->nack), now));
}

/* Makes room in the window for a new highest number. */
static void open_window(struct load_conn *conn, struct load_rx *rx, uint64_t newest_before,
                        uint64_t ext, mono_us now)
{
    if (ext >= rx->edge + LOAD_RX_WINDOW) {
        rx->seq.newest = newest_before; /* only what is inside the window may be walked */
        give_up(conn, rx, newest_before + 1, now);
        rx->seq.newest = ext;
        if (ext >= rx->edge + LOAD_RX_WINDOW) {
            count_lost(&conn->client->run->m, rx, ext - rx->edge);
            rx->is_open = rx->is_between = rx->is_decodable = false;
            rx->edge = ext;
        }
    }
    for (uint64_t seq = TK_MAX(newest_before + 1, rx->edge); seq < ext; seq++)
        *flags_of(rx, seq) = 0;
}

/* False: there is nothing to be done with this packet. */
static bool place(struct load_conn *conn, struct load_rx *rx, const struct rtp_view *view,
                  enum load_origin origin, mono_us arrived)
{
    struct load_measure *m = &conn->client->run->m;
    bool is_rtx = origin == LOAD_SENT_AGAIN;
    uint64_t before = rx->seq.newest, ext = 0;
    enum rtp_seq_result result = rtp_seq_ext_update(&rx->seq, view->seq, &ext);
    if (result == RTP_SEQ_JUMP) {
        m->malformed++;
        return false;
    }
    if (rx->edge == 0) {
        rx->edge = ext;
        rx->first_at = arrived;
        load__client_packet(conn->client, rx->kind, arrived);
        rx->is_between = false;
        load__conn_hurry(conn, arrived);
    } else if (result == RTP_SEQ_RESYNC) {
        count_lost(m, rx, 1); /* how many is not to be known */
        memset(rx->flags, 0, sizeof(rx->flags));
        rx->edge = ext;
        rx->is_open = rx->is_between = rx->is_decodable = false;
    } else if (result == RTP_SEQ_NEWEST) {
        open_window(conn, rx, before, ext, arrived);
    } else if (ext < rx->edge || (*flags_of(rx, ext) & GOT) != 0) {
        m->duplicates++;
        return false;
    }
    *flags_of(rx, ext) = inspect(rx, view, origin);
    m->recovered += is_rtx;
    note_gap(conn, rx, ext, result, before != 0 && ext > before + 1, arrived);
    rtp_recv_stats_packet(&rx->recv, ext, result, view->ts, view->payload_size, is_rtx, arrived);
    return true;
}

void load__rx_packet(struct load_conn *conn, struct load_rx *rx, const struct rtp_view *view,
                     enum load_origin origin, mono_us arrived)
{
    struct load_measure *m = &conn->client->run->m;
    if (!place(conn, rx, view, origin, arrived))
        return;
    m->delivered++;
    measure_way(m, rx, view, origin, arrived);
    advance(conn, rx, arrived);
    if (rx->gap_at != 0)
        load__conn_hurry(conn, rx->gap_at + WAIT_WITHOUT_NACK);
}

bool load__rx_is_settled(const struct load_rx *rx)
{
    return rx->had_frame && rx->gap_at == 0 && (rx->kind == RTP_KIND_AUDIO || rx->is_decodable);
}

uint64_t load__rx_missing(const struct load_rx *rx)
{
    uint64_t missing = 0;
    for (uint64_t seq = rx->edge; seq != 0 && seq < rx->seq.newest; seq++)
        missing += (rx->flags[seq & (LOAD_RX_WINDOW - 1)] & GOT) == 0;
    return missing;
}

/* ---- feedback ---- */

/* Begins a packet of feedback: with a report in front, unless both sides do without. */
static struct wr begin_feedback(struct load_conn *conn, struct load_rx *rx, uint8_t *buf,
                                size_t size, mono_us now)
{
    struct wr w = wr_init(buf, size);
    struct rtcp_report report;
    if (!conn->has_rsize) {
        bool has_report = rtp_recv_stats_report(&rx->recv, rx->ssrc, now, &report);
        rtcp_put_rr(&w, conn->sender_ssrc, &report, has_report ? 1 : 0);
    }
    return w;
}

static void send_nacks(struct load_conn *conn, struct load_rx *rx, mono_us now)
{
    struct load_measure *m = &conn->client->run->m;
    uint16_t seqs[NACKS_MAX];
    uint8_t buf[RTCP_SIZE];
    size_t count;
    while ((count = rtp_nack_poll(rx->nack, now, seqs, NACKS_MAX)) > 0) {
        struct wr w = begin_feedback(conn, rx, buf, sizeof(buf), now);
        rtcp_put_nack(&w, conn->sender_ssrc, rx->ssrc, seqs, count);
        if (w.is_bad)
            return;
        m->nacks_sent++;
        m->nack_seqs_sent += count;
        load__conn_send_rtcp(conn, buf, wr_size(&w));
    }
}

static void send_pli(struct load_conn *conn, struct load_rx *rx, mono_us now)
{
    uint8_t buf[RTCP_SIZE];
    struct wr w = begin_feedback(conn, rx, buf, sizeof(buf), now);
    rtcp_put_pli(&w, conn->sender_ssrc, rx->ssrc);
    rx->pli_at = now;
    conn->client->run->m.plis_sent++;
    load__conn_send_rtcp(conn, buf, wr_size(&w));
}

mono_us load__rx_tick(struct load_conn *conn, struct load_rx *rx, mono_us now)
{
    mono_us next = MONO_NEVER;
    if (conn->peer == NULL && rx->gap_at == 0)
        return MONO_NEVER; /* static keys: nobody listens to feedback */
    if (rx->nack != NULL)
        send_nacks(conn, rx, now);
    mono_us wait = rx->nack != NULL ? WAIT_WITH_NACK : WAIT_WITHOUT_NACK;
    if (rx->gap_at != 0 && now - rx->gap_at >= wait)
        give_up(conn, rx, rx->edge + 1, now);
    if (rx->gap_at != 0)
        next = TK_MIN(rx->gap_at + wait, now + TICK);
    if (rx->nack != NULL)
        next = TK_MIN(next, rtp_nack_next_at(rx->nack));
    bool is_blind = rx->kind == RTP_KIND_VIDEO && !rx->is_decodable && rx->edge != 0 &&
                    !(rx->is_open && rx->is_key) && conn->peer != NULL;
    if (is_blind) {
        if (now - rx->pli_at >= LOAD_PLI_US)
            send_pli(conn, rx, now);
        next = TK_MIN(next, rx->pli_at + LOAD_PLI_US);
    }
    return next;
}
