/* `tongke token`: signs an access token for scripts and links. */

#include "base/err.h"
#include "base/strbuf.h"
#include "base/time.h"
#include "server/commands.h"
#include "signal/token.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TTL_S_DEFAULT (6 * 3600)
#define TTL_S_MAX     (10ll * 365 * 86400)
#define EXIT_USAGE    2

struct token_options {
    struct token_claims claims;
    struct signal_key key;
    int64_t ttl_s;
    bool has_data; /* --can-publish-data or --no-publish-data was given */
};

typedef int (*option_reader)(struct token_options *o, const char *name, const char *value);

static const char usage[] =
    "usage: tongke token --room NAME --identity NAME [option …]\n"
    "Prints an access token (a signed JWT) for a room of this server.\n"
    "\n"
    "  --api-key KEY          default: $TONGKE_API_KEY, else devkey\n"
    "  --api-secret SECRET    default: $TONGKE_API_SECRET, else secret\n"
    "  --room NAME            the room that the token opens\n"
    "  --identity NAME        who joins; unique in the room\n"
    "  --name TEXT            the name to show\n"
    "  --ttl TIME             how long it is valid: 90s, 30m, 6h, 7d (default 6h)\n"
    "  --metadata TEXT, --attribute KEY=VALUE\n"
    "  --can-publish, --no-publish, --can-subscribe, --no-subscribe,\n"
    "  --can-publish-data, --no-publish-data, --can-update-metadata\n"
    "  --source NAME          only this source: camera, microphone, screen_share,\n"
    "                         screen_share_audio; may be repeated\n"
    "  --hidden               the others do not see this participant\n"
    "  --room-create, --room-list, --room-admin, --room-record\n"
    "  --lesson ID            a lesson token (the room is the lesson's unless --room is given)\n"
    "  --role ROLE            lecture, remote (default) or observer; with --lesson\n"
    "  --school TEXT          the school to show; with --lesson\n";

static int complain(const char *name, const char *what)
{
    fprintf(stderr, "tongke token: %s: %s\n", name, what);
    return EXIT_USAGE;
}

static int set_text(char *dst, size_t size, const char *name, const char *value)
{
    if (str_copy(dst, size, value) == 0)
        return 0;
    fprintf(stderr, "tongke token: %s: longer than %zu bytes\n", name, size - 1);
    return EXIT_USAGE;
}

static int set_metadata(struct token_options *o, const char *name, const char *value)
{
    if (strlen(value) > TOKEN_METADATA_MAX)
        return complain(name, "longer than 512 KiB");
    free(o->claims.metadata);
    o->claims.metadata = strdup(value);
    return o->claims.metadata != NULL ? 0 : complain(name, strerror(ENOMEM));
}

static int set_attribute(struct token_options *o, const char *name, const char *value)
{
    const char *equals = strchr(value, '=');
    if (equals == NULL || equals == value)
        return complain(name, "must be KEY=VALUE");
    char *key = strndup(value, (size_t)(equals - value));
    int rc = key != NULL ? token_claims_add_attribute(&o->claims, key, equals + 1) : -ENOMEM;
    free(key);
    return rc == 0 ? 0 : complain(name, err_text(rc));
}

static int set_ttl(struct token_options *o, const char *name, const char *value)
{
    static const struct {
        const char *unit;
        int64_t seconds;
    } units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
    char *end;
    errno = 0;
    long long count = strtoll(value, &end, 10);
    for (size_t i = 0; i < ARRAY_COUNT(units); i++) {
        if (errno == 0 && end != value && strcmp(end, units[i].unit) == 0 && count > 0 &&
            count <= TTL_S_MAX / units[i].seconds) {
            o->ttl_s = count * units[i].seconds;
            return 0;
        }
    }
    return complain(name, "must be a time such as 90s, 30m, 6h or 7d");
}

static int set_source(struct token_options *o, const char *name, const char *value)
{
    static const char *const names[] = {NULL, "camera", "microphone", "screen_share",
                                        "screen_share_audio"};
    for (size_t i = 1; i < ARRAY_COUNT(names); i++) {
        if (strcmp(names[i], value) == 0) {
            o->claims.publish_sources |= 1u << i;
            return 0;
        }
    }
    return complain(name, "must be camera, microphone, screen_share or screen_share_audio");
}

static int set_role(struct token_options *o, const char *name, const char *value)
{
    struct signal_grants *g = &o->claims.grants;
    if (strcmp(value, "lecture") != 0 && strcmp(value, "remote") != 0 &&
        strcmp(value, "observer") != 0)
        return complain(name, "must be lecture, remote or observer");
    return set_text(g->lesson_role, sizeof(g->lesson_role), name, value);
}

#define CLAIM(field) \
    offsetof(struct token_options, claims.field), sizeof(((struct token_claims *)0)->field)
#define KEY(field) \
    offsetof(struct token_options, key.field), sizeof(((struct signal_key *)0)->field)

/* A text goes to its place, a flag sets a bool, the rest has a reader. */
static const struct {
    const char *name;
    enum { OPTION_TEXT, OPTION_ON, OPTION_OFF, OPTION_READ } kind;
    size_t offset, size;
    option_reader read;
} options[] = {
    {"--api-key", OPTION_TEXT, KEY(key), NULL},
    {"--api-secret", OPTION_TEXT, KEY(secret), NULL},
    {"--room", OPTION_TEXT, CLAIM(grants.room), NULL},
    {"--identity", OPTION_TEXT, CLAIM(grants.identity), NULL},
    {"--name", OPTION_TEXT, CLAIM(grants.name), NULL},
    {"--lesson", OPTION_TEXT, CLAIM(grants.lesson_id), NULL},
    {"--school", OPTION_TEXT, CLAIM(grants.lesson_school), NULL},
    {"--can-publish", OPTION_ON, CLAIM(grants.can_publish), NULL},
    {"--no-publish", OPTION_OFF, CLAIM(grants.can_publish), NULL},
    {"--can-subscribe", OPTION_ON, CLAIM(grants.can_subscribe), NULL},
    {"--no-subscribe", OPTION_OFF, CLAIM(grants.can_subscribe), NULL},
    {"--can-publish-data", OPTION_ON, CLAIM(grants.can_publish_data), NULL},
    {"--no-publish-data", OPTION_OFF, CLAIM(grants.can_publish_data), NULL},
    {"--can-update-metadata", OPTION_ON, CLAIM(can_update_own_metadata), NULL},
    {"--hidden", OPTION_ON, CLAIM(grants.hidden), NULL},
    {"--room-create", OPTION_ON, CLAIM(grants.room_create), NULL},
    {"--room-list", OPTION_ON, CLAIM(grants.room_list), NULL},
    {"--room-admin", OPTION_ON, CLAIM(grants.room_admin), NULL},
    {"--room-record", OPTION_ON, CLAIM(room_record), NULL},
    {"--role", OPTION_READ, 0, 0, set_role},
    {"--ttl", OPTION_READ, 0, 0, set_ttl},
    {"--metadata", OPTION_READ, 0, 0, set_metadata},
    {"--attribute", OPTION_READ, 0, 0, set_attribute},
    {"--source", OPTION_READ, 0, 0, set_source},
};

/* Applies argv[i]; `*ret_used` says how many words it took. */
static int apply(struct token_options *o, int argc, char **argv, int i, int *ret_used)
{
    for (size_t k = 0; k < ARRAY_COUNT(options); k++) {
        if (strcmp(options[k].name, argv[i]) != 0)
            continue;
        char *at = (char *)o + options[k].offset;
        bool is_flag = options[k].kind == OPTION_ON || options[k].kind == OPTION_OFF;
        *ret_used = is_flag ? 1 : 2;
        if (!is_flag && i + 1 >= argc)
            return complain(argv[i], "needs a value");
        if (options[k].kind == OPTION_TEXT)
            return set_text(at, options[k].size, argv[i], argv[i + 1]);
        if (options[k].kind == OPTION_READ)
            return options[k].read(o, argv[i], argv[i + 1]);
        *(bool *)(void *)at = options[k].kind == OPTION_ON;
        if (strstr(argv[i], "publish-data") != NULL)
            o->has_data = true;
        return 0;
    }
    return complain(argv[i], "unknown option; see tongke token --help");
}

static void set_key_defaults(struct token_options *o)
{
    const char *key = getenv("TONGKE_API_KEY"), *secret = getenv("TONGKE_API_SECRET");
    if (str_copy(o->key.key, sizeof(o->key.key), key != NULL ? key : "devkey") != 0 ||
        str_copy(o->key.secret, sizeof(o->key.secret), secret != NULL ? secret : "secret") != 0)
        o->key.key[0] = '\0'; /* named below */
}

/* What follows from the options together. */
static int complete(struct token_options *o)
{
    struct signal_grants *g = &o->claims.grants;
    bool is_server_token = g->room_create || g->room_list || g->room_admin || o->claims.room_record;
    if (o->key.key[0] == '\0' || o->key.secret[0] == '\0')
        return complain("--api-key, --api-secret", "empty or too long");
    memcpy(g->key, o->key.key, sizeof(g->key));
    if (g->lesson_id[0] == '\0' && (g->lesson_role[0] != '\0' || g->lesson_school[0] != '\0'))
        return complain("--role, --school", "only with --lesson");
    if (g->lesson_id[0] != '\0' && g->room[0] == '\0')
        memcpy(g->room, g->lesson_id, sizeof(g->room));
    if (g->lesson_id[0] != '\0' && g->lesson_role[0] == '\0')
        memcpy(g->lesson_role, "remote", sizeof("remote"));
    if (strcmp(g->lesson_role, "observer") == 0) {
        g->hidden = true;
        g->can_publish = false;
    }
    if (!o->has_data)
        g->can_publish_data = g->can_publish;
    if (g->room_admin && g->room[0] == '\0')
        return complain("--room-admin", "needs --room");
    g->room_join = g->identity[0] != '\0' && g->room[0] != '\0';
    if (!g->room_join && !is_server_token)
        return complain(g->room[0] == '\0' ? "--room" : "--identity", "is missing");
    return 0;
}

static int sign_and_print(const struct token_options *o)
{
    char *token = NULL;
    int rc = token_sign(&o->key, 1, &o->claims, o->ttl_s, wall_now(), &token);
    if (rc != 0) {
        fprintf(stderr, "tongke token: cannot sign: %s\n", err_text(rc));
        return 1;
    }
    bool is_printed = puts(token) >= 0 && fflush(stdout) == 0;
    free(token);
    return is_printed ? 0 : 1;
}

int cmd_token(int argc, char **argv)
{
    struct token_options o = {.ttl_s = TTL_S_DEFAULT};
    int rc = 0;
    token_claims_init(&o.claims);
    set_key_defaults(&o);
    for (int i = 1, used = 1; i < argc && rc == 0; i += used) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(usage, stdout);
            token_claims_fini(&o.claims);
            return 0;
        }
        rc = apply(&o, argc, argv, i, &used);
    }
    if (rc == 0)
        rc = complete(&o);
    if (rc == 0)
        rc = sign_and_print(&o);
    token_claims_fini(&o.claims);
    return rc;
}
