/* What travels over one connection: streams found by SSRC, RTCP both ways. */
#include "load/load_internal.h"

#include "base/bytes.h"
#include "base/err.h"
#include "rtp/ext.h"
#include "rtp/rtx.h"

#include <stdlib.h>
#include <string.h>

#define REPORT_PERIOD MONO_S(1)
#define RTCP_SIZE_MAX 1200
#define NACKS_MAX     128
#define TWCC_PERIOD   MONO_MS(100)

/* ---- streams ---- */

struct load_rx *load__conn_add_rx(struct load_conn *conn, enum rtp_kind kind, uint32_t ssrc,
                                  uint32_t rtx_ssrc)
{
    for (size_t i = 0; i < conn->rx_count; i++)
        if (conn->rxs[i]->ssrc == ssrc)
            return conn->rxs[i];
    if (conn->rx_count == LOAD_RXS_MAX)
        return NULL;
    struct load_rx **rxs = realloc(conn->rxs, (conn->rx_count + 1) * sizeof(struct load_rx *));
    if (rxs == NULL)
        return NULL;
    conn->rxs = rxs;
    struct load_rx *rx = calloc(1, sizeof(*rx));
    if (rx == NULL)
        return NULL;
    load__rx_init(rx, kind, ssrc, rtx_ssrc);
    conn->rxs[conn->rx_count++] = rx;
    return rx;
}

void load__conn_take_streams(struct load_conn *conn, const struct sdp_session *remote)
{
    for (size_t i = 0; i < remote->section_count; i++) {
        const struct sdp_section *m = &remote->sections[i];
        bool is_media = m->kind == SDP_KIND_AUDIO || m->kind == SDP_KIND_VIDEO;
        if (!is_media || (m->dir & SDP_DIR_SENDONLY) == 0 || m->ssrc_count == 0)
            continue;
        enum rtp_kind kind = m->kind == SDP_KIND_AUDIO ? RTP_KIND_AUDIO : RTP_KIND_VIDEO;
        struct load_rx *rx = load__conn_add_rx(conn, kind, m->ssrcs[0].ssrc, m->ssrcs[0].rtx_ssrc);
        struct rtp_pt pts[RTP_PTS_MAX];
        size_t count = sdp_section_pts(m, pts, RTP_PTS_MAX);
        if (rx == NULL)
            continue;
        rx->pt_count = (uint8_t)TK_MIN(count, ARRAY_COUNT(rx->pts));
        memcpy(rx->pts, pts, rx->pt_count * sizeof(pts[0]));
    }
}

/* Frames come in bursts of one stream: the one found last is tried first. */
static struct load_rx *find_rx(struct load_conn *conn, uint32_t ssrc, bool *ret_is_rtx)
{
    for (size_t i = 0; i < conn->rx_count; i++) {
        size_t at = (conn->rx_last + i) % conn->rx_count;
        struct load_rx *rx = conn->rxs[at];
        if (rx->ssrc != ssrc && (rx->rtx_ssrc != ssrc || ssrc == 0))
            continue;
        *ret_is_rtx = rx->ssrc != ssrc;
        conn->rx_last = at;
        return rx;
    }
    return NULL;
}

static uint8_t original_pt(const struct load_rx *rx, uint8_t rtx_pt)
{
    for (size_t i = 0; i < rx->pt_count; i++)
        if (rx->pts[i].rtx_pt == rtx_pt)
            return rx->pts[i].pt;
    return 0;
}

static void note_twcc(struct load_conn *conn, const struct rtp_view *view, mono_us arrived)
{
    struct rtp_ext_set set;
    uint16_t seq;
    if (!conn->has_twcc || view->ext == NULL || !conn->client->run->options->has_twcc)
        return;
    rtp_ext_read(view, &conn->exts, &set);
    if (!rtp_ext_get_twcc(&set, &seq))
        return;
    if (conn->twcc == NULL) {
        conn->twcc = malloc(sizeof(*conn->twcc));
        if (conn->twcc == NULL)
            return;
        rtp_twcc_init(conn->twcc, TWCC_PERIOD);
    }
    rtp_twcc_packet(conn->twcc, seq, arrived);
    load__conn_hurry(conn, rtp_twcc_next_at(conn->twcc));
}

#define PADDING_BIT 0x20 /* how much of it there is stands in its encrypted end */

bool load__conn_may_hide(const struct load_conn *conn, const uint8_t *data, size_t size)
{
    uint32_t step = conn->client->run->check_step;
    if (step <= 1 || conn->rx_count == 0 || size <= RTP_HEADER_SIZE + (size_t)conn->tag_size ||
        (data[0] & PADDING_BIT) != 0)
        return false;
    uint32_t ssrc = get_u32be(data + 8);
    const struct load_rx *rx = conn->rxs[conn->rx_last];
    for (size_t i = 0; i < conn->rx_count && rx->ssrc != ssrc; i++)
        rx = conn->rxs[i];
    /* Every subscriber is looked at as often, each at other packets. */
    return rx->ssrc == ssrc && load__rx_is_settled(rx) &&
           (get_u16be(data + 2) + conn->client->index) % step != 0;
}

static void handle_rtp(struct load_conn *conn, uint8_t *data, size_t size, bool is_hidden,
                       mono_us arrived)
{
    struct load_measure *m = &conn->client->run->m;
    struct rtp_view view;
    bool is_rtx = false;
    m->packets++;
    m->hidden += is_hidden;
    m->bytes += size;
    if (rtp_parse(data, size, &view) < 0) {
        m->malformed++;
        return;
    }
    note_twcc(conn, &view, arrived);
    struct load_rx *rx = find_rx(conn, view.ssrc, &is_rtx);
    if (rx == NULL) {
        m->unknown_ssrc++;
        return;
    }
    if (is_rtx) {
        m->rtx_packets++;
        int n = rtp_rtx_decapsulate(data, size, rx->ssrc, original_pt(rx, view.pt));
        if (n <= 0 || rtp_parse(data, (size_t)n, &view) < 0)
            return; /* empty ones are probes */
    }
    enum load_origin origin = is_hidden ? LOAD_UNREAD : is_rtx ? LOAD_SENT_AGAIN : LOAD_FIRST_SENT;
    load__rx_packet(conn, rx, &view, origin, arrived);
}

/* ---- RTCP in ---- */

static void handle_sender_report(struct load_conn *conn, const struct rtcp_packet *p, mono_us now)
{
    struct rtcp_sender_info info;
    if (rtcp_get_sender_info(p, &info) < 0)
        return;
    for (size_t i = 0; i < conn->rx_count; i++)
        if (conn->rxs[i]->ssrc == info.ssrc)
            rtp_recv_stats_sr(&conn->rxs[i]->recv, info.ntp, now);
}

static void handle_rtcp(struct load_conn *conn, const uint8_t *data, size_t size, mono_us now)
{
    struct rtcp_reader r = rtcp_reader_init(data, size);
    struct rtcp_packet p;
    conn->client->run->m.rtcp_in++;
    while (rtcp_next(&r, &p) > 0) {
        if (p.type == RTCP_SR)
            handle_sender_report(conn, &p, now);
        if (conn->client->tx != NULL && conn->client->tx->conn == conn)
            load__tx_rtcp(conn->client->tx, &p);
    }
}

void load__conn_plain(struct load_conn *conn, uint8_t *data, int result, enum load_plain kind,
                      mono_us arrived)
{
    struct load_measure *m = &conn->client->run->m;
    if (result == ERR_SEC_REPLAY)
        m->replays++;
    else if (result < 0)
        m->auth_failures++;
    else if (kind == LOAD_RTCP)
        handle_rtcp(conn, data, (size_t)result, arrived);
    else
        handle_rtp(conn, data, (size_t)result, kind == LOAD_RTP_HIDDEN, arrived);
}

/* ---- RTCP out ---- */

void load__conn_send_rtcp(struct load_conn *conn, const uint8_t *data, size_t size)
{
    uint8_t packet[RTCP_SIZE_MAX + SEC_SRTP_RTCP_GROWTH];
    if (!conn->is_up || conn->send == NULL || size == 0)
        return;
    int n = sec_srtp_protect_rtcp(conn->send, data, size, packet, sizeof(packet));
    if (n > 0)
        load__io_send(conn, &conn->remote, packet, (size_t)n);
}

static void send_receiver_reports(struct load_conn *conn, mono_us now)
{
    struct rtcp_report reports[RTCP_REPORTS_MAX];
    uint8_t buf[RTCP_SIZE_MAX];
    size_t i = 0;
    while (i < conn->rx_count) {
        size_t count = 0;
        for (; i < conn->rx_count && count < RTCP_REPORTS_MAX; i++)
            if (rtp_recv_stats_report(&conn->rxs[i]->recv, conn->rxs[i]->ssrc, now,
                                      &reports[count]))
                count++;
        struct wr w = wr_init(buf, sizeof(buf));
        rtcp_put_rr(&w, conn->sender_ssrc, reports, count);
        rtcp_put_sdes_cname(&w, conn->sender_ssrc, "tongke-load");
        if (count > 0 && !w.is_bad)
            load__conn_send_rtcp(conn, buf, wr_size(&w));
    }
}

static mono_us send_twcc(struct load_conn *conn, mono_us now)
{
    uint8_t buf[RTCP_SIZE_MAX];
    if (conn->twcc == NULL)
        return MONO_NEVER;
    uint32_t media_ssrc = conn->rx_count > 0 ? conn->rxs[0]->ssrc : 0;
    for (;;) {
        struct wr w = wr_init(buf, sizeof(buf));
        if (rtp_twcc_poll(conn->twcc, conn->sender_ssrc, media_ssrc, now, &w) <= 0)
            return rtp_twcc_next_at(conn->twcc);
        load__conn_send_rtcp(conn, buf, wr_size(&w));
    }
}

void load__conn_hurry(struct load_conn *conn, mono_us at)
{
    if (conn->report_at == MONO_NEVER && conn->peer != NULL)
        conn->report_at = at + (mono_us)rng_below(&conn->client->run->rng, REPORT_PERIOD);
    if (conn->media_timer.timer.slot == 0 || at < conn->media_timer.timer.at)
        load__timer_set(conn->client->run, &conn->media_timer, at);
}

/* How soon to look again: what is missing may lie in front of us, unread, so that there is nothing
 * to be seen before a part of that is handled. */
static mono_us step_of(const struct load_conn *conn)
{
    return TK_MAX(MONO_MS(1), conn->client->run->io.backlog_us / 4);
}

void load__conn_media_timer(struct load_timer *t, mono_us now)
{
    struct load_conn *conn = CONTAINER_OF(t, struct load_conn, media_timer);
    mono_us next = MONO_NEVER;
    for (size_t i = 0; i < conn->rx_count; i++)
        next = TK_MIN(next, load__rx_tick(conn, conn->rxs[i], now));
    if (now >= conn->report_at) {
        send_receiver_reports(conn, now);
        if (conn->client->tx != NULL && conn->client->tx->conn == conn)
            load__tx_put_reports(conn->client->tx, now);
        conn->report_at = now + REPORT_PERIOD;
    }
    next = TK_MIN(next, send_twcc(conn, now));
    next = TK_MIN(next, conn->report_at);
    load__timer_set(conn->client->run, &conn->media_timer, TK_MAX(next, now + step_of(conn)));
}
