/* The tracks that we receive: RTX undone, NACK, keyframe requests, receiver reports, statistics. */
#include "base/err.h"
#include "client/client_internal.h"
#include "rtp/ext.h"
#include "rtp/payload.h"
#include "rtp/rtcp.h"
#include "rtp/rtx.h"

#include <stdlib.h>
#include <string.h>

#define REPORT_INTERVAL MONO_S(1)
#define PLI_INTERVAL    MONO_MS(500)
#define NACK_SEQS_MAX   64

static struct client_remote *find_ssrc(struct client *c, uint32_t ssrc)
{
    for (size_t i = 0; i < c->remote_count; i++)
        if (c->remotes[i]->ssrc == ssrc || (c->remotes[i]->rtx_ssrc == ssrc && ssrc != 0))
            return c->remotes[i];
    return NULL;
}

/* The media type that an RTX type repeats; NULL if it is none. */
static const struct rtp_pt *find_rtx(const struct client_remote *r, uint8_t rtx_pt)
{
    for (size_t i = 0; i < r->pt_count; i++)
        if (r->pts[i].rtx_pt == rtx_pt && rtx_pt != 0)
            return &r->pts[i];
    return NULL;
}

static enum rtp_codec find_codec(const struct client_remote *r, uint8_t pt)
{
    for (size_t i = 0; i < r->pt_count; i++)
        if (r->pts[i].pt == pt)
            return (enum rtp_codec)r->pts[i].codec;
    return RTP_CODEC_NONE;
}

static void note_payload(struct client *c, struct client_remote *r, const struct rtp_view *v,
                         mono_us now)
{
    struct rtp_payload_info info;
    struct rtp_ext_set exts;
    if (r->kind != RTP_KIND_VIDEO || v->payload_size == 0)
        return;
    rtp_ext_read(v, &c->exts, &exts);
    if (rtp_payload_inspect((enum rtp_codec)r->codec, v->payload, v->payload_size, &exts, &info) <
        0)
        return;
    if (info.is_keyframe && (r->keyframes == 0 || v->ts != r->newest_ts)) {
        r->keyframes++;
        r->keyframe_at = now;
        r->has_keyframe = true;
    }
    if (info.width != 0) {
        r->width = info.width;
        r->height = info.height;
    }
}

static void note_packet(struct client *c, struct client_remote *r, const struct rtp_view *v,
                        bool is_rtx, mono_us now)
{
    uint64_t ext = 0;
    enum rtp_seq_result result = rtp_seq_ext_update(&r->seq, v->seq, &ext);
    if (result == RTP_SEQ_JUMP)
        return;
    rtp_nack_packet(&r->nack, ext, result, now);
    rtp_recv_stats_packet(&r->recv, ext, result, v->ts, v->payload_size, is_rtx, now);
    r->codec = (uint8_t)find_codec(r, v->pt);
    note_payload(c, r, v, now);
    r->packets++;
    r->bytes += v->payload_size;
    r->frames += v->is_marker;
    r->rtx_packets += is_rtx;
    if (r->first_at == 0)
        r->first_at = now;
    r->newest_at = now;
    if (result != RTP_SEQ_LATE)
        r->newest_ts = v->ts;
}

void client__remotes_rtp(struct client *c, uint8_t *data, size_t size, mono_us now)
{
    struct rtp_view v;
    if (rtp_parse(data, size, &v) < 0)
        return;
    struct client_remote *r = find_ssrc(c, v.ssrc);
    if (r == NULL) {
        c->stats.unknown_ssrc++;
        return;
    }
    const struct rtp_pt *rtx = v.ssrc == r->rtx_ssrc ? find_rtx(r, v.pt) : NULL;
    if (v.ssrc == r->rtx_ssrc) {
        int whole = rtx != NULL ? rtp_rtx_decapsulate(data, size, r->ssrc, rtx->pt) : 0;
        if (whole <= 0 || rtp_parse(data, (size_t)whole, &v) < 0)
            return;
    }
    note_packet(c, r, &v, rtx != NULL, now);
    if (c->config.on_rtp != NULL)
        c->config.on_rtp(c->config.user, c, r, &v, now);
}

void client__remotes_rtcp(struct client *c, const uint8_t *data, size_t size, mono_us now)
{
    struct rtcp_reader reader = rtcp_reader_init(data, size);
    struct rtcp_packet p;
    while (rtcp_next(&reader, &p) > 0) {
        struct rtcp_sender_info info;
        if (p.type != RTCP_SR || rtcp_get_sender_info(&p, &info) < 0)
            continue;
        struct client_remote *r = find_ssrc(c, info.ssrc);
        if (r == NULL)
            continue;
        r->sr = (struct rtp_sr_ref){
            .is_set = true, .ntp = info.ntp, .rtp_ts = info.rtp_ts, .arrived = now};
        rtp_recv_stats_sr(&r->recv, info.ntp, now);
    }
}

/* ---- feedback ---- */

/* One sender SSRC for all feedback: the first of our own streams, or 1 as browsers do. */
static uint32_t own_ssrc(const struct client *c)
{
    for (size_t i = 0; i < CLIENT_TRACKS_MAX; i++)
        if (c->tracks[i].is_used)
            return c->tracks[i].layers[0].ssrc;
    return 1;
}

static void send_pli(struct client *c, struct client_remote *r, mono_us now)
{
    uint8_t buf[32];
    struct wr w = wr_init(buf, sizeof(buf));
    rtcp_put_pli(&w, own_ssrc(c), r->ssrc);
    r->pli_at = now + PLI_INTERVAL;
    if (client__link_send_rtcp(c, buf, wr_size(&w)) == 0)
        r->plis_sent++;
}

static void send_nacks(struct client *c, struct client_remote *r, mono_us now)
{
    uint16_t seqs[NACK_SEQS_MAX];
    uint8_t buf[512];
    size_t count = 0;
    while ((count = rtp_nack_poll(&r->nack, now, seqs, NACK_SEQS_MAX)) > 0) {
        struct wr w = wr_init(buf, sizeof(buf));
        rtcp_put_nack(&w, own_ssrc(c), r->ssrc, seqs, count);
        if (!w.is_bad && client__link_send_rtcp(c, buf, wr_size(&w)) == 0)
            r->nacks_sent += count;
    }
    r->lost = r->nack.given_up;
}

static void send_reports(struct client *c, mono_us now)
{
    uint8_t buf[1200];
    struct rtcp_report reports[RTCP_REPORTS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < c->remote_count; i++) {
        struct client_remote *r = c->remotes[i];
        if (rtp_recv_stats_report(&r->recv, r->ssrc, now, &reports[count]))
            count++;
        if (count == 0 || (count < RTCP_REPORTS_MAX && i + 1 < c->remote_count))
            continue;
        struct wr w = wr_init(buf, sizeof(buf));
        rtcp_put_rr(&w, own_ssrc(c), reports, count);
        count = 0;
        if (!w.is_bad)
            IGNORE(client__link_send_rtcp(c, buf, wr_size(&w))); /* the next is a second away */
    }
    c->report_at = now + REPORT_INTERVAL;
}

void client__remotes_tick(struct client *c, mono_us now)
{
    if (!c->link.is_connected)
        return;
    for (size_t i = 0; i < c->remote_count; i++) {
        struct client_remote *r = c->remotes[i];
        if (r->packets == 0)
            continue;
        send_nacks(c, r, now);
        bool is_lost = rtp_nack_take_lost(&r->nack);
        if (r->kind == RTP_KIND_VIDEO && now >= r->pli_at && (is_lost || !r->has_keyframe))
            send_pli(c, r, now);
    }
    if (now >= c->report_at)
        send_reports(c, now);
}

void client_request_keyframe(struct client *c, struct client_remote *remote)
{
    send_pli(c, remote, mono_now());
}

/* ---- coming and going ---- */

static void free_gone(struct client *c)
{
    free(c->gone);
    c->gone = NULL;
}

void client__remote_remove(struct client *c, struct client_remote *remote)
{
    for (size_t i = 0; i < c->remote_count; i++) {
        if (c->remotes[i] != remote)
            continue;
        c->remotes[i] = c->remotes[--c->remote_count];
        break;
    }
    for (size_t i = 0; i < c->section_count; i++)
        if (c->sections[i].remote == remote)
            c->sections[i].remote = NULL;
    remote->is_gone = true;
    rtp_nack_fini(&remote->nack);
    struct client_event *e = client__event(c, CLIENT_EVENT_UNSUBSCRIBED);
    if (e != NULL) {
        e->remote = remote; /* freed after it was polled */
        memcpy(e->sid, remote->sid, sizeof(e->sid));
        return;
    }
    free_gone(c);
    c->gone = remote;
}

struct client_remote *client_remote_at(struct client *c, size_t index)
{
    return index < c->remote_count ? c->remotes[index] : NULL;
}
