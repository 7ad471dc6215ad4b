/* SimulateScenario: what the SDKs' own tests ask a server to do to them. */

#include "signal/signal_internal.h"

static void leave(struct signal_participant *p, Livekit__DisconnectReason reason,
                  Livekit__LeaveRequest__Action action)
{
    signal__send_leave(p, reason, action);
    signal__session_dismiss(p->session, 1000);
    if (action == LIVEKIT__LEAVE_REQUEST__ACTION__RESUME)
        signal__participant_lost(p);
    else
        signal__participant_remove(p, reason, false);
}

static void switch_protocol(struct signal_participant *p, Livekit__CandidateProtocol protocol)
{
    if (protocol == LIVEKIT__CANDIDATE_PROTOCOL__TCP)
        signal__set_way(p, SIGNAL_WAY_TCP);
    else if (protocol == LIVEKIT__CANDIDATE_PROTOCOL__TLS)
        signal__set_way(p, SIGNAL_WAY_TLS);
    else
        signal__set_way(p, SIGNAL_WAY_ANY);
}

void signal__simulate(struct signal_participant *p, const Livekit__SimulateScenario *scenario)
{
    switch (scenario->scenario_case) {
    case LIVEKIT__SIMULATE_SCENARIO__SCENARIO_SPEAKER_UPDATE:
        p->simulated_speaker_until =
            p->room->signal->now + MONO_S(TK_MIN(TK_MAX(scenario->speaker_update, 0), 3600));
        signal__speakers_heard(p);
        break;
    case LIVEKIT__SIMULATE_SCENARIO__SCENARIO_NODE_FAILURE:
        /* As if the process had gone: no word, and nothing to resume. */
        signal__session_dismiss(p->session, 1011);
        signal__participant_remove(p, LIVEKIT__DISCONNECT_REASON__SERVER_SHUTDOWN, false);
        break;
    case LIVEKIT__SIMULATE_SCENARIO__SCENARIO_SERVER_LEAVE:
        leave(p, LIVEKIT__DISCONNECT_REASON__SERVER_SHUTDOWN,
              LIVEKIT__LEAVE_REQUEST__ACTION__DISCONNECT);
        break;
    case LIVEKIT__SIMULATE_SCENARIO__SCENARIO_LEAVE_REQUEST_FULL_RECONNECT:
        leave(p, LIVEKIT__DISCONNECT_REASON__SERVER_SHUTDOWN,
              LIVEKIT__LEAVE_REQUEST__ACTION__RECONNECT);
        break;
    case LIVEKIT__SIMULATE_SCENARIO__SCENARIO_SWITCH_CANDIDATE_PROTOCOL:
        switch_protocol(p, scenario->switch_candidate_protocol);
        leave(p, LIVEKIT__DISCONNECT_REASON__MIGRATION, LIVEKIT__LEAVE_REQUEST__ACTION__RESUME);
        break;
    case LIVEKIT__SIMULATE_SCENARIO__SCENARIO_MIGRATION:
        leave(p, LIVEKIT__DISCONNECT_REASON__MIGRATION, LIVEKIT__LEAVE_REQUEST__ACTION__RESUME);
        break;
    case LIVEKIT__SIMULATE_SCENARIO__SCENARIO_DISCONNECT_SIGNAL_ON_RESUME:
        p->cut_on_resume = 2;
        break;
    case LIVEKIT__SIMULATE_SCENARIO__SCENARIO_DISCONNECT_SIGNAL_ON_RESUME_NO_MESSAGES:
        p->cut_on_resume = 1;
        break;
    default: /* a bandwidth limit is the network's business */
        break;
    }
}
