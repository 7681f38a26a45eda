#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "dataplane_support.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

void dataplane_leak_check(void)
{
#ifdef __SANITIZE_ADDRESS__
    if (__lsan_do_recoverable_leak_check() != 0)
        abort();
#endif
}

static struct giro_secret_key *key_make(struct giro_key_ring *ring, const char *owner,
                                        uint32_t index, struct giro_genesis_key *enrolled)
{
    char text[32];
    snprintf(text, sizeof(text), "%s %u", owner, index);
    struct giro_hash seed = giro_sha256(text, strlen(text));
    struct giro_secret_key *secret = giro_key_from_seed(seed.bytes);
    enrolled->key = giro_key_public(secret);
    cr_assert(giro_key_ring_enrol(ring, &enrolled->key, NULL, 0, NULL, &enrolled->handle) ==
              GIRO_KEY_OK);
    return secret;
}

void hub_open(struct hub *hub)
{
    cr_assert(giro_crypto_init() == GIRO_ERR_OK);
    memset(hub, 0, sizeof(*hub));
    struct giro_genesis *genesis = &hub->genesis;
    genesis->chain_id = giro_sha256("a hub", 5);
    memcpy(&genesis->chain_prefix, genesis->chain_id.bytes, sizeof(genesis->chain_prefix));
    uint32_t keys = 2 * HUB_MEMBERS + HUB_OPERATORS;
    size_t size = giro_key_ring_footprint(keys);
    void *mem = aligned_alloc(64, size);
    hub->ring = giro_key_ring_init(mem, size, keys);
    genesis->member_count = HUB_MEMBERS;
    genesis->members = calloc(HUB_MEMBERS, sizeof(*genesis->members));
    for (uint32_t i = 0; i < HUB_MEMBERS; i++) {
        genesis->members[i].frame_key_count = 1;
        genesis->members[i].frame_keys[0].key_id = 1;
        hub->members[i] = key_make(hub->ring, "member", i, &genesis->members[i].frame_keys[0]);
        genesis->members[i].session.key_id = 1;
        hub->sessions[i] = key_make(hub->ring, "session", i, &genesis->members[i].session);
    }
    genesis->operator_count = HUB_OPERATORS;
    for (uint32_t i = 0; i < HUB_OPERATORS; i++) {
        genesis->operators[i].key.key_id = i + 1;
        hub->operators[i] = key_make(hub->ring, "operator", i, &genesis->operators[i].key);
    }
}

void hub_close(struct hub *hub)
{
    for (uint32_t i = 0; i < HUB_MEMBERS; i++)
        giro_key_free(hub->members[i]);
    for (uint32_t i = 0; i < HUB_MEMBERS; i++)
        giro_key_free(hub->sessions[i]);
    for (uint32_t i = 0; i < HUB_OPERATORS; i++)
        giro_key_free(hub->operators[i]);
    free(hub->genesis.members);
    free(hub->ring);
}

static void sign(const struct hub *hub, uint8_t *out, size_t size, struct giro_secret_key *first,
                 struct giro_secret_key *second)
{
    static uint8_t message[GIRO_FRAME_MESSAGE_BYTES_MAX];
    struct giro_frame frame;
    enum giro_reject reject = giro_frame_decode(out, size, hub->genesis.chain_prefix, &frame);
    cr_assert(reject == GIRO_REJECT_NONE, "made %s", giro_reject_name(reject));
    size_t message_bytes = giro_frame_message(&frame, &hub->genesis.chain_id, message);
    struct giro_signature signature = giro_sign(first, message, message_bytes);
    memcpy(out + (frame.signature - out), &signature, sizeof(signature));
    if (second == NULL)
        return;
    signature = giro_sign(second, message, message_bytes);
    memcpy(out + (frame.checker_signature - out), &signature, sizeof(signature));
}

static size_t begin(const struct hub *hub, struct giro_frame_header *header, enum giro_kind kind,
                    uint8_t *out)
{
    header->head = giro_head_make(kind);
    header->chain_prefix = hub->genesis.chain_prefix;
    size_t size = giro_frame_bytes(header);
    cr_assert(size > 0 && size <= GIRO_FRAME_BYTES_MAX);
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t)(i * 31 + header->sequence);
    memcpy(out, header, sizeof(*header));
    return size;
}

size_t frame_make(const struct hub *hub, const struct frame_wish *wish, uint8_t *out)
{
    struct giro_frame_header header = {.member = wish->member,
                                       .key_id = 1,
                                       .channel = wish->channel,
                                       .record_count =
                                           wish->record_count == 0 ? 1 : wish->record_count,
                                       .sequence = wish->sequence,
                                       .details_bytes = wish->detailed ? 368 : 0};
    size_t size = begin(hub, &header, GIRO_KIND_FRAME, out);
    const struct giro_details_header details = {
        .ciphertext_bytes = 144, .creditor_key_id = 1, .supervisor_key_id = 0};
    if (wish->detailed)
        memcpy(out + sizeof(header) + header.record_count * sizeof(struct giro_record), &details,
               sizeof(details));
    sign(hub, out, size, hub->members[wish->member], NULL);
    return size;
}

size_t skip_make(const struct hub *hub, uint16_t member, uint64_t from, uint64_t to, uint8_t *out)
{
    struct giro_frame_header header = {.member = member, .key_id = 1, .sequence = from};
    size_t size = begin(hub, &header, GIRO_KIND_SKIP, out);
    memcpy(out + sizeof(header), &to, sizeof(to));
    sign(hub, out, size, hub->members[member], NULL);
    return size;
}

size_t control_make(const struct hub *hub, uint64_t sequence, uint8_t *out)
{
    struct giro_frame_header header = {.member = GIRO_MEMBER_OPERATOR,
                                       .key_id = 1,
                                       .checker_key_id = 2,
                                       .record_count = 1,
                                       .sequence = sequence};
    size_t size = begin(hub, &header, GIRO_KIND_CONTROL, out);
    sign(hub, out, size, hub->operators[0], hub->operators[1]);
    return size;
}

void batch_begin(struct batch_maker *maker, uint8_t *out)
{
    *maker = (struct batch_maker){.out = out, .size_bytes = GIRO_BATCH_FIRST};
}

void batch_add(struct batch_maker *maker, const uint8_t *datagram, size_t size_bytes)
{
    uint32_t size = (uint32_t)size_bytes;
    struct giro_frame_header header;
    memcpy(&header, datagram, sizeof(header));
    memcpy(maker->out + maker->size_bytes, &size, sizeof(size));
    memcpy(maker->out + maker->size_bytes + 4, datagram, size);
    memset(maker->out + maker->size_bytes + 4 + size, 0, 3);
    maker->size_bytes += 4 + (size + 3u) / 4u * 4u;
    maker->frame_count++;
    maker->record_count += header.record_count;
}

size_t batch_end(struct batch_maker *maker)
{
    struct giro_batch_header header = {.head = giro_head_make(GIRO_KIND_BATCH),
                                       .epoch = 1,
                                       .size_bytes = maker->size_bytes,
                                       .frame_count = maker->frame_count,
                                       .record_count = maker->record_count};
    cr_assert(maker->size_bytes <= GIRO_BATCH_BYTES_MAX);
    memcpy(maker->out, &header, sizeof(header));
    return maker->size_bytes;
}

uint64_t dataplane_seed(void)
{
    const char *text = getenv("GIRO_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 0) : UINT64_C(20261124);
    fprintf(stderr, "GIRO_SEED=%lu\n", seed);
    return seed;
}

uint32_t dataplane_effort(void)
{
    const char *text = getenv("GIRO_EFFORT");
    uint32_t effort = text != NULL ? (uint32_t)strtoul(text, NULL, 0) : 1;
    return effort == 0 ? 1 : effort;
}

uint16_t free_udp_port(void)
{
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(own);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    cr_assert(bind(fd, (const struct sockaddr *)&own, sizeof(own)) == 0);
    cr_assert(getsockname(fd, (struct sockaddr *)&own, &size) == 0);
    close(fd);
    return ntohs(own.sin_port);
}
