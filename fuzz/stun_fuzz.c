/* fuzz: ice */
/*
 * Any bytes as a STUN message: what parses has its fields inside the datagram, and authentication
 * reads nothing beyond it.
 */
#include "fuzz.h"

#include "ice/stun.h"

#include <stdlib.h>
#include <string.h>

#define PASSWORD "VOkJxbRl1RmTxUk/WvJxBt"

TK_FUZZ_DECLARE(stun);

static void check_username(const uint8_t *data, size_t size, const struct ice_stun *m)
{
    char ufrag[33];
    if (m->username != NULL && (m->username < data || m->username + m->username_size > data + size))
        abort();
    if (ice_peek_username(data, size, ufrag, sizeof(ufrag)) == 0 &&
        (m->username == NULL || strlen(ufrag) == 0 || strlen(ufrag) >= m->username_size))
        abort();
}

int tk_fuzz_stun(const uint8_t *data, size_t size)
{
    struct ice_stun m;
    if (ice_stun_parse(data, size, &m) < 0)
        return 0;
    check_username(data, size, &m);
    if (m.unknown_count > ICE_STUN_UNKNOWN_MAX || m.integrity_at >= size ||
        m.fingerprint_at >= size)
        abort();
    bool is_authentic = ice_stun_is_authentic(data, &m, PASSWORD, strlen(PASSWORD));
    if (is_authentic && m.integrity_at == 0)
        abort();
    if (ice_stun_has_fingerprint(data, &m) && m.fingerprint_at + 8 != size)
        abort();
    return 0;
}
