#ifndef TK_BASE_ERR_H
#define TK_BASE_ERR_H

/*
 * Result codes. 0 or a non-negative count is success; -1 … -4095 is -errno; project codes start at
 * -4096 in blocks of 256 per module and come from one table, err.def, which gives each code its
 * name, log text, HTTP status and the code that a client sees.
 */

enum tk_err {
#define TK_ERR(name, value, text, http_status, client_code) name = (value),
#include "base/err.def"
#undef TK_ERR
};

/* A short English text for any result code; never NULL. */
const char *err_text(int err);

/* The HTTP status for a result code; 500 for what has none. */
int err_http_status(int err);

/* The stable, lower-case code that API clients see, e.g. "not_allowed"; "internal" for what has
 * none. */
const char *err_client_code(int err);

#endif
