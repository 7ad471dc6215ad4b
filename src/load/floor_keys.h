#ifndef TK_LOAD_FLOOR_KEYS_H
#define TK_LOAD_FLOOR_KEYS_H

/*
 * The static keys between the load generator and the floor program: no signalling, no handshake.
 * Master key and salt are the first 30 bytes of SHA-256 over the text "tongke-floor pub P" or
 * "tongke-floor sub K". Publisher P sends from port base - 1 - P, subscriber K listens on
 * base + K; publisher P's streams have the SSRCs 1000 * (P + 1) for sound, + 1, + 2, + 3 for the
 * layers of the picture, lowest first.
 */

#include "base/attrs.h"
#include "secure/srtp.h"

#include <stdbool.h>
#include <stdint.h>

/* ERR_SEC_PROFILE for no profile, ERR_SEC_CRYPTO. */
MUST_CHECK int load_floor_keys(bool is_publisher, uint32_t index, enum sec_profile profile,
                               struct sec_srtp_keys *ret_keys);

/* `layer` -1: sound; 0..2: the picture. */
static inline uint32_t load_floor_ssrc(uint32_t publisher, int layer)
{
    return 1000 * (publisher + 1) + (uint32_t)(layer + 1);
}

static inline uint16_t load_floor_publisher_port(uint16_t base, uint32_t publisher)
{
    return (uint16_t)(base - 1 - publisher);
}

static inline uint16_t load_floor_subscriber_port(uint16_t base, uint32_t subscriber)
{
    return (uint16_t)(base + subscriber);
}

#endif
