/* Goal: one number is found in an encoded message, and nothing is read beyond the end of one that
 * is cut or nonsense. Method: a JoinResponse among other fields; the same cut at each byte. */
#include "livekit.pb-c.h"
#include "load/load_internal.h"
#include "unit/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#define OUTER LIVEKIT__SIGNAL_RESPONSE__MESSAGE_JOIN
#define FIELD 11 /* ping_interval */

static uint8_t *pack(int32_t interval, size_t *ret_size)
{
    Livekit__ParticipantInfo info = LIVEKIT__PARTICIPANT_INFO__INIT;
    Livekit__ParticipantInfo *others[] = {&info, &info};
    Livekit__JoinResponse join = LIVEKIT__JOIN_RESPONSE__INIT;
    Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
    info.sid = (char *)"PA_1";
    join.other_participants = others;
    join.n_other_participants = 2;
    join.subscriber_primary = 1;
    join.ping_interval = interval;
    join.ping_timeout = 20;
    response.message_case = OUTER;
    response.join = &join;
    *ret_size = livekit__signal_response__get_packed_size(&response);
    uint8_t *data = malloc(*ret_size);
    assert_non_null(data);
    livekit__signal_response__pack(&response, data);
    return data;
}

static void a_number_is_found(void **state)
{
    (void)state;
    static const int32_t cases[] = {1, 5, 127, 128, 300, 0};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        size_t size;
        uint8_t *data = pack(cases[i], &size);
        assert_int_equal(load__protobuf_number(data, size, OUTER, FIELD), cases[i]);
        assert_int_equal(load__protobuf_number(data, size, OUTER + 1, FIELD), 0);
        free(data);
    }
}

static void cut_and_nonsense(void **state)
{
    (void)state;
    size_t size;
    uint8_t *data = pack(10, &size);
    for (size_t cut = 0; cut < size; cut++) {
        uint8_t *part = malloc(cut + 1); /* the sanitizer watches its end */
        assert_non_null(part);
        memcpy(part + 1, data, cut);
        uint64_t found = load__protobuf_number(part + 1, cut, OUTER, FIELD);
        assert_true(found == 0 || found == 10);
        free(part);
    }
    free(data);
    uint8_t bytes[16];
    memset(bytes, 0xff, sizeof(bytes));
    assert_int_equal(load__protobuf_number(bytes, sizeof(bytes), OUTER, FIELD), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_is_found),
        cmocka_unit_test(cut_and_nonsense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
