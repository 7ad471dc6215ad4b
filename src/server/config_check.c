/* What can be wrong with a configuration whose single values are good. */
#include "base/err.h"
#include "server/config.h"
#include "server/config_tls.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct checker {
    const char *name;
    const struct config *config;
    struct strbuf *problems;
};

/* Names the line if the key stands in the file. */
PRINTF_LIKE(3, 4)
static void problem(const struct checker *k, const char *path, const char *form, ...)
{
    char text[700];
    va_list args;
    va_start(args, form);
    vsnprintf(text, sizeof(text), form, args);
    va_end(args);
    uint32_t line = config_line(k->config, path);
    strbuf_puts(k->problems, k->name);
    if (line > 0)
        strbuf_printf(k->problems, ":%u", line);
    strbuf_printf(k->problems, ": %s: %s\n", path, text);
}

static void check_ips(const struct checker *k, const char *path, const struct config_list *list)
{
    struct addr a;
    for (size_t i = 0; i < list->count; i++)
        if (addr_parse_ip(list->items[i], &a) < 0)
            problem(k, path, "%s is not an IP address", list->items[i]);
}

static void check_tls(const struct checker *k)
{
    const struct config *c = k->config;
    struct config_tls_problem p;
    if (c->tls_cert[0] == '\0' && c->tls_key[0] == '\0')
        return;
    if (c->tls_cert[0] == '\0' || c->tls_key[0] == '\0')
        problem(k, c->tls_cert[0] != '\0' ? "tls.cert" : "tls.key",
                "tls.cert and tls.key are needed together");
    else if (!config_tls_check(c->tls_cert, c->tls_key, &p))
        problem(k, p.is_key ? "tls.key" : "tls.cert", "%s", p.text);
}

static void check_webhooks(const struct checker *k)
{
    const struct config *c = k->config;
    if (c->webhook_urls.count > 4)
        problem(k, "webhook.urls", "more than 4 entries");
    for (size_t i = 0; i < c->webhook_urls.count; i++) {
        const char *url = c->webhook_urls.items[i];
        if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
            problem(k, "webhook.urls", "%s: a URL that begins with http:// or https:// is needed",
                    url);
    }
    if (c->webhook_urls.count == 0)
        return;
    for (size_t i = 0; i < c->key_count; i++)
        if (strcmp(c->keys[i].key, c->webhook_key) == 0)
            return;
    problem(k, "webhook.key", "one of the names in keys is needed with webhook.urls");
}

int config_check(const char *name, const struct config *c, struct strbuf *problems)
{
    struct checker k = {.name = name, .config = c, .problems = problems};
    size_t before = problems->size;
    check_tls(&k);
    if (c->key_count == 0)
        problem(&k, "keys", "at least one API key is needed (or serve --dev)");
    if (c->limits_load_participants_percent > 0 &&
        c->limits_load_rooms_percent > c->limits_load_participants_percent)
        problem(&k, "limits.load_rooms_percent", "is larger than load_participants_percent");
    check_ips(&k, "bind", &c->bind);
    check_ips(&k, "media.node_ip", &c->media_node_ip);
    check_webhooks(&k);
    return problems->size > before ? ERR_CONFIG : 0;
}
