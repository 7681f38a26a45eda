/* The three handshake datagrams, both sides. */
#include <sodium.h>

#include "noise.h"

#define INIT_COOKIE     32u
#define INIT_NOISE      64u
#define RESPONSE_NOISE  32u
#define COOKIE_TAG      16u
#define PROLOGUE_BYTES  (GIRO_TAG_BYTES + GIRO_HASH_BYTES + PROLOGUE_HEADER)
#define PROLOGUE_HEADER 16u /* bytes 16..32 of the INIT: step, versions, replica, initiator_id */

static_assert(INIT_NOISE + 32 + 48 + sizeof(struct giro_handshake_init_body) +
                      GIRO_SESSION_TAG_BYTES ==
                  GIRO_HANDSHAKE_INIT_BYTES,
              "INIT");
static_assert(RESPONSE_NOISE + 32 + sizeof(struct giro_handshake_response_body) +
                      GIRO_SESSION_TAG_BYTES ==
                  GIRO_HANDSHAKE_RESPONSE_BYTES,
              "RESPONSE");
static_assert(GIRO_HANDSHAKE_COOKIE_BYTES <= GIRO_HANDSHAKE_INIT_BYTES &&
                  GIRO_HANDSHAKE_RESPONSE_BYTES <= GIRO_HANDSHAKE_INIT_BYTES,
              "no answer is longer than what it answers");

/* TRY and REQUIRE as in common/wire/decode.h, which is private to that folder. */
#define REQUIRE(condition, reason)                                                                 \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return GIRO_REJECT_##reason;                                                           \
    } while (0)

static bool is_zero(const void *bytes, size_t size_bytes)
{
    return sodium_is_zero(bytes, size_bytes) == 1;
}

/* ---- Keys -------------------------------------------------------------------------------------- */

void giro_session_pair(const struct giro_secret_key *key, struct giro_session_key_pair *pair)
{
    uint8_t secret[crypto_sign_SECRETKEYBYTES], curve[32];
    const struct giro_public_key public_key = giro_key_public(key);
    giro_key_seed(key, secret);
    memcpy(secret + crypto_sign_SEEDBYTES, public_key.bytes, sizeof(public_key));
    const int done = crypto_sign_ed25519_sk_to_curve25519(curve, secret);
    GIRO_ASSERT(done == 0);
    noise_pair(curve, pair);
    sodium_memzero(secret, sizeof(secret));
    sodium_memzero(curve, sizeof(curve));
}

bool giro_session_public(const struct giro_public_key *key, uint8_t public_key[32])
{
    return crypto_sign_ed25519_pk_to_curve25519(public_key, key->bytes) == 0;
}

void giro_session_wipe(void *secret, size_t size_bytes)
{
    sodium_memzero(secret, size_bytes);
}

/* ---- Headers ----------------------------------------------------------------------------------- */

static size_t step_bytes(uint8_t step)
{
    switch (step) {
    case GIRO_HANDSHAKE_INIT:
        return GIRO_HANDSHAKE_INIT_BYTES;
    case GIRO_HANDSHAKE_COOKIE:
        return GIRO_HANDSHAKE_COOKIE_BYTES;
    case GIRO_HANDSHAKE_RESPONSE:
        return GIRO_HANDSHAKE_RESPONSE_BYTES;
    default:
        return 0;
    }
}

static enum giro_reject header_read(const void *bytes, size_t size_bytes, uint64_t chain_prefix,
                                    struct giro_handshake_header *header)
{
    REQUIRE(size_bytes >= sizeof(*header), TRUNCATED);
    memcpy(header, bytes, sizeof(*header));
    REQUIRE(header->head.magic == GIRO_MAGIC, MAGIC);
    REQUIRE(header->head.kind == GIRO_KIND_HANDSHAKE, KIND);
    REQUIRE(header->head.version == GIRO_VERSION, VERSION);
    REQUIRE(header->chain_prefix == chain_prefix, CHAIN);
    const size_t expected = step_bytes(header->step);
    REQUIRE(expected != 0, FIELD);
    REQUIRE(size_bytes >= expected, TRUNCATED);
    REQUIRE(size_bytes <= expected, OVERSIZED);
    REQUIRE(header->reserved == 0 && header->reserved2 == 0 && header->reserved3 == 0, RESERVED);
    REQUIRE(header->initiator_id != 0, FIELD);
    REQUIRE(header->replica < GIRO_REPLICAS_MAX, SIGNER);
    if (header->step == GIRO_HANDSHAKE_RESPONSE)
        REQUIRE(header->version_min == 0 && header->version_max == 0, RESERVED);
    else
        REQUIRE(header->version_min >= 1 && header->version_min <= header->version_max, FIELD);
    return GIRO_REJECT_NONE;
}

static bool versions_meet(const struct giro_handshake_header *header)
{
    return header->version_min <= GIRO_SESSION_VERSION_MAX &&
           header->version_max >= GIRO_SESSION_VERSION_MIN;
}

enum giro_handshake_step giro_handshake_step_of(const void *bytes, size_t size_bytes,
                                                uint64_t chain_prefix)
{
    struct giro_handshake_header header;
    if (header_read(bytes, size_bytes, chain_prefix, &header) != GIRO_REJECT_NONE)
        return (enum giro_handshake_step)0;
    return (enum giro_handshake_step)header.step;
}

static void prologue_make(const struct giro_hash *chain, const struct giro_handshake_header *init,
                          uint8_t prologue[PROLOGUE_BYTES])
{
    memcpy(prologue, GIRO_TAG_SESSION, GIRO_TAG_BYTES);
    memcpy(prologue + GIRO_TAG_BYTES, chain->bytes, GIRO_HASH_BYTES);
    memcpy(prologue + GIRO_TAG_BYTES + GIRO_HASH_BYTES, (const uint8_t *)init + 16,
           PROLOGUE_HEADER);
}

/* ---- The member's side ------------------------------------------------------------------------- */

bool giro_handshake_begin(struct giro_handshake *handshake,
                          const struct giro_handshake_options *options,
                          uint8_t init[GIRO_HANDSHAKE_INIT_BYTES])
{
    GIRO_ASSERT(options->initiator_id != 0);
    GIRO_ASSERT(options->body.datagram_max >= GIRO_SESSION_DATAGRAM_MIN);
    memset(handshake, 0, sizeof(*handshake));
    struct giro_handshake_header *header = &handshake->init;
    *header = (struct giro_handshake_header){.head = giro_head_make(GIRO_KIND_HANDSHAKE),
                                             .step = GIRO_HANDSHAKE_INIT,
                                             .version_min = GIRO_SESSION_VERSION_MIN,
                                             .version_max = GIRO_SESSION_VERSION_MAX,
                                             .replica = options->replica,
                                             .initiator_id = options->initiator_id};
    memcpy(&header->chain_prefix, options->chain->bytes, sizeof(header->chain_prefix));
    memcpy(init, header, sizeof(*header));
    memset(init + INIT_COOKIE, 0, GIRO_SESSION_COOKIE_SIZE);
    if (options->cookie != NULL)
        memcpy(init + INIT_COOKIE, options->cookie, GIRO_SESSION_COOKIE_SIZE);
    uint8_t prologue[PROLOGUE_BYTES];
    prologue_make(options->chain, header, prologue);
    noise_pair(options->ephemeral_secret, &handshake->ephemeral);
    memcpy(handshake->peer_static, options->replica_public, 32);
    noise_begin(&handshake->noise, prologue, sizeof(prologue), options->replica_public);
    return noise_write_first(&handshake->noise, &handshake->ephemeral, options->self,
                             options->replica_public, &options->body, sizeof(options->body),
                             init + INIT_NOISE);
}

/* The answer is to this handshake, from the replica it was sent to. */
static enum giro_reject answer_check(const struct giro_handshake *handshake, const void *bytes,
                                     size_t size_bytes, enum giro_handshake_step step,
                                     struct giro_handshake_header *header)
{
    const enum giro_reject reject =
        header_read(bytes, size_bytes, handshake->init.chain_prefix, header);
    if (reject != GIRO_REJECT_NONE)
        return reject;
    REQUIRE(header->step == step, KIND);
    REQUIRE(header->replica == handshake->init.replica, SIGNER);
    REQUIRE(header->initiator_id == handshake->init.initiator_id, SESSION);
    return GIRO_REJECT_NONE;
}

enum giro_reject giro_handshake_cookie(const struct giro_handshake *handshake, const void *bytes,
                                       size_t size_bytes, uint8_t init[GIRO_HANDSHAKE_INIT_BYTES])
{
    struct giro_handshake_header header;
    const enum giro_reject reject =
        answer_check(handshake, bytes, size_bytes, GIRO_HANDSHAKE_COOKIE, &header);
    if (reject != GIRO_REJECT_NONE)
        return reject;
    REQUIRE(versions_meet(&header), VERSION);
    memcpy(init + INIT_COOKIE, (const uint8_t *)bytes + sizeof(header), GIRO_SESSION_COOKIE_SIZE);
    return GIRO_REJECT_NONE;
}

static enum giro_reject response_check(const struct giro_handshake_header *init,
                                       const struct giro_handshake_response_body *body)
{
    REQUIRE(is_zero(body->reserved, sizeof(body->reserved)), RESERVED);
    REQUIRE(body->version >= init->version_min && body->version <= init->version_max, VERSION);
    REQUIRE(body->responder_id != 0, FIELD);
    REQUIRE(body->datagram_max >= GIRO_SESSION_DATAGRAM_MIN, FIELD);
    REQUIRE(body->window >= 1 && body->window <= GIRO_SESSION_WINDOW, FIELD);
    REQUIRE(body->credit <= body->window, FIELD);
    REQUIRE(body->keep_alive_s >= 1 && body->rekey_s >= 1, FIELD);
    REQUIRE(body->lifetime_s > body->rekey_s, FIELD);
    REQUIRE(body->rekey_datagrams >= 1 && body->rekey_datagrams <= GIRO_SESSION_NUMBER_MAX, FIELD);
    return GIRO_REJECT_NONE;
}

enum giro_reject giro_handshake_finish(const struct giro_handshake *handshake,
                                       const struct giro_session_key_pair *self, const void *bytes,
                                       size_t size_bytes, struct giro_handshake_response_body *body,
                                       struct giro_session *session)
{
    struct giro_handshake_header header;
    struct giro_handshake_response_body made;
    enum giro_reject reject =
        answer_check(handshake, bytes, size_bytes, GIRO_HANDSHAKE_RESPONSE, &header);
    if (reject != GIRO_REJECT_NONE)
        return reject;
    struct giro_handshake_noise noise = handshake->noise;
    reject = noise_read_second(&noise, &handshake->ephemeral, self,
                               (const uint8_t *)bytes + RESPONSE_NOISE, &made, sizeof(made));
    if (reject == GIRO_REJECT_NONE)
        reject = response_check(&handshake->init, &made);
    if (reject == GIRO_REJECT_NONE) {
        *body = made;
        *session = (struct giro_session){.own_id = handshake->init.initiator_id,
                                         .peer_id = made.responder_id,
                                         .version = made.version};
        noise_split(&noise, session->send_key, session->receive_key);
    }
    sodium_memzero(&noise, sizeof(noise));
    return reject;
}

/* ---- The hub's side ------------------------------------------------------------------------------ */

enum giro_reject giro_handshake_check(const void *bytes, size_t size_bytes, uint64_t chain_prefix,
                                      uint16_t replica, struct giro_handshake_header *header)
{
    const enum giro_reject reject = header_read(bytes, size_bytes, chain_prefix, header);
    if (reject != GIRO_REJECT_NONE)
        return reject;
    REQUIRE(header->step == GIRO_HANDSHAKE_INIT, KIND);
    REQUIRE(header->replica == replica, SIGNER);
    REQUIRE(versions_meet(header), VERSION);
    return GIRO_REJECT_NONE;
}

void giro_cookie_make(const uint8_t secret[GIRO_COOKIE_SECRET_BYTES], uint64_t period,
                      uint32_t ipv4, uint16_t port, uint8_t cookie[GIRO_SESSION_COOKIE_SIZE])
{
    uint8_t text[14];
    struct giro_writer writer;
    giro_writer_init(&writer, text, sizeof(text));
    giro_writer_u32(&writer, ipv4);
    giro_writer_u16(&writer, port);
    const bool fits = giro_writer_u64(&writer, period);
    GIRO_ASSERT(fits);
    memset(cookie, 0, GIRO_SESSION_COOKIE_SIZE);
    memcpy(cookie, &period, sizeof(period));
    crypto_shorthash_siphashx24(cookie + GIRO_SESSION_COOKIE_SIZE - COOKIE_TAG, text, sizeof(text),
                                secret);
}

bool giro_cookie_good(const uint8_t secret[GIRO_COOKIE_SECRET_BYTES], uint64_t now_ns,
                      uint32_t ipv4, uint16_t port, const uint8_t cookie[GIRO_SESSION_COOKIE_SIZE])
{
    const uint64_t period_now = now_ns / GIRO_COOKIE_PERIOD_NS;
    uint64_t period;
    uint8_t expected[GIRO_SESSION_COOKIE_SIZE];
    memcpy(&period, cookie, sizeof(period));
    if (period > period_now || period_now - period > 1)
        return false;
    giro_cookie_make(secret, period, ipv4, port, expected);
    return sodium_memcmp(cookie, expected, sizeof(expected)) == 0;
}

void giro_handshake_cookie_answer(const struct giro_handshake_header *init,
                                  const uint8_t cookie[GIRO_SESSION_COOKIE_SIZE],
                                  uint8_t out[GIRO_HANDSHAKE_COOKIE_BYTES])
{
    struct giro_handshake_header header = *init;
    header.step = GIRO_HANDSHAKE_COOKIE;
    header.version_min = GIRO_SESSION_VERSION_MIN;
    header.version_max = GIRO_SESSION_VERSION_MAX;
    memcpy(out, &header, sizeof(header));
    memcpy(out + sizeof(header), cookie, GIRO_SESSION_COOKIE_SIZE);
}

static enum giro_reject init_body_check(const struct giro_handshake_init_body *body)
{
    REQUIRE(body->reserved == 0 && body->reserved2 == 0 &&
                is_zero(body->reserved3, sizeof(body->reserved3)),
            RESERVED);
    REQUIRE(body->member < GIRO_MEMBERS_MAX, MEMBER);
    REQUIRE(body->datagram_max >= GIRO_SESSION_DATAGRAM_MIN, FIELD);
    return GIRO_REJECT_NONE;
}

enum giro_reject giro_handshake_open(struct giro_handshake *handshake,
                                     const struct giro_session_key_pair *self,
                                     const struct giro_hash *chain,
                                     const uint8_t init[GIRO_HANDSHAKE_INIT_BYTES],
                                     struct giro_handshake_init_body *body)
{
    memset(handshake, 0, sizeof(*handshake));
    memcpy(&handshake->init, init, sizeof(handshake->init));
    uint8_t prologue[PROLOGUE_BYTES];
    prologue_make(chain, &handshake->init, prologue);
    noise_begin(&handshake->noise, prologue, sizeof(prologue), self->public_key);
    const enum giro_reject reject =
        noise_read_first(&handshake->noise, self, init + INIT_NOISE, body, sizeof(*body),
                         handshake->peer_ephemeral, handshake->peer_static);
    return reject != GIRO_REJECT_NONE ? reject : init_body_check(body);
}

uint16_t giro_handshake_version(const struct giro_handshake_header *init)
{
    GIRO_ASSERT(versions_meet(init));
    return init->version_max < GIRO_SESSION_VERSION_MAX ? init->version_max
                                                        : (uint16_t)GIRO_SESSION_VERSION_MAX;
}

enum giro_reject giro_handshake_respond(struct giro_handshake *handshake,
                                        const uint8_t ephemeral_secret[32],
                                        const struct giro_handshake_response_body *body,
                                        uint8_t response[GIRO_HANDSHAKE_RESPONSE_BYTES],
                                        struct giro_session *session)
{
    GIRO_ASSERT(response_check(&handshake->init, body) == GIRO_REJECT_NONE);
    struct giro_handshake_header header = handshake->init;
    header.step = GIRO_HANDSHAKE_RESPONSE;
    header.version_min = header.version_max = 0;
    memcpy(response, &header, sizeof(header));
    noise_pair(ephemeral_secret, &handshake->ephemeral);
    if (!noise_write_second(&handshake->noise, &handshake->ephemeral, handshake->peer_ephemeral,
                            handshake->peer_static, body, sizeof(*body), response + RESPONSE_NOISE))
        return GIRO_REJECT_KEY;
    *session = (struct giro_session){.own_id = body->responder_id,
                                     .peer_id = handshake->init.initiator_id,
                                     .version = body->version};
    noise_split(&handshake->noise, session->receive_key, session->send_key);
    return GIRO_REJECT_NONE;
}
