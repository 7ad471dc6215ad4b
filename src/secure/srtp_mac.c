/* HMAC-SHA1 of one packet (RFC 3711, 4.2.1). */
#define OPENSSL_SUPPRESS_DEPRECATED /* SHA1_Update(), see base/hmac.h */

#include "secure/secure_internal.h"

void sec__mac_packet(const struct hmac_sha1 *m, const struct sec__op *op,
                     uint8_t ret_mac[HMAC_SHA1_SIZE])
{
    SHA_CTX sha;
    hmac_sha1_begin(m, &sha);
    SHA1_Update(&sha, op->packet, op->head_size + op->in_size[0] + op->in_size[1]);
    SHA1_Update(&sha, op->trailer, op->trailer_size);
    hmac_sha1_end(m, &sha, ret_mac);
}
