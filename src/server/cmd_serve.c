#include "base/log.h"
#include "server/commands.h"
#include "server/server.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: tongke serve [--config FILE] [--dev] [options]\n"
    "\n"
    "  --config FILE      read the configuration (docs/configuration.md lists every key)\n"
    "  --dev              API key devkey, secret \"secret\"; announces loopback addresses\n"
    "  --data DIR         data folder (./data)\n"
    "  --port N           HTTP port (7880; 0 picks a free one)\n"
    "  --bind IP          listen on this address only; may be repeated\n"
    "  --media-port N     first UDP port for media (7882; 0 picks free ones)\n"
    "  --media-tcp-port N TCP port for media (7881; 0 picks a free one, -1 none)\n"
    "  --workers N        media threads (0: one per core)\n"
    "  --web DIR          folder of the web app\n"
    "  --log-level L      error, warn, info or debug\n"
    "  --print-config     print every key with its default as Markdown, and end\n";

enum option_id { OPT_CONFIG = 1, OPT_DEV, OPT_PRINT, OPT_HELP, OPT_KEY };

/* Options that only set a key: their text goes through the same reader as the file. */
static const struct option options[] = {
    {"config", required_argument, NULL, OPT_CONFIG},
    {"dev", no_argument, NULL, OPT_DEV},
    {"print-config", no_argument, NULL, OPT_PRINT},
    {"help", no_argument, NULL, OPT_HELP},
    {"data", required_argument, NULL, OPT_KEY},
    {"port", required_argument, NULL, OPT_KEY},
    {"bind", required_argument, NULL, OPT_KEY},
    {"media-port", required_argument, NULL, OPT_KEY},
    {"media-tcp-port", required_argument, NULL, OPT_KEY},
    {"workers", required_argument, NULL, OPT_KEY},
    {"web", required_argument, NULL, OPT_KEY},
    {"log-level", required_argument, NULL, OPT_KEY},
    {NULL, 0, NULL, 0},
};

static const struct {
    const char *option, *form;
} key_forms[] = {
    {"data", "data: \"%s\""},
    {"port", "port: %s"},
    {"media-port", "media: {udp_port: %s}"},
    {"media-tcp-port", "media: {tcp_port: %s}"},
    {"workers", "media: {workers: %s}"},
    {"web", "web_root: \"%s\""},
    {"log-level", "log: {level: %s}"},
};

struct serve_options {
    const char *config_path;
    bool is_dev, wants_print, wants_help;
    struct {
        const char *option, *value;
    } keys[32];
    size_t key_count;
};

static int read_options(int argc, char **argv, struct serve_options *o)
{
    int index, c;
    while ((c = getopt_long(argc, argv, "", options, &index)) != -1) {
        if (c == OPT_CONFIG)
            o->config_path = optarg;
        else if (c == OPT_DEV)
            o->is_dev = true;
        else if (c == OPT_PRINT)
            o->wants_print = true;
        else if (c == OPT_HELP)
            o->wants_help = true;
        else if (c == OPT_KEY && o->key_count < 32) {
            o->keys[o->key_count].option = options[index].name;
            o->keys[o->key_count++].value = optarg;
        } else
            return 2;
    }
    if (optind < argc) {
        fprintf(stderr, "tongke serve: unexpected argument: %s\n", argv[optind]);
        return 2;
    }
    return 0;
}

static int add_bind(struct config *c, const char *ip, struct strbuf *problems)
{
    if (c->bind.count == CONFIG_LIST_MAX ||
        str_copy(c->bind.items[c->bind.count], CONFIG_TEXT_MAX, ip) < 0) {
        strbuf_printf(problems, "--bind: too many or too long\n");
        return -1;
    }
    c->bind.count++;
    return 0;
}

static void apply_key(struct config *c, const char *option, const char *value,
                      struct strbuf *problems)
{
    char name[64], text[1024];
    if (strcmp(option, "bind") == 0) {
        IGNORE(add_bind(c, value, problems)); /* the problem is in the list */
        return;
    }
    for (size_t i = 0; i < ARRAY_COUNT(key_forms); i++) {
        if (strcmp(key_forms[i].option, option) != 0)
            continue;
        const char *at = strstr(key_forms[i].form, "%s");
        snprintf(text, sizeof(text), "%.*s%.600s%s", (int)(at - key_forms[i].form),
                 key_forms[i].form, value, at + 2);
        snprintf(name, sizeof(name), "--%s", option);
        IGNORE(config_read_text(name, text, strlen(text), c, problems)); /* see problems */
    }
}

static int build_config(const struct serve_options *o, struct config *c)
{
    struct strbuf problems;
    strbuf_init(&problems, 64 << 10);
    config_default(c);
    if (o->config_path != NULL)
        IGNORE(config_read_file(o->config_path, c, &problems)); /* see problems */
    if (o->is_dev)
        config_apply_dev(c);
    for (size_t i = 0; i < o->key_count; i++)
        apply_key(c, o->keys[i].option, o->keys[i].value, &problems);
    if (problems.size == 0)
        IGNORE(
            config_check(o->config_path != NULL ? o->config_path : "configuration", c, &problems));
    bool is_good = problems.size == 0;
    if (!is_good)
        fputs(strbuf_text(&problems), stderr);
    strbuf_fini(&problems);
    return is_good ? 0 : 2;
}

static void apply_log(const struct config *c)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    for (int i = 0; i < LOG_LEVEL_COUNT_; i++)
        if (strcmp(names[i], c->log_level) == 0)
            log_level_max = (enum log_level)i;
    log_show_pii(c->log_pii);
}

int cmd_serve(int argc, char **argv)
{
    struct serve_options o = {0};
    int code = read_options(argc, argv, &o);
    if (code != 0 || o.wants_help) {
        fputs(usage, code != 0 ? stderr : stdout);
        return code;
    }
    if (o.wants_print) {
        struct strbuf b;
        strbuf_init(&b, 64 << 10);
        config_print_keys(&b);
        fputs(strbuf_text(&b), stdout);
        strbuf_fini(&b);
        return 0;
    }
    struct config *c = malloc(sizeof(*c));
    if (c == NULL)
        return 1;
    code = build_config(&o, c);
    if (code == 0) {
        apply_log(c);
        code = server_run(c);
    }
    free(c);
    return code;
}
