#include "base/id.h"

#include "base/attrs.h"

#include <string.h>

/* 57 letters and digits: no 0, O, 1, I, l */
static const char alphabet[] = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

void id_random_text(struct rng *rng, char *dst, size_t length)
{
    for (size_t i = 0; i < length; i++)
        dst[i] = alphabet[rng_below(rng, sizeof(alphabet) - 1)];
    dst[length] = '\0';
}

void id_make(struct rng *rng, const char *prefix, char ret_id[ID_SIZE])
{
    size_t length = strlen(prefix);
    CHECK(length + ID_RANDOM_LENGTH < ID_SIZE);
    memcpy(ret_id, prefix, length);
    id_random_text(rng, ret_id + length, ID_RANDOM_LENGTH);
}
