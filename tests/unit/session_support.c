#include "session_support.h"

#include <criterion/criterion.h>

void session_fill(void *bytes, size_t size_bytes, uint8_t first)
{
    for (size_t i = 0; i < size_bytes; i++)
        ((uint8_t *)bytes)[i] = (uint8_t)(first + i);
}

static struct giro_public_key key_from(uint8_t first, struct giro_session_key_pair *pair)
{
    uint8_t seed[32];
    session_fill(seed, sizeof(seed), first);
    struct giro_secret_key *key = giro_key_from_seed(seed);
    giro_session_pair(key, pair);
    const struct giro_public_key public_key = giro_key_public(key);
    giro_key_free(key);
    return public_key;
}

struct giro_handshake_options session_options(const struct session_pair *pair,
                                              const uint8_t *ephemeral_secret,
                                              const uint8_t *cookie)
{
    return (struct giro_handshake_options){.self = &pair->member_static,
                                           .replica_public = pair->replica_public,
                                           .chain = &pair->chain,
                                           .ephemeral_secret = ephemeral_secret,
                                           .cookie = cookie,
                                           .initiator_id = SESSION_INITIATOR,
                                           .replica = SESSION_REPLICA,
                                           .body = {.member = SESSION_MEMBER,
                                                    .key_id = SESSION_KEY_ID,
                                                    .replaces = 0x0BADCAFE,
                                                    .datagram_max = 1472,
                                                    .time_ns = UINT64_C(1795485600123456789)}};
}

void session_begin(struct session_pair *pair)
{
    uint8_t ephemeral[32], cookie[32];
    memset(pair, 0, sizeof(*pair));
    const struct giro_public_key member = key_from(0x01, &pair->member_static);
    const struct giro_public_key replica = key_from(0x41, &pair->replica_static);
    cr_assert(giro_session_public(&replica, pair->replica_public));
    cr_assert(giro_session_public(&member, pair->member_public));
    session_fill(&pair->chain, sizeof(pair->chain), 0xC0);
    memcpy(&pair->chain_prefix, &pair->chain, sizeof(pair->chain_prefix));
    session_fill(ephemeral, sizeof(ephemeral), 0x81);
    session_fill(cookie, sizeof(cookie), 0xE0);
    const struct giro_handshake_options options = session_options(pair, ephemeral, cookie);
    cr_assert(giro_handshake_begin(&pair->member_side, &options, pair->init));
}

struct giro_handshake_response_body session_response_body(void)
{
    return (struct giro_handshake_response_body){.credit = 64,
                                                 .rekey_datagrams = UINT64_C(1) << 30,
                                                 .responder_id = SESSION_RESPONDER,
                                                 .window = 1024,
                                                 .rekey_s = 120,
                                                 .lifetime_s = 180,
                                                 .datagram_max = 1472,
                                                 .keep_alive_s = 25,
                                                 .version = 1};
}

enum giro_reject session_respond(struct session_pair *pair)
{
    struct giro_handshake_header header;
    struct giro_handshake_init_body body;
    uint8_t ephemeral[32];
    enum giro_reject reject = giro_handshake_check(pair->init, sizeof(pair->init),
                                                   pair->chain_prefix, SESSION_REPLICA, &header);
    if (reject == GIRO_REJECT_NONE)
        reject = giro_handshake_open(&pair->hub_side, &pair->replica_static, &pair->chain,
                                     pair->init, &body);
    if (reject != GIRO_REJECT_NONE)
        return reject;
    cr_assert(body.member == SESSION_MEMBER && body.key_id == SESSION_KEY_ID);
    cr_assert(body.replaces == 0x0BADCAFE && body.datagram_max == 1472);
    cr_assert(body.time_ns == UINT64_C(1795485600123456789));
    cr_assert(memcmp(pair->hub_side.peer_static, pair->member_public, 32) == 0);
    session_fill(ephemeral, sizeof(ephemeral), 0xA1);
    const struct giro_handshake_response_body response = session_response_body();
    return giro_handshake_respond(&pair->hub_side, ephemeral, &response, pair->response,
                                  &pair->hub);
}

void session_pair_make(struct session_pair *pair)
{
    session_begin(pair);
    cr_assert(session_respond(pair) == GIRO_REJECT_NONE);
    cr_assert(giro_handshake_finish(&pair->member_side, &pair->member_static, pair->response,
                                    sizeof(pair->response), &pair->told,
                                    &pair->member) == GIRO_REJECT_NONE);
}
