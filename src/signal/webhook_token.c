#include "base/encode.h"
#include "base/err.h"
#include "base/strbuf.h"
#include "signal/signal_internal.h"
#include "signal/token_internal.h"

#include <string.h>

#define WEBHOOK_TOKEN_TTL_S 300

int signal_webhook_token(struct signal *s, const char *key, const char *body, wall_ms wall,
                         char **ret_token)
{
    uint8_t hash[TOKEN__MAC_SIZE];
    struct token_claims claims;
    token_claims_init(&claims);
    if (str_copy(claims.grants.key, sizeof(claims.grants.key), key) != 0)
        return ERR_NOT_FOUND;
    if (!token__sha256(body, strlen(body), hash))
        return ERR_SEC_CRYPTO;
    base64_encode(hash, sizeof(hash), claims.sha256);
    int rc = token_sign(s->config.keys, s->config.key_count, &claims, WEBHOOK_TOKEN_TTL_S, wall,
                        ret_token);
    token_claims_fini(&claims);
    return rc == ERR_TOKEN_KEY ? ERR_NOT_FOUND : rc;
}
