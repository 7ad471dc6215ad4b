#ifndef TK_RTP_RTCP_H
#define TK_RTP_RTCP_H

/*
 * RTCP: compound and reduced-size packets (RFC 3550, 6; RFC 5506), read in place and written.
 * SR, RR, SDES, BYE; transport feedback NACK (RFC 4585, 6.2.1); payload feedback PLI (RFC 4585,
 * 6.3.1), FIR (RFC 5104, 4.3.1), REMB (draft-alvestrand-rmcat-remb-03). Transport-wide feedback is
 * in rtp/twcc.h. Sans-IO; views point into the caller's bytes.
 *
 *     struct rtcp_reader r = rtcp_reader_init(data, size);
 *     struct rtcp_packet p;
 *     while (rtcp_next(&r, &p) > 0) switch (p.type) …
 */

#include "base/attrs.h"
#include "base/bytes.h"
#include "base/time.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum rtcp_type {
    RTCP_SR = 200,
    RTCP_RR = 201,
    RTCP_SDES = 202,
    RTCP_BYE = 203,
    RTCP_APP = 204,
    RTCP_RTPFB = 205,
    RTCP_PSFB = 206,
    RTCP_XR = 207
};

enum rtcp_rtpfb { RTCP_RTPFB_NACK = 1, RTCP_RTPFB_TWCC = 15 };
enum rtcp_psfb { RTCP_PSFB_PLI = 1, RTCP_PSFB_FIR = 4, RTCP_PSFB_AFB = 15 };

#define RTCP_REPORTS_MAX   31
#define RTCP_PACKETS_MAX   64 /* in one compound; the rest is not read */
#define RTCP_REMB_SSRC_MAX 16

/* One packet of a compound. */
struct rtcp_packet {
    uint8_t type;        /* enum rtcp_type, or another number */
    uint8_t count;       /* the five bits: report count, source count or feedback message type */
    uint32_t ssrc;       /* first word of the body: the sender; 0 for an empty BYE or SDES */
    const uint8_t *body; /* after the 4-byte header, without padding */
    uint16_t size;
    const uint8_t *data; /* the packet with its header, padding included */
    uint32_t data_size;
};

struct rtcp_reader {
    struct rd rd;
    uint8_t packet_count;
};

struct rtcp_reader rtcp_reader_init(const uint8_t *data, size_t size);

/* 1 = one packet, 0 = end, ERR_RTCP_HEADER = the rest is malformed. */
MUST_CHECK int rtcp_next(struct rtcp_reader *r, struct rtcp_packet *ret_packet);

/* RFC 3550, 6.4.1. */
struct rtcp_sender_info {
    uint32_t ssrc;
    ntp_time ntp;
    uint32_t rtp_ts;
    uint32_t packet_count;
    uint32_t octet_count;
};

struct rtcp_report {
    uint32_t ssrc;
    uint8_t fraction_lost; /* of 256, since the last report */
    int32_t lost;          /* cumulative, 24 bits signed */
    uint32_t highest_seq;  /* extended, low 32 bits */
    uint32_t jitter;       /* timestamp units */
    uint32_t lsr;          /* middle 32 bits of the last SR's NTP time; 0 = none */
    uint32_t dlsr;         /* since then, in 1/65536 s */
};

/* For SR packets. ERR_RTCP_HEADER. */
MUST_CHECK int rtcp_get_sender_info(const struct rtcp_packet *p, struct rtcp_sender_info *ret_info);

/* Report block `index` of an SR or RR; ERR_NOT_FOUND past the end. */
MUST_CHECK int rtcp_get_report(const struct rtcp_packet *p, size_t index,
                               struct rtcp_report *ret_report);

/* The CNAME of the first chunk that has one, in place, not terminated. ERR_NOT_FOUND. */
MUST_CHECK int rtcp_get_cname(const struct rtcp_packet *p, uint32_t *ret_ssrc,
                              const uint8_t **ret_text, uint8_t *ret_size);

/* SSRC `index` of a BYE; ERR_NOT_FOUND past the end. */
MUST_CHECK int rtcp_get_bye(const struct rtcp_packet *p, size_t index, uint32_t *ret_ssrc);

/* The media SSRC of a feedback packet (RTPFB, PSFB); ERR_RTCP_HEADER. */
MUST_CHECK int rtcp_get_media_ssrc(const struct rtcp_packet *p, uint32_t *ret_ssrc);

/* The sequence numbers of a NACK, expanded; returns their number, at most `seqs_max` (the rest is
 * cut). ERR_RTCP_HEADER. */
MUST_CHECK int rtcp_get_nack(const struct rtcp_packet *p, uint16_t *ret_seqs, size_t seqs_max);

/* Entry `index` of a FIR; ERR_NOT_FOUND past the end. */
MUST_CHECK int rtcp_get_fir(const struct rtcp_packet *p, size_t index, uint32_t *ret_ssrc,
                            uint8_t *ret_seq);

struct rtcp_remb {
    uint64_t bitrate_bps;
    uint8_t ssrc_count;
    uint32_t ssrcs[RTCP_REMB_SSRC_MAX];
};

/* ERR_NOT_FOUND if the application feedback is no REMB. */
MUST_CHECK int rtcp_get_remb(const struct rtcp_packet *p, struct rtcp_remb *ret_remb);

/*
 * Writers append one packet to `w`; a lack of room shows as w->is_bad and leaves garbage behind
 * w->start only. An SR or RR starts a compound; feedback alone is a reduced-size packet.
 */
void rtcp_put_sr(struct wr *w, const struct rtcp_sender_info *info,
                 const struct rtcp_report *reports, size_t count);
void rtcp_put_rr(struct wr *w, uint32_t sender_ssrc, const struct rtcp_report *reports,
                 size_t count);
void rtcp_put_sdes_cname(struct wr *w, uint32_t ssrc, const char *cname);
void rtcp_put_bye(struct wr *w, const uint32_t *ssrcs, size_t count); /* up to 31 */
/* `seqs` ascending on the circle; neighbours within 16 share an entry. */
void rtcp_put_nack(struct wr *w, uint32_t sender_ssrc, uint32_t media_ssrc, const uint16_t *seqs,
                   size_t count);
void rtcp_put_pli(struct wr *w, uint32_t sender_ssrc, uint32_t media_ssrc);
void rtcp_put_fir(struct wr *w, uint32_t sender_ssrc, uint32_t media_ssrc, uint8_t seq);
void rtcp_put_remb(struct wr *w, uint32_t sender_ssrc, uint64_t bitrate_bps, const uint32_t *ssrcs,
                   size_t count);

#endif
