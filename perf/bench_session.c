/* bench_session: handshakes, sealing and opening session datagrams, against the curve operations and the cipher alone. */
#include <sodium.h>
#include <string.h>

#include "giro/session.h"
#include "perf/bench.h"

#define DATAGRAMS  256u
#define HANDSHAKES 16u

struct work {
    struct giro_session_key_pair member, replica;
    struct giro_hash chain;
    uint8_t init[GIRO_HANDSHAKE_INIT_BYTES], response[GIRO_HANDSHAKE_RESPONSE_BYTES];
    struct giro_handshake member_side;
    struct giro_session sender, receiver;
    uint32_t blocks_bytes;
    uint8_t datagrams[DATAGRAMS][1472], blocks[1472], key[32];
};

static void begin(struct work *work)
{
    uint8_t ephemeral[32];
    randombytes_buf(ephemeral, sizeof(ephemeral));
    const struct giro_handshake_options options = {.self = &work->member,
                                                   .replica_public = work->replica.public_key,
                                                   .chain = &work->chain,
                                                   .ephemeral_secret = ephemeral,
                                                   .initiator_id = 1,
                                                   .body = {.datagram_max = 1472}};
    giro_bench_must(giro_handshake_begin(&work->member_side, &options, work->init), "no INIT");
}

static void respond(struct work *work)
{
    struct giro_handshake hub_side;
    struct giro_handshake_init_body body;
    uint8_t ephemeral[32];
    const struct giro_handshake_response_body told = {.credit = 1,
                                                      .rekey_datagrams = 1,
                                                      .responder_id = 2,
                                                      .window = 1024,
                                                      .rekey_s = 1,
                                                      .lifetime_s = 2,
                                                      .datagram_max = 1472,
                                                      .keep_alive_s = 1,
                                                      .version = 1};
    randombytes_buf(ephemeral, sizeof(ephemeral));
    giro_bench_must(giro_handshake_open(&hub_side, &work->replica, &work->chain, work->init,
                                        &body) == GIRO_REJECT_NONE &&
                        giro_handshake_respond(&hub_side, ephemeral, &told, work->response,
                                               &work->receiver) == GIRO_REJECT_NONE,
                    "no RESPONSE");
}

static uint64_t hub_handshakes(void *context)
{
    for (uint32_t i = 0; i < HANDSHAKES; i++)
        respond(context);
    return HANDSHAKES;
}

static uint64_t member_handshakes(void *context)
{
    struct work *work = context;
    struct giro_handshake_response_body told;
    for (uint32_t i = 0; i < HANDSHAKES; i++) {
        begin(work);
        respond(work);
        giro_bench_must(giro_handshake_finish(&work->member_side, &work->member, work->response,
                                              sizeof(work->response), &told,
                                              &work->sender) == GIRO_REJECT_NONE,
                        "no session");
    }
    return HANDSHAKES;
}

/* What the hub's part cannot do without: its ephemeral key and four shared secrets. */
static uint64_t five_products(void *context)
{
    struct work *work = context;
    uint8_t point[32];
    int failed = 0;
    for (uint32_t i = 0; i < HANDSHAKES; i++) {
        failed |= crypto_scalarmult_base(point, work->replica.secret);
        for (uint32_t k = 0; k < 4; k++)
            failed |= crypto_scalarmult(point, work->replica.secret, work->member.public_key);
    }
    giro_bench_must(failed == 0, "X25519");
    return HANDSHAKES;
}

static uint64_t cookies(void *context)
{
    struct work *work = context;
    uint8_t cookie[32] = {0};
    uint64_t good = 0;
    for (uint32_t i = 0; i < DATAGRAMS; i++)
        good += giro_cookie_good(work->key, 500 * GIRO_NS_PER_S, i, 7, cookie);
    giro_bench_must(good == 0, "a cookie of zeros is good");
    return DATAGRAMS;
}

static uint64_t seal_all(void *context)
{
    struct work *work = context;
    for (uint32_t i = 0; i < DATAGRAMS; i++) {
        memset(work->datagrams[i] + GIRO_SESSION_HEADER_BYTES, 0, work->blocks_bytes);
        giro_bench_must(giro_session_seal(&work->sender, work->sender.send_number,
                                          work->datagrams[i], work->blocks_bytes) > 0,
                        "numbers are used up");
    }
    return DATAGRAMS;
}

static uint64_t open_all(void *context)
{
    struct work *work = context;
    struct giro_session_header header;
    uint32_t blocks_bytes;
    memset(&work->receiver.window, 0, sizeof(work->receiver.window));
    for (uint32_t i = 0; i < DATAGRAMS; i++)
        giro_bench_must(giro_session_open(&work->receiver, work->datagrams[i],
                                          work->blocks_bytes + GIRO_SESSION_OVERHEAD, work->blocks,
                                          &blocks_bytes, &header) == GIRO_REJECT_NONE,
                        "a datagram does not open");
    return DATAGRAMS;
}

static uint64_t cipher_alone(void *context)
{
    struct work *work = context;
    static const uint8_t nonce[12];
    for (uint32_t i = 0; i < DATAGRAMS; i++)
        crypto_aead_chacha20poly1305_ietf_encrypt(work->blocks, NULL, work->datagrams[i],
                                                  work->blocks_bytes, work->datagrams[i], 24, NULL,
                                                  nonce, work->key);
    return DATAGRAMS;
}

int main(int argc, char **argv)
{
    static struct work work;
    struct giro_bench bench;
    giro_bench_open(&bench, "session", "handshakes and datagrams of the session protocol", argc,
                    argv);
    giro_bench_must(giro_crypto_init() == GIRO_ERR_OK, "no libsodium");
    randombytes_buf(work.member.secret, 32);
    randombytes_buf(work.replica.secret, 32);
    crypto_scalarmult_base(work.member.public_key, work.member.secret);
    crypto_scalarmult_base(work.replica.public_key, work.replica.secret);
    (void)member_handshakes(&work);
    struct giro_bench_case one = {.context = &work, .repeats = 50};
    one.metric = "ns per handshake, hub's part";
    one.parameters = "";
    one.operations = HANDSHAKES;
    one.run = hub_handshakes;
    one.baseline = five_products;
    one.against = "5 X25519";
    giro_bench_run(&bench, &one);
    one.metric = "ns per handshake, both parts";
    one.run = member_handshakes;
    one.baseline = NULL;
    giro_bench_run(&bench, &one);
    one.metric = "ns per cookie refused";
    one.operations = DATAGRAMS;
    one.run = cookies;
    giro_bench_run(&bench, &one);
    static const struct {
        uint32_t blocks_bytes;
        const char *parameters;
    } sizes[] = {{36, "\"bytes\": 76"}, {1388, "\"bytes\": 1428"}};
    for (uint32_t i = 0; i < 2; i++) {
        work.blocks_bytes = sizes[i].blocks_bytes;
        one.parameters = sizes[i].parameters;
        one.baseline = cipher_alone;
        one.against = "the cipher alone";
        one.metric = "ns per datagram sealed";
        one.run = seal_all;
        giro_bench_run(&bench, &one);
        work.sender.send_number = 0;
        (void)seal_all(&work);
        one.metric = "ns per datagram opened";
        one.run = open_all;
        giro_bench_run(&bench, &one);
    }
    return giro_bench_close(&bench);
}
