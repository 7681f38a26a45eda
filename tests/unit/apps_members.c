/* A whole girod with n = 1, in a child process, and a member that speaks sessions to it over UDP: receipts by themselves, old ones and
 * proofs by question, refusals, and a new session after the replica was killed. */
#include <arpa/inet.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "apps/girod/hub.h"
#include "giro/recon.h"
#include "giro/session.h"
#include "member_support.h"
#include "sys_support.h"

TestSuite(members, .init = hub_suite_open, .fini = hub_suite_close);

#define FRAMES      1700u /* more than a channel's window */
#define OUTSTANDING 200u
#define DEBTOR      0u
#define CREDITOR    1u

struct site {
    struct hub hub;
    char dir[256], config[300];
    uint16_t ports[3]; /* UDP, peers, HTTPS */
    pid_t girod;
    int fd;
    struct giro_session_key_pair self;
    struct giro_session session;
    uint64_t credit;
    bool certified[FRAMES];
    uint32_t certified_count, durable_count;
    /* answers to questions, the last of each */
    uint32_t receipts, refusals, channels;
    struct giro_receipt_item receipt;
    struct giro_receipt_run run;
    struct giro_session_refuse refusal;
    struct giro_session_channel channel;
    uint8_t proof[GIRO_SESSION_PROOF_MAX];
    uint32_t proof_bytes, proof_total;
};

static void serve(const char *config_path)
{
    struct giro_config config;
    struct giro_diagnosis diagnosis = {.fact = ""};
    struct giro_hub *hub = NULL;
    giro_log_set_level(GIRO_LOG_ERROR);
    enum giro_err err = giro_config_load(config_path, &config, &diagnosis);
    if (err == GIRO_ERR_OK)
        err = giro_hub_open(&config, &hub, &diagnosis);
    if (err == GIRO_ERR_OK) {
        err = giro_hub_run(hub, &diagnosis);
        giro_hub_close(hub);
    }
    if (err != GIRO_ERR_OK)
        giro_diagnosis_print("test", &diagnosis);
    _exit(err == GIRO_ERR_OK ? 0 : 1);
}

static void girod_start(struct site *site)
{
    fflush(NULL);
    site->girod = fork();
    cr_assert(site->girod >= 0);
    if (site->girod == 0)
        serve(site->config);
}

static struct site *site_open(void)
{
    struct site *site = calloc(1, sizeof(*site));
    char text[1000];
    hub_make(&site->hub, 1, 3);
    scratch_make(site->dir);
    hub_write(&site->hub, site->dir);
    hub_ports(site->ports, 3);
    snprintf(
        text, sizeof(text),
        "genesis: genesis.json\nreplica: 0\nkeys: .\ndata: data\nport:\n  driver: udp\n  address: "
        "127.0.0.1\n"
        "  udp_port: %u\npeers:\n  - 127.0.0.1:%u\nhttps: 127.0.0.1:%u\nlimits:\n  segment_mb: 4\n"
        "  frames_pending: 1024\n  batches: 64\n",
        site->ports[0], site->ports[1], site->ports[2]);
    scratch_write(site->dir, "girod.yaml", text);
    snprintf(site->config, sizeof(site->config), "%s/girod.yaml", site->dir);
    struct sockaddr_in hub = {.sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                              .sin_port = htons(site->ports[0])};
    struct timeval limit = {.tv_usec = 200000};
    site->fd = socket(AF_INET, SOCK_DGRAM, 0);
    cr_assert(connect(site->fd, (struct sockaddr *)&hub, sizeof(hub)) == 0);
    cr_assert(setsockopt(site->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0);
    struct giro_secret_key *key = hub_key(site->hub.genesis.members[DEBTOR].bic, "session", 1);
    giro_session_pair(key, &site->self);
    giro_key_free(key);
    girod_start(site);
    return site;
}

static void site_close(struct site *site)
{
    int status;
    kill(site->girod, SIGTERM);
    cr_assert(waitpid(site->girod, &status, 0) == site->girod);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "girod ended with %d", status);
    close(site->fd);
    scratch_remove(site->dir);
    hub_free(&site->hub);
    free(site);
}

static void blocks_send(struct site *site, enum giro_session_kind kind, const void *body,
                        size_t size_bytes)
{
    uint8_t datagram[1472];
    struct giro_writer writer;
    giro_writer_init(&writer, datagram + GIRO_SESSION_HEADER_BYTES, giro_session_room(1472u));
    cr_assert(giro_session_put(&writer, kind, body, (uint32_t)size_bytes));
    const uint32_t size = giro_session_seal(&site->session, site->session.send_number, datagram,
                                            (uint32_t)writer.offset);
    (void)send(site->fd, datagram, size, 0); /* refused while nobody listens */
}

/* A handshake and a first datagram; girod may be starting. */
static void site_connect(struct site *site)
{
    struct giro_handshake handshake;
    struct giro_handshake_response_body told;
    uint8_t init[GIRO_HANDSHAKE_INIT_BYTES], answer[1472], ephemeral[32], replica[32];
    cr_assert(giro_session_public(&site->hub.genesis.replicas[0].transport.key, replica));
    randombytes_buf(ephemeral, sizeof(ephemeral));
    const struct giro_handshake_options options = {
        .self = &site->self,
        .replica_public = replica,
        .chain = &site->hub.genesis.chain_id,
        .ephemeral_secret = ephemeral,
        .initiator_id = randombytes_random() | 1u,
        .body = {.member = DEBTOR, .key_id = 1, .datagram_max = 1472}};
    cr_assert(giro_handshake_begin(&handshake, &options, init));
    for (uint32_t i = 0; i < 150; i++) {
        (void)send(site->fd, init, sizeof(init), 0);
        const ssize_t got = recv(site->fd, answer, sizeof(answer), 0);
        if (got <= 0) {
            usleep(100000);
            continue;
        }
        if (giro_handshake_cookie(&handshake, answer, (size_t)got, init) == GIRO_REJECT_NONE)
            continue;
        if (giro_handshake_finish(&handshake, &site->self, answer, (size_t)got, &told,
                                  &site->session) != GIRO_REJECT_NONE)
            continue;
        const struct giro_session_ping ping = {.token = 1};
        site->credit = told.credit;
        blocks_send(site, GIRO_SESSION_PING, &ping, sizeof(ping));
        return;
    }
    cr_assert_fail("no session");
}

static void receipt_read(struct site *site, const struct giro_session_block *block)
{
    struct giro_reader reader;
    const uint8_t *runs;
    giro_reader_init(&reader, block->bytes, block->size_bytes);
    while (giro_reader_left(&reader) > 0) {
        cr_assert(giro_receipt_next(&reader, &site->receipt, &runs) == GIRO_REJECT_NONE);
        const struct giro_receipt_item *item = &site->receipt;
        site->receipts++;
        site->durable_count += item->level == GIRO_LEVEL_DURABLE;
        if (item->run_count > 0)
            memcpy(&site->run, runs, sizeof(site->run));
        if (item->level != GIRO_LEVEL_CERTIFIED || item->sequence >= FRAMES)
            continue;
        site->certified_count += !site->certified[item->sequence];
        site->certified[item->sequence] = true;
    }
}

static void block_read(struct site *site, const struct giro_session_block *block)
{
    struct giro_session_ack ack;
    struct giro_session_proof proof;
    switch (block->kind) {
    case GIRO_SESSION_RECEIPT:
        receipt_read(site, block);
        break;
    case GIRO_SESSION_ACK:
        memcpy(&ack, block->bytes, sizeof(ack));
        site->credit = ack.credit > site->credit ? ack.credit : site->credit;
        break;
    case GIRO_SESSION_REFUSE:
        memcpy(&site->refusal, block->bytes, sizeof(site->refusal));
        site->refusals++;
        break;
    case GIRO_SESSION_CHANNEL:
        memcpy(&site->channel, block->bytes, sizeof(site->channel));
        site->channels++;
        break;
    case GIRO_SESSION_PROOF:
        memcpy(&proof, block->bytes, sizeof(proof));
        memcpy(site->proof + proof.offset, block->bytes + sizeof(proof),
               block->size_bytes - sizeof(proof));
        site->proof_total = proof.total;
        if (proof.offset == site->proof_bytes)
            site->proof_bytes += block->size_bytes - (uint32_t)sizeof(proof);
        break;
    default:
        break;
    }
}

/* Takes what has come within 200 ms; false: nothing. */
static bool site_read(struct site *site)
{
    uint8_t datagram[1472], blocks[1472];
    struct giro_session_header header;
    struct giro_session_block block;
    struct giro_reader reader;
    uint32_t blocks_bytes;
    const ssize_t got = recv(site->fd, datagram, sizeof(datagram), 0);
    if (got <= 0 || giro_session_open(&site->session, datagram, (size_t)got, blocks, &blocks_bytes,
                                      &header) != GIRO_REJECT_NONE)
        return false;
    giro_reader_init(&reader, blocks, blocks_bytes);
    while (giro_reader_left(&reader) > 0) {
        cr_assert(giro_session_next(&reader, GIRO_SESSION_DOWN, &block) == GIRO_REJECT_NONE);
        block_read(site, &block);
    }
    return true;
}

/* Sends a frame; without credit a PING, whose acknowledgement brings some. */
static void frame_send(struct site *site, uint64_t sequence)
{
    uint8_t frame[GIRO_FRAME_BYTES_MAX];
    const struct giro_session_ping ping = {.token = 2};
    const size_t size = hub_frame(&site->hub, DEBTOR, CREDITOR, sequence, 2, frame);
    for (uint32_t i = 0; site->session.send_number >= site->credit; i++) {
        cr_assert(i < 100, "no credit comes");
        if (!site_read(site))
            blocks_send(site, GIRO_SESSION_PING, &ping, sizeof(ping));
    }
    blocks_send(site, GIRO_SESSION_FRAME, frame, size);
}

static void frames_certify(struct site *site)
{
    for (uint64_t first = 0; first < FRAMES; first += OUTSTANDING) {
        const uint64_t end = first + OUTSTANDING < FRAMES ? first + OUTSTANDING : FRAMES;
        for (uint64_t i = first; i < end; i++)
            frame_send(site, i);
        for (uint32_t silent = 0; site->certified_count < end;) {
            if (site_read(site))
                continue;
            cr_assert(++silent < 100, "%u of %lu certified", site->certified_count, end);
            for (uint64_t i = first; silent % 3 == 0 && i < end; i++)
                if (!site->certified[i])
                    frame_send(site, i);
        }
    }
}

/* Asks until the counter moves: question or answer may be lost. */
static void ask(struct site *site, enum giro_want want, uint64_t sequence, uint32_t offset,
                const uint32_t *counter)
{
    const struct giro_session_ask question = {
        .sequence = sequence, .want = (uint16_t)want, .offset = offset};
    const uint32_t before = *counter;
    for (uint32_t i = 0; *counter == before; i++) {
        cr_assert(i < 50, "no answer");
        blocks_send(site, GIRO_SESSION_ASK, &question, sizeof(question));
        while (*counter == before && site_read(site))
            continue;
    }
}

static void old_receipt_check(struct site *site, uint64_t sequence)
{
    uint8_t frame[GIRO_FRAME_BYTES_MAX];
    const size_t size = hub_frame(&site->hub, DEBTOR, CREDITOR, sequence, 2, frame);
    const struct giro_hash hash = hub_frame_hash(&site->hub, frame, size);
    ask(site, GIRO_WANT_RECEIPT, sequence, 0, &site->receipts);
    cr_assert(site->receipt.sequence == sequence &&
              giro_hash_equal(&site->receipt.frame_hash, &hash));
    cr_assert(site->receipt.level == GIRO_LEVEL_CERTIFIED &&
              site->receipt.outcome == GIRO_OUTCOME_EXECUTED && site->receipt.run_count == 1);
    cr_assert(site->run.count == 2 && site->run.result.status == GIRO_STATUS_ACSC);
    site->proof_bytes = site->proof_total = 0;
    do
        ask(site, GIRO_WANT_PROOF, sequence, site->proof_bytes, &site->proof_bytes);
    while (site->proof_bytes < site->proof_total);
    struct giro_proof_view view;
    const char *wrong = giro_proof_verify(&site->hub.genesis, site->hub.ring, site->proof,
                                          site->proof_bytes, &view);
    cr_assert(wrong == NULL, "%s", wrong);
    struct giro_leaf_frame leaf;
    memcpy(&leaf, view.leaf + GIRO_TAG_BYTES, sizeof(leaf));
    cr_assert(leaf.sequence == sequence && giro_hash_equal(&leaf.frame_hash, &hash));
}

Test(members, a_session_carries_frames_receipts_questions_and_refusals, .timeout = 120)
{
    struct site *site = site_open();
    uint8_t frame[GIRO_FRAME_BYTES_MAX];
    site_connect(site);
    frames_certify(site);
    cr_assert(site->durable_count > 0 && site->refusals == 0);
    ask(site, GIRO_WANT_CHANNEL, 0, 0, &site->channels);
    cr_assert(site->channel.frontier == FRAMES && site->channel.base > 0 && !site->channel.stopped);
    old_receipt_check(site, 0); /* long out of the channel's window */
    cr_assert(site->channel.base > 0);
    old_receipt_check(site, FRAMES - 1);
    ask(site, GIRO_WANT_RECEIPT, FRAMES, 0, &site->refusals);
    cr_assert(site->refusal.reason == GIRO_REJECT_ABSENT && site->refusal.sequence == FRAMES);
    ask(site, GIRO_WANT_PROOF, UINT64_MAX, 0, &site->refusals);
    cr_assert(site->refusal.reason == GIRO_REJECT_ABSENT);
    const size_t size = hub_frame(&site->hub, DEBTOR, CREDITOR, FRAMES, 2, frame);
    frame[size - 1] ^= 1;
    blocks_send(site, GIRO_SESSION_FRAME, frame, size);
    for (uint32_t i = 0; site->refusals < 3; i++) {
        cr_assert(i < 50, "a bad signature is refused by name");
        (void)site_read(site);
    }
    cr_assert(site->refusal.reason == GIRO_REJECT_SIGNATURE && site->refusal.sequence == FRAMES);
    site_close(site);
}

Test(members, after_a_kill_a_new_session_finds_every_old_receipt, .timeout = 120)
{
    struct site *site = site_open();
    site_connect(site);
    frames_certify(site);
    kill(site->girod, SIGKILL);
    cr_assert(waitpid(site->girod, NULL, 0) == site->girod);
    girod_start(site);
    site_connect(site);
    for (uint64_t sequence = 0; sequence < FRAMES; sequence += 239)
        old_receipt_check(site, sequence);
    site_close(site);
}
