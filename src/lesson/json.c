#include "lesson/json.h"

#include "base/err.h"
#include "base/strbuf.h"

#include <string.h>

/* ---- out ---- */

static void put_text(json_t *o, const char *key, const char *text)
{
    if (text[0] != '\0')
        json_object_set_new(o, key, json_string(text));
}

json_t *lesson_event_to_json(const struct lesson_event *e)
{
    json_t *o = json_pack("{s:I, s:I, s:s}", "seq", (json_int_t)e->seq, "at", (json_int_t)e->at,
                          "type", lesson_event_type_name(e->type));
    if (o == NULL)
        return NULL;
    put_text(o, "site", e->site);
    put_text(o, "by", e->by);
    if (e->type == LESSON_EVENT_SITE_JOINED) {
        json_object_set_new(o, "role", json_string(lesson_role_name(e->role)));
        json_object_set_new(o, "name", json_string(e->name));
        json_object_set_new(o, "school", json_string(e->school));
    } else if (e->type == LESSON_EVENT_LESSON_OPENED) {
        json_object_set_new(o, "title", json_string(e->title));
        json_object_set_new(o, "kind", json_string(lesson_kind_name(e->kind)));
    } else if (e->type == LESSON_EVENT_CHAT) {
        json_object_set_new(o, "text", json_string(e->text));
    }
    return o;
}

static json_t *site_to_json(const struct lesson_site *site)
{
    return json_pack("{s:s, s:s, s:s, s:b, s:b, s:I, s:b, s:b}", "role",
                     lesson_role_name(site->role), "name", site->name, "school", site->school,
                     "online", (int)site->is_online, "hand", (int)(site->hand_seq != 0), "hand_seq",
                     (json_int_t)site->hand_seq, "stage", (int)site->is_on_stage, "floor",
                     (int)site->has_floor);
}

json_t *lesson_state_to_json(const struct lesson_state *s)
{
    json_t *stage = json_array();
    for (size_t i = 0; i < s->stage_count; i++)
        json_array_append_new(stage, json_string(s->stage[i]->identity));
    json_t *sites = json_object();
    size_t cursor = 0;
    for (struct lesson_site *site; (site = strmap_next(&s->sites, &cursor, NULL)) != NULL;)
        json_object_set_new(sites, site->identity, site_to_json(site));
    return json_pack("{s:I, s:s, s:s, s:s, s:o, s:o}", "seq", (json_int_t)s->seq, "status",
                     s->is_ended ? "ended" : "live", "title", s->title, "kind",
                     lesson_kind_name(s->kind), "stage", stage, "sites", sites);
}

/* ---- in ---- */

/* Copies an optional text member. ERR_MALFORMED for another type or a text that is too long. */
static int get_text(const json_t *o, const char *key, char *dst, size_t size)
{
    const json_t *v = json_object_get(o, key);
    if (v == NULL)
        return 0;
    if (!json_is_string(v) || strlen(json_string_value(v)) != json_string_length(v))
        return ERR_MALFORMED;
    return str_copy(dst, size, json_string_value(v)) < 0 ? ERR_MALFORMED : 0;
}

static int get_word(const json_t *o, const char *key, char *dst, size_t size)
{
    int err = get_text(o, key, dst, size);
    return err < 0 || dst[0] == '\0' ? ERR_MALFORMED : 0;
}

int lesson_event_from_json(const json_t *json, struct lesson_event *ret_event)
{
    struct lesson_event e = {0};
    char word[64] = "", role[64] = "", kind[64] = "";
    const json_t *seq = json_object_get(json, "seq");
    const json_t *at = json_object_get(json, "at");
    if (!json_is_integer(seq) || json_integer_value(seq) < 0 ||
        (at != NULL && !json_is_integer(at)))
        return ERR_MALFORMED;
    e.seq = (uint64_t)json_integer_value(seq);
    e.at = at != NULL ? json_integer_value(at) : 0;
    if (get_word(json, "type", word, sizeof(word)) < 0 ||
        get_text(json, "site", e.site, sizeof(e.site)) < 0 ||
        get_text(json, "by", e.by, sizeof(e.by)) < 0 ||
        get_text(json, "name", e.name, sizeof(e.name)) < 0 ||
        get_text(json, "school", e.school, sizeof(e.school)) < 0 ||
        get_text(json, "title", e.title, sizeof(e.title)) < 0 ||
        get_text(json, "text", e.text, sizeof(e.text)) < 0 ||
        get_text(json, "role", role, sizeof(role)) < 0 ||
        get_text(json, "kind", kind, sizeof(kind)) < 0)
        return ERR_MALFORMED;
    e.type = lesson_event_type_of(word);
    e.role = lesson_role_of(role);
    e.kind = kind[0] != '\0' ? lesson_kind_of(kind) : LESSON_KIND_CLASS;
    if (e.kind == LESSON_KIND_COUNT_)
        return ERR_MALFORMED;
    *ret_event = e;
    return 0;
}

/* Characters of a UTF-8 text (jansson has checked that it is well formed). */
static size_t char_count(const char *text)
{
    size_t count = 0;
    for (; *text != '\0'; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

static const char *read_command(const json_t *o, struct lesson_command *cmd)
{
    char name[64] = "";
    if (!json_is_object(o))
        return "a command is a JSON object";
    if (get_word(o, "cmd_id", cmd->cmd_id, sizeof(cmd->cmd_id)) < 0) {
        cmd->cmd_id[0] = '\0';
        return "cmd_id must be a text of 1 to 64 characters";
    }
    if (get_word(o, "cmd", name, sizeof(name)) < 0)
        return "cmd must be a text";
    if (get_text(o, "site", cmd->site, sizeof(cmd->site)) < 0)
        return "site must be a text of at most 256 characters";
    if (get_text(o, "text", cmd->text, sizeof(cmd->text)) < 0 ||
        char_count(cmd->text) > LESSON_CHAT_CHARS)
        return "text must be a text of at most 500 characters";
    cmd->type = lesson_command_of(name);
    return NULL;
}

int lesson_command_parse(const char *text, size_t size, struct lesson_command *ret_cmd,
                         struct lesson_refusal *ret_refusal)
{
    memset(ret_cmd, 0, sizeof(*ret_cmd));
    json_t *o = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
    const char *reason = o != NULL ? read_command(o, ret_cmd) : "the frame is not JSON";
    json_decref(o);
    if (reason == NULL)
        return 0;
    *ret_refusal = (struct lesson_refusal){"malformed", reason};
    return ERR_MALFORMED;
}
