/*
 * Goal: data packets keep every byte but the sender's fields, which are ours, and reach those they
 * name; malformed ones are refused.
 * Method: the protocol reference's vector, packets built by protobuf-c and read back, and every
 * truncation of them.
 */

#include "livekit.pb-c.h"
#include "unit/cmocka_all.h"

#include "base/encode.h"
#include "base/err.h"
#include "signal/data_packet.h"

#include <string.h>

/* kind RELIABLE, identity pub, sid PA_pub, sequence 1, user{payload "hi", topic t} */
static const char vector[] = "12071202686922017422037075628001018a010650415f707562";

static void the_vector_is_stamped_anew(void **state)
{
    (void)state;
    uint8_t data[64], out[64 + DATA_STAMP_MAX];
    int size = hex_decode(vector, data, sizeof(data));
    assert_true(size > 0);
    struct data_packet p;
    assert_int_equal(data_packet_read(data, (size_t)size, &p), 0);
    assert_int_equal(p.sequence, 1);
    assert_false(p.has_destinations);
    assert_true(data_packet_is_for(&p, "anyone", "PA_any"));
    size_t stamped = data_packet_stamp(&p, true, "anna", "PA_anna", out);
    Livekit__DataPacket *m = livekit__data_packet__unpack(NULL, stamped, out);
    assert_non_null(m);
    assert_int_equal(m->kind, LIVEKIT__DATA_PACKET__KIND__LOSSY);
    assert_string_equal(m->participant_identity, "anna");
    assert_string_equal(m->participant_sid, "PA_anna");
    assert_int_equal(m->sequence, 1);
    assert_int_equal(m->value_case, LIVEKIT__DATA_PACKET__VALUE_USER);
    assert_memory_equal(m->user->payload.data, "hi", 2);
    assert_string_equal(m->user->topic, "t");
    livekit__data_packet__free_unpacked(m, NULL);
}

static void stamping_again_with_the_same_is_a_fixed_point(void **state)
{
    (void)state;
    uint8_t data[64], out[64 + DATA_STAMP_MAX], again[256 + 2 * DATA_STAMP_MAX];
    int size = hex_decode(vector, data, sizeof(data));
    struct data_packet p;
    assert_int_equal(data_packet_read(data, (size_t)size, &p), 0);
    size_t first = data_packet_stamp(&p, false, "pub", "PA_pub", out);
    assert_int_equal(first, size); /* the same fields, kind 0 being absent */
    assert_int_equal(data_packet_read(out, first, &p), 0);
    size_t second = data_packet_stamp(&p, false, "pub", "PA_pub", again);
    assert_int_equal(second, first);
    assert_memory_equal(out, again, first);
}

static void a_long_identity_fits(void **state)
{
    (void)state;
    char identity[257];
    memset(identity, 'x', 256);
    identity[256] = '\0';
    uint8_t out[DATA_STAMP_MAX];
    struct data_packet p;
    assert_int_equal(data_packet_read((const uint8_t *)"", 0, &p), 0);
    size_t size = data_packet_stamp(&p, true, identity, "PA_0123456789ab", out);
    assert_true(size <= sizeof(out));
    Livekit__DataPacket *m = livekit__data_packet__unpack(NULL, size, out);
    assert_non_null(m);
    assert_string_equal(m->participant_identity, identity);
    livekit__data_packet__free_unpacked(m, NULL);
}

static void destinations_of_packet_and_user_are_merged(void **state)
{
    (void)state;
    Livekit__UserPacket user = LIVEKIT__USER_PACKET__INIT;
    Livekit__DataPacket m = LIVEKIT__DATA_PACKET__INIT;
    char *outer[] = {(char *)"anna"}, *inner[] = {(char *)"bert"}, *sids[] = {(char *)"PA_carl"};
    user.destination_identities = inner;
    user.n_destination_identities = 1;
    user.destination_sids = sids;
    user.n_destination_sids = 1;
    m.destination_identities = outer;
    m.n_destination_identities = 1;
    m.value_case = LIVEKIT__DATA_PACKET__VALUE_USER;
    m.user = &user;
    uint8_t data[256];
    size_t size = livekit__data_packet__pack(&m, data);
    struct data_packet p;
    assert_int_equal(data_packet_read(data, size, &p), 0);
    static const struct {
        const char *identity, *sid;
        bool is_for;
    } rows[] = {
        {"anna", "PA_1", true},     {"bert", "PA_2", true}, {"x", "PA_carl", true},
        {"PA_carl", "PA_4", false}, {"ann", "PA_5", false}, {"annab", "PA_6", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(data_packet_is_for(&p, rows[i].identity, rows[i].sid), rows[i].is_for);
}

static void truncated_packets_are_refused_or_shorter(void **state)
{
    (void)state;
    uint8_t data[64], out[64 + DATA_STAMP_MAX];
    int size = hex_decode(vector, data, sizeof(data));
    struct data_packet p;
    size_t refused = 0;
    for (size_t cut = 0; cut < (size_t)size; cut++) {
        if (data_packet_read(data, cut, &p) < 0)
            refused++;
        else
            assert_true(data_packet_stamp(&p, false, "a", "b", out) <= cut + 7);
    }
    assert_true(refused >= (size_t)size - 5);
    static const uint8_t group[] = {0x0b}, zero[] = {0x00}, huge[] = {0x12, 0xff, 0xff, 0xff, 0x7f};
    assert_int_equal(data_packet_read(group, sizeof(group), &p), ERR_MALFORMED);
    assert_int_equal(data_packet_read(zero, sizeof(zero), &p), ERR_MALFORMED);
    assert_int_equal(data_packet_read(huge, sizeof(huge), &p), ERR_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vector_is_stamped_anew),
        cmocka_unit_test(stamping_again_with_the_same_is_a_fixed_point),
        cmocka_unit_test(a_long_identity_fits),
        cmocka_unit_test(destinations_of_packet_and_user_are_merged),
        cmocka_unit_test(truncated_packets_are_refused_or_shorter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
