#include "base/err.h"

#include <stddef.h>
#include <string.h>

struct err_row {
    int value;
    const char *text;
    int http_status;
    const char *client_code;
};

static const struct err_row err_rows[] = {
#define TK_ERR(name, value, text, http_status, client_code) {value, text, http_status, client_code},
#include "base/err.def"
#undef TK_ERR
};

static const struct err_row *row_find(int err)
{
    for (size_t i = 0; i < sizeof(err_rows) / sizeof(err_rows[0]); i++)
        if (err_rows[i].value == err)
            return &err_rows[i];
    return NULL;
}

const char *err_text(int err)
{
    if (err >= 0)
        return "ok";
    if (err > -4096) {
        const char *text = strerrordesc_np(-err);
        return text != NULL ? text : "unknown system error";
    }
    const struct err_row *row = row_find(err);
    return row != NULL ? row->text : "unknown error";
}

int err_http_status(int err)
{
    if (err >= 0)
        return 200;
    const struct err_row *row = row_find(err);
    return row != NULL ? row->http_status : 500;
}

const char *err_client_code(int err)
{
    const struct err_row *row = row_find(err);
    return row != NULL ? row->client_code : "internal";
}
