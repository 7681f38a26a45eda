/* The handshake against an implementation that is not ours, against every truncation and every flipped bit, and against keys that
 * are not the right ones. */
#include <criterion/criterion.h>
#include <sodium.h>

#include "common/session/noise.h"
#include "session_support.h"

static void setup(void)
{
    cr_assert(giro_crypto_init() == GIRO_ERR_OK);
}

TestSuite(session_handshake, .init = setup);

static size_t hex(const char *text, uint8_t *bytes)
{
    const size_t length = strlen(text);
    cr_assert(giro_hex_parse(text, length, bytes, length / 2));
    return length / 2;
}

/* Noise_IK_25519_ChaChaPoly_SHA256 of vectors/cacophony.txt in github.com/haskell-cryptography/cacophony, commit
 * 8ee9d41e34a1a596cfa3ab12aa4069ff87dc1247 (public domain): an implementation in Haskell. */
static const struct {
    const char *prologue, *init_static, *init_ephemeral, *resp_public, *resp_static,
        *resp_ephemeral, *hash;
    struct {
        const char *payload, *ciphertext;
    } messages[6];
} cacophony = {
    "4a6f686e2047616c74",
    "e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1",
    "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a",
    "31e0303fd6418d2f8c0e78b91f22e8caed0fbe48656dcf4767e4834f701b8f62",
    "4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893",
    "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b",
    "0b0f68fb0c27e03ce9b97565995ed4838cc0581b762ef72b062f6a546419fad7",
    {{"4c756477696720766f6e204d69736573",
      "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944718da798efbcd91528520204f904"
      "b9bd6c7413dccdc214d951e15253e39987f18146e8cd0873654207148333479d4d16c289f0294b29960a72f48e0b"
      "7bba2e89083169825e59642148d492020664ccf7"},
     {"4d757272617920526f746862617264",
      "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f1448088435361e70b2ed446e6c9ec387d1d6b"
      "3b840f194e373979d241b203c4acafccf5"},
     {"462e20412e20486179656b", "050e9f3c8fac16b68dbce8f8c4bfbf6617c897f9ada4aa29aa19c8"},
     {"4361726c204d656e676572", "344233a6cabb7141d80f3da2fedc311d9646bbb0f505afe403a667"},
     {"4a65616e2d426170746973746520536179",
      "62cdeeb172ad7ade7aa7d9e069da5790f12331bfa00177787a1d0810c67dc3b2b4"},
     {"457567656e2042f6686d20766f6e2042617765726b",
      "029bead1b40992327044d409d9a1f3ad8f36c3c452775d557e18bbeb2e8dfcead32d514024"}}};

static void pair_from(const char *secret_hex, struct giro_session_key_pair *pair)
{
    uint8_t secret[32];
    cr_assert(hex(secret_hex, secret) == 32);
    noise_pair(secret, pair);
}

/* The messages after the handshake go by turns, each direction with its own key and numbers from 0. */
static void transport_check(const uint8_t from_initiator[32], const uint8_t from_responder[32])
{
    for (uint32_t i = 2; i < 6; i++) {
        uint8_t payload[64], expected[80], sealed[80], nonce[12] = {0};
        const size_t size = hex(cacophony.messages[i].payload, payload);
        hex(cacophony.messages[i].ciphertext, expected);
        nonce[4] = (uint8_t)(i / 2 - 1);
        crypto_aead_chacha20poly1305_ietf_encrypt(sealed, NULL, payload, size, NULL, 0, NULL, nonce,
                                                  i % 2 == 0 ? from_initiator : from_responder);
        cr_assert(memcmp(sealed, expected, size + 16) == 0, "message %u", i);
    }
}

Test(session_handshake, agrees_with_an_implementation_that_is_not_ours)
{
    struct giro_session_key_pair init_static, init_ephemeral, resp_static, resp_ephemeral;
    uint8_t prologue[16], resp_public[32], first[128], second[128], expected[128], payload[32];
    uint8_t got[32], peer_ephemeral[32], peer_static[32], keys[4][32], hash[32];
    struct giro_handshake_noise initiator, responder;
    const size_t prologue_bytes = hex(cacophony.prologue, prologue);
    pair_from(cacophony.init_static, &init_static);
    pair_from(cacophony.init_ephemeral, &init_ephemeral);
    pair_from(cacophony.resp_static, &resp_static);
    pair_from(cacophony.resp_ephemeral, &resp_ephemeral);
    hex(cacophony.resp_public, resp_public);
    cr_assert(memcmp(resp_public, resp_static.public_key, 32) == 0);
    noise_begin(&initiator, prologue, prologue_bytes, resp_public);
    noise_begin(&responder, prologue, prologue_bytes, resp_static.public_key);

    size_t size = hex(cacophony.messages[0].payload, payload);
    cr_assert(noise_write_first(&initiator, &init_ephemeral, &init_static, resp_public, payload,
                                size, first));
    cr_assert(hex(cacophony.messages[0].ciphertext, expected) == 96 + size);
    cr_assert(memcmp(first, expected, 96 + size) == 0);
    cr_assert(noise_read_first(&responder, &resp_static, first, got, size, peer_ephemeral,
                               peer_static) == GIRO_REJECT_NONE);
    cr_assert(memcmp(got, payload, size) == 0);
    cr_assert(memcmp(peer_static, init_static.public_key, 32) == 0);

    size = hex(cacophony.messages[1].payload, payload);
    cr_assert(noise_write_second(&responder, &resp_ephemeral, peer_ephemeral, peer_static, payload,
                                 size, second));
    cr_assert(hex(cacophony.messages[1].ciphertext, expected) == 48 + size);
    cr_assert(memcmp(second, expected, 48 + size) == 0);
    cr_assert(noise_read_second(&initiator, &init_ephemeral, &init_static, second, got, size) ==
              GIRO_REJECT_NONE);
    cr_assert(memcmp(got, payload, size) == 0);
    hex(cacophony.hash, hash);
    cr_assert(memcmp(initiator.hash, hash, 32) == 0 && memcmp(responder.hash, hash, 32) == 0);
    noise_split(&initiator, keys[0], keys[1]);
    noise_split(&responder, keys[2], keys[3]);
    cr_assert(memcmp(keys[0], keys[2], 32) == 0 && memcmp(keys[1], keys[3], 32) == 0);
    transport_check(keys[0], keys[1]);
}

Test(session_handshake, gives_both_sides_the_same_keys_and_ids)
{
    struct session_pair pair;
    session_pair_make(&pair);
    cr_assert(memcmp(pair.member.send_key, pair.hub.receive_key, 32) == 0);
    cr_assert(memcmp(pair.member.receive_key, pair.hub.send_key, 32) == 0);
    cr_assert(memcmp(pair.member.send_key, pair.member.receive_key, 32) != 0);
    cr_assert(pair.member.peer_id == SESSION_RESPONDER && pair.hub.own_id == SESSION_RESPONDER);
    cr_assert(pair.member.own_id == SESSION_INITIATOR && pair.hub.peer_id == SESSION_INITIATOR);
    cr_assert(pair.member.version == 1 && pair.hub.version == 1);
    const struct giro_handshake_response_body said = session_response_body();
    cr_assert(memcmp(&pair.told, &said, sizeof(said)) == 0);
}

Test(session_handshake, static_pairs_and_enrolled_keys_are_two_forms_of_one_key)
{
    struct session_pair pair;
    session_begin(&pair);
    cr_assert(memcmp(pair.replica_public, pair.replica_static.public_key, 32) == 0);
    cr_assert(memcmp(pair.member_public, pair.member_static.public_key, 32) == 0);
    const struct giro_public_key nothing = {{2}}; /* not on the curve */
    uint8_t out[32];
    cr_assert(!giro_session_public(&nothing, out));
}

/* Every prefix and every single flipped bit of an INIT: refused, but for the cookie, which is the hub's own business. */
Test(session_handshake, an_init_with_any_bit_changed_or_cut_opens_nothing)
{
    struct session_pair pair;
    session_begin(&pair);
    struct giro_handshake_header header;
    for (size_t size = 0; size < sizeof(pair.init); size++)
        cr_assert(giro_handshake_check(pair.init, size, pair.chain_prefix, SESSION_REPLICA,
                                       &header) == GIRO_REJECT_TRUNCATED);
    uint8_t longer[sizeof(pair.init) + 1] = {0};
    memcpy(longer, pair.init, sizeof(pair.init));
    cr_assert(giro_handshake_check(longer, sizeof(longer), pair.chain_prefix, SESSION_REPLICA,
                                   &header) == GIRO_REJECT_OVERSIZED);
    for (uint32_t bit = 0; bit < 8 * sizeof(pair.init); bit++) {
        if (bit / 8 >= 32 && bit / 8 < 64)
            continue;
        pair.init[bit / 8] ^= (uint8_t)(1u << bit % 8);
        /* The top bit of an X25519 key is ignored by the curve, but hashed: the transcript differs. */
        cr_assert(session_respond(&pair) != GIRO_REJECT_NONE, "bit %u", bit);
        pair.init[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    cr_assert(session_respond(&pair) == GIRO_REJECT_NONE);
}

Test(session_handshake, a_response_with_any_bit_changed_or_cut_changes_nothing)
{
    struct session_pair pair;
    session_begin(&pair);
    cr_assert(session_respond(&pair) == GIRO_REJECT_NONE);
    struct giro_session session = {.own_id = 77};
    struct giro_handshake_response_body body = {.credit = 78};
    const struct giro_handshake before = pair.member_side;
    for (size_t size = 0; size < sizeof(pair.response); size++)
        cr_assert(giro_handshake_finish(&pair.member_side, &pair.member_static, pair.response, size,
                                        &body, &session) == GIRO_REJECT_TRUNCATED);
    for (uint32_t bit = 0; bit < 8 * sizeof(pair.response); bit++) {
        pair.response[bit / 8] ^= (uint8_t)(1u << bit % 8);
        cr_assert(giro_handshake_finish(&pair.member_side, &pair.member_static, pair.response,
                                        sizeof(pair.response), &body, &session) != GIRO_REJECT_NONE,
                  "bit %u", bit);
        pair.response[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    cr_assert(session.own_id == 77 && body.credit == 78);
    cr_assert(memcmp(&before, &pair.member_side, sizeof(before)) == 0);
    cr_assert(giro_handshake_finish(&pair.member_side, &pair.member_static, pair.response,
                                    sizeof(pair.response), &body, &session) == GIRO_REJECT_NONE);
}

Test(session_handshake, wrong_keys_chains_and_replicas_open_nothing)
{
    struct session_pair pair;
    session_begin(&pair);
    struct giro_handshake_init_body body;
    struct giro_handshake_header header;
    /* another replica's key */
    cr_assert(giro_handshake_open(&pair.hub_side, &pair.member_static, &pair.chain, pair.init,
                                  &body) == GIRO_REJECT_SEAL);
    /* another hub under the same prefix */
    struct giro_hash chain = pair.chain;
    chain.bytes[31] ^= 1;
    cr_assert(giro_handshake_open(&pair.hub_side, &pair.replica_static, &chain, pair.init, &body) ==
              GIRO_REJECT_SEAL);
    cr_assert(giro_handshake_check(pair.init, sizeof(pair.init), pair.chain_prefix + 1,
                                   SESSION_REPLICA, &header) == GIRO_REJECT_CHAIN);
    cr_assert(giro_handshake_check(pair.init, sizeof(pair.init), pair.chain_prefix,
                                   SESSION_REPLICA + 1, &header) == GIRO_REJECT_SIGNER);
    /* a member that has not the secret of the key it shows: the response is of no use to it */
    cr_assert(session_respond(&pair) == GIRO_REJECT_NONE);
    struct giro_session session;
    struct giro_handshake_response_body told;
    cr_assert(giro_handshake_finish(&pair.member_side, &pair.replica_static, pair.response,
                                    sizeof(pair.response), &told, &session) == GIRO_REJECT_SEAL);
}

/* Points of small order give a shared secret that everybody knows: refused wherever one may come in (RFC 7748 section 6.1). */
Test(session_handshake, points_of_small_order_are_refused)
{
    static const char *const points[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"};
    for (uint32_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
        struct session_pair pair;
        uint8_t point[32], ephemeral[32];
        struct giro_handshake_init_body body;
        hex(points[i], point);
        session_begin(&pair);
        memcpy(pair.init + 64, point, 32);
        cr_assert(giro_handshake_open(&pair.hub_side, &pair.replica_static, &pair.chain, pair.init,
                                      &body) == GIRO_REJECT_KEY);
        session_fill(ephemeral, sizeof(ephemeral), 0x81);
        memcpy(pair.replica_public, point, 32);
        const struct giro_handshake_options options = session_options(&pair, ephemeral, NULL);
        cr_assert(!giro_handshake_begin(&pair.member_side, &options, pair.init));
        session_pair_make(&pair);
        memcpy(pair.response + 32, point, 32);
        cr_assert(giro_handshake_finish(&pair.member_side, &pair.member_static, pair.response,
                                        sizeof(pair.response), &pair.told,
                                        &pair.member) == GIRO_REJECT_KEY);
    }
}

Test(session_handshake, versions_cannot_be_talked_down)
{
    struct session_pair pair;
    struct giro_handshake_header header;
    session_begin(&pair);
    pair.init[17] = 2; /* versions 2..9: none of ours; the header is there for the answer */
    pair.init[18] = 9;
    cr_assert(giro_handshake_check(pair.init, sizeof(pair.init), pair.chain_prefix, SESSION_REPLICA,
                                   &header) == GIRO_REJECT_VERSION);
    cr_assert(header.initiator_id == SESSION_INITIATOR);
    pair.init[17] = 1; /* versions 1..9 meet ours, but the INIT was made for 1..1 */
    cr_assert(giro_handshake_check(pair.init, sizeof(pair.init), pair.chain_prefix, SESSION_REPLICA,
                                   &header) == GIRO_REJECT_NONE);
    cr_assert(giro_handshake_version(&header) == 1);
    cr_assert(session_respond(&pair) == GIRO_REJECT_SEAL);
    pair.init[17] = 3; /* min above max */
    pair.init[18] = 2;
    cr_assert(giro_handshake_check(pair.init, sizeof(pair.init), pair.chain_prefix, SESSION_REPLICA,
                                   &header) == GIRO_REJECT_FIELD);
}

Test(session_handshake, a_cookie_is_good_for_its_address_in_two_periods)
{
    uint8_t secret[GIRO_COOKIE_SECRET_BYTES], cookie[GIRO_SESSION_COOKIE_SIZE];
    session_fill(secret, sizeof(secret), 0x11);
    const uint64_t now_ns = 7 * GIRO_COOKIE_PERIOD_NS + 5;
    giro_cookie_make(secret, 7, 0x0A000002, 4711, cookie);
    cr_assert(giro_cookie_good(secret, now_ns, 0x0A000002, 4711, cookie));
    cr_assert(giro_cookie_good(secret, now_ns + GIRO_COOKIE_PERIOD_NS, 0x0A000002, 4711, cookie));
    cr_assert(
        !giro_cookie_good(secret, now_ns + 2 * GIRO_COOKIE_PERIOD_NS, 0x0A000002, 4711, cookie));
    cr_assert(!giro_cookie_good(secret, now_ns - GIRO_COOKIE_PERIOD_NS, 0x0A000002, 4711, cookie));
    cr_assert(!giro_cookie_good(secret, now_ns, 0x0A000003, 4711, cookie));
    cr_assert(!giro_cookie_good(secret, now_ns, 0x0A000002, 4712, cookie));
    for (uint32_t bit = 0; bit < 256; bit++) {
        cookie[bit / 8] ^= (uint8_t)(1u << bit % 8);
        cr_assert(!giro_cookie_good(secret, now_ns, 0x0A000002, 4711, cookie));
        cookie[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    secret[0] ^= 1;
    cr_assert(!giro_cookie_good(secret, now_ns, 0x0A000002, 4711, cookie));
    memset(cookie, 0, sizeof(cookie));
    cr_assert(!giro_cookie_good(secret, 0, 0x0A000002, 4711, cookie)); /* the first period */
}

Test(session_handshake, a_cookie_goes_into_the_same_init)
{
    struct session_pair pair;
    struct giro_handshake_header header;
    uint8_t answer[GIRO_HANDSHAKE_COOKIE_BYTES], cookie[32], before[GIRO_HANDSHAKE_INIT_BYTES];
    session_begin(&pair);
    cr_assert(giro_handshake_check(pair.init, sizeof(pair.init), pair.chain_prefix, SESSION_REPLICA,
                                   &header) == GIRO_REJECT_NONE);
    session_fill(cookie, sizeof(cookie), 0x33);
    giro_handshake_cookie_answer(&header, cookie, answer);
    memcpy(before, pair.init, sizeof(before));
    for (size_t size = 0; size < sizeof(answer); size++)
        cr_assert(giro_handshake_cookie(&pair.member_side, answer, size, pair.init) !=
                  GIRO_REJECT_NONE);
    answer[24] ^= 1; /* another handshake's */
    cr_assert(giro_handshake_cookie(&pair.member_side, answer, sizeof(answer), pair.init) ==
              GIRO_REJECT_SESSION);
    answer[24] ^= 1;
    answer[17] = answer[18] = 9; /* a hub of another time */
    cr_assert(giro_handshake_cookie(&pair.member_side, answer, sizeof(answer), pair.init) ==
              GIRO_REJECT_VERSION);
    answer[17] = answer[18] = 1;
    cr_assert(memcmp(before, pair.init, sizeof(before)) == 0);
    cr_assert(giro_handshake_cookie(&pair.member_side, answer, sizeof(answer), pair.init) ==
              GIRO_REJECT_NONE);
    cr_assert(memcmp(pair.init + 32, cookie, 32) == 0);
    cr_assert(memcmp(before, pair.init, 32) == 0 &&
              memcmp(before + 64, pair.init + 64, sizeof(before) - 64) == 0);
    cr_assert(session_respond(&pair) == GIRO_REJECT_NONE);
    cr_assert(giro_handshake_step_of(pair.init, sizeof(pair.init), pair.chain_prefix) ==
              GIRO_HANDSHAKE_INIT);
    cr_assert(giro_handshake_step_of(answer, sizeof(answer), pair.chain_prefix) ==
              GIRO_HANDSHAKE_COOKIE);
    cr_assert(giro_handshake_step_of(pair.response, sizeof(pair.response), pair.chain_prefix) ==
              GIRO_HANDSHAKE_RESPONSE);
    cr_assert(giro_handshake_step_of(pair.response, sizeof(answer), pair.chain_prefix) == 0);
}
