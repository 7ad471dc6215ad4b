/* One number out of an encoded message, without unpacking what is around it. */

#include "load/load_internal.h"

enum wire { WIRE_VARINT, WIRE_64, WIRE_BYTES, WIRE_32 = 5 };

struct reader {
    const uint8_t *at, *end;
};

static uint64_t varint(struct reader *r)
{
    uint64_t value = 0;
    for (unsigned shift = 0; r->at < r->end && shift < 64; shift += 7) {
        uint8_t byte = *r->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0)
            break;
    }
    return value;
}

static void skip(struct reader *r, uint64_t size)
{
    r->at += TK_MIN(size, (uint64_t)(r->end - r->at));
}

uint64_t load__protobuf_number(const uint8_t *data, size_t size, uint32_t outer, uint32_t field)
{
    struct reader r = {data, data + size};
    bool is_inside = false;
    while (r.at < r.end) {
        uint64_t tag = varint(&r);
        if ((tag & 7) == WIRE_VARINT) {
            uint64_t value = varint(&r);
            if (is_inside && tag >> 3 == field)
                return value;
        } else if ((tag & 7) == WIRE_BYTES) {
            uint64_t length = varint(&r);
            if (!is_inside && tag >> 3 == outer)
                is_inside = true; /* goes on with what is in it */
            else
                skip(&r, length);
        } else if ((tag & 7) == WIRE_64 || (tag & 7) == WIRE_32) {
            skip(&r, (tag & 7) == WIRE_64 ? 8 : 4);
        } else {
            return 0;
        }
    }
    return 0;
}
