/* Frames between arrival and certificate, against a naive model; receipts packed into datagrams. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "apps/girod/pending.h"
#include "apps/girod/receipts.h"
#include "member_support.h"

TestSuite(pending, .init = hub_suite_open, .fini = hub_suite_close);
TestSuite(receipts, .init = hub_suite_open, .fini = hub_suite_close);

/* ---- Pending ---- */

#define SLOTS  32u
#define FRAMES 96u

enum model_state { MODEL_GONE, MODEL_WAITING, MODEL_DURABLE, MODEL_EXECUTED };
struct model {
    enum model_state state;
    uint64_t arrived_ns, height;
    uint16_t port;
    uint8_t outcome;
};
struct expected {
    struct model frames[FRAMES];
    uint64_t height; /* being certified */
    uint32_t answered;
};

static struct giro_hash hash_of(uint64_t frame)
{
    return giro_sha256(&frame, sizeof(frame));
}

static void on_answer(void *context, const struct giro_answer *answer)
{
    struct expected *expected = context;
    uint64_t frame = answer->item.sequence;
    struct model *model = &expected->frames[frame];
    struct giro_hash hash = hash_of(frame);
    cr_assert(giro_hash_equal(&answer->item.frame_hash, &hash));
    cr_assert(model->state == MODEL_EXECUTED && model->height == expected->height);
    cr_assert(answer->to.port == model->port && answer->item.outcome == model->outcome);
    cr_assert(answer->item.level == GIRO_LEVEL_CERTIFIED &&
              answer->item.run_count == answer->run_count);
    model->state = MODEL_GONE;
    expected->answered++;
}

static uint32_t count_of(const struct expected *expected)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < FRAMES; i++)
        count += expected->frames[i].state != MODEL_GONE;
    return count;
}

static void step(struct giro_pending *pending, struct expected *expected, struct giro_prng *prng,
                 uint64_t now_ns)
{
    uint64_t frame = giro_prng_below(prng, FRAMES);
    struct giro_hash hash = hash_of(frame);
    struct model *model = &expected->frames[frame];
    struct giro_frame decoded = {.header = {.member = 3, .sequence = frame}};
    struct giro_endpoint from = {.ipv4 = 1, .port = (uint16_t)(1 + giro_prng_below(prng, 5000))};
    struct giro_answer answer;
    switch (giro_prng_below(prng, 6)) {
    case 0:
    case 1: { /* arrives, perhaps again */
        bool fits = model->state != MODEL_GONE || count_of(expected) < SLOTS;
        cr_assert(giro_pending_add(pending, now_ns, &decoded, &hash, &from) == fits);
        if (fits && model->state == MODEL_GONE)
            *model = (struct model){.state = MODEL_WAITING, .arrived_ns = now_ns};
        if (fits)
            model->port = from.port;
        break;
    }
    case 2: {
        bool told = giro_pending_durable(pending, &hash, 77, &answer);
        cr_assert(told == (model->state == MODEL_WAITING));
        if (told) {
            cr_assert(answer.item.level == GIRO_LEVEL_DURABLE && answer.item.height == 77 &&
                      answer.to.port == model->port && answer.run_count == 0);
            model->state = MODEL_DURABLE;
        }
        break;
    }
    case 3: {
        struct giro_frame_outcome outcome = {.outcome = giro_prng_chance(prng, 1, 4)
                                                            ? GIRO_OUTCOME_NOT_CONSUMED
                                                            : GIRO_OUTCOME_EXECUTED,
                                             .record_count = 3};
        uint64_t height = 1 + giro_prng_below(prng, 3000); /* several share a list */
        giro_pending_executed(pending, &hash, height, now_ns, &outcome);
        if (model->state == MODEL_WAITING || model->state == MODEL_DURABLE) {
            model->state = MODEL_EXECUTED;
            model->height = height;
            model->outcome = outcome.outcome;
        }
        break;
    }
    case 4: /* one that is awaited, or any */
        expected->height = model->state == MODEL_EXECUTED ? model->height : frame;
        giro_pending_certified(pending, expected->height, on_answer, expected);
        for (uint32_t i = 0; i < FRAMES; i++)
            cr_assert(expected->frames[i].state != MODEL_EXECUTED ||
                      expected->frames[i].height != expected->height);
        break;
    default:
        if (!giro_prng_chance(prng, 1, 10))
            break;
        giro_pending_expire(pending, now_ns - 200, 2 * SLOTS);
        for (uint32_t i = 0; i < FRAMES; i++) {
            struct model *old = &expected->frames[i];
            if ((old->state == MODEL_WAITING || old->state == MODEL_DURABLE) &&
                old->arrived_ns < now_ns - 200)
                old->state = MODEL_GONE;
        }
    }
}

Test(pending, it_does_what_a_naive_model_does)
{
    size_t size = giro_pending_footprint(SLOTS);
    uint64_t seed = hub_environment("GIRO_SEED", 1);
    for (uint64_t round = 0; round < 5 * hub_environment("GIRO_EFFORT", 1); round++) {
        void *mem = aligned_alloc(64, giro_align_up(size, 64));
        memset(mem, 0, size);
        struct giro_pending *pending = giro_pending_init(mem, size, SLOTS, seed + round);
        struct expected expected = {.height = 0};
        struct giro_prng prng;
        giro_prng_init(&prng, seed + round);
        for (uint64_t i = 0; i < 20000; i++) {
            giro_pending_time(pending, 1000 + i);
            step(pending, &expected, &prng, 1000 + i);
            cr_assert(giro_pending_count(pending) == count_of(&expected), "seed %lu step %lu",
                      seed + round, i);
            struct giro_hash hash = hash_of(i % FRAMES);
            cr_assert(giro_pending_has(pending, &hash) ==
                      (expected.frames[i % FRAMES].state != MODEL_GONE));
        }
        cr_assert(expected.answered > 500, "seed %lu: %u", seed + round, expected.answered);
        free(mem);
    }
}

Test(pending, equal_results_in_a_row_are_one_run)
{
    size_t size = giro_pending_footprint(4);
    void *mem = aligned_alloc(64, giro_align_up(size, 64));
    memset(mem, 0, size);
    struct giro_pending *pending = giro_pending_init(mem, size, 4, 1);
    struct giro_frame frame = {.header = {.member = 3}};
    struct giro_endpoint from = {.ipv4 = 1, .port = 2};
    struct giro_hash hash = hash_of(0);
    cr_assert(giro_pending_add(pending, 1, &frame, &hash, &from));
    static struct giro_frame_outcome outcome = {.outcome = GIRO_OUTCOME_EXECUTED,
                                                .record_count = GIRO_FRAME_RECORDS_MAX};
    for (uint32_t i = 0; i < GIRO_FRAME_RECORDS_MAX; i++) /* 100 settled, 1 rejected, 37 settled */
        outcome.results[i].status = i == 100 ? GIRO_STATUS_RJCT : GIRO_STATUS_ACSC;
    struct expected expected = {.height = 5};
    expected.frames[0] = (struct model){MODEL_EXECUTED, 1, 5, 2, GIRO_OUTCOME_EXECUTED};
    giro_pending_executed(pending, &hash, 5, 1, &outcome);
    giro_pending_certified(pending, 5 + 1024, on_answer, &expected); /* same list, other height */
    cr_assert(giro_pending_count(pending) == 1);
    giro_pending_certified(pending, 5, on_answer, &expected);
    cr_assert(expected.answered == 1 && giro_pending_count(pending) == 0);
    cr_assert(giro_pending_footprint(0) == 0 && giro_pending_footprint((1u << 22) + 1) == 0);
    cr_assert(giro_pending_init(mem, size - 1, 4, 1) == NULL);
    free(mem);
}

/* ---- Receipts ---- */

struct socket_end {
    int fd;
    struct giro_endpoint at;
};

static struct socket_end socket_open(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    struct timeval limit = {.tv_sec = 2};
    struct socket_end end = {.fd = socket(AF_INET, SOCK_DGRAM, 0)};
    cr_assert(bind(end.fd, (struct sockaddr *)&address, size) == 0);
    cr_assert(getsockname(end.fd, (struct sockaddr *)&address, &size) == 0);
    int room = 1 << 20; /* 300 datagrams come in one burst */
    cr_assert(setsockopt(end.fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)) == 0);
    cr_assert(setsockopt(end.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0);
    end.at = (struct giro_endpoint){.ipv4 = INADDR_LOOPBACK, .port = ntohs(address.sin_port)};
    return end;
}

/* Takes datagrams until `items` items came; checks members and sizes, returns the number of datagrams. */
static uint32_t take(const struct hub *hub, int fd, uint16_t member, uint32_t items,
                     uint64_t *next_sequence, uint64_t stride)
{
    uint8_t bytes[GIRO_FRAME_BYTES_MAX];
    uint32_t datagrams = 0;
    for (uint32_t seen = 0; seen < items; datagrams++) {
        ssize_t got = recv(fd, bytes, sizeof(bytes), 0);
        cr_assert(got > 0 && got <= (ssize_t)GIRO_FRAME_MTU_BYTES);
        struct giro_reader reader;
        struct giro_receipt_header header;
        giro_reader_init(&reader, bytes, (size_t)got);
        cr_assert(giro_receipt_decode(&reader, hub->genesis.chain_prefix, &header) ==
                  GIRO_REJECT_NONE);
        cr_assert(header.member == member && header.replica == 2);
        for (uint32_t i = 0; i < header.item_count; i++, seen++) {
            struct giro_receipt_item item;
            const uint8_t *runs;
            cr_assert(giro_receipt_next(&reader, &item, &runs) == GIRO_REJECT_NONE);
            cr_assert(item.sequence == *next_sequence, "in order, none lost");
            *next_sequence += stride;
        }
        cr_assert(giro_reader_left(&reader) == 0);
    }
    return datagrams;
}

static struct giro_answer answer_make(const struct socket_end *to, uint16_t member,
                                      uint64_t sequence, uint32_t runs)
{
    struct giro_answer answer = {.to = to->at, .member = member, .run_count = runs};
    answer.item = (struct giro_receipt_item){.sequence = sequence,
                                             .height = 1,
                                             .level = GIRO_LEVEL_CERTIFIED,
                                             .outcome = GIRO_OUTCOME_EXECUTED,
                                             .run_count = (uint16_t)runs};
    for (uint32_t i = 0; i < runs; i++)
        answer.runs[i] = (struct giro_receipt_run){
            .count = 1, .result = {.status = i % 2 ? GIRO_STATUS_RJCT : GIRO_STATUS_ACSC}};
    return answer;
}

Test(receipts, answers_gather_by_address_and_member_and_none_is_lost)
{
    struct hub hub;
    struct giro_diagnosis diagnosis;
    struct giro_port *port;
    uint16_t number;
    hub_make(&hub, 1, 3);
    hub_ports(&number, 1);
    struct giro_port_options options = {
        .driver = "udp", .address = "127.0.0.1", .udp_port = number, .program = "test"};
    cr_assert(giro_port_open(&options, &port, &diagnosis) == GIRO_ERR_OK, "%s", diagnosis.fact);
    struct giro_receipts *receipts = giro_receipts_new(hub.genesis.chain_prefix, 2, port);
    struct socket_end ends[2] = {socket_open(), socket_open()};
    for (uint64_t i = 0; i < 60; i++) {
        struct giro_answer answer = answer_make(&ends[i % 2], (uint16_t)(i % 2), i, i % 3);
        giro_receipts_add(receipts, &answer);
    }
    giro_receipts_flush(receipts);
    giro_port_flush(port);
    uint64_t next[2] = {0, 1};
    uint32_t datagrams =
        take(&hub, ends[0].fd, 0, 30, &next[0], 2) + take(&hub, ends[1].fd, 1, 30, &next[1], 2);
    cr_assert(datagrams == 4, "%u datagrams for 2 x 30 items of 64 to 88 bytes", datagrams);
    /* more addresses than gather at once: all are answered */
    for (uint32_t round = 0; round < 3; round++)
        for (uint16_t member = 0; member < 100; member++) {
            struct giro_answer answer =
                answer_make(&ends[0], member, (uint64_t)round * 100 + member, 0);
            giro_receipts_add(receipts, &answer);
        }
    giro_receipts_flush(receipts);
    giro_port_flush(port);
    uint8_t bytes[GIRO_FRAME_BYTES_MAX];
    uint32_t items = 0;
    while (items < 300) {
        ssize_t got = recv(ends[0].fd, bytes, sizeof(bytes), 0);
        cr_assert(got > 0, "only %u of 300 items came, %lu lost", items,
                  giro_receipts_lost(receipts));
        items += ((const struct giro_receipt_header *)(void *)bytes)->item_count;
    }
    cr_assert(items == 300 && giro_receipts_lost(receipts) == 0);
    giro_receipts_free(receipts);
    giro_port_close(port);
    close(ends[0].fd);
    close(ends[1].fd);
    hub_free(&hub);
}

Test(receipts, results_too_mixed_for_one_datagram_are_left_out)
{
    struct hub hub;
    struct giro_diagnosis diagnosis;
    struct giro_port *port;
    uint16_t number;
    hub_make(&hub, 1, 3);
    hub_ports(&number, 1);
    struct giro_port_options options = {
        .driver = "udp", .address = "127.0.0.1", .udp_port = number, .program = "test"};
    cr_assert(giro_port_open(&options, &port, &diagnosis) == GIRO_ERR_OK);
    struct giro_receipts *receipts = giro_receipts_new(hub.genesis.chain_prefix, 2, port);
    struct socket_end end = socket_open();
    const uint32_t most = (GIRO_FRAME_MTU_BYTES - 32 - 64) / 12;
    static const int differences[] = {-1, 0, 1, 20};
    for (uint64_t i = 0; i < 4; i++) {
        uint32_t runs = (uint32_t)((int)most + differences[i]);
        struct giro_answer answer = answer_make(&end, 0, i, runs);
        giro_receipts_add(receipts, &answer);
        giro_receipts_flush(receipts);
        giro_port_flush(port);
        uint8_t bytes[GIRO_FRAME_BYTES_MAX];
        ssize_t got = recv(end.fd, bytes, sizeof(bytes), 0);
        size_t expected = 96 + (runs <= most ? runs * 12 : 0);
        cr_assert(got == (ssize_t)expected, "%u runs: %zd bytes", runs, got);
    }
    giro_receipts_free(receipts);
    giro_port_close(port);
    close(end.fd);
    hub_free(&hub);
}
