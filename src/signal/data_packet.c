/*
 * A DataPacket is skimmed, not decoded: what we must know is read, the sender's fields are cut out
 * and replaced by our own at the end (protobuf takes the last value), everything else passes
 * through byte by byte, including members that are newer than we are.
 */

#include "signal/data_packet.h"

#include "base/err.h"

#include <string.h>

#define WIRE_VARINT 0
#define WIRE_64     1
#define WIRE_BYTES  2
#define WIRE_32     5

#define FIELD_KIND        1
#define FIELD_USER        2
#define FIELD_SPEAKER     3
#define FIELD_IDENTITY    4
#define FIELD_DESTINATION 5
#define FIELD_TRANSCRIPT  7
#define FIELD_METRICS     8
#define FIELD_SEQUENCE    16
#define FIELD_SID         17
#define USER_SIDS         3
#define USER_DESTINATIONS 6

struct field {
    uint32_t number;
    uint8_t wire;
    uint64_t value;
    const uint8_t *data; /* BYTES */
    size_t size;
};

static bool read_varint(const uint8_t **at, const uint8_t *end, uint64_t *ret_value)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (*at == end)
            return false;
        uint8_t byte = *(*at)++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

static bool skip(const uint8_t **at, const uint8_t *end, size_t size)
{
    if ((size_t)(end - *at) < size)
        return false;
    *at += size;
    return true;
}

static bool read_field(const uint8_t **at, const uint8_t *end, struct field *f)
{
    uint64_t key;
    if (!read_varint(at, end, &key) || key >> 3 == 0 || key >> 3 > 0x1fffffff)
        return false;
    f->number = (uint32_t)(key >> 3);
    f->wire = (uint8_t)(key & 7);
    f->data = NULL;
    f->size = 0;
    switch (f->wire) {
    case WIRE_VARINT:
        return read_varint(at, end, &f->value);
    case WIRE_64:
        return skip(at, end, 8);
    case WIRE_32:
        return skip(at, end, 4);
    case WIRE_BYTES:
        if (!read_varint(at, end, &f->value))
            return false;
        f->data = *at;
        f->size = (size_t)f->value;
        return f->value <= (uint64_t)(end - *at) && skip(at, end, f->size);
    default:
        return false;
    }
}

static bool add_name(struct data_packet *p, const struct field *f, bool is_sid)
{
    p->has_destinations = true;
    if (p->name_count == DATA_DESTINATIONS_MAX)
        return false;
    p->names[p->name_count++] =
        (struct data_name){.text = (const char *)f->data, .size = f->size, .is_sid = is_sid};
    return true;
}

static bool read_user(struct data_packet *p, const struct field *user)
{
    const uint8_t *at = user->data, *end = user->data + user->size;
    struct field f;
    while (at < end) {
        if (!read_field(&at, end, &f))
            return false;
        bool is_name =
            f.wire == WIRE_BYTES && (f.number == USER_SIDS || f.number == USER_DESTINATIONS);
        if (is_name && !add_name(p, &f, f.number == USER_SIDS))
            return false;
    }
    return true;
}

static bool read_member(struct data_packet *p, const struct field *f)
{
    switch (f->number) {
    case FIELD_SEQUENCE:
        p->sequence = (uint32_t)f->value;
        return true;
    case FIELD_DESTINATION:
        return f->wire != WIRE_BYTES || add_name(p, f, false);
    case FIELD_USER:
        return f->wire != WIRE_BYTES || read_user(p, f);
    case FIELD_SPEAKER:
        p->is_speaker = true;
        return true;
    case FIELD_TRANSCRIPT:
        p->is_transcription = true;
        return true;
    case FIELD_METRICS:
        p->is_metrics = true;
        return true;
    default:
        return true;
    }
}

int data_packet_read(const uint8_t *data, size_t size, struct data_packet *ret_packet)
{
    const uint8_t *at = data, *end = data + size;
    *ret_packet = (struct data_packet){.data = data, .size = size};
    struct field f;
    while (at < end)
        if (!read_field(&at, end, &f) || !read_member(ret_packet, &f))
            return ERR_MALFORMED;
    return 0;
}

static uint8_t *put_text(uint8_t *at, unsigned number, const char *text)
{
    size_t size = strlen(text);
    if (size == 0)
        return at;
    unsigned key = number << 3 | WIRE_BYTES;
    if (key >= 0x80)
        *at++ = (uint8_t)(key | 0x80);
    *at++ = (uint8_t)(key >= 0x80 ? key >> 7 : key);
    if (size >= 0x80)
        *at++ = (uint8_t)(size | 0x80);
    *at++ = (uint8_t)(size >= 0x80 ? size >> 7 : size);
    memcpy(at, text, size);
    return at + size;
}

size_t data_packet_stamp(const struct data_packet *p, bool is_lossy, const char *identity,
                         const char *sid, uint8_t *dst)
{
    const uint8_t *at = p->data, *end = p->data + p->size;
    uint8_t *out = dst;
    struct field f;
    while (at < end) {
        const uint8_t *start = at;
        if (!read_field(&at, end, &f))
            break; /* cannot be: it was read before */
        if (f.number == FIELD_KIND || f.number == FIELD_IDENTITY || f.number == FIELD_SID)
            continue;
        memcpy(out, start, (size_t)(at - start));
        out += at - start;
    }
    if (is_lossy) {
        *out++ = FIELD_KIND << 3 | WIRE_VARINT;
        *out++ = 1;
    }
    out = put_text(out, FIELD_IDENTITY, identity);
    out = put_text(out, FIELD_SID, sid);
    return (size_t)(out - dst);
}

bool data_packet_is_for(const struct data_packet *p, const char *identity, const char *sid)
{
    if (!p->has_destinations)
        return true;
    for (size_t i = 0; i < p->name_count; i++) {
        const char *own = p->names[i].is_sid ? sid : identity;
        if (strlen(own) == p->names[i].size && memcmp(own, p->names[i].text, p->names[i].size) == 0)
            return true;
    }
    return false;
}
