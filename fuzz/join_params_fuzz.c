/* fuzz: signal base */
/*
 * What reaches us before a client is known: the first byte chooses the route, the rest is the query
 * string (or, on the third choice, a token to verify). Success must give a complete request.
 */
#include "fuzz.h"

#include "base/attrs.h"
#include "signal/join_params.h"
#include "signal/signal.h"
#include "signal/token.h"

#include <stdlib.h>
#include <string.h>

TK_FUZZ_DECLARE(join_params);

static void parse(const char *query, bool is_v1)
{
    struct signal_join_request request = {.is_v1 = is_v1, .query = query};
    struct join_params params;
    const char *reason = NULL;
    char *token;
    if (join_params_token(&request, &token) == 0)
        free(token);
    if (join_params_parse(&request, &params, &reason) != 0) {
        CHECK(reason != NULL);
        return;
    }
    CHECK(params.request->client_info != NULL && params.request->connection_settings != NULL);
    CHECK(!is_v1 || params.is_single_pc);
    join_params_fini(&params);
}

static void verify(const char *token)
{
    static const struct signal_key key = {"devkey", "secret"};
    struct token_claims claims;
    if (token_verify(&key, 1, token, 1700000000000, &claims) == 0)
        token_claims_fini(&claims);
}

int tk_fuzz_join_params(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    char *text = malloc(size);
    CHECK(text != NULL);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    if (data[0] % 3 == 2)
        verify(text);
    else
        parse(text, data[0] % 3 == 1);
    free(text);
    return 0;
}
