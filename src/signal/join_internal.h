#ifndef TK_SIGNAL_JOIN_INTERNAL_H
#define TK_SIGNAL_JOIN_INTERNAL_H

/* The parts of reading a join: one parameter, the flat parameters of /rtc, bounded inflation. */

#include "base/attrs.h"
#include "base/url.h"
#include "signal/join_params.h"

#include <stddef.h>
#include <stdint.h>

/* The decoded value; free() it; NULL if it is malformed or memory ran out. */
char *join__decode(const struct url_pair *pair);

/* Reads /rtc's parameters into params->request, which has its two sub-messages. ERR_MALFORMED,
 * -ENOMEM. */
MUST_CHECK int join__parse_flat(const char *query, struct join_params *params);

/* Inflates gzip data (RFC 1952) to at most `size_max` bytes; free() the result. ERR_MALFORMED,
 * ERR_LIMIT, -ENOMEM. */
MUST_CHECK int join__inflate(const uint8_t *data, size_t size, size_t size_max, uint8_t **ret_bytes,
                             size_t *ret_size);

#endif
