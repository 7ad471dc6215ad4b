/*
 * The ICE servers that clients are given. A TURN server with a shared secret gets short-lived
 * credentials in coturn's way: the name is the time of expiry and the identity, the password
 * base64(HMAC-SHA1(secret, name)).
 */

#include "base/encode.h"
#include "signal/signal_internal.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#define CREDENTIAL_TTL_S (24 * 3600)
#define SHA1_SIZE        20

static int fill_credentials(const struct signal_participant *p, const char *secret,
                            struct signal_arena *arena, Livekit__ICEServer *server)
{
    size_t size = SIGNAL_TEXT_MAX + 32;
    char *username = signal__arena_alloc(arena, size);
    char *credential = signal__arena_alloc(arena, BASE64_SIZE(SHA1_SIZE) + 1);
    if (username == NULL || credential == NULL)
        return -ENOMEM;
    long long expires = (long long)(p->room->signal->wall / 1000) + CREDENTIAL_TTL_S;
    snprintf(username, size, "%lld:%s", expires, p->sid);
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned int mac_size = 0;
    if (HMAC(EVP_sha1(), secret, (int)strlen(secret), (const unsigned char *)username,
             strlen(username), mac, &mac_size) == NULL)
        return -ENOMEM;
    base64_encode(mac, mac_size, credential);
    server->username = username;
    server->credential = credential;
    return 0;
}

int signal__ice_servers_fill(const struct signal_participant *p, struct signal_arena *arena,
                             size_t *ret_count, Livekit__ICEServer ***ret_servers)
{
    struct signal_config *config = &p->room->signal->config;
    Livekit__ICEServer **servers =
        signal__arena_alloc(arena, (config->ice_server_count + 1) * sizeof(Livekit__ICEServer *));
    if (servers == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < config->ice_server_count; i++) {
        Livekit__ICEServer *server = signal__arena_alloc(arena, sizeof(*server));
        char **urls = signal__arena_alloc(arena, sizeof(char *));
        if (server == NULL || urls == NULL)
            return -ENOMEM;
        livekit__iceserver__init(server);
        urls[0] = config->ice_servers[i].url;
        server->urls = urls;
        server->n_urls = 1;
        const char *secret = config->ice_servers[i].secret;
        if (secret[0] != '\0' && fill_credentials(p, secret, arena, server) < 0)
            return -ENOMEM;
        servers[i] = server;
    }
    *ret_count = config->ice_server_count;
    *ret_servers = servers;
    return 0;
}
