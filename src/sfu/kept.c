#include "base/err.h"
#include "sfu/sfu_internal.h"

#include <errno.h>
#include <stdlib.h>

/* Subscriptions that follow each other under one SSRC: a receiver sees one stream that goes on. */

static struct sfu_kept *find(const struct sfu_peer *p, uint32_t ssrc)
{
    for (size_t i = 0; i < p->kept_count; i++)
        if (p->kept[i].ssrc == ssrc)
            return &p->kept[i];
    return NULL;
}

int sfu__kept_reserve(struct sfu_peer *p, uint32_t ssrc)
{
    if (find(p, ssrc) != NULL)
        return 0;
    if (p->kept_count == SFU_KEPT_MAX)
        return ERR_LIMIT;
    struct sfu_kept *kept = realloc(p->kept, (p->kept_count + 1) * sizeof(*kept));
    if (kept == NULL)
        return -ENOMEM;
    p->kept = kept;
    p->kept[p->kept_count++] = (struct sfu_kept){.ssrc = ssrc};
    return 0;
}

void sfu__kept_resume(struct sfu_sub *s, struct rtp_mapper_config *mapper)
{
    const struct sfu_kept *kept = s->config.is_kept_ssrc ? find(s->peer, s->config.ssrc) : NULL;
    if (kept == NULL || !kept->was_sent)
        return;
    mapper->first_seq = kept->next_seq;
    mapper->first_ts = kept->ts_newest;
    mapper->first_picture_id = kept->picture_id;
    mapper->first_tl0 = kept->tl0;
    mapper->goes_on_from = kept->newest_at;
    s->rtx_seq = kept->next_rtx_seq;
    s->packets = kept->packets;
    s->octets = kept->octets;
}

void sfu__kept_note(struct sfu_sub *s)
{
    struct sfu_kept *kept = s->config.is_kept_ssrc ? find(s->peer, s->config.ssrc) : NULL;
    const struct rtp_mapper *m = &s->mapper;
    if (kept == NULL || m->layer < 0)
        return; /* nothing went out: the record stands as it is */
    *kept = (struct sfu_kept){.ssrc = s->config.ssrc,
                              .was_sent = true,
                              .next_seq = (uint16_t)m->out_next,
                              .next_rtx_seq = s->rtx_seq,
                              .ts_newest = m->ts_newest,
                              .newest_at = m->newest_at,
                              .picture_id = (uint16_t)(m->picture_out_newest & 0x7fff),
                              .tl0 = m->tl0_out_newest,
                              .packets = s->packets,
                              .octets = s->octets};
}
