/*
 * DATA_CHANNEL_OPEN (RFC 8832, 5.1):
 *
 *  0      1              2          4             8              10                12
 *  | type | channel type | priority | reliability | label length | protocol length | label …
 */
#include "base/bytes.h"
#include "base/err.h"
#include "dchan/dchan_internal.h"

#include <string.h>

#define MESSAGE_ACK  0x02
#define MESSAGE_OPEN 0x03

/* Channel types (RFC 8832, 8.2.2). */
#define TYPE_UNORDERED 0x80
#define TYPE_RELIABLE  0x00
#define TYPE_REXMIT    0x01
#define TYPE_TIMED     0x02

#define OPEN_HEADER_SIZE 12
#define PRIORITY_NORMAL  256 /* RFC 8831, 6.4 */

int dchan__dcep_parse(const uint8_t *data, size_t size, enum dchan__dcep_kind *ret_kind,
                      struct dchan__open *ret_open)
{
    struct rd r = rd_init(data, size);
    uint8_t message = rd_u8(&r);
    if (!r.is_bad && message == MESSAGE_ACK) {
        *ret_kind = DCHAN__DCEP_ACK;
        return 0;
    }
    if (r.is_bad || message != MESSAGE_OPEN)
        return ERR_MALFORMED;

    uint8_t type = rd_u8(&r), base = type & (uint8_t)~TYPE_UNORDERED;
    rd_u16be(&r); /* priority: one queue for all */
    uint32_t reliability = rd_u32be(&r);
    uint16_t label_size = rd_u16be(&r), protocol_size = rd_u16be(&r);
    const uint8_t *label = rd_bytes(&r, label_size);
    rd_bytes(&r, protocol_size);
    if (r.is_bad || rd_left(&r) != 0 || base > TYPE_TIMED || label_size >= DCHAN_LABEL_SIZE ||
        memchr(label, 0, label_size) != NULL)
        return ERR_MALFORMED;
    *ret_open = (struct dchan__open){
        .is_ordered = (type & TYPE_UNORDERED) == 0,
        .is_lossy = base != TYPE_RELIABLE,
        .is_timed = base == TYPE_TIMED,
        .reliability = base != TYPE_RELIABLE ? reliability : 0,
    };
    memcpy(ret_open->label, label, label_size);
    *ret_kind = DCHAN__DCEP_OPEN;
    return 0;
}

size_t dchan__dcep_print_open(const struct dchan__open *open, uint8_t dst[DCHAN__OPEN_SIZE_MAX])
{
    uint8_t base = !open->is_lossy ? TYPE_RELIABLE : open->is_timed ? TYPE_TIMED : TYPE_REXMIT;
    size_t label_size = strlen(open->label);
    dst[0] = MESSAGE_OPEN;
    dst[1] = (uint8_t)(base | (open->is_ordered ? 0 : TYPE_UNORDERED));
    put_u16be(dst + 2, PRIORITY_NORMAL);
    put_u32be(dst + 4, open->reliability);
    put_u16be(dst + 8, (uint16_t)label_size);
    put_u16be(dst + 10, 0);
    memcpy(dst + OPEN_HEADER_SIZE, open->label, label_size);
    return OPEN_HEADER_SIZE + label_size;
}
