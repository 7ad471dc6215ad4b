#ifndef TK_BASE_BYTES_H
#define TK_BASE_BYTES_H

/*
 * Byte readers and writers with one sticky error: after the first read or write out of bounds every
 * further one yields zero or does nothing, and the caller asks once, at the end. Big endian, as on
 * the wire. The memory belongs to the caller.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct rd {
    const uint8_t *at;
    const uint8_t *end;
    bool is_bad;
};

static inline struct rd rd_init(const void *data, size_t size)
{
    const uint8_t *p = data;
    return (struct rd){.at = p, .end = size > 0 ? p + size : p};
}

static inline size_t rd_left(const struct rd *r)
{
    return (size_t)(r->end - r->at);
}

/* The next `size` bytes in place, or NULL (and the sticky error) if there are fewer. */
static inline const uint8_t *rd_bytes(struct rd *r, size_t size)
{
    if (r->is_bad || rd_left(r) < size) {
        r->is_bad = true;
        return NULL;
    }
    const uint8_t *p = r->at;
    r->at += size;
    return p;
}

static inline uint8_t rd_u8(struct rd *r)
{
    const uint8_t *p = rd_bytes(r, 1);
    return p != NULL ? p[0] : 0;
}

static inline uint16_t rd_u16be(struct rd *r)
{
    const uint8_t *p = rd_bytes(r, 2);
    return p != NULL ? (uint16_t)(p[0] << 8 | p[1]) : 0;
}

static inline uint32_t rd_u24be(struct rd *r)
{
    const uint8_t *p = rd_bytes(r, 3);
    return p != NULL ? (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2] : 0;
}

static inline uint32_t rd_u32be(struct rd *r)
{
    const uint8_t *p = rd_bytes(r, 4);
    return p != NULL ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3] : 0;
}

static inline uint64_t rd_u64be(struct rd *r)
{
    uint64_t high = rd_u32be(r);
    return high << 32 | rd_u32be(r);
}

struct wr {
    uint8_t *start;
    uint8_t *at;
    uint8_t *end;
    bool is_bad;
};

static inline struct wr wr_init(void *data, size_t size)
{
    uint8_t *p = data;
    return (struct wr){.start = p, .at = p, .end = p + size};
}

/* Bytes written so far. */
static inline size_t wr_size(const struct wr *w)
{
    return (size_t)(w->at - w->start);
}

/* Room for `size` bytes to be filled by the caller, or NULL (and the sticky error). */
static inline uint8_t *wr_reserve(struct wr *w, size_t size)
{
    if (w->is_bad || (size_t)(w->end - w->at) < size) {
        w->is_bad = true;
        return NULL;
    }
    uint8_t *p = w->at;
    w->at += size;
    return p;
}

static inline void wr_bytes(struct wr *w, const void *data, size_t size)
{
    uint8_t *p = wr_reserve(w, size);
    if (p != NULL && size > 0)
        memcpy(p, data, size);
}

static inline void put_u16be(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void put_u32be(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

static inline void put_u64be(uint8_t *p, uint64_t v)
{
    put_u32be(p, (uint32_t)(v >> 32));
    put_u32be(p + 4, (uint32_t)v);
}

static inline uint16_t get_u16be(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t get_u32be(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint64_t get_u64be(const uint8_t *p)
{
    return (uint64_t)get_u32be(p) << 32 | get_u32be(p + 4);
}

static inline void wr_u8(struct wr *w, uint8_t v)
{
    uint8_t *p = wr_reserve(w, 1);
    if (p != NULL)
        *p = v;
}

static inline void wr_u16be(struct wr *w, uint16_t v)
{
    uint8_t *p = wr_reserve(w, 2);
    if (p != NULL)
        put_u16be(p, v);
}

static inline void wr_u24be(struct wr *w, uint32_t v)
{
    wr_u8(w, (uint8_t)(v >> 16));
    wr_u16be(w, (uint16_t)v);
}

static inline void wr_u32be(struct wr *w, uint32_t v)
{
    uint8_t *p = wr_reserve(w, 4);
    if (p != NULL)
        put_u32be(p, v);
}

static inline void wr_u64be(struct wr *w, uint64_t v)
{
    wr_u32be(w, (uint32_t)(v >> 32));
    wr_u32be(w, (uint32_t)v);
}

#endif
