#include "server/config.h"

#include "base/err.h"
#include "secure/srtp.h"
#include "server/worker.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define FILE_SIZE_MAX (1 << 20)

enum key_type { KEY_INT, KEY_BOOL, KEY_TEXT, KEY_ENUM, KEY_LIST, KEY_API_KEYS, KEY_ICE_SERVERS };

struct key_row {
    const char *path;
    enum key_type type;
    size_t offset; /* in struct config */
    size_t size;   /* TEXT, ENUM: of the field */
    int64_t min, max;
    const char *allowed; /* ENUM: "a|b|c" */
    const char *text;    /* for the documentation */
};

#define AT(field)   offsetof(struct config, field)
#define TEXT(field) AT(field), sizeof(((struct config *)0)->field)

static const struct key_row key_rows[] = {
    {"port", KEY_INT, AT(port), 0, 0, 65535, NULL,
     "TCP port for HTTP, WebSocket and the web app; 0 picks a free one"},
    {"bind", KEY_LIST, AT(bind), 0, 0, 0, NULL, "IP addresses to listen on; none: all of them"},
    {"tls.cert", KEY_TEXT, TEXT(tls_cert), 0, 0, NULL, "certificate chain, PEM; with tls.key"},
    {"tls.key", KEY_TEXT, TEXT(tls_key), 0, 0, NULL, "private key, PEM; with tls.cert"},
    {"data", KEY_TEXT, TEXT(data), 0, 0, NULL, "folder for the database, recordings and uploads"},
    {"web_root", KEY_TEXT, TEXT(web_root), 0, 0, NULL,
     "folder of the web app; empty: beside the program"},
    {"log.level", KEY_ENUM, TEXT(log_level), 0, 0, "error|warn|info|debug", "how much is logged"},
    {"log.pii", KEY_BOOL, AT(log_pii), 0, 0, 0, NULL,
     "writes names, addresses and tokens into the log; for debugging only"},
    {"connections_max", KEY_INT, AT(connections_max), 0, 16, 100000, NULL,
     "open TCP connections to the HTTP port"},
    {"keys", KEY_API_KEYS, 0, 0, 0, 0, NULL, "API keys: name: secret (at least 6 characters)"},
    {"media.udp_port", KEY_INT, AT(media_udp_port), 0, 0, 65535, NULL,
     "UDP port of the first media worker; worker i uses port + i; 0 picks free ones"},
    {"media.tcp_port", KEY_INT, AT(media_tcp_port), 0, -1, 65535, NULL,
     "TCP port for media where UDP is blocked; 0 picks a free one, -1 switches it off"},
    {"media.workers", KEY_INT, AT(media_workers), 0, 0, WORKERS_MAX, NULL,
     "media threads; 0: one per processor core"},
    {"media.packets", KEY_INT, AT(media_packets), 0, 1024, 1 << 20, NULL,
     "packet buffers per worker, 0.25 to 1.5 kB each"},
    {"media.peers_max", KEY_INT, AT(media_peers_max), 0, 1, 100000, NULL,
     "media connections per worker"},
    {"media.srtp_backend", KEY_ENUM, TEXT(media_srtp_backend), 0, 0, "auto|ipsec-mb|openssl",
     "implementation of SRTP; auto: the fastest that the machine has"},
    {"media.node_ip", KEY_LIST, AT(media_node_ip), 0, 0, 0, NULL,
     "addresses announced to clients instead of the machine's own (behind NAT)"},
    {"media.interfaces", KEY_LIST, AT(media_interfaces), 0, 0, 0, NULL,
     "network interfaces whose addresses are announced; none: all"},
    {"media.loopback", KEY_BOOL, AT(media_loopback), 0, 0, 0, NULL,
     "also announces loopback addresses (on with --dev)"},
    {"room.auto_create", KEY_BOOL, AT(room_auto_create), 0, 0, 0, NULL,
     "a room comes into being when the first participant joins"},
    {"room.empty_timeout", KEY_INT, AT(room_empty_timeout_s), 0, 1, 86400, NULL,
     "seconds after which a room that nobody joined closes"},
    {"room.departure_timeout", KEY_INT, AT(room_departure_timeout_s), 0, 1, 86400, NULL,
     "seconds after which a room closes when the last participant has left"},
    {"room.resume_timeout", KEY_INT, AT(room_resume_timeout_s), 0, 5, 600, NULL,
     "seconds that a participant with a cut line is held"},
    {"room.max_participants", KEY_INT, AT(room_max_participants), 0, 0, 100000, NULL,
     "participants per room; 0: no limit of its own"},
    {"room.max_rooms", KEY_INT, AT(room_max_rooms), 0, 1, 100000, NULL, "rooms at the same time"},
    {"limits.load_rooms_percent", KEY_INT, AT(limits_load_rooms_percent), 0, 0, 100, NULL,
     "load of the least loaded worker from which new rooms are refused; 0: never"},
    {"limits.load_participants_percent", KEY_INT, AT(limits_load_participants_percent), 0, 0, 100,
     NULL, "the same for new participants; who was in a room may always come back; 0: never"},
    {"limits.worker_packets_per_s", KEY_INT, AT(limits_worker_packets_per_s), 0, 0, 100000000, NULL,
     "packets in and out per second that make a load of 100 percent; 0: processor time alone "
     "counts"},
    {"limits.participants", KEY_INT, AT(limits_participants), 0, 0, 1000000, NULL,
     "participants in all rooms together; 0: no limit"},
    {"metrics.enabled", KEY_BOOL, AT(metrics_enabled), 0, 0, 0, NULL,
     "serves /metrics for Prometheus (docs/metrics.md)"},
    {"metrics.token", KEY_TEXT, TEXT(metrics_token), 0, 0, NULL,
     "bearer token that reads /metrics; empty: only this machine itself may"},
    {"ice_servers", KEY_ICE_SERVERS, 0, 0, 0, 0, NULL,
     "list of {url, secret}: TURN servers and their shared secret, at most 4"},
    {"webhook.urls", KEY_LIST, AT(webhook_urls), 0, 0, 0, NULL,
     "where events are posted, at most 4"},
    {"webhook.key", KEY_TEXT, TEXT(webhook_key), 0, 0, NULL,
     "the API key whose secret signs the webhooks"},
};

_Static_assert(ARRAY_COUNT(key_rows) <= CONFIG_KEYS_MAX, "a line for every key");

void config_default(struct config *ret_config)
{
    *ret_config = (struct config){
        .port = 7880,
        .data = "./data",
        .log_level = "info",
        .connections_max = 4096,
        .media_udp_port = 7882,
        .media_tcp_port = 7881,
        .media_packets = 65536,
        .media_peers_max = 4096,
        .media_srtp_backend = SEC_SRTP_BACKEND_AUTO,
        .room_auto_create = true,
        .room_empty_timeout_s = 300,
        .room_departure_timeout_s = 20,
        .room_resume_timeout_s = 60,
        .room_max_rooms = 10000,
        .limits_load_rooms_percent = 70,
        .limits_load_participants_percent = 85,
        .metrics_enabled = true,
    };
}

void config_apply_dev(struct config *c)
{
    c->media_loopback = true;
    if (c->key_count == 0) {
        c->keys[0] = (struct signal_key){.key = "devkey", .secret = "secret"};
        c->key_count = 1;
    }
}

/* ---- reading ---- */

struct reader {
    const char *name;
    yaml_document_t document;
    struct config *config;
    struct strbuf *problems;
};

PRINTF_LIKE(4, 5)
static void problem(struct reader *r, const yaml_node_t *node, const char *path, const char *form,
                    ...)
{
    char text[512];
    va_list args;
    va_start(args, form);
    vsnprintf(text, sizeof(text), form, args);
    va_end(args);
    strbuf_printf(r->problems, "%s:%zu: %s: %s\n", r->name, node->start_mark.line + 1, path, text);
}

static const char *scalar(const yaml_node_t *node)
{
    return node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : NULL;
}

static void read_int(struct reader *r, const struct key_row *row, const yaml_node_t *node)
{
    const char *text = scalar(node);
    char *end = NULL;
    errno = 0;
    long long value = text != NULL ? strtoll(text, &end, 10) : 0;
    if (text == NULL || end == text || *end != '\0' || errno != 0)
        problem(r, node, row->path, "a whole number is needed, %" PRId64 "..%" PRId64, row->min,
                row->max);
    else if (value < row->min || value > row->max)
        problem(r, node, row->path, "%lld is not in %" PRId64 "..%" PRId64, value, row->min,
                row->max);
    else
        *(int64_t *)(void *)((char *)r->config + row->offset) = value;
}

static void read_bool(struct reader *r, const struct key_row *row, const yaml_node_t *node)
{
    const char *text = scalar(node);
    bool *field = (bool *)(void *)((char *)r->config + row->offset);
    if (text != NULL && strcmp(text, "true") == 0)
        *field = true;
    else if (text != NULL && strcmp(text, "false") == 0)
        *field = false;
    else
        problem(r, node, row->path, "true or false is needed");
}

static void read_text(struct reader *r, const struct key_row *row, const yaml_node_t *node)
{
    const char *text = scalar(node);
    if (text == NULL)
        problem(r, node, row->path, "a text is needed");
    else if (str_copy((char *)r->config + row->offset, row->size, text) < 0)
        problem(r, node, row->path, "longer than %zu characters", row->size - 1);
}

static bool enum_has(const char *allowed, const char *text)
{
    size_t length = strlen(text);
    for (const char *at = allowed; *at != '\0';) {
        size_t part = strcspn(at, "|");
        if (part == length && strncmp(at, text, part) == 0)
            return true;
        at += part + (at[part] == '|');
    }
    return false;
}

static void read_enum(struct reader *r, const struct key_row *row, const yaml_node_t *node)
{
    const char *text = scalar(node);
    if (text == NULL || !enum_has(row->allowed, text))
        problem(r, node, row->path, "one of %s is needed", row->allowed);
    else
        IGNORE(str_copy((char *)r->config + row->offset, row->size,
                        text)); /* fits: it is one of ours */
}

static void read_list(struct reader *r, const struct key_row *row, const yaml_node_t *node)
{
    struct config_list *list = (struct config_list *)(void *)((char *)r->config + row->offset);
    list->count = 0;
    if (node->type != YAML_SEQUENCE_NODE) {
        problem(r, node, row->path, "a list is needed");
        return;
    }
    for (yaml_node_item_t *i = node->data.sequence.items.start; i < node->data.sequence.items.top;
         i++) {
        const yaml_node_t *item = yaml_document_get_node(&r->document, *i);
        const char *text = scalar(item);
        if (list->count == CONFIG_LIST_MAX)
            problem(r, item, row->path, "more than %d entries", CONFIG_LIST_MAX);
        else if (text == NULL || str_copy(list->items[list->count], CONFIG_TEXT_MAX, text) < 0)
            problem(r, item, row->path, "a text of at most %d characters is needed",
                    CONFIG_TEXT_MAX - 1);
        else
            list->count++;
        if (list->count == CONFIG_LIST_MAX)
            return;
    }
}

static void read_api_key(struct reader *r, const yaml_node_t *name, const yaml_node_t *secret)
{
    struct config *c = r->config;
    const char *name_text = scalar(name);
    const char *secret_text = scalar(secret);
    if (c->key_count == SIGNAL_KEYS_MAX)
        problem(r, name, "keys", "more than %d keys", SIGNAL_KEYS_MAX);
    else if (name_text == NULL || secret_text == NULL || strlen(secret_text) < 6)
        problem(r, name, "keys", "name: secret is needed, the secret at least 6 characters long");
    else if (str_copy(c->keys[c->key_count].key, sizeof(c->keys[0].key), name_text) < 0 ||
             str_copy(c->keys[c->key_count].secret, sizeof(c->keys[0].secret), secret_text) < 0)
        problem(r, name, "keys", "the name has at most 63 characters, the secret 127");
    else
        c->key_count++;
}

static void check_repeated(struct reader *r, const yaml_node_t *map, const yaml_node_pair_t *pair,
                           const char *prefix);

static void read_api_keys(struct reader *r, const struct key_row *row, const yaml_node_t *node)
{
    r->config->key_count = 0;
    if (node->type != YAML_MAPPING_NODE) {
        problem(r, node, row->path, "a map of name: secret is needed");
        return;
    }
    for (yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top;
         p++) {
        check_repeated(r, node, p, row->path);
        read_api_key(r, yaml_document_get_node(&r->document, p->key),
                     yaml_document_get_node(&r->document, p->value));
    }
}

static void read_ice_server(struct reader *r, const yaml_node_t *node)
{
    struct config *c = r->config;
    if (node->type != YAML_MAPPING_NODE || c->ice_server_count == ARRAY_COUNT(c->ice_servers)) {
        problem(r, node, "ice_servers", "at most %zu maps of url and secret are needed",
                ARRAY_COUNT(c->ice_servers));
        return;
    }
    struct signal_ice_server *s = &c->ice_servers[c->ice_server_count];
    for (yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top;
         p++) {
        const yaml_node_t *key_node = yaml_document_get_node(&r->document, p->key);
        const yaml_node_t *value_node = yaml_document_get_node(&r->document, p->value);
        const char *key = scalar(key_node);
        const char *value = scalar(value_node);
        if (key != NULL && value != NULL && strcmp(key, "url") == 0) {
            if (str_copy(s->url, sizeof(s->url), value) < 0)
                problem(r, value_node, "ice_servers.url", "longer than %zu characters",
                        sizeof(s->url) - 1);
        } else if (key != NULL && value != NULL && strcmp(key, "secret") == 0) {
            if (str_copy(s->secret, sizeof(s->secret), value) < 0)
                problem(r, value_node, "ice_servers.secret", "longer than %zu characters",
                        sizeof(s->secret) - 1);
        } else {
            problem(r, key_node, "ice_servers", "unknown key %s; url and secret are known",
                    key != NULL ? key : "?");
        }
    }
    if (s->url[0] == '\0')
        problem(r, node, "ice_servers.url", "is missing");
    c->ice_server_count++;
}

static void read_ice_servers(struct reader *r, const struct key_row *row, const yaml_node_t *node)
{
    r->config->ice_server_count = 0;
    if (node->type != YAML_SEQUENCE_NODE) {
        problem(r, node, row->path, "a list is needed");
        return;
    }
    for (yaml_node_item_t *i = node->data.sequence.items.start; i < node->data.sequence.items.top;
         i++)
        read_ice_server(r, yaml_document_get_node(&r->document, *i));
}

static void (*const readers[])(struct reader *, const struct key_row *, const yaml_node_t *) = {
    [KEY_INT] = read_int,
    [KEY_BOOL] = read_bool,
    [KEY_TEXT] = read_text,
    [KEY_ENUM] = read_enum,
    [KEY_LIST] = read_list,
    [KEY_API_KEYS] = read_api_keys,
    [KEY_ICE_SERVERS] = read_ice_servers,
};

/* True if some key begins with "path." */
static bool is_group(const char *path)
{
    size_t length = strlen(path);
    for (size_t i = 0; i < ARRAY_COUNT(key_rows); i++)
        if (strncmp(key_rows[i].path, path, length) == 0 && key_rows[i].path[length] == '.')
            return true;
    return false;
}

static void unknown_key(struct reader *r, const yaml_node_t *node, const char *path)
{
    struct strbuf known;
    strbuf_init(&known, 4096);
    const char *dot = strrchr(path, '.');
    size_t group = dot != NULL ? (size_t)(dot - path) + 1 : 0;
    for (size_t i = 0; i < ARRAY_COUNT(key_rows); i++)
        if (strncmp(key_rows[i].path, path, group) == 0)
            strbuf_printf(&known, "%s%s", known.size > 0 ? ", " : "", key_rows[i].path);
    problem(r, node, path, "unknown key; known here: %.400s", strbuf_text(&known));
    strbuf_fini(&known);
}

static void read_map(struct reader *r, const yaml_node_t *map, const char *prefix);

static void read_pair(struct reader *r, const yaml_node_pair_t *pair, const char *prefix)
{
    const yaml_node_t *key = yaml_document_get_node(&r->document, pair->key);
    const yaml_node_t *value = yaml_document_get_node(&r->document, pair->value);
    char path[128];
    snprintf(path, sizeof(path), "%s%s%.60s", prefix, prefix[0] != '\0' ? "." : "",
             scalar(key) != NULL ? scalar(key) : "?");
    for (size_t i = 0; i < ARRAY_COUNT(key_rows); i++) {
        if (strcmp(key_rows[i].path, path) != 0)
            continue;
        r->config->lines[i] = (uint32_t)key->start_mark.line + 1;
        readers[key_rows[i].type](r, &key_rows[i], value);
        return;
    }
    if (is_group(path) && value->type == YAML_MAPPING_NODE)
        read_map(r, value, path);
    else if (is_group(path))
        problem(r, key, path, "a map is needed");
    else
        unknown_key(r, key, path);
}

/* The line of an earlier pair with the same key; 0 = none. YAML's parser lets it pass. */
static size_t line_of_first(struct reader *r, const yaml_node_t *map, const yaml_node_pair_t *pair)
{
    const char *text = scalar(yaml_document_get_node(&r->document, pair->key));
    for (const yaml_node_pair_t *p = map->data.mapping.pairs.start; p < pair; p++) {
        const yaml_node_t *key = yaml_document_get_node(&r->document, p->key);
        if (text != NULL && scalar(key) != NULL && strcmp(scalar(key), text) == 0)
            return key->start_mark.line + 1;
    }
    return 0;
}

static void check_repeated(struct reader *r, const yaml_node_t *map, const yaml_node_pair_t *pair,
                           const char *prefix)
{
    const yaml_node_t *key = yaml_document_get_node(&r->document, pair->key);
    size_t first = line_of_first(r, map, pair);
    char path[128];
    if (first == 0)
        return;
    snprintf(path, sizeof(path), "%s%s%.60s", prefix, prefix[0] != '\0' ? "." : "", scalar(key));
    problem(r, key, path, "stands in line %zu already", first);
}

static void read_map(struct reader *r, const yaml_node_t *map, const char *prefix)
{
    for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
         p++) {
        check_repeated(r, map, p, prefix);
        read_pair(r, p, prefix);
    }
}

uint32_t config_line(const struct config *c, const char *path)
{
    for (size_t i = 0; i < ARRAY_COUNT(key_rows); i++)
        if (strcmp(key_rows[i].path, path) == 0)
            return c->lines[i];
    return 0;
}

int config_read_text(const char *name, const char *text, size_t size, struct config *config,
                     struct strbuf *problems)
{
    size_t before = problems->size;
    struct reader r = {.name = name, .config = config, .problems = problems};
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        return -ENOMEM;
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
    if (!yaml_parser_load(&parser, &r.document)) {
        strbuf_printf(problems, "%s:%zu: YAML: %s\n", name, parser.problem_mark.line + 1,
                      parser.problem != NULL ? parser.problem : "cannot be read");
        yaml_parser_delete(&parser);
        return ERR_CONFIG;
    }
    const yaml_node_t *root = yaml_document_get_root_node(&r.document);
    if (root != NULL && root->type == YAML_MAPPING_NODE)
        read_map(&r, root, "");
    else if (root != NULL && !(scalar(root) != NULL && scalar(root)[0] == '\0'))
        strbuf_printf(problems, "%s:1: a map of keys is needed\n", name);
    yaml_document_delete(&r.document);
    yaml_parser_delete(&parser);
    return problems->size > before ? ERR_CONFIG : 0;
}

int config_read_file(const char *path, struct config *config, struct strbuf *problems)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        strbuf_printf(problems, "%s: %s\n", path, strerror(errno));
        return ERR_CONFIG;
    }
    struct strbuf text;
    strbuf_init(&text, FILE_SIZE_MAX);
    char part[4096];
    for (size_t n; (n = fread(part, 1, sizeof(part), f)) > 0;)
        strbuf_append(&text, part, n);
    int err = ferror(f) ? ERR_CONFIG : text.err;
    if (err < 0)
        strbuf_printf(problems, "%s: cannot be read, or is larger than %d bytes\n", path,
                      FILE_SIZE_MAX);
    else
        err = config_read_text(path, strbuf_text(&text), text.size, config, problems);
    fclose(f);
    strbuf_fini(&text);
    return err;
}

/* "`info` (error, warn, …)": a bar would end a cell of the table. */
static void print_enum(const char *value, const char *allowed, struct strbuf *b)
{
    strbuf_printf(b, "`%s` (", value);
    for (; *allowed != '\0'; allowed++)
        strbuf_puts(b, *allowed == '|' ? ", " : (char[]){*allowed, '\0'});
    strbuf_puts(b, ")");
}

static void print_default(const struct key_row *row, const struct config *c, struct strbuf *b)
{
    const char *at = (const char *)c + row->offset;
    switch (row->type) {
    case KEY_INT:
        strbuf_printf(b, "`%" PRId64 "` (%" PRId64 "..%" PRId64 ")",
                      *(const int64_t *)(const void *)at, row->min, row->max);
        break;
    case KEY_BOOL:
        strbuf_puts(b, *(const bool *)(const void *)at ? "`true`" : "`false`");
        break;
    case KEY_ENUM:
        print_enum(at, row->allowed, b);
        break;
    case KEY_TEXT:
        if (at[0] != '\0')
            strbuf_printf(b, "`%s`", at);
        else
            strbuf_puts(b, "empty");
        break;
    default:
        strbuf_puts(b, "none");
        break;
    }
}

void config_print_keys(struct strbuf *b)
{
    struct config defaults;
    config_default(&defaults);
    strbuf_puts(b, "| key | default (allowed) | meaning |\n|---|---|---|\n");
    for (size_t i = 0; i < ARRAY_COUNT(key_rows); i++) {
        strbuf_printf(b, "| `%s` | ", key_rows[i].path);
        print_default(&key_rows[i], &defaults, b);
        strbuf_printf(b, " | %s |\n", key_rows[i].text);
    }
}
