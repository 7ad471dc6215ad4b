/* `tongke load`: its options; the work is in load/. */
#include "load/load.h"

#include "base/err.h"
#include "base/strbuf.h"
#include "server/commands.h"
#include "server/paths.h"

#include <getopt.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXIT_USAGE 2

static const char *const usage[] = {
    "usage: tongke load [options]\n\n"
    "Drives a server as many participants over the real path and measures what they get.\n"
    "Prints a report; exits with 0 only when everybody joined and every packet was right.\n\n"
    "Where:\n"
    "  --target KIND         livekit (default), whip, janus or floor\n"
    "                          tongke load --target whip --url http://127.0.0.1:7880\n"
    "  --url URL             the server's signalling, without TLS (default ws://127.0.0.1:7880)\n"
    "                          tongke load --url ws://10.0.0.1:7880\n"
    "  --dual                livekit: the older mode with two connections (/rtc)\n"
    "                          tongke load --dual --subscribers 20\n"
    "  --key KEY, --secret SECRET\n"
    "                        sign the tokens (default devkey, secret)\n"
    "                          tongke load --key county --secret \"$SECRET\"\n"
    "  --whip-url PATH, --whep-url PATH\n"
    "                        paths; {room}, {id} (ours) and {publisher} are filled in (default\n"
    "                        /whip/{room}, /whep/{room}?participant={publisher})\n"
    "                          tongke load --target whip --whip-url '/whip/{room}?name={id}'\n"
    "  --room NAME           the room, or the prefix of several (default load)\n"
    "                          tongke load --room exam --rooms 10\n"
    "  --bind IP             our address, e.g. in a network namespace\n"
    "                          ip netns exec gen tongke load --bind 10.0.0.2\n"
    "  --bind IP/BITS        an address of this network for each subscriber and one socket for\n"
    "                        all: thousands on one core. All addresses have to be ours: those of\n"
    "                        127.0.0.0/8 are, others by \"ip route add local IP/BITS dev lo\"\n"
    "                          tongke load --bind 127.16.0.0/16 --subscribers 3000\n"
    "  --floor-addr IP:PORT  floor: where it listens\n"
    "                          tongke load --target floor --floor-addr 10.0.0.1:9000\n"
    "  --floor-base-port N   floor: subscriber k listens on N + k, publisher p sends from\n"
    "                        N - 1 - p (default 20000)\n"
    "                          tongke load --target floor --floor-base-port 30000\n"
    "  --floor-layer N|all   floor: the layer that it forwards, 0 is the lowest (default: the\n"
    "                        highest that is sent)\n"
    "                          tongke load --target floor --floor-layer all\n"
    "  --srtp gcm|cm         offer only this SRTP profile (floor: gcm if not given)\n"
    "                          tongke load --srtp cm\n\n",
    "Who:\n"
    "  --publishers N        in each room (default 1)\n"
    "  --subscribers N       in each room, each takes everything (default 10)\n"
    "                          tongke load --publishers 2 --subscribers 300\n"
    "  --gallery N           N publishers that also take all the others\n"
    "                          tongke load --gallery 20\n"
    "  --lesson N            livekit: a lesson of one lecture site and N far ones; the server "
    "decides\n"
    "                        who gets what\n"
    "                          tongke load --lesson 30\n"
    "  --rooms N             rooms alike (default 1)\n"
    "                          tongke load --rooms 50 --subscribers 10\n\n",
    "What is sent:\n"
    "  --video, --audio      only pictures, only sound (default both)\n"
    "                          tongke load --audio --subscribers 300\n"
    "  --codec vp8|h264      vp8: up to three layers; h264: one (default vp8)\n"
    "                          tongke load --codec h264\n"
    "  --layers N            simulcast layers, the best N of 180p, 360p, 720p (default 3)\n"
    "                          tongke load --layers 1\n"
    "  --packet-size N       synthetic pictures in RTP packets of N bytes (200 to 1250)\n"
    "  --frame-rate N        of synthetic pictures (default 30)\n"
    "  --frame-packets N     packets of one synthetic picture of the best layer (default 6)\n"
    "  --keyframe-packets N  the same of a keyframe (default 60)\n"
    "                          tongke load --packet-size 1250 --frame-rate 60 --frame-packets 8\n"
    "  --twcc                offer transport-wide congestion control, answer with feedback\n"
    "                          tongke load --twcc\n"
    "  --no-nack             do not ask for lost packets again\n"
    "                          tongke load --no-nack\n"
    "  --loss P              some subscribers lose P % of what comes ...\n"
    "  --lossy-share P       ... these are P % of them (default 100)\n"
    "                          tongke load --loss 5 --lossy-share 5\n"
    "  --check P             decrypt and check P % of the packets of a stream that runs, and of "
    "the\n"
    "                        others the headers; beginnings and repairs are always checked\n"
    "                        (default 100)\n"
    "                          tongke load --subscribers 3000 --check 10\n"
    "  --data FOLDER         recorded encoder output (default bench/data near the program)\n"
    "                          tongke load --data /srv/clips\n\n",
    "When:\n"
    "  --join-rate R         joins per second, fewer while one side cannot follow (default 100)\n"
    "  --join-timeout S      who has not all tracks S seconds after its join began has failed\n"
    "                        (gallery, lesson: after the last join; default 20)\n"
    "                          tongke load --subscribers 3000 --join-rate 200\n"
    "  --join-storm N        N more subscribers while it is measured ...\n"
    "  --storm-seconds S     ... within S seconds (default 3)\n"
    "                          tongke load --join-storm 300 --storm-seconds 3\n"
    "  --warm-up S           before measuring (default 3)\n"
    "  --duration S          of measuring (default 10)\n"
    "                          tongke load --warm-up 5 --duration 30\n\n",
    "Results:\n"
    "  --server-pid PID      watch this process: processor time, switches, memory\n"
    "                          tongke load --server-pid \"$(pidof tongke)\"\n"
    "  --json FILE           all options and figures; - is standard output\n"
    "                          tongke load --json result.json\n"
    "  --help                this text\n",
};

static struct load_options options;
static const char *data_folder;
static bool only_video, only_audio, has_gallery, has_lesson, has_floor_layer, has_floor_addr;
static volatile int is_stopping;

static void on_stop(int signal_number)
{
    (void)signal_number;
    if (is_stopping)
        _exit(130); /* asked twice */
    is_stopping = 1;
}

static int complain(const char *what, const char *why)
{
    fprintf(stderr, "tongke load: %s: %s\n", what, why);
    return EXIT_USAGE;
}

/* ---- values ---- */

static int take_count(const char *name, const char *text, uint32_t min, uint32_t max,
                      uint32_t *ret_value)
{
    char *end = NULL, why[80];
    unsigned long value = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || value < min || value > max) {
        snprintf(why, sizeof(why), "must be a number from %u to %u", min, max);
        return complain(name, why);
    }
    *ret_value = (uint32_t)value;
    return 0;
}

static int take_real(const char *name, const char *text, double max, double *ret_value)
{
    char *end = NULL, why[80];
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(value) || value < 0 || value > max) {
        snprintf(why, sizeof(why), "must be a number from 0 to %g", max);
        return complain(name, why);
    }
    *ret_value = value;
    return 0;
}

static int take_choice(const char *name, const char *text, const char *const *choices, size_t count,
                       size_t *ret_index)
{
    struct strbuf list;
    for (size_t i = 0; i < count; i++)
        if (strcmp(text, choices[i]) == 0) {
            *ret_index = i;
            return 0;
        }
    strbuf_init(&list, 256);
    for (size_t i = 0; i < count; i++)
        strbuf_printf(&list, "%s%s", i > 0 ? ", " : "must be one of ", choices[i]);
    int rc = complain(name, strbuf_text(&list));
    strbuf_fini(&list);
    return rc;
}

static int take_target(const char *name, const char *text)
{
    static const char *const choices[] = {"livekit", "whip", "janus", "floor"};
    size_t index = 0;
    int rc = take_choice(name, text, choices, ARRAY_COUNT(choices), &index);
    if (rc == 0)
        options.target = (enum load_target_kind)index;
    return rc;
}

static int take_codec(const char *name, const char *text)
{
    static const char *const choices[] = {"vp8", "h264"};
    size_t index = 0;
    int rc = take_choice(name, text, choices, ARRAY_COUNT(choices), &index);
    if (rc == 0)
        options.codec = index == 0 ? RTP_CODEC_VP8 : RTP_CODEC_H264;
    return rc;
}

static int take_srtp(const char *name, const char *text)
{
    static const char *const choices[] = {"gcm", "cm"};
    size_t index = 0;
    int rc = take_choice(name, text, choices, ARRAY_COUNT(choices), &index);
    if (rc == 0)
        options.srtp =
            index == 0 ? SEC_PROFILE_AEAD_AES_128_GCM : SEC_PROFILE_AES128_CM_HMAC_SHA1_80;
    return rc;
}

static int take_network(const char *name, const char *text, const char *slash)
{
    char ip[64];
    uint32_t bits = 0;
    snprintf(ip, sizeof(ip), "%.*s", (int)(slash - text), text);
    if (addr_parse_ip(ip, &options.network) < 0 || options.network.family != ADDR_FAMILY_V4)
        return complain(name, "must be an IP address, or an IPv4 network as 127.16.0.0/16");
    int rc = take_count(name, slash + 1, 8, 30, &bits);
    options.network_bits = (uint8_t)bits;
    return rc;
}

static int take_bind(const char *name, const char *text)
{
    const char *slash = strchr(text, '/');
    if (slash != NULL)
        return take_network(name, text, slash);
    return addr_parse_ip(text, &options.bind) < 0 ? complain(name, "must be an IP address") : 0;
}

static int take_floor_addr(const char *name, const char *text)
{
    char ip[64];
    uint32_t port = 0;
    const char *colon = strrchr(text, ':');
    if (colon == NULL || (size_t)(colon - text) >= sizeof(ip))
        return complain(name, "must be IP:PORT");
    snprintf(ip, sizeof(ip), "%.*s", (int)(colon - text), text);
    if (addr_parse_ip(ip, &options.floor) < 0)
        return complain(name, "must be IP:PORT");
    has_floor_addr = true;
    int rc = take_count(name, colon + 1, 1, 65535, &port);
    options.floor.port = (uint16_t)port;
    return rc;
}

static int take_floor_port(const char *name, const char *text)
{
    uint32_t port = 0;
    int rc = take_count(name, text, 1024, 65535, &port);
    options.floor_base_port = (uint16_t)port;
    return rc;
}

static int take_floor_layer(const char *name, const char *text)
{
    uint32_t layer = 0;
    has_floor_layer = true;
    options.floor_layer = -1;
    if (strcmp(text, "all") == 0)
        return 0;
    int rc = take_count(name, text, 0, RTP_LAYERS_MAX - 1, &layer);
    options.floor_layer = (int)layer;
    return rc;
}

static int take_gallery(const char *name, const char *text)
{
    has_gallery = true;
    return take_count(name, text, 2, LOAD_PUBLISHERS_MAX, &options.publishers);
}

static int take_lesson(const char *name, const char *text)
{
    has_lesson = true;
    int rc = take_count(name, text, 1, LOAD_PUBLISHERS_MAX - 1, &options.publishers);
    options.publishers++; /* who lectures */
    return rc;
}

static int take_pid(const char *name, const char *text)
{
    uint32_t pid = 0;
    int rc = take_count(name, text, 1, INT_MAX, &pid);
    options.server_pid = (int)pid;
    return rc;
}

/* ---- the table ---- */

/* One option: a text, a flag, a number in a range, or a function. */
struct row {
    const char *name;
    const char **text;
    bool *flag;
    uint32_t *count;
    uint32_t min, max;
    double *real;
    double real_max;
    int (*take)(const char *name, const char *text);
};

static bool wants_help, has_no_nack;

static const struct row rows[] = {
    {"target", .take = take_target},
    {"url", .text = &options.url},
    {"key", .text = &options.key},
    {"secret", .text = &options.secret},
    {"whip-url", .text = &options.whip_path},
    {"whep-url", .text = &options.whep_path},
    {"room", .text = &options.room},
    {"dual", .flag = &options.is_dual},
    {"bind", .take = take_bind},
    {"floor-addr", .take = take_floor_addr},
    {"floor-base-port", .take = take_floor_port},
    {"floor-layer", .take = take_floor_layer},
    {"srtp", .take = take_srtp},
    {"publishers", .count = &options.publishers, .min = 1, .max = LOAD_PUBLISHERS_MAX},
    {"subscribers", .count = &options.subscribers, .min = 0, .max = LOAD_CLIENTS_MAX},
    {"gallery", .take = take_gallery},
    {"lesson", .take = take_lesson},
    {"rooms", .count = &options.rooms, .min = 1, .max = LOAD_ROOMS_MAX},
    {"video", .flag = &only_video},
    {"audio", .flag = &only_audio},
    {"codec", .take = take_codec},
    {"layers", .count = &options.layers, .min = 1, .max = RTP_LAYERS_MAX},
    {"packet-size", .count = &options.packet_size, .min = 200, .max = 1250},
    {"frame-rate", .count = &options.frame_rate, .min = 1, .max = 120},
    {"frame-packets", .count = &options.frame_packets, .min = 1, .max = 200},
    {"keyframe-packets", .count = &options.keyframe_packets, .min = 1, .max = 200},
    {"twcc", .flag = &options.has_twcc},
    {"no-nack", .flag = &has_no_nack},
    {"check", .real = &options.check_percent, .real_max = 100},
    {"loss", .real = &options.loss_percent, .real_max = 100},
    {"lossy-share", .real = &options.lossy_share_percent, .real_max = 100},
    {"data", .text = &data_folder},
    {"join-rate", .real = &options.join_rate, .real_max = 10000},
    {"join-timeout", .count = &options.join_timeout_s, .min = 1, .max = 600},
    {"join-storm", .count = &options.storm_joins, .min = 0, .max = LOAD_CLIENTS_MAX},
    {"storm-seconds", .real = &options.storm_s, .real_max = LOAD_SECONDS_MAX},
    {"warm-up", .count = &options.warm_up_s, .min = 0, .max = LOAD_SECONDS_MAX},
    {"duration", .count = &options.duration_s, .min = 1, .max = LOAD_SECONDS_MAX},
    {"server-pid", .take = take_pid},
    {"json", .text = &options.json_path},
    {"help", .flag = &wants_help},
};

static int take_option(const struct row *row, const char *text)
{
    char name[32];
    snprintf(name, sizeof(name), "--%s", row->name);
    if (row->flag != NULL)
        *row->flag = true;
    else if (row->text != NULL)
        *row->text = text;
    else if (row->count != NULL)
        return take_count(name, text, row->min, row->max, row->count);
    else if (row->real != NULL)
        return take_real(name, text, row->real_max, row->real);
    else
        return row->take(name, text);
    return 0;
}

/* ---- what fits together ---- */

static int check_target(void)
{
    if (options.target != LOAD_FLOOR)
        return 0;
    if (!has_floor_addr)
        return complain("--floor-addr", "missing");
    if (options.network.family != ADDR_FAMILY_NONE)
        return complain("--bind", "the floor program sends to one address");
    if (options.rooms > 1 || options.storm_joins > 0)
        return complain("--target floor", "knows one room, and everybody from the beginning");
    if (options.srtp == SEC_PROFILE_NONE)
        options.srtp = SEC_PROFILE_AEAD_AES_128_GCM;
    if (options.floor_base_port + options.subscribers + options.publishers > 65535)
        return complain("--floor-base-port", "leaves too few ports above it");
    if (options.floor_base_port < 1024 + options.publishers)
        return complain("--floor-base-port", "leaves too few ports below it");
    return 0;
}

static int check_options(void)
{
    uint64_t publishers = (uint64_t)options.publishers * options.rooms;
    uint64_t clients = publishers + (uint64_t)options.subscribers * options.rooms;
    if (publishers > LOAD_PUBLISHERS_MAX)
        return complain("--publishers, --rooms", "too many publishers in all");
    if (clients + options.storm_joins > LOAD_CLIENTS_MAX)
        return complain("--subscribers, --rooms", "too many clients in all");
    if ((has_gallery || has_lesson) && options.storm_joins > 0)
        return complain("--gallery, --lesson", "do not go together with --join-storm");
    if (has_lesson && (has_gallery || options.target != LOAD_LIVEKIT))
        return complain("--lesson", "is for the target livekit, and without --gallery");
    if (options.check_percent <= 0)
        return complain("--check", "must be more than 0");
    if (options.join_rate <= 0)
        return complain("--join-rate", "must be more than 0");
    if (options.packet_size > 0 && options.codec != RTP_CODEC_VP8)
        return complain("--packet-size", "synthetic pictures look like VP8");
    return check_target();
}

static void complete_options(void)
{
    options.is_gallery = has_gallery;
    options.is_lesson = has_lesson;
    if (has_gallery || has_lesson)
        options.subscribers = 0;
    if (only_video != only_audio) {
        options.has_video = only_video;
        options.has_audio = only_audio;
    }
    if (options.codec == RTP_CODEC_H264)
        options.layers = 1;
    if (!has_floor_layer)
        options.floor_layer = (int)options.layers - 1;
    options.has_nack = !has_no_nack;
    options.has_progress = isatty(STDERR_FILENO) != 0;
}

static int read_options(int argc, char **argv)
{
    struct option longs[ARRAY_COUNT(rows) + 1] = {0};
    int index = 0;
    options = load_options_default();
    options.lossy_share_percent = 100;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
        longs[i] = (struct option){rows[i].name,
                                   rows[i].flag != NULL ? no_argument : required_argument, NULL, 1};
    for (;;) {
        int id = getopt_long(argc, argv, "", longs, &index);
        if (id == -1)
            break;
        if (id != 1)
            return EXIT_USAGE; /* getopt has said what it is */
        int rc = take_option(&rows[index], optarg);
        if (rc != 0 || wants_help)
            return rc;
    }
    if (optind < argc)
        return complain(argv[optind], "unexpected argument");
    complete_options();
    options.argc = argc;
    options.argv = argv;
    return check_options();
}

int cmd_load(int argc, char **argv)
{
    char folder[PATH_MAX];
    int rc = read_options(argc, argv);
    if (rc != 0)
        return rc;
    if (wants_help) {
        for (size_t i = 0; i < ARRAY_COUNT(usage); i++)
            fputs(usage[i], stdout);
        return 0;
    }
    if (!paths_find_load_data(data_folder, folder, sizeof(folder)))
        return complain("--data", "no folder with opus.clip found");
    options.data_folder = folder;
    struct sigaction action = {.sa_handler = on_stop};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    return load_run(&options, &is_stopping);
}
