/* One WebSocket as signalling sees it: frames in, a bounded queue of frames out, its end. */

#include "base/err.h"
#include "signal/pbjson.h"
#include "signal/signal_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FRAMES_MAX     65536
#define REQUESTS_PER_S 200.0
#define REQUESTS_BURST 2000.0 /* a join with many candidates and tracks is a few hundred */

static void list_writable(struct signal_session *session)
{
    if (list_is_empty(&session->writable_link))
        list_push_back(&session->signal->writable, &session->writable_link);
}

int signal__session_create(struct signal *s, struct signal_session **ret_session)
{
    struct signal_session *session = calloc(1, sizeof(*session));
    if (session == NULL)
        return -ENOMEM;
    session->signal = s;
    session->heard_at = s->now;
    session->request_tokens = REQUESTS_BURST;
    list_init(&session->writable_link);
    list_push_back(&s->sessions, &session->link);
    s->stats.sessions++;
    *ret_session = session;
    return 0;
}

static struct signal_frame *pop_frame(struct signal_session *session)
{
    if (session->frame_count == 0)
        return NULL;
    struct signal_frame *frame = session->frames[session->frame_head];
    session->frame_head = (session->frame_head + 1) % session->frame_capacity;
    session->frame_count--;
    session->frame_bytes -= frame->size;
    return frame;
}

static void drop_current(struct signal_session *session)
{
    free(session->current);
    session->current = NULL;
    signal__frame_unref(session->current_frame);
    session->current_frame = NULL;
}

void signal__session_free(struct signal_session *session)
{
    if (session->participant != NULL) {
        signal__participant_lost(session->participant);
    }
    drop_current(session);
    for (struct signal_frame *f; (f = pop_frame(session)) != NULL;)
        signal__frame_unref(f);
    free(session->frames);
    list_remove(&session->writable_link);
    list_remove(&session->link);
    session->signal->stats.sessions--;
    free(session);
}

static bool grow_frames(struct signal_session *session)
{
    size_t capacity = TK_MAX(session->frame_capacity * 2, (size_t)8);
    if (session->frame_capacity >= FRAMES_MAX)
        return false;
    struct signal_frame **frames = malloc(capacity * sizeof(struct signal_frame *));
    if (frames == NULL)
        return false;
    for (size_t i = 0; i < session->frame_count; i++)
        frames[i] = session->frames[(session->frame_head + i) % session->frame_capacity];
    free(session->frames);
    session->frames = frames;
    session->frame_capacity = capacity;
    session->frame_head = 0;
    return true;
}

void signal__session_push(struct signal_session *session, struct signal_frame *frame)
{
    if (session == NULL || frame == NULL || session->is_closing || session->is_mute)
        return;
    bool has_room = session->frame_bytes + frame->size <= SIGNAL_FRAMES_SIZE_MAX &&
                    (session->frame_count < session->frame_capacity || grow_frames(session));
    if (!has_room) {
        /* A reader this slow is as good as gone; it may resume. */
        session->signal->stats.over_limit++;
        struct signal_participant *p = session->participant;
        signal__session_dismiss(session, 1008);
        if (p != NULL)
            signal__participant_lost(p);
        return;
    }
    frame->refs++;
    session->frames[(session->frame_head + session->frame_count) % session->frame_capacity] = frame;
    session->frame_count++;
    session->frame_bytes += frame->size;
    list_writable(session);
}

void signal__send(struct signal_participant *p, const Livekit__SignalResponse *response)
{
    if (p->session == NULL || p->session->is_mute)
        return;
    struct signal_frame *frame = signal__frame_pack(response);
    signal__session_push(p->session, frame);
    signal__frame_unref(frame);
}

void signal__send_leave(struct signal_participant *p, Livekit__DisconnectReason reason,
                        Livekit__LeaveRequest__Action action)
{
    Livekit__LeaveRequest leave = LIVEKIT__LEAVE_REQUEST__INIT;
    leave.reason = reason;
    leave.action = action;
    leave.can_reconnect = action != LIVEKIT__LEAVE_REQUEST__ACTION__DISCONNECT;
    Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
    response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_LEAVE;
    response.leave = &leave;
    signal__send(p, &response);
}

void signal__session_dismiss(struct signal_session *session, int close_code)
{
    if (session == NULL)
        return;
    if (session->participant != NULL)
        session->participant->session = NULL;
    session->participant = NULL;
    if (session->is_mute) {
        signal__session_free(session);
        return;
    }
    session->is_closing = true;
    session->close_code = close_code;
    list_writable(session);
}

void signal__participant_lost(struct signal_participant *p)
{
    p->session = NULL;
    p->lost_at = p->room->signal->now;
    signal__participant_due(p, p->lost_at + SIGNAL_TICK_US);
}

static Livekit__SignalRequest *parse(const void *data, size_t size, bool is_text)
{
    if (!is_text)
        return livekit__signal_request__unpack(NULL, size, data);
    ProtobufCMessage *message;
    if (pbjson_parse(&livekit__signal_request__descriptor, data, size, &message) < 0)
        return NULL;
    return (Livekit__SignalRequest *)message;
}

/* A token bucket; over it requests are dropped and the client is told once per burst. */
static bool is_within_rate(struct signal_session *session, mono_us now)
{
    double passed_s = (double)(now - session->heard_at) / 1e6;
    session->request_tokens += passed_s * REQUESTS_PER_S;
    if (session->request_tokens >= REQUESTS_BURST)
        session->request_tokens = REQUESTS_BURST;
    if (session->request_tokens >= 1) {
        session->request_tokens -= 1;
        session->was_told_limit = false;
        return true;
    }
    session->signal->stats.over_limit++;
    if (!session->was_told_limit && session->participant != NULL)
        signal__send_request_response(session->participant, 0,
                                      LIVEKIT__REQUEST_RESPONSE__REASON__LIMIT_EXCEEDED,
                                      "more than 200 signalling requests a second");
    session->was_told_limit = true;
    return false;
}

static void receive(struct signal_session *session, const void *data, size_t size, bool is_text)
{
    Livekit__SignalRequest *request =
        size <= SIGNAL_MESSAGE_MAX ? parse(data, size, is_text) : NULL;
    if (request == NULL) {
        session->signal->stats.malformed++;
        return;
    }
    signal__dispatch(session->participant, request);
    livekit__signal_request__free_unpacked(request, NULL);
}

void signal_session_receive(struct signal_session *session, const void *data, size_t size,
                            bool is_text, mono_us now, wall_ms wall)
{
    struct signal *s = session->signal;
    signal__enter(s, now, wall);
    bool is_taken = session->participant != NULL && is_within_rate(session, now);
    session->heard_at = now;
    session->is_text = is_text;
    if (is_taken)
        receive(session, data, size, is_text);
    signal__finish(s);
}

/* The frame as JSON text, for a client that speaks it. */
static char *to_text(const struct signal_frame *frame)
{
    Livekit__SignalResponse *response =
        livekit__signal_response__unpack(NULL, frame->size, frame->data);
    char *text = NULL;
    if (response != NULL && pbjson_print(&response->base, &text) < 0)
        text = NULL;
    livekit__signal_response__free_unpacked(response, NULL);
    return text;
}

int signal_session_poll_frame(struct signal_session *session, const void **ret_data,
                              size_t *ret_size, bool *ret_is_text, int *ret_close_code)
{
    drop_current(session);
    session->current_frame = pop_frame(session);
    if (session->current_frame != NULL && session->is_text) {
        session->current = to_text(session->current_frame);
        *ret_is_text = session->current != NULL;
        if (session->current != NULL) {
            *ret_data = session->current;
            *ret_size = strlen(session->current);
            return 1;
        }
    }
    if (session->current_frame != NULL) {
        *ret_data = session->current_frame->data;
        *ret_size = session->current_frame->size;
        *ret_is_text = false;
        return 1;
    }
    list_remove(&session->writable_link);
    if (!session->is_closing)
        return 0;
    *ret_close_code = session->close_code;
    signal__session_free(session);
    return -1;
}

void signal_session_closed(struct signal_session *session, mono_us now)
{
    struct signal *s = session->signal;
    signal__enter(s, now, 0);
    struct signal_participant *p = session->participant;
    if (p != NULL)
        signal__participant_lost(p);
    session->participant = NULL;
    signal__session_free(session);
    signal__finish(s);
}

void signal_session_set_user(struct signal_session *session, void *user)
{
    session->user = user;
}

void *signal_session_user(const struct signal_session *session)
{
    return session->user;
}

struct signal_session *signal_poll_writable(struct signal *s)
{
    struct list *item = list_pop_front(&s->writable);
    return item != NULL ? CONTAINER_OF(item, struct signal_session, writable_link) : NULL;
}
