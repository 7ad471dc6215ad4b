/*
 * The way that a client's media should take: any, TCP only, or a relay over TLS. It is remembered
 * by identity for as long as the room is there, because who asks for another way comes back as a
 * new participant.
 */

#include "signal/signal_internal.h"

#include <string.h>

/* Each way's place in signal_room.members, by enum signal_way; only their addresses count. */
static char marks[SIGNAL_WAY_COUNT_];

void signal__remember_member(struct signal_room *room, const char *identity)
{
    if (strmap_get(&room->members, identity) == NULL)
        IGNORE(strmap_put(&room->members, identity, &marks[SIGNAL_WAY_ANY])); /* then it is new */
}

void signal__set_way(struct signal_participant *p, enum signal_way way)
{
    struct strmap *members = &p->room->members;
    strmap_take(members, p->claims.grants.identity);
    IGNORE(strmap_put(members, p->claims.grants.identity, &marks[way])); /* then it is new */
}

static bool has_relay_over_tls(const struct signal_config *config)
{
    for (size_t i = 0; i < config->ice_server_count; i++)
        if (strncmp(config->ice_servers[i].url, "turns:", 6) == 0)
            return true;
    return false;
}

enum signal_way signal__way_of(const struct signal_participant *p)
{
    const char *mark = strmap_get(&p->room->members, p->claims.grants.identity);
    enum signal_way way = mark != NULL ? (enum signal_way)(mark - marks) : SIGNAL_WAY_ANY;
    /* Without such a relay, TCP is the nearest thing. */
    if (way == SIGNAL_WAY_TLS && !has_relay_over_tls(&p->room->signal->config))
        way = SIGNAL_WAY_TCP;
    return way;
}

void signal__way_fill(const struct signal_participant *p, Livekit__ClientConfiguration *ret_message,
                      Livekit__ClientConfiguration **ret_place)
{
    if (signal__way_of(p) != SIGNAL_WAY_TLS)
        return;
    livekit__client_configuration__init(ret_message);
    ret_message->force_relay = LIVEKIT__CLIENT_CONFIG_SETTING__ENABLED;
    *ret_place = ret_message;
}

static bool has_tcp(const struct signal_config *config, uint8_t worker)
{
    for (size_t i = 0; i < config->candidate_count; i++)
        if (config->candidates[i].worker == worker &&
            config->candidates[i].addr.proto == ADDR_PROTO_TCP)
            return true;
    return false;
}

size_t signal__way_candidates(const struct signal_participant *p, uint8_t worker,
                              struct addr *candidates)
{
    const struct signal_config *config = &p->room->signal->config;
    bool is_tcp_only = signal__way_of(p) == SIGNAL_WAY_TCP && has_tcp(config, worker);
    size_t count = 0;
    for (size_t i = 0; i < config->candidate_count; i++) {
        const struct signal_candidate *c = &config->candidates[i];
        if (c->worker == worker && (!is_tcp_only || c->addr.proto == ADDR_PROTO_TCP))
            candidates[count++] = c->addr;
    }
    return count;
}
