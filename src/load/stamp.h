#ifndef TK_LOAD_STAMP_H
#define TK_LOAD_STAMP_H

/*
 * The sending time in the last eight bytes of a payload: two magic bytes and 48 bits of
 * microseconds of CLOCK_MONOTONIC, which all programs and network namespaces of one machine share.
 * Appended to what the packetiser wrote, so that nothing of the codec's own bytes changes.
 */

#include "base/time.h"

#include <stdbool.h>
#include <stdint.h>

#define LOAD_STAMP_SIZE  8
#define LOAD_STAMP_MAGIC 0x544bu /* "TK" */

static inline void load_stamp_write(uint8_t at[LOAD_STAMP_SIZE], mono_us now)
{
    uint64_t value = (uint64_t)LOAD_STAMP_MAGIC << 48 | ((uint64_t)now & 0xffffffffffffu);
    for (int i = 0; i < LOAD_STAMP_SIZE; i++)
        at[i] = (uint8_t)(value >> (56 - 8 * i));
}

/* False without a stamp. */
static inline bool load_stamp_read(const uint8_t *payload, uint32_t size, mono_us *ret_sent)
{
    uint64_t value = 0;
    if (size < LOAD_STAMP_SIZE)
        return false;
    for (int i = 0; i < LOAD_STAMP_SIZE; i++)
        value = value << 8 | payload[size - LOAD_STAMP_SIZE + (uint32_t)i];
    *ret_sent = (mono_us)(value & 0xffffffffffffu);
    return value >> 48 == LOAD_STAMP_MAGIC;
}

#endif
