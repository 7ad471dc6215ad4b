#include "server/worker_patience.h"

#include "base/attrs.h"

mono_us worker_patience_rest(uint32_t peers, uint32_t joining)
{
    mono_us most = joining > 0 ? PATIENCE_JOINING : PATIENCE_MAX;
    mono_us rest = TK_MIN((mono_us)peers * PATIENCE_PER_PEER, most);
    return rest < PATIENCE_MIN ? 0 : rest;
}

void worker_patience_read(struct worker_patience *p, int count, bool has_more, mono_us rest,
                          mono_us now)
{
    if (rest == 0) {
        p->is_resting = false;
    } else if (count > 0) {
        p->is_resting = true;
        p->until = has_more ? now : now + rest;
    } else if (now >= p->until) {
        p->is_resting = false;
    }
}
