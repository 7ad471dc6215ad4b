#include "ice/stun.h"

#include "base/err.h"
#include "ice/ice_internal.h"

#include <string.h>

/*
 *   0                   1                   2                   3
 *   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *  |0 0|  type: method and class   |   length without the header   |
 *  |                    magic cookie 0x2112A442                    |
 *  |                   transaction id (96 bits)                    |
 *  then attributes: type, length, value padded to four bytes (RFC 8489, 5 and 14)
 */

/* The two class bits lie among the method's bits: M11…M7 C1 M6…M4 C0 M3…M0. */
static uint16_t method_of_type(uint16_t type)
{
    return (uint16_t)((type & 0x000f) | (type & 0x00e0) >> 1 | (type & 0x3e00) >> 2);
}

static enum ice_stun_class class_of_type(uint16_t type)
{
    return (enum ice_stun_class)((type >> 8 & 1) << 1 | (type >> 4 & 1));
}

static void read_username(struct ice_stun *m, struct rd *value)
{
    m->username_size = rd_left(value);
    m->username = rd_bytes(value, m->username_size);
}

/* RFC 8489, 14.2: the port is XORed with the cookie, the address with cookie and transaction. */
static void read_mapped(struct ice_stun *m, struct rd *value)
{
    uint8_t mask[16];
    put_u32be(mask, ICE_STUN_MAGIC);
    memcpy(mask + 4, m->txid, ICE_STUN_TXID_SIZE);
    rd_u8(value);
    uint8_t family = rd_u8(value);
    struct addr a = {.family = family == 1 ? ADDR_FAMILY_V4 : ADDR_FAMILY_V6};
    a.port = (uint16_t)(rd_u16be(value) ^ (ICE_STUN_MAGIC >> 16));
    size_t size = a.family == ADDR_FAMILY_V4 ? 4 : 16;
    const uint8_t *ip = rd_bytes(value, size);
    if (ip == NULL || family < 1 || family > 2 || rd_left(value) != 0) {
        value->is_bad = true;
        return;
    }
    for (size_t i = 0; i < size; i++)
        a.ip[i] = ip[i] ^ mask[i];
    m->mapped = a;
}

static void read_error(struct ice_stun *m, struct rd *value)
{
    rd_u16be(value);
    uint8_t hundreds = rd_u8(value) & 7;
    uint8_t rest = rd_u8(value);
    m->error_code = (uint16_t)(hundreds * 100 + rest);
    m->has_error = true;
    if (hundreds < 3 || hundreds > 6 || rest > 99)
        value->is_bad = true;
}

static void read_priority(struct ice_stun *m, struct rd *value)
{
    m->priority = rd_u32be(value);
    m->has_priority = true;
}

static void read_use_candidate(struct ice_stun *m, struct rd *value)
{
    (void)value;
    m->has_use_candidate = true;
}

static void read_controlled(struct ice_stun *m, struct rd *value)
{
    m->tie_breaker = rd_u64be(value);
    m->has_controlled = true;
}

static void read_controlling(struct ice_stun *m, struct rd *value)
{
    m->tie_breaker = rd_u64be(value);
    m->has_controlling = true;
}

/* Known, and of no use to ICE. */
static void read_nothing(struct ice_stun *m, struct rd *value)
{
    (void)m;
    (void)value;
}

static const struct attr_row {
    uint16_t type;
    uint16_t size_min, size_max;
    void (*read)(struct ice_stun *m, struct rd *value);
} rows[] = {
    {ICE__ATTR_MAPPED_ADDRESS, 8, 20, read_nothing},
    {ICE__ATTR_USERNAME, 1, 513, read_username}, /* RFC 8489, 14.3: less than 509 bytes, or 513 */
    {ICE__ATTR_ERROR_CODE, 4, 4 + 763, read_error},
    {ICE__ATTR_UNKNOWN_ATTRIBUTES, 0, ICE_STUN_SIZE_MAX, read_nothing},
    {ICE__ATTR_REALM, 0, 763, read_nothing},
    {ICE__ATTR_NONCE, 0, 763, read_nothing},
    {ICE__ATTR_XOR_MAPPED_ADDRESS, 8, 20, read_mapped},
    {ICE__ATTR_PRIORITY, 4, 4, read_priority},
    {ICE__ATTR_USE_CANDIDATE, 0, 0, read_use_candidate},
    {ICE__ATTR_CONTROLLED, 8, 8, read_controlled},
    {ICE__ATTR_CONTROLLING, 8, 8, read_controlling},
};

static void note_unknown(struct ice_stun *m, uint16_t type)
{
    if (type < 0x8000 && m->unknown_count < ICE_STUN_UNKNOWN_MAX)
        m->unknown[m->unknown_count++] = type;
}

/* Of attributes that come twice only the first counts (RFC 8489, 14). `seen` has a bit per row. */
static int read_attr(struct ice_stun *m, uint16_t type, struct rd value, uint32_t *seen)
{
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        const struct attr_row *row = &rows[i];
        if (row->type != type)
            continue;
        if (*seen >> i & 1)
            return 0;
        *seen |= 1u << i;
        if (rd_left(&value) < row->size_min || rd_left(&value) > row->size_max)
            return ERR_MALFORMED;
        row->read(m, &value);
        return value.is_bad ? ERR_MALFORMED : 0;
    }
    note_unknown(m, type);
    return 0;
}

static int read_attrs(struct ice_stun *m, const uint8_t *data, struct rd *r)
{
    uint32_t seen = 0;
    while (rd_left(r) > 0) {
        size_t at = (size_t)(r->at - data);
        uint16_t type = rd_u16be(r);
        size_t size = rd_u16be(r);
        const uint8_t *value = rd_bytes(r, size);
        rd_bytes(r, (4 - size % 4) % 4);
        if (r->is_bad || m->fingerprint_at != 0) /* nothing may follow FINGERPRINT */
            return ERR_MALFORMED;
        if (type == ICE__ATTR_FINGERPRINT) {
            if (size != 4)
                return ERR_MALFORMED;
            m->fingerprint_at = at;
        } else if (m->integrity_at != 0) {
            continue;
        } else if (type == ICE__ATTR_MESSAGE_INTEGRITY) {
            if (size != ICE__INTEGRITY_SIZE)
                return ERR_MALFORMED;
            m->integrity_at = at;
        } else if (read_attr(m, type, rd_init(value, size), &seen) < 0) {
            return ERR_MALFORMED;
        }
    }
    return 0;
}

int ice_stun_parse(const uint8_t *data, size_t size, struct ice_stun *ret_msg)
{
    struct ice_stun m = {0};
    struct rd r = rd_init(data, size);
    uint16_t type = rd_u16be(&r);
    size_t length = rd_u16be(&r);
    uint32_t magic = rd_u32be(&r);
    const uint8_t *txid = rd_bytes(&r, ICE_STUN_TXID_SIZE);
    if (txid == NULL)
        return ERR_TRUNCATED;
    if (type >> 14 != 0 || magic != ICE_STUN_MAGIC || length % 4 != 0 || size > ICE_STUN_SIZE_MAX)
        return ERR_MALFORMED;
    if (length != rd_left(&r))
        return length > rd_left(&r) ? ERR_TRUNCATED : ERR_MALFORMED;
    m.method = method_of_type(type);
    m.cls = class_of_type(type);
    memcpy(m.txid, txid, sizeof(m.txid));
    int err = read_attrs(&m, data, &r);
    if (err < 0)
        return err;
    *ret_msg = m;
    return 0;
}

int ice__username_first(const struct ice_stun *m, char *ret_ufrag, size_t ufrag_size)
{
    const uint8_t *colon = m->username != NULL ? memchr(m->username, ':', m->username_size) : NULL;
    if (colon == NULL)
        return ERR_ICE_USERNAME;
    size_t size = (size_t)(colon - m->username);
    if (size == 0 || size >= ufrag_size || memchr(m->username, '\0', size) != NULL)
        return ERR_ICE_USERNAME;
    memcpy(ret_ufrag, m->username, size);
    ret_ufrag[size] = '\0';
    return 0;
}

int ice_peek_username(const uint8_t *data, size_t size, char *ret_ufrag, size_t ufrag_size)
{
    struct ice_stun m;
    int err = ice_stun_parse(data, size, &m);
    if (err < 0)
        return err;
    if (m.cls != ICE_STUN_REQUEST || m.method != ICE_STUN_METHOD_BINDING)
        return ERR_ICE_USERNAME;
    return ice__username_first(&m, ret_ufrag, ufrag_size);
}
