#include "base/err.h"
#include "base/strbuf.h"
#include "sdp/sdp_internal.h"

#include <string.h>
#include <strings.h>

#define CANDIDATE_TEXT_SIZE 512

static const char *const type_names[] = {"host", "srflx", "prflx", "relay"};

static int parse_type(const char *word, enum sdp_candidate_type *ret_type)
{
    for (size_t i = 0; i < ARRAY_COUNT(type_names); i++) {
        if (word != NULL && strcmp(word, type_names[i]) == 0) {
            *ret_type = (enum sdp_candidate_type)i;
            return 0;
        }
    }
    return ERR_UNSUPPORTED;
}

/* foundation component transport priority address port "typ" type *(name value) */
static int parse_words(char *at, struct sdp_candidate *c)
{
    const char *words[8];
    for (size_t i = 0; i < ARRAY_COUNT(words); i++)
        if ((words[i] = sdp__word(&at, " \t")) == NULL)
            return ERR_MALFORMED;
    uint64_t component = 0, priority = 0, port = 0;
    if (!sdp__number(words[1], 256, &component) || !sdp__number(words[3], UINT32_MAX, &priority) ||
        !sdp__number(words[5], UINT16_MAX, &port) || strcmp(words[6], "typ") != 0)
        return ERR_MALFORMED;
    if (component != 1 || addr_parse_ip(words[4], &c->addr) < 0)
        return ERR_UNSUPPORTED;
    c->addr.port = (uint16_t)port;
    c->priority = (uint32_t)priority;
    int err = parse_type(words[7], &c->type);
    if (err < 0)
        return err;
    if (strcasecmp(words[2], "udp") == 0)
        return 0;
    if (strcasecmp(words[2], "tcp") != 0)
        return ERR_UNSUPPORTED;
    c->addr.proto = ADDR_PROTO_TCP;
    for (const char *name; (name = sdp__word(&at, " \t")) != NULL;) {
        const char *value = sdp__word(&at, " \t");
        if (value != NULL && strcmp(name, "tcptype") == 0)
            return strcmp(value, "passive") == 0 ? 0 : ERR_UNSUPPORTED;
    }
    return ERR_UNSUPPORTED;
}

int sdp_parse_candidate(const char *text, struct sdp_candidate *ret_candidate)
{
    if (strncmp(text, "a=", 2) == 0)
        text += 2;
    if (strncmp(text, "candidate:", 10) == 0)
        text += 10;
    char copy[CANDIDATE_TEXT_SIZE];
    if (str_copy(copy, sizeof(copy), text) < 0)
        return ERR_MALFORMED;
    struct sdp_candidate c = {0};
    int err = parse_words(copy, &c);
    if (err < 0)
        return err;
    *ret_candidate = c;
    return 0;
}
