#include "member_support.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "genesis_support.h"
#include "member/sender.h"

void hub_suite_open(void)
{
    genesis_suite_open();
}

void hub_suite_close(void)
{
    genesis_suite_close();
}

void hub_make(struct hub *hub, uint32_t replicas, uint32_t members)
{
    static struct giro_genesis made;
    struct giro_diagnosis diagnosis = {.fact = ""};
    genesis_make(&made, replicas, members, 1);
    uint8_t secret[32];
    memset(secret, 0x5e, sizeof(secret));
    made.window_secret_hash = giro_sha256(secret, sizeof(secret));
    made.batch_ttl_ns = 20 * made.clock_bound_ns;
    made.cycle_seconds = 0;
    for (uint32_t m = 0; m < members; m++) { /* the first currency, open, rich enough */
        made.members[m].account_count = 1;
        made.members[m].accounts[0] = (struct giro_genesis_account){.status = GIRO_ACCOUNT_OPEN,
                                                                    .prefunded_minor = 100000000,
                                                                    .hold_minor = 50000000,
                                                                    .cap_minor = 50000000};
    }
    char *text = giro_genesis_text(&made);
    cr_assert(text != NULL);
    enum giro_err err = giro_genesis_parse("test", text, strlen(text), &hub->genesis, &diagnosis);
    cr_assert(err == GIRO_ERR_OK, "%s: %s", diagnosis.fact, diagnosis.detail);
    free(text);
    giro_genesis_free(&made);
    uint32_t count = giro_genesis_key_count(&hub->genesis);
    size_t size = giro_align_up(giro_key_ring_footprint(count), 64);
    hub->ring_mem = aligned_alloc(64, size);
    hub->ring = giro_key_ring_init(hub->ring_mem, size, count);
    err = giro_genesis_enrol(&hub->genesis, hub->ring, &diagnosis);
    cr_assert(err == GIRO_ERR_OK, "%s: %s", diagnosis.fact, diagnosis.detail);
}

void hub_free(struct hub *hub)
{
    giro_genesis_free(&hub->genesis);
    free(hub->ring_mem);
}

static void seed_of(const char *owner, const char *role, uint64_t key_id, uint8_t seed[32])
{
    char text[64];
    snprintf(text, sizeof(text), "%s/%s/%lu", owner, role, key_id);
    struct giro_hash hash = giro_sha256(text, strlen(text));
    memcpy(seed, hash.bytes, 32);
}

struct giro_secret_key *hub_key(const char *owner, const char *role, uint64_t key_id)
{
    uint8_t seed[32];
    seed_of(owner, role, key_id, seed);
    return giro_key_from_seed(seed);
}

static void key_write(const char *dir, const char *owner, const char *role, uint64_t key_id)
{
    char path[512], text[66];
    uint8_t seed[32];
    seed_of(owner, role, key_id, seed);
    giro_hex_format(seed, sizeof(seed), text);
    text[64] = '\n';
    snprintf(path, sizeof(path), "%s/%s", dir, owner);
    cr_assert(giro_dir_make(path) == GIRO_ERR_OK);
    snprintf(path, sizeof(path), "%s/%s/%s.key", dir, owner, role);
    cr_assert(giro_file_write(path, 0600, text, 65) == GIRO_ERR_OK);
}

void hub_write(const struct hub *hub, const char *dir)
{
    char path[512], text[66];
    uint8_t secret[32];
    char *genesis = giro_genesis_text(&hub->genesis);
    snprintf(path, sizeof(path), "%s/genesis.json", dir);
    cr_assert(giro_file_write(path, 0644, genesis, strlen(genesis)) == GIRO_ERR_OK);
    free(genesis);
    memset(secret, 0x5e, sizeof(secret));
    giro_hex_format(secret, sizeof(secret), text);
    text[64] = '\n';
    snprintf(path, sizeof(path), "%s/hub.secret", dir);
    cr_assert(giro_file_write(path, 0600, text, 65) == GIRO_ERR_OK);
    for (uint32_t i = 0; i < hub->genesis.replica_count; i++) {
        const char *name = hub->genesis.replicas[i].name;
        key_write(dir, name, "vote", 1);
        key_write(dir, name, "batch", 1);
        key_write(dir, name, "transport", 1);
    }
    for (uint32_t i = 0; i < hub->genesis.member_count; i++) {
        key_write(dir, hub->genesis.members[i].bic, "frame", 1);
        key_write(dir, hub->genesis.members[i].bic, "session", 1);
    }
}

void hub_ports(uint16_t *ports, uint32_t count)
{
    int fds[2][16];
    cr_assert(count <= 16);
    for (uint32_t i = 0; i < count; i++) {
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t size = sizeof(address);
        for (;;) {
            address.sin_port = 0;
            fds[0][i] = socket(AF_INET, SOCK_STREAM, 0);
            fds[1][i] = socket(AF_INET, SOCK_DGRAM, 0);
            cr_assert(bind(fds[0][i], (struct sockaddr *)&address, size) == 0);
            cr_assert(getsockname(fds[0][i], (struct sockaddr *)&address, &size) == 0);
            if (bind(fds[1][i], (struct sockaddr *)&address, size) == 0)
                break;
            close(fds[0][i]);
            close(fds[1][i]);
        }
        ports[i] = ntohs(address.sin_port);
    }
    for (uint32_t i = 0; i < count; i++) {
        close(fds[0][i]);
        close(fds[1][i]);
    }
}

size_t hub_frame(const struct hub *hub, uint16_t member, uint16_t creditor, uint64_t sequence,
                 uint32_t records, uint8_t *out)
{
    struct giro_record list[GIRO_FRAME_RECORDS_MAX];
    memset(list, 0, sizeof(list));
    for (uint32_t i = 0; i < records; i++) {
        list[i] = (struct giro_record){.amount_minor = 1,
                                       .creditor = creditor,
                                       .currency = hub->genesis.currencies[0].number,
                                       .service = GIRO_SERVICE_GROSS,
                                       .kind = GIRO_PAYMENT_CREDIT_TRANSFER};
        uint64_t name[2] = {(uint64_t)member << 32 | i, sequence + 1};
        memcpy(list[i].uetr, name, sizeof(name));
    }
    struct giro_secret_key *key = hub_key(hub->genesis.members[member].bic, "frame", 1);
    size_t size = giro_frame_make(&hub->genesis, key, member, 1, 0, sequence, list, records, out);
    giro_key_free(key);
    return size;
}

struct giro_hash hub_frame_hash(const struct hub *hub, const uint8_t *bytes, size_t size_bytes)
{
    struct giro_frame frame;
    uint8_t message[GIRO_FRAME_MESSAGE_BYTES_MAX];
    cr_assert(giro_frame_decode(bytes, size_bytes, hub->genesis.chain_prefix, &frame) ==
              GIRO_REJECT_NONE);
    return giro_sha256(message, giro_frame_message(&frame, &hub->genesis.chain_id, message));
}

bool hub_details_open(const struct giro_genesis *genesis, const struct giro_frame *frame,
                      const struct giro_details_block *block, const uint8_t *key,
                      struct giro_details *details)
{
    static uint8_t plaintext[GIRO_DETAILS_PLAIN_MAX];
    uint32_t plaintext_bytes = 0;
    const struct giro_record record = giro_record_get(frame, block->header.record);
    const struct giro_details_place place = giro_details_place_of(
        &genesis->chain_id, &frame->header, block->header.record, record.uetr);
    return giro_details_open(block, &place, key, plaintext, &plaintext_bytes, details) ==
           GIRO_DETAILS_OPENED;
}

bool hub_details_say(const struct giro_details *details, enum giro_details_field field,
                     const char *text)
{
    const struct giro_details_text *found = &details->fields[field];
    return found->length == strlen(text) &&
           (found->length == 0 || memcmp(found->text, text, found->length) == 0);
}

uint64_t hub_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 0) : otherwise;
}
