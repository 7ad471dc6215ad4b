#ifndef TK_SIGNAL_DATA_PACKET_H
#define TK_SIGNAL_DATA_PACKET_H

/*
 * The packets of the `_reliable` and `_lossy` channels as a forwarder needs them: who they are for
 * and in which order, and how they look once stamped with their sender. Pure functions.
 */

#include "base/attrs.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DATA_DESTINATIONS_MAX 256
#define DATA_STAMP_MAX        320 /* bytes that stamping may add: identity, sid, kind */

struct data_name {
    const char *text; /* not terminated */
    size_t size;
    bool is_sid;
};

struct data_packet {
    const uint8_t *data;
    size_t size;
    uint32_t sequence; /* 0 = not numbered */
    bool is_speaker, is_transcription, is_metrics;
    bool has_destinations; /* else it is for all */
    struct data_name names[DATA_DESTINATIONS_MAX];
    size_t name_count;
};

/* ERR_MALFORMED: not a protobuf message, or too many destinations. Points into `data`. */
MUST_CHECK int data_packet_read(const uint8_t *data, size_t size, struct data_packet *ret_packet);

/* Writes the packet with our kind, identity and sid ("" = none); `dst` holds p->size +
 * DATA_STAMP_MAX. Returns the size. */
size_t data_packet_stamp(const struct data_packet *p, bool is_lossy, const char *identity,
                         const char *sid, uint8_t *dst);

bool data_packet_is_for(const struct data_packet *p, const char *identity, const char *sid);

#endif
