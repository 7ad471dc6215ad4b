#include "server/worker_patience.h"

mono_us worker_patience_rest(uint32_t peers, uint32_t joining)
{
    if (peers < PATIENCE_PEERS_MIN)
        return 0;
    return joining > 0 ? PATIENCE_REST_JOINING : PATIENCE_REST;
}

void worker_patience_read(struct worker_patience *p, int count, bool has_more, mono_us rest,
                          mono_us now)
{
    bool is_over = p->is_resting && count == 0 && now >= p->until; /* and was in vain */
    bool is_rare = !p->is_resting && now - p->heard_at >= rest;
    p->is_resting = rest > 0 && !is_over && !is_rare;
    p->until = has_more ? now : now + rest;
    if (count > 0)
        p->heard_at = now;
}
