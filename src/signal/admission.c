/* What a loaded server still takes, and who may come back into a room although it is full. */

#include "base/err.h"
#include "signal/signal_internal.h"

#include <string.h>

void signal_set_load(struct signal *s, const uint16_t *loads, enum signal_admission admission)
{
    memcpy(s->worker_loads, loads, s->config.worker_count * sizeof(*loads));
    s->admission = admission;
}

uint32_t signal_worker_peers(const struct signal *s, size_t worker, uint64_t *ret_ever)
{
    CHECK(worker < s->config.worker_count);
    if (ret_ever != NULL)
        *ret_ever = s->transports_ever[worker];
    return s->transport_counts[worker];
}

static bool has_room_for_one(const struct signal *s)
{
    uint32_t max = s->config.server_participant_count_max;
    return s->admission != SIGNAL_ADMITS_NOBODY && (max == 0 || s->stats.participants < max);
}

int signal__admit_room(const struct signal *s, const char *room)
{
    if (strmap_get(&s->rooms, room) != NULL)
        return 0;
    return s->admission == SIGNAL_ADMITS_ALL && has_room_for_one(s) ? 0 : ERR_SERVER_FULL;
}

int signal__admit_participant(const struct signal *s, const char *room_name, const char *identity)
{
    const struct signal_room *room = strmap_get(&s->rooms, room_name);
    if (room == NULL)
        return signal__admit_room(s, room_name);
    if (strmap_get(&room->members, identity) != NULL)
        return 0;
    return has_room_for_one(s) ? 0 : ERR_SERVER_FULL;
}

int signal_admit_room(struct signal *s, const char *room)
{
    int err = signal__admit_room(s, room);
    s->stats.refused_rooms += err < 0;
    return err;
}

int signal_admit_participant(struct signal *s, const char *room, const char *identity)
{
    bool is_new_room = strmap_get(&s->rooms, room) == NULL;
    int err = signal__admit_participant(s, room, identity);
    if (err < 0 && is_new_room)
        s->stats.refused_rooms++;
    else if (err < 0)
        s->stats.refused_participants++;
    return err;
}
