#include "rtp/seq.h"

#define NO_BAD_NEXT UINT32_MAX

void rtp_seq_ext_init(struct rtp_seq_ext *s)
{
    *s = (struct rtp_seq_ext){.bad_next = NO_BAD_NEXT};
}

static enum rtp_seq_result handle_jump(struct rtp_seq_ext *s, uint16_t seq, uint16_t ahead,
                                       uint64_t *ret_ext)
{
    if (seq != s->bad_next) {
        s->bad_next = (uint16_t)(seq + 1);
        return RTP_SEQ_JUMP;
    }
    s->newest += ahead;
    s->bad_next = NO_BAD_NEXT;
    *ret_ext = s->newest;
    return RTP_SEQ_RESYNC;
}

enum rtp_seq_result rtp_seq_ext_update(struct rtp_seq_ext *s, uint16_t seq, uint64_t *ret_ext)
{
    if (s->newest == 0) {
        s->newest = 65536u + seq;
        s->bad_next = NO_BAD_NEXT;
        *ret_ext = s->newest;
        return RTP_SEQ_NEWEST;
    }
    uint16_t ahead = (uint16_t)(seq - (uint16_t)s->newest);
    uint16_t behind = (uint16_t)-ahead;
    if (behind < RTP_SEQ_MISORDER_MAX) {
        *ret_ext = s->newest - behind;
        return RTP_SEQ_LATE;
    }
    if (ahead > RTP_SEQ_DROPOUT_MAX)
        return handle_jump(s, seq, ahead, ret_ext);
    s->newest += ahead;
    s->bad_next = NO_BAD_NEXT;
    *ret_ext = s->newest;
    return RTP_SEQ_NEWEST;
}
