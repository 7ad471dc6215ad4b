#include "base/err.h"
#include "peer/peer_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int peer_create(const struct peer_config *config, mono_us now, struct peer **ret_peer)
{
    struct peer *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return -ENOMEM;
    p->now = now;
    struct ice_config ice = {
        .is_lite = !config->is_controlling,
        .is_controlling = config->is_controlling,
        .rng = config->rng,
        .ufrag = config->local_ufrag,
        .pwd = config->local_pwd,
    };
    struct sec_dtls_config dtls = {
        .role = config->dtls_role == PEER_DTLS_CLIENT ? SEC_DTLS_CLIENT : SEC_DTLS_SERVER,
        .cert = config->cert,
        .srtp = config->srtp,
    };
    p->events = calloc(PEER_EVENTS_FIRST, sizeof(*p->events));
    p->event_slots = PEER_EVENTS_FIRST;
    int err = p->events == NULL ? -ENOMEM : ice_agent_create(&ice, now, &p->ice);
    if (err == 0)
        err = sec_dtls_create(&dtls, &p->dtls);
    if (err < 0) {
        peer_destroy(p);
        return err;
    }
    *ret_peer = p;
    return 0;
}

void peer_destroy(struct peer *p)
{
    if (p == NULL)
        return;
    ice_agent_destroy(p->ice);
    sec_dtls_destroy(p->dtls);
    sec_srtp_destroy(p->srtp_send);
    sec_srtp_destroy(p->srtp_receive);
    free(p->events);
    free(p);
}

int peer_set_remote(struct peer *p, const struct peer_remote *remote, mono_us now)
{
    int err = sec_dtls_set_fingerprint(p->dtls, remote->fingerprint_sha256);
    if (err < 0)
        return err;
    p->has_fingerprint = true;
    err = ice_agent_set_remote(p->ice, remote->ufrag, remote->pwd, now);
    if (err == 0 && ice_agent_state(p->ice) != ICE_STATE_FAILED &&
        sec_dtls_state(p->dtls) != SEC_DTLS_FAILED)
        p->is_failed = false; /* an ICE restart may bring it back */
    peer__pump(p, now);
    return err;
}

int peer_set_local_credentials(struct peer *p, const char *ufrag, const char *pwd)
{
    int err = ice_agent_set_local(p->ice, ufrag, pwd, p->now);
    peer__pump(p, p->now);
    return err;
}

int peer_add_remote_candidate(struct peer *p, const struct addr *candidate, uint32_t priority,
                              mono_us now)
{
    int err = ice_agent_add_remote(p->ice, candidate, priority, now);
    peer__pump(p, now);
    return err;
}

int peer_add_local_addr(struct peer *p, const struct addr *local)
{
    int err = ice_agent_add_local(p->ice, local, p->now);
    peer__pump(p, p->now);
    return err;
}

int peer_handle_stun(struct peer *p, const uint8_t *data, size_t size, const struct addr *from,
                     const struct addr *local, mono_us now)
{
    struct ice_in in = {.data = data, .size = size, .from = *from, .local = *local};
    int err = ice_agent_handle_packet(p->ice, &in, now);
    if (err < 0)
        p->stats.stun_drops++;
    peer__pump(p, now);
    return err;
}

int peer_handle_dtls(struct peer *p, const uint8_t *data, size_t size, const struct addr *from,
                     mono_us now)
{
    struct addr local;
    if (!ice_agent_local_of(p->ice, from, &local)) {
        p->stats.dtls_drops++;
        return ERR_STATE;
    }
    /* The other side may begin as soon as a check went through, before it nominates a pair. */
    p->dtls_from = local;
    p->dtls_to = *from;
    int err = 0;
    if (p->has_fingerprint)
        err = sec_dtls_start(p->dtls, now);
    if (err == 0)
        err = sec_dtls_handle_packet(p->dtls, data, size, now);
    if (err < 0)
        p->stats.dtls_drops++;
    peer__pump(p, now);
    return err;
}

void peer_handle_timeout(struct peer *p, mono_us now)
{
    ice_agent_handle_timeout(p->ice, now);
    sec_dtls_handle_timeout(p->dtls, now);
    peer__pump(p, now);
}

mono_us peer_next_timeout(const struct peer *p)
{
    return TK_MIN(ice_agent_next_timeout(p->ice), sec_dtls_next_timeout(p->dtls));
}

/* ---- media ---- */

struct sec_srtp *peer_srtp_send(const struct peer *p)
{
    return p->srtp_send;
}

struct sec_srtp *peer_srtp_receive(const struct peer *p)
{
    return p->srtp_receive;
}

void peer_note_unprotect_failure(struct peer *p, int err)
{
    if (err == ERR_SEC_REPLAY)
        p->stats.srtp_replay_drops++;
    else
        p->stats.srtp_auth_drops++;
}

static int count_drop(struct peer *p, int result)
{
    if (result < 0)
        peer_note_unprotect_failure(p, result);
    return result;
}

int peer_unprotect_rtp(struct peer *p, const uint8_t *data, size_t size, uint8_t *dst,
                       size_t dst_size, mono_us now)
{
    (void)now;
    if (p->srtp_receive == NULL)
        return count_drop(p, ERR_STATE);
    return count_drop(p, sec_srtp_unprotect(p->srtp_receive, data, size, dst, dst_size));
}

int peer_unprotect_rtcp(struct peer *p, const uint8_t *data, size_t size, uint8_t *dst,
                        size_t dst_size, mono_us now)
{
    (void)now;
    if (p->srtp_receive == NULL)
        return count_drop(p, ERR_STATE);
    return count_drop(p, sec_srtp_unprotect_rtcp(p->srtp_receive, data, size, dst, dst_size));
}

int peer_protect_rtp(struct peer *p, const uint8_t *head, size_t head_size, size_t prefix_size,
                     const uint8_t *body, size_t body_size, uint8_t *dst, size_t dst_size)
{
    if (p->srtp_send == NULL)
        return ERR_STATE;
    return sec_srtp_protect(p->srtp_send, head, head_size, prefix_size, body, body_size, dst,
                            dst_size);
}

int peer_protect_rtcp(struct peer *p, const uint8_t *data, size_t size, uint8_t *dst,
                      size_t dst_size)
{
    if (p->srtp_send == NULL)
        return ERR_STATE;
    return sec_srtp_protect_rtcp(p->srtp_send, data, size, dst, dst_size);
}

int peer_send_sctp(struct peer *p, const uint8_t *data, size_t size)
{
    return sec_dtls_send(p->dtls, data, size);
}

/* ---- out ---- */

int peer_poll_transmit(struct peer *p, struct peer_out *ret_out)
{
    struct ice_out ice;
    if (ice_agent_poll_transmit(p->ice, &ice) == 1) {
        ret_out->from = ice.from;
        ret_out->to = ice.to;
        ret_out->size = ice.size;
        memcpy(ret_out->data, ice.data, ice.size);
        return 1;
    }
    int size = sec_dtls_poll_transmit(p->dtls, ret_out->data, sizeof(ret_out->data));
    if (size <= 0)
        return 0;
    bool has_pair = p->media_to.family != ADDR_FAMILY_NONE;
    ret_out->from = has_pair ? p->media_from : p->dtls_from;
    ret_out->to = has_pair ? p->media_to : p->dtls_to;
    ret_out->size = (size_t)size;
    return ret_out->to.family != ADDR_FAMILY_NONE;
}

bool peer_is_connected(const struct peer *p)
{
    return p->is_connected;
}

void peer_media_path(const struct peer *p, struct addr *ret_from, struct addr *ret_to)
{
    *ret_from = p->media_from;
    *ret_to = p->media_to;
}

bool peer_owns_addr(const struct peer *p, const struct addr *from)
{
    return ice_agent_owns(p->ice, from);
}

bool peer_addr_at(const struct peer *p, size_t index, struct addr *ret_addr)
{
    return ice_agent_addr_at(p->ice, index, ret_addr);
}

void peer_stats(const struct peer *p, struct peer_stats *ret_stats)
{
    *ret_stats = p->stats;
}
