#include "lesson/command.h"

#include <string.h>

/* Who may give a command: about itself, about another site. */
enum {
    BY_NOBODY = 0,
    BY_LECTURE = 1u << LESSON_ROLE_LECTURE,
    BY_REMOTE = 1u << LESSON_ROLE_REMOTE
};

struct rule {
    const char *name;
    unsigned about_self;
    unsigned about_other;
    bool needs_site; /* the subject is a remote site: the one named, or the sender */
    enum lesson_event_type event;
};

static const struct rule rules[LESSON_CMD_COUNT_] = {
    [LESSON_CMD_UNKNOWN] = {"unknown", BY_NOBODY, BY_NOBODY, false, LESSON_EVENT_UNKNOWN},
    [LESSON_CMD_RAISE_HAND] = {"raise_hand", BY_REMOTE, BY_NOBODY, true, LESSON_EVENT_HAND_RAISED},
    [LESSON_CMD_LOWER_HAND] = {"lower_hand", BY_REMOTE, BY_LECTURE, true,
                               LESSON_EVENT_HAND_LOWERED},
    [LESSON_CMD_CALL_ON_STAGE] = {"call_on_stage", BY_NOBODY, BY_LECTURE, true,
                                  LESSON_EVENT_STAGE_ADDED},
    [LESSON_CMD_PUT_DOWN] = {"put_down", BY_REMOTE, BY_LECTURE, true, LESSON_EVENT_STAGE_REMOVED},
    [LESSON_CMD_GIVE_FLOOR] = {"give_floor", BY_NOBODY, BY_LECTURE, true, LESSON_EVENT_FLOOR_GIVEN},
    [LESSON_CMD_TAKE_FLOOR] = {"take_floor", BY_REMOTE, BY_LECTURE, true, LESSON_EVENT_FLOOR_TAKEN},
    [LESSON_CMD_MUTE_ALL] = {"mute_all", BY_LECTURE, BY_LECTURE, false, LESSON_EVENT_ALL_MUTED},
    [LESSON_CMD_CHAT] = {"chat", BY_LECTURE | BY_REMOTE, BY_NOBODY, false, LESSON_EVENT_CHAT},
    [LESSON_CMD_END_LESSON] = {"end_lesson", BY_LECTURE, BY_LECTURE, false,
                               LESSON_EVENT_LESSON_ENDED},
};

const char *lesson_command_name(enum lesson_command_type type)
{
    return rules[type].name;
}

enum lesson_command_type lesson_command_of(const char *name)
{
    for (int i = 1; i < LESSON_CMD_COUNT_; i++)
        if (strcmp(rules[i].name, name) == 0)
            return (enum lesson_command_type)i;
    return LESSON_CMD_UNKNOWN;
}

static int refuse(struct lesson_refusal *ret, const char *code, const char *reason)
{
    *ret = (struct lesson_refusal){code, reason};
    return -1;
}

/* Would the command change the subject at all? */
static bool changes_site(const struct lesson_site *site, enum lesson_command_type type)
{
    switch (type) {
    case LESSON_CMD_RAISE_HAND:
        return site->hand_seq == 0;
    case LESSON_CMD_LOWER_HAND:
        return site->hand_seq != 0;
    case LESSON_CMD_CALL_ON_STAGE:
        return !site->is_on_stage;
    case LESSON_CMD_PUT_DOWN:
        return site->is_on_stage;
    case LESSON_CMD_GIVE_FLOOR:
        return !site->has_floor;
    case LESSON_CMD_TAKE_FLOOR:
        return site->has_floor;
    default:
        return true;
    }
}

static int check_room(const struct lesson_state *s, const struct lesson_site *site,
                      enum lesson_command_type type, struct lesson_refusal *ret_refusal)
{
    bool is_call = type == LESSON_CMD_CALL_ON_STAGE;
    if (is_call && s->stage_count >= LESSON_STAGE_MAX)
        return refuse(ret_refusal, "stage_full", "the stage is full; put a site down first");
    if ((is_call || type == LESSON_CMD_GIVE_FLOOR) && !site->has_floor &&
        s->floor_count >= LESSON_FLOOR_MAX)
        return refuse(ret_refusal, "floor_full", "too many microphones are open; close one first");
    return 0;
}

static int decide_about_site(const struct lesson_state *s, const char *identity,
                             enum lesson_command_type type, struct lesson_refusal *ret_refusal)
{
    const struct lesson_site *site = lesson_state_site(s, identity);
    if (site == NULL || site->role != LESSON_ROLE_REMOTE)
        return refuse(ret_refusal, "unknown_site", "there is no such remote site in this lesson");
    if (!changes_site(site, type))
        return 0;
    int err = check_room(s, site, type, ret_refusal);
    return err < 0 ? err : 1;
}

static bool may(const struct rule *rule, bool is_self, enum lesson_role role)
{
    unsigned bit = 1u << role;
    return ((is_self ? rule->about_self : rule->about_other) & bit) != 0;
}

static const char *not_allowed_reason(const struct rule *rule)
{
    if ((rule->about_self | rule->about_other) == BY_LECTURE)
        return "only the lecture site may do this";
    return "this role may not do this";
}

int lesson_command_decide(const struct lesson_state *s, const char *sender,
                          enum lesson_role sender_role, const struct lesson_command *cmd,
                          struct lesson_event *ret_event, struct lesson_refusal *ret_refusal)
{
    const struct rule *rule = &rules[cmd->type];
    if (cmd->type == LESSON_CMD_UNKNOWN)
        return refuse(ret_refusal, "unknown_command", "this command is not known");
    bool is_self = cmd->site[0] == '\0' || strcmp(cmd->site, sender) == 0;
    if (!may(rule, is_self, sender_role))
        return refuse(ret_refusal, "not_allowed", not_allowed_reason(rule));
    if (s->is_ended)
        return refuse(ret_refusal, "lesson_ended", "the lesson is over");
    const char *subject = is_self ? sender : cmd->site;
    if (rule->needs_site) {
        int result = decide_about_site(s, subject, cmd->type, ret_refusal);
        if (result <= 0)
            return result;
    }
    if (cmd->type == LESSON_CMD_CHAT && cmd->text[0] == '\0')
        return refuse(ret_refusal, "malformed", "the text is empty");

    memset(ret_event, 0, sizeof(*ret_event));
    ret_event->type = rule->event;
    if (rule->needs_site || cmd->type == LESSON_CMD_CHAT)
        memcpy(ret_event->site, subject, strlen(subject) + 1);
    if (cmd->type != LESSON_CMD_CHAT && cmd->type != LESSON_CMD_RAISE_HAND)
        memcpy(ret_event->by, sender, strlen(sender) + 1);
    memcpy(ret_event->text, cmd->text, sizeof(ret_event->text));
    return 1;
}
