#ifndef TK_BASE_ID_H
#define TK_BASE_ID_H

/* Random identifiers: a prefix and characters of an alphabet without look-alikes. */

#include "base/rng.h"

#include <stddef.h>

#define ID_RANDOM_LENGTH 12
#define ID_SIZE          24 /* longest prefix, 12 characters and the zero */

/* Writes `prefix` (at most 11 characters, e.g. "PA_") and 12 random characters; always terminated.
 */
void id_make(struct rng *rng, const char *prefix, char ret_id[ID_SIZE]);

/* Fills `length` random characters and a zero byte, for ICE user fragments and passwords. */
void id_random_text(struct rng *rng, char *dst, size_t length);

#endif
