#ifndef TK_SERVER_CONFIG_H
#define TK_SERVER_CONFIG_H

/*
 * The configuration: one YAML file, parsed once into one struct that is read-only afterwards.
 * config_default() is the only place with defaults. Unknown keys, wrong types and values out of
 * range are errors that name file, line, key and what is allowed. docs/configuration.md lists every
 * key.
 */

#include "base/addr.h"
#include "base/strbuf.h"
#include "signal/signal.h"

#include <stdbool.h>
#include <stdint.h>

#define CONFIG_LIST_MAX 16
#define CONFIG_TEXT_MAX 512
#define CONFIG_KEYS_MAX 64

struct config_list {
    char items[CONFIG_LIST_MAX][CONFIG_TEXT_MAX];
    size_t count;
};

struct config {
    int64_t port;
    struct config_list bind;
    char tls_cert[CONFIG_TEXT_MAX], tls_key[CONFIG_TEXT_MAX];
    char data[CONFIG_TEXT_MAX];
    char web_root[CONFIG_TEXT_MAX]; /* "" = found beside the program */
    char log_level[16];
    bool log_pii;
    int64_t connections_max;

    struct signal_key keys[SIGNAL_KEYS_MAX];
    size_t key_count;

    int64_t media_udp_port, media_tcp_port; /* tcp 0 = no ICE-TCP */
    int64_t media_workers;                  /* 0 = one per processor core */
    int64_t media_packets;                  /* packet buffers per worker */
    int64_t media_peers_max;                /* connections per worker */
    char media_srtp_backend[16];
    struct config_list media_node_ip;    /* announced instead of the interfaces' addresses */
    struct config_list media_interfaces; /* only these; empty = all */
    bool media_loopback;

    bool room_auto_create;
    int64_t room_empty_timeout_s, room_departure_timeout_s, room_resume_timeout_s;
    int64_t room_max_participants, room_max_rooms;

    int64_t limits_load_rooms_percent, limits_load_participants_percent; /* 0 = never refused */
    int64_t limits_worker_packets_per_s, limits_participants;            /* 0 = no limit */

    bool metrics_enabled;
    char metrics_token[CONFIG_TEXT_MAX];

    struct signal_ice_server ice_servers[4];
    size_t ice_server_count;

    struct config_list webhook_urls;
    char webhook_key[64];

    uint32_t lines[CONFIG_KEYS_MAX]; /* where each key stands, for config_check(); 0 = nowhere */
};

void config_default(struct config *ret_config);

/* Adds what `serve --dev` brings: API key devkey/secret, loopback candidates. */
void config_apply_dev(struct config *c);

/*
 * Reads a file over `config`. ERR_CONFIG with one line per problem in `problems`
 * ("tongke.yaml:12: media.udp_port: 70000 is not in 1..65535").
 */
MUST_CHECK int config_read_file(const char *path, struct config *config, struct strbuf *problems);

/* The same for text that is already in memory; `name` stands for the file in messages. */
MUST_CHECK int config_read_text(const char *name, const char *text, size_t size,
                                struct config *config, struct strbuf *problems);

/* The line of the file in which a key stands; 0 = in none. */
uint32_t config_line(const struct config *config, const char *path);

/* Checks what concerns several keys at once, and files that are named. ERR_CONFIG. */
MUST_CHECK int config_check(const char *name, const struct config *config, struct strbuf *problems);

/* Writes the table of all keys as Markdown, for docs/configuration.md. */
void config_print_keys(struct strbuf *b);

#endif
