/* `tongke publish`: a media file or stream as a participant, over the real network path. */

#include "base/err.h"
#include "base/strbuf.h"
#include "client/publisher.h"
#include "media/source.h"
#include "server/commands.h"
#include "signal/token.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define URL_DEFAULT    "ws://localhost:7880"
#define TOKEN_TTL_S    (6 * 3600)
#define LEAVE_TIME_MAX MONO_S(2)
#define EXIT_USAGE     2
#define SLOW_PERIOD    MONO_S(3)
#define SLOW_PICTURES  30 /* left out in this time */

static const char usage[] =
    "usage: tongke publish FILE|URL --room ROOM [options]\n"
    "Sends a media file or stream into a room, in real time.\n"
    "\n"
    "  --url URL            the server (" URL_DEFAULT ")\n"
    "  --room ROOM          the room, or the id of a lesson\n"
    "  --identity NAME      who sends (publisher); unique in the room\n"
    "  --name TEXT          the name to show\n"
    "  --token TOKEN        an access token instead of the four options below\n"
    "  --api-key KEY        default: $TONGKE_API_KEY, else devkey\n"
    "  --api-secret SECRET  default: $TONGKE_API_SECRET, else secret\n"
    "  --role ROLE          joins a lesson as lecture or remote\n"
    "  --school TEXT        the school to show; with --role\n"
    "  --loop               begins again at the end\n"
    "  --screen             as a screen share, not as camera and microphone\n"
    "  --no-audio, --no-video\n"
    "  --transcode          decodes and encodes even what could pass as it is\n"
    "  --max-height N       largest picture (720; 1080 where it passes as it is)\n"
    "  --tcp                media over TCP only\n"
    "  --insecure           wss: accepts any certificate\n";

struct publish_options {
    const char *source, *url, *token;
    const char *room, *identity, *name, *role, *school;
    const char *api_key, *api_secret;
    bool is_looping, is_screen, has_no_audio, has_no_video, is_transcoding, is_tcp_only;
    bool is_insecure, wants_help;
    uint16_t height_max;
};

enum option_id { OPT_TEXT = 1, OPT_FLAG, OPT_HEIGHT, OPT_HELP };

/* A text or a flag goes to its place in struct publish_options. */
static const struct {
    struct option option;
    size_t offset;
} rows[] = {
#define TEXT(name, field)                                                                  \
    {                                                                                      \
        {name, required_argument, NULL, OPT_TEXT}, offsetof(struct publish_options, field) \
    }
#define FLAG(name, field)                                                            \
    {                                                                                \
        {name, no_argument, NULL, OPT_FLAG}, offsetof(struct publish_options, field) \
    }
    TEXT("url", url),
    TEXT("token", token),
    TEXT("room", room),
    TEXT("identity", identity),
    TEXT("name", name),
    TEXT("role", role),
    TEXT("school", school),
    TEXT("api-key", api_key),
    TEXT("api-secret", api_secret),
    FLAG("loop", is_looping),
    FLAG("screen", is_screen),
    FLAG("no-audio", has_no_audio),
    FLAG("no-video", has_no_video),
    FLAG("transcode", is_transcoding),
    FLAG("tcp", is_tcp_only),
    FLAG("insecure", is_insecure),
    {{"max-height", required_argument, NULL, OPT_HEIGHT}, 0},
    {{"help", no_argument, NULL, OPT_HELP}, 0},
#undef TEXT
#undef FLAG
};

static volatile sig_atomic_t is_stopped;
static volatile sig_atomic_t is_opening;

static void on_stop(int number)
{
    (void)number;
    if (is_opening || is_stopped)
        _exit(0); /* nothing to say goodbye to yet, or asked twice */
    is_stopped = 1;
}

static int complain(const char *what, const char *why)
{
    fprintf(stderr, "tongke publish: %s: %s\n", what, why);
    return EXIT_USAGE;
}

/* ---- options ---- */

static const char *env_or(const char *name, const char *fallback)
{
    const char *value = getenv(name);
    return value != NULL && *value != '\0' ? value : fallback;
}

static int take_option(struct publish_options *o, int id, size_t index)
{
    char *place = (char *)o + rows[index].offset;
    char *end = NULL;
    long height = 0;
    switch (id) {
    case OPT_TEXT:
        memcpy(place, &optarg, sizeof(optarg));
        return 0;
    case OPT_FLAG:
        *(bool *)(void *)place = true;
        return 0;
    case OPT_HEIGHT:
        height = strtol(optarg, &end, 10);
        if (*end != '\0' || height < 90 || height > 2160)
            return complain("--max-height", "must be a number from 90 to 2160");
        o->height_max = (uint16_t)height;
        return 0;
    case OPT_HELP:
        o->wants_help = true;
        return 0;
    default:
        return EXIT_USAGE; /* getopt has said what it is */
    }
}

static int check_options(const struct publish_options *o)
{
    if (o->source == NULL)
        return complain("FILE or URL", "missing (tongke publish --help)");
    if (o->token == NULL && o->room == NULL)
        return complain("--room", "missing, and there is no --token");
    if (o->role != NULL && strcmp(o->role, "lecture") != 0 && strcmp(o->role, "remote") != 0)
        return complain("--role", "must be lecture or remote");
    if (o->has_no_audio && o->has_no_video)
        return complain("--no-audio --no-video", "nothing is left to send");
    return 0;
}

static int read_options(int argc, char **argv, struct publish_options *o)
{
    struct option options[ARRAY_COUNT(rows) + 1] = {0};
    *o = (struct publish_options){
        .url = URL_DEFAULT,
        .identity = "publisher",
        .api_key = env_or("TONGKE_API_KEY", "devkey"),
        .api_secret = env_or("TONGKE_API_SECRET", "secret"),
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
        options[i] = rows[i].option;
    int id = 0, index = 0;
    while ((id = getopt_long(argc, argv, "", options, &index)) != -1) {
        int rc = take_option(o, id, (size_t)index);
        if (rc != 0 || o->wants_help)
            return rc;
    }
    if (optind < argc)
        o->source = argv[optind++];
    if (optind < argc)
        return complain(argv[optind], "unexpected argument");
    return check_options(o);
}

/* ---- token ---- */

static int fill_claims(const struct publish_options *o, struct token_claims *claims)
{
    struct signal_grants *g = &claims->grants;
    int err = str_copy(g->key, sizeof(g->key), o->api_key);
    if (err == 0)
        err = str_copy(g->room, sizeof(g->room), o->room);
    if (err == 0)
        err = str_copy(g->identity, sizeof(g->identity), o->identity);
    if (err == 0)
        err = str_copy(g->name, sizeof(g->name), o->name != NULL ? o->name : "");
    g->room_join = true;
    if (err == 0 && o->role != NULL) {
        err = str_copy(g->lesson_id, sizeof(g->lesson_id), o->room);
        if (err == 0)
            err = str_copy(g->lesson_role, sizeof(g->lesson_role), o->role);
        if (err == 0 && o->school != NULL)
            err = str_copy(g->lesson_school, sizeof(g->lesson_school), o->school);
    }
    return err;
}

/* free() the token. */
static int make_token(const struct publish_options *o, char **ret_token)
{
    struct token_claims claims;
    struct signal_key key = {0};
    if (o->token != NULL) {
        *ret_token = strdup(o->token);
        return *ret_token != NULL ? 0 : 1;
    }
    token_claims_init(&claims);
    int err = fill_claims(o, &claims);
    if (err == 0)
        err = str_copy(key.key, sizeof(key.key), o->api_key);
    if (err == 0)
        err = str_copy(key.secret, sizeof(key.secret), o->api_secret);
    if (err == 0)
        err = token_sign(&key, 1, &claims, TOKEN_TTL_S, wall_now(), ret_token);
    token_claims_fini(&claims);
    return err == 0 ? 0
                    : complain("token", err == ERR_NO_SPACE ? "a name is too long" : err_text(err));
}

/* ---- the source ---- */

static void describe(const struct publish_options *o, const struct media_info *info)
{
    if (info->has_video)
        printf("picture: %s %ux%u %s\n", info->video_source, info->width, info->height,
               info->is_video_passed ? "as it is" : "encoded as VP8");
    else
        printf("note: %s has no picture\n", o->source);
    if (info->has_audio)
        printf("sound: %s %s\n", info->audio_source,
               info->is_audio_passed ? "as it is" : "encoded as Opus");
    else
        printf("note: %s has no sound\n", o->source);
    if (info->is_still)
        printf("note: a still picture is shown until Ctrl-C\n");
}

static int open_source(const struct publish_options *o, struct media_source **ret_source)
{
    struct media_source_config config = media_source_config_default(o->source);
    struct media_error error;
    struct media_info info;
    config.is_looping = o->is_looping;
    config.has_audio = !o->has_no_audio;
    config.has_video = !o->has_no_video;
    config.may_pass_through = !o->is_transcoding;
    if (o->height_max != 0)
        config.height_max = config.pass_height_max = o->height_max;
    is_opening = 1;
    int err = media_source_open(&config, ret_source, &error);
    is_opening = 0;
    if (err < 0) {
        fprintf(stderr, "tongke publish: %s\n", *error.text != '\0' ? error.text : err_text(err));
        return 1;
    }
    media_source_info(*ret_source, &info);
    describe(o, &info);
    return 0;
}

/* ---- running ---- */

/* 0 = goes on, 1 = over for good. */
static int handle_events(struct client *c)
{
    struct client_event e;
    while (client_poll_event(c, &e) == 1) {
        if (e.kind == CLIENT_EVENT_ACTIVE)
            printf("connected\n");
        else if (e.kind == CLIENT_EVENT_RECONNECTING)
            printf("connection lost, trying again\n");
        else if (e.kind == CLIENT_EVENT_RESUMED)
            printf("resumed\n");
        else if (e.kind == CLIENT_EVENT_ERROR)
            fprintf(stderr, "tongke publish: refused: %s\n", e.text);
        else if (e.kind == CLIENT_EVENT_CLOSED)
            return 1;
        fflush(stdout);
    }
    return 0;
}

static void say_goodbye(struct client_hub *hub, struct client *c)
{
    mono_us until = mono_now() + LEAVE_TIME_MAX;
    client_leave(c);
    while (client_state(c) != CLIENT_STATE_CLOSED && mono_now() < until)
        client_hub_poll(hub, MONO_MS(5));
}

/* Pictures that were left out, looked at every few seconds. */
struct slowness {
    mono_us since;
    uint64_t left_out; /* at that time */
    bool was_noted;
};

/* Said once: what the viewers see is not what the file has. A hiccup does not count. */
static void note_slowness(struct slowness *s, const struct client_publisher *p, mono_us now)
{
    struct client_publisher_stats stats;
    if (s->was_noted || now - s->since < SLOW_PERIOD)
        return;
    client_publisher_stats(p, &stats);
    s->was_noted = s->since != 0 && stats.left_out_pictures - s->left_out >= SLOW_PICTURES;
    s->since = now;
    s->left_out = stats.left_out_pictures;
    if (!s->was_noted)
        return;
    printf("note: this machine is too slow for every picture; a smaller --max-height helps\n");
    fflush(stdout);
}

static int run(const char *url, struct client_hub *hub, struct client *c,
               struct client_publisher *p)
{
    struct media_error error;
    struct slowness slowness = {0};
    for (;;) {
        client_hub_poll(hub, MONO_MS(5));
        if (handle_events(c) != 0) {
            fprintf(stderr, "tongke publish: %s: %s\n", url, client_reason(c));
            return 1;
        }
        int state = is_stopped ? 1 : client_publisher_run(p, mono_now(), &error);
        note_slowness(&slowness, p, mono_now());
        if (state == 0)
            continue;
        if (state < 0)
            fprintf(stderr, "tongke publish: %s\n", error.text);
        say_goodbye(hub, c);
        return state < 0 ? 1 : 0;
    }
}

/* Takes over the source. */
static int publish(const struct publish_options *o, const char *token, struct media_source *source)
{
    struct client_hub *hub = NULL;
    struct client *c = NULL;
    struct client_publisher *p = NULL;
    struct client_config config = {
        .url = o->url,
        .token = token,
        .is_tcp_only = o->is_tcp_only,
        .is_insecure = o->is_insecure,
        .has_data = true,
        .may_reconnect = true,
    };
    int rc = 1;
    int err = client_hub_create(&hub);
    if (err == 0)
        err = client_create(hub, &config, &c);
    if (err < 0) {
        fprintf(stderr, "tongke publish: --url %s: %s\n", o->url, err_text(err));
        media_source_close(source);
        goto out;
    }
    err = client_publisher_create(
        &(struct client_publisher_config){
            .client = c, .source = source, .name = o->name, .is_screen = o->is_screen},
        &p);
    if (err < 0)
        fprintf(stderr, "tongke publish: %s\n", err_text(err));
    else
        rc = run(o->url, hub, c, p);
out:
    client_publisher_destroy(p);
    client_destroy(c);
    client_hub_destroy(hub);
    return rc;
}

int cmd_publish(int argc, char **argv)
{
    struct publish_options o;
    struct media_source *source = NULL;
    char *token = NULL;
    int rc = read_options(argc, argv, &o);
    if (rc != 0)
        return rc;
    if (o.wants_help) {
        fputs(usage, stdout);
        return 0;
    }
    struct sigaction action = {.sa_handler = on_stop};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    rc = make_token(&o, &token);
    if (rc == 0)
        rc = open_source(&o, &source);
    if (rc == 0)
        rc = publish(&o, token, source);
    free(token);
    return rc;
}
