#include "base/err.h"
#include "ice/ice_internal.h"
#include "ice/stun.h"

#include <string.h>

static void put_attr(struct wr *w, uint16_t type, size_t size)
{
    wr_u16be(w, type);
    wr_u16be(w, (uint16_t)size);
}

static void put_padding(struct wr *w)
{
    static const uint8_t zeros[3] = {0};
    wr_bytes(w, zeros, (4 - wr_size(w) % 4) % 4);
}

void ice_stun_begin(struct wr *w, enum ice_stun_class cls, const uint8_t txid[ICE_STUN_TXID_SIZE])
{
    unsigned bits = (unsigned)cls;
    wr_u16be(w, (uint16_t)(ICE_STUN_METHOD_BINDING | (bits & 1) << 4 | (bits & 2) << 7));
    wr_u16be(w, 0); /* the length, by ice_stun_finish() */
    wr_u32be(w, ICE_STUN_MAGIC);
    wr_bytes(w, txid, ICE_STUN_TXID_SIZE);
}

void ice_stun_put_username(struct wr *w, const char *first, const char *second)
{
    size_t first_size = strlen(first), second_size = strlen(second);
    put_attr(w, ICE__ATTR_USERNAME, first_size + 1 + second_size);
    wr_bytes(w, first, first_size);
    wr_u8(w, ':');
    wr_bytes(w, second, second_size);
    put_padding(w);
}

void ice_stun_put_priority(struct wr *w, uint32_t priority)
{
    put_attr(w, ICE__ATTR_PRIORITY, 4);
    wr_u32be(w, priority);
}

void ice_stun_put_role(struct wr *w, bool is_controlling, uint64_t tie_breaker)
{
    put_attr(w, is_controlling ? ICE__ATTR_CONTROLLING : ICE__ATTR_CONTROLLED, 8);
    wr_u64be(w, tie_breaker);
}

void ice_stun_put_use_candidate(struct wr *w)
{
    put_attr(w, ICE__ATTR_USE_CANDIDATE, 0);
}

void ice_stun_put_mapped(struct wr *w, const struct addr *a)
{
    uint8_t mask[16] = {0};
    size_t ip_size = a->family == ADDR_FAMILY_V4 ? 4 : 16;
    put_attr(w, ICE__ATTR_XOR_MAPPED_ADDRESS, 4 + ip_size);
    wr_u8(w, 0);
    wr_u8(w, a->family == ADDR_FAMILY_V4 ? 1 : 2);
    wr_u16be(w, (uint16_t)(a->port ^ (ICE_STUN_MAGIC >> 16)));
    if (!w->is_bad)
        memcpy(mask, w->start + 4, sizeof(mask)); /* cookie and transaction id */
    for (size_t i = 0; i < ip_size; i++)
        wr_u8(w, a->ip[i] ^ mask[i]);
}

static const char *reason_of(enum ice_stun_error code)
{
    switch (code) {
    case ICE_STUN_ERROR_BAD_REQUEST:
        return "Bad Request";
    case ICE_STUN_ERROR_UNAUTHENTICATED:
        return "Unauthenticated";
    case ICE_STUN_ERROR_UNKNOWN_ATTRIBUTE:
        return "Unknown Attribute";
    case ICE_STUN_ERROR_ROLE_CONFLICT:
        return "Role Conflict";
    case ICE_STUN_ERROR_SERVER:
        break;
    }
    return "Server Error";
}

void ice_stun_put_error(struct wr *w, enum ice_stun_error code)
{
    const char *reason = reason_of(code);
    put_attr(w, ICE__ATTR_ERROR_CODE, 4 + strlen(reason));
    wr_u16be(w, 0);
    wr_u8(w, (uint8_t)(code / 100));
    wr_u8(w, (uint8_t)(code % 100));
    wr_bytes(w, reason, strlen(reason));
    put_padding(w);
}

void ice_stun_put_unknown(struct wr *w, const uint16_t *types, size_t count)
{
    put_attr(w, ICE__ATTR_UNKNOWN_ATTRIBUTES, 2 * count);
    for (size_t i = 0; i < count; i++)
        wr_u16be(w, types[i]);
    put_padding(w);
}

int ice_stun_finish(struct wr *w, const void *key, size_t key_size)
{
    uint8_t mac[ICE__INTEGRITY_SIZE];
    if (w->is_bad || wr_size(w) < ICE_STUN_HEADER_SIZE)
        return ERR_NO_SPACE;
    if (key != NULL) {
        if (!ice__stun_integrity(w->start, wr_size(w), key, key_size, mac))
            return ERR_NO_SPACE;
        put_attr(w, ICE__ATTR_MESSAGE_INTEGRITY, sizeof(mac));
        wr_bytes(w, mac, sizeof(mac));
    }
    if (w->is_bad || wr_size(w) + 8 > ICE_STUN_SIZE_MAX)
        return ERR_NO_SPACE;
    uint32_t fingerprint = ice__stun_fingerprint(w->start, wr_size(w));
    put_attr(w, ICE__ATTR_FINGERPRINT, 4);
    wr_u32be(w, fingerprint);
    if (w->is_bad)
        return ERR_NO_SPACE;
    put_u16be(w->start + 2, (uint16_t)(wr_size(w) - ICE_STUN_HEADER_SIZE));
    return (int)wr_size(w);
}
