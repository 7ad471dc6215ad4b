#include "base/id.h"

#include "base/attrs.h"

#include <string.h>

/* 57 letters and digits: no 0, O, 1, I, l */
static const char alphabet[] = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

#define LETTERS   (sizeof(alphabet) - 1)
#define BYTES_MAX 32 /* asked for at once: the system's generator costs a call each time */

_Static_assert(LETTERS <= 256, "a byte chooses one");

void id_random_text(struct rng *rng, char *dst, size_t length)
{
    uint8_t bytes[BYTES_MAX];
    size_t done = 0;
    while (done < length) {
        size_t count = TK_MIN(length - done, sizeof(bytes));
        rng_fill(rng, bytes, count);
        for (size_t i = 0; i < count; i++)
            if (bytes[i] < 256 / LETTERS * LETTERS) /* else some letters would come more often */
                dst[done++] = alphabet[bytes[i] % LETTERS];
    }
    dst[length] = '\0';
    explicit_bzero(bytes, sizeof(bytes));
}

void id_make(struct rng *rng, const char *prefix, char ret_id[ID_SIZE])
{
    size_t length = strlen(prefix);
    CHECK(length + ID_RANDOM_LENGTH < ID_SIZE);
    memcpy(ret_id, prefix, length);
    id_random_text(rng, ret_id + length, ID_RANDOM_LENGTH);
}
