#include "base/err.h"
#include "signal/join_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

#define FIRST_SIZE  ((size_t)16 << 10)
#define GZIP_ONLY   16 /* zlib: expect a gzip header, nothing else */
#define WINDOW_BITS 15

/* Grows the output while the stream has more to say and the limit allows it. */
static int inflate_all(z_stream *z, size_t size_max, uint8_t **bytes, size_t *ret_size)
{
    size_t capacity = 0, size = 0;
    for (;;) {
        if (size == capacity) {
            /* One byte over the limit is enough to know. */
            size_t grown = capacity == 0 ? FIRST_SIZE : capacity * 2;
            if (capacity > size_max)
                return ERR_LIMIT;
            if (grown > size_max + 1)
                grown = size_max + 1;
            uint8_t *moved = realloc(*bytes, grown);
            if (moved == NULL)
                return -ENOMEM;
            *bytes = moved;
            capacity = grown;
        }
        z->next_out = *bytes + size;
        z->avail_out = (uInt)(capacity - size);
        int status = inflate(z, Z_NO_FLUSH);
        size = capacity - z->avail_out;
        if (size > size_max)
            return ERR_LIMIT;
        if (status == Z_STREAM_END) {
            *ret_size = size;
            return 0;
        }
        if (status != Z_OK || (z->avail_in == 0 && z->avail_out > 0))
            return ERR_MALFORMED; /* broken, or cut short */
    }
}

int join__inflate(const uint8_t *data, size_t size, size_t size_max, uint8_t **ret_bytes,
                  size_t *ret_size)
{
    z_stream z = {.next_in = (Bytef *)data, .avail_in = (uInt)size};
    uint8_t *bytes = NULL;
    if (inflateInit2(&z, GZIP_ONLY + WINDOW_BITS) != Z_OK)
        return -ENOMEM;
    int rc = inflate_all(&z, size_max, &bytes, ret_size);
    inflateEnd(&z);
    if (rc != 0) {
        free(bytes);
        return rc;
    }
    *ret_bytes = bytes;
    return 0;
}
