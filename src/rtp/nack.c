#include "rtp/nack.h"

#include <stdlib.h>
#include <string.h>

#define ROOM_FIRST 16

_Static_assert(RTP_NACK_MISSING_MAX % ROOM_FIRST == 0 &&
                   (RTP_NACK_MISSING_MAX & (RTP_NACK_MISSING_MAX - 1)) == 0,
               "reached by doubling");

struct rtp_nack_config rtp_nack_config_default(void)
{
    return (struct rtp_nack_config){
        .reorder_wait = MONO_MS(10),
        .rtt_default = MONO_MS(100),
        .retry_min = MONO_MS(20),
        .age_max = MONO_S(1),
    };
}

void rtp_nack_init(struct rtp_nack *n, const struct rtp_nack_config *config)
{
    memset(n, 0, sizeof(*n));
    n->config = *config;
    n->rtt = config->rtt_default;
}

void rtp_nack_fini(struct rtp_nack *n)
{
    free(n->missing);
    n->missing = NULL;
    n->missing_count = 0;
    n->missing_room = 0;
}

void rtp_nack_set_rtt(struct rtp_nack *n, mono_us rtt)
{
    n->rtt = rtt;
}

static void give_up_first(struct rtp_nack *n, size_t count)
{
    if (count == 0)
        return;
    n->missing_count = (uint16_t)(n->missing_count - count);
    memmove(n->missing, n->missing + count, n->missing_count * sizeof(n->missing[0]));
}

/* The index of the first missing number that is not below `seq`. */
static size_t lower_bound(const struct rtp_nack *n, uint64_t seq)
{
    size_t low = 0, high = n->missing_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (n->missing[middle].seq < seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Its place in the list, or the number of those missing when it is not there. */
static size_t find(const struct rtp_nack *n, uint64_t seq)
{
    size_t i = lower_bound(n, seq);
    return i < n->missing_count && n->missing[i].seq == seq ? i : n->missing_count;
}

bool rtp_nack_is_missing(const struct rtp_nack *n, uint64_t seq_ext)
{
    return find(n, seq_ext) < n->missing_count;
}

static void handle_late(struct rtp_nack *n, uint64_t seq)
{
    size_t i = find(n, seq);
    if (i == n->missing_count)
        return;
    if (n->missing[i].tries > 0)
        n->recovered++;
    n->missing_count--;
    memmove(n->missing + i, n->missing + i + 1, (n->missing_count - i) * sizeof(n->missing[0]));
}

static void overflow(struct rtp_nack *n, uint64_t count)
{
    n->given_up += n->missing_count + count;
    n->missing_count = 0;
    n->is_overflown = true;
}

/* Room for `count` entries, RTP_NACK_MISSING_MAX at most. */
static bool make_room(struct rtp_nack *n, uint64_t count)
{
    uint16_t room = TK_MAX(n->missing_room, (uint16_t)ROOM_FIRST);
    while (room < count)
        room = (uint16_t)(2 * room);
    struct rtp_nack_missing *missing = realloc(n->missing, room * sizeof(missing[0]));
    if (missing == NULL)
        return false;
    n->missing = missing;
    n->missing_room = room;
    return true;
}

static void add_gap(struct rtp_nack *n, uint64_t first, uint64_t end, mono_us now)
{
    if (end - first > RTP_NACK_MISSING_MAX) {
        overflow(n, end - first);
        return;
    }
    if (n->missing_count + (end - first) > RTP_NACK_MISSING_MAX)
        overflow(n, 0);
    uint64_t count = n->missing_count + (end - first);
    if (count > n->missing_room && !make_room(n, count)) {
        overflow(n, end - first);
        return;
    }
    for (uint64_t seq = first; seq < end; seq++)
        n->missing[n->missing_count++] =
            (struct rtp_nack_missing){.seq = seq, .born = now, .due = now + n->config.reorder_wait};
}

void rtp_nack_packet(struct rtp_nack *n, uint64_t seq_ext, enum rtp_seq_result result, mono_us now)
{
    if (result == RTP_SEQ_JUMP)
        return;
    if (n->newest == 0 || result == RTP_SEQ_RESYNC) {
        if (n->missing_count > 0)
            overflow(n, 0);
        n->newest = seq_ext;
        return;
    }
    if (seq_ext <= n->newest) {
        handle_late(n, seq_ext);
        return;
    }
    add_gap(n, n->newest + 1, seq_ext, now);
    n->newest = seq_ext;
}

void rtp_nack_forget_before(struct rtp_nack *n, uint64_t seq_ext)
{
    give_up_first(n, lower_bound(n, seq_ext));
}

/* Takes out what has been asked for often enough or is too old, keeping the order. */
static void prune(struct rtp_nack *n, mono_us now)
{
    size_t kept = 0;
    for (size_t i = 0; i < n->missing_count; i++) {
        const struct rtp_nack_missing *m = &n->missing[i];
        bool is_asked_out = m->tries >= RTP_NACK_TRIES_MAX && now >= m->due;
        if (is_asked_out || now - m->born > n->config.age_max) {
            n->given_up++;
            n->is_overflown = true;
            continue;
        }
        n->missing[kept++] = *m;
    }
    n->missing_count = (uint16_t)kept;
}

size_t rtp_nack_poll(struct rtp_nack *n, mono_us now, uint16_t *ret_seqs, size_t seqs_max)
{
    if (n->missing_count == 0)
        return 0;
    prune(n, now);
    mono_us again = TK_MAX(n->rtt, n->config.retry_min);
    size_t count = 0;
    for (size_t i = 0; i < n->missing_count && count < seqs_max; i++) {
        struct rtp_nack_missing *m = &n->missing[i];
        if (now < m->due || m->tries >= RTP_NACK_TRIES_MAX)
            continue;
        m->tries++;
        m->due = now + again;
        ret_seqs[count++] = (uint16_t)m->seq;
    }
    n->asked += count;
    return count;
}

mono_us rtp_nack_next_at(const struct rtp_nack *n)
{
    mono_us next = MONO_NEVER;
    for (size_t i = 0; i < n->missing_count; i++) {
        mono_us too_old = n->missing[i].born + n->config.age_max + 1;
        next = TK_MIN(next, TK_MIN(n->missing[i].due, too_old));
    }
    return next;
}

bool rtp_nack_take_lost(struct rtp_nack *n)
{
    bool is_lost = n->is_overflown;
    n->is_overflown = false;
    return is_lost;
}
