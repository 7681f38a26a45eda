#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include <criterion/criterion.h>

#include "dataplane_support.h"
#include "giro/verifiers.h"

#define SLOTS   2048u
#define FRAMES  700u
#define BATCHES 40u
#define OFFSET  sizeof(struct giro_peer_envelope)

static struct hub hub;

/* A stream of datagrams and of messages with batches, some with a bad signature; the same for every number of threads. */
static struct {
    uint8_t *bytes[FRAMES];
    size_t size[FRAMES];
    uint8_t *messages[BATCHES];
    uint32_t message_bytes[BATCHES];
    bool valid[BATCHES];
} stream;

static void stream_make(uint64_t seed)
{
    static uint8_t bytes[GIRO_FRAME_BYTES_MAX];
    struct giro_prng prng;
    giro_prng_init(&prng, seed);
    for (uint32_t i = 0; i < FRAMES; i++) {
        const uint64_t kind = giro_prng_below(&prng, 12);
        const struct frame_wish wish = {.member = (uint16_t)giro_prng_below(&prng, HUB_MEMBERS),
                                        .channel = (uint16_t)giro_prng_below(&prng, 64),
                                        .record_count = (uint16_t)(1 + giro_prng_below(&prng, 22)),
                                        .sequence = i};
        const size_t size = kind == 0   ? control_make(&hub, i, bytes)
                            : kind == 1 ? skip_make(&hub, wish.member, i, i, bytes)
                                        : frame_make(&hub, &wish, bytes);
        if (giro_prng_chance(&prng, 1, 5)) /* in a signature: control frames end with two */
            bytes[size - 1 - giro_prng_below(&prng, 64)] ^= 1u << giro_prng_below(&prng, 8);
        stream.bytes[i] = malloc(size);
        memcpy(stream.bytes[i], bytes, size);
        stream.size[i] = size;
    }
    uint8_t *scratch = malloc(GIRO_FRAMES_VERIFY_SCRATCH);
    struct giro_hash *hashes = malloc(FRAMES * sizeof(*hashes));
    for (uint32_t i = 0; i < BATCHES; i++) {
        uint8_t *message = calloc(1, OFFSET + GIRO_BATCH_BYTES_MAX);
        struct batch_maker maker;
        batch_begin(&maker, message + OFFSET);
        const uint32_t first = (uint32_t)giro_prng_below(&prng, FRAMES - 100);
        const uint32_t count = (uint32_t)giro_prng_below(&prng, i % 2 == 0 ? 4 : 100) + 1;
        for (uint32_t k = first; k < first + count; k++)
            batch_add(&maker, stream.bytes[k], stream.size[k]);
        const size_t size = batch_end(&maker);
        stream.messages[i] = message;
        stream.message_bytes[i] = (uint32_t)(OFFSET + size);
        stream.valid[i] =
            giro_frames_verify(&hub.genesis, hub.ring, message + OFFSET, size, scratch, hashes);
    }
    free(scratch);
    free(hashes);
}

static void open_hub(void)
{
    hub_open(&hub);
    stream_make(dataplane_seed());
}

static void close_hub(void)
{
    for (uint32_t i = 0; i < FRAMES; i++)
        free(stream.bytes[i]);
    for (uint32_t i = 0; i < BATCHES; i++)
        free(stream.messages[i]);
    hub_close(&hub);
    dataplane_leak_check();
}

TestSuite(dataplane_verifiers, .init = open_hub, .fini = close_hub);

struct rig {
    struct giro_ingress *ingress;
    struct giro_verifiers *verifiers;
    uint32_t refused; /* told by the ingress */
};

static void on_refused(void *context, const struct giro_ingress_frame *frame)
{
    struct rig *rig = context;
    cr_assert(frame->frame.header.sequence < FRAMES);
    rig->refused++;
}

static void rig_open(struct rig *rig, uint32_t threads)
{
    const struct giro_ingress_options options = {
        .genesis = &hub.genesis, .frames_max = SLOTS, .gather_frames = 16, .map_seed = 7};
    const size_t size = giro_ingress_footprint(&options);
    *rig = (struct rig){.ingress = giro_ingress_init(aligned_alloc(64, size), size, &options)};
    giro_ingress_watch(rig->ingress, on_refused, rig);
    const struct giro_verifiers_options verifiers = {.genesis = &hub.genesis,
                                                     .ring = hub.ring,
                                                     .ingress = rig->ingress,
                                                     .thread_count = threads};
    cr_assert(giro_verifiers_open(&verifiers, &rig->verifiers) == GIRO_ERR_OK);
}

static void rig_close(struct rig *rig)
{
    giro_verifiers_close(rig->verifiers);
    free(rig->ingress);
}

static enum giro_reject take(struct rig *rig, uint32_t i)
{
    const struct giro_datagram datagram = {
        .bytes = stream.bytes[i], .size_bytes = (uint32_t)stream.size[i], .from = {.port = 4711}};
    return giro_ingress_take(rig->ingress, 1000000, &datagram, GIRO_NONE);
}

static struct giro_verifiers_counters counters(const struct rig *rig)
{
    struct giro_verifiers_counters now;
    giro_verifiers_counters(rig->verifiers, &now);
    return now;
}

/* Sleeps as the hub does, until a result is there. */
static void wait_for_result(struct rig *rig)
{
    struct pollfd ready = {.fd = giro_verifiers_fd(rig->verifiers), .events = POLLIN};
    if (!giro_verifiers_sleep(rig->verifiers, true))
        return;
    cr_assert(poll(&ready, 1, 20000) == 1, "nobody woke the owner");
    giro_verifiers_awake(rig->verifiers);
}

/* ---- Equal whatever the number of threads ----------------------------------------------------- */

struct outcome {
    uint32_t good, refused;
    struct giro_hash frames;        /* over hash, sequence and member of the good ones, in order */
    uint64_t bad[HUB_MEMBERS + 1u]; /* rejects SIGNATURE, by row */
};

static void outcome_add(struct outcome *outcome, const struct giro_ingress_frame *frame)
{
    const struct giro_part parts[] = {{&outcome->frames, sizeof(outcome->frames)},
                                      {&frame->hash, sizeof(frame->hash)},
                                      {frame->frame.bytes, frame->frame.size_bytes}};
    outcome->frames = giro_sha256_parts(parts, 3);
    outcome->good++;
}

/* Sends the whole stream through, with frames coming in clumps. */
static struct outcome run(uint32_t threads, uint64_t seed)
{
    struct rig rig;
    struct outcome outcome = {.good = 0};
    struct giro_prng prng;
    uint32_t next = 0, given = 0;
    giro_prng_init(&prng, seed);
    rig_open(&rig, threads);
    while (given < FRAMES) {
        const uint64_t clump = giro_prng_below(&prng, 150);
        for (uint64_t i = 0; i < clump && next < FRAMES; i++)
            cr_assert(take(&rig, next++) == GIRO_REJECT_NONE);
        (void)giro_verifiers_submit(rig.verifiers, 1000000);
        struct giro_ingress_frame *frames[GIRO_VERIFIERS_FRAMES];
        bool done = false;
        const uint32_t refused = rig.refused;
        const uint32_t good = giro_verifiers_frames(rig.verifiers, frames, &done);
        for (uint32_t i = 0; i < good; i++) {
            outcome_add(&outcome, frames[i]);
            giro_ingress_drop(rig.ingress, frames[i]);
        }
        given += good + rig.refused - refused;
        if (!done && threads > 0 && counters(&rig).chunks_waiting > 0)
            wait_for_result(&rig);
    }
    outcome.refused = rig.refused;
    for (uint32_t row = 0; row <= HUB_MEMBERS; row++) {
        uint64_t rejects[GIRO_REJECT_COUNT_OF_REASONS];
        giro_ingress_rejects(rig.ingress, row == HUB_MEMBERS ? GIRO_NONE : row, rejects);
        outcome.bad[row] = rejects[GIRO_REJECT_SIGNATURE];
    }
    cr_assert(counters(&rig).chunks_waiting == 0 && giro_ingress_waiting(rig.ingress) == 0);
    cr_assert((counters(&rig).busy_ns > 0) == (threads > 0));
    rig_close(&rig);
    return outcome;
}

Test(dataplane_verifiers, give_the_same_frames_in_the_same_order_whatever_the_number_of_threads)
{
    static const uint32_t threads[] = {0, 1, 3, 8};
    const uint64_t seed = dataplane_seed();
    for (uint32_t round = 0; round < 2 * dataplane_effort(); round++) {
        struct outcome first = {.good = 0};
        for (uint32_t i = 0; i < sizeof(threads) / sizeof(threads[0]); i++) {
            const struct outcome now = run(threads[i], seed + round);
            cr_assert(now.good + now.refused == FRAMES && now.refused > 0);
            first = i == 0 ? now : first;
            cr_assert(memcmp(&now, &first, sizeof(now)) == 0, "%u threads, seed %lu", threads[i],
                      seed + round);
        }
    }
}

/* What giro_ingress_verify gives, which runs in the thread that calls it. */
Test(dataplane_verifiers, find_what_the_ingress_finds_alone)
{
    const struct outcome threads = run(2, dataplane_seed());
    struct outcome alone = {.good = 0};
    struct rig rig;
    struct giro_ingress_frame *frames[FRAMES];
    rig_open(&rig, 0);
    for (uint32_t i = 0; i < FRAMES; i++)
        cr_assert(take(&rig, i) == GIRO_REJECT_NONE);
    const uint32_t good = giro_ingress_verify(rig.ingress, hub.ring, frames, FRAMES);
    for (uint32_t i = 0; i < good; i++)
        outcome_add(&alone, frames[i]);
    cr_assert(alone.good == threads.good && rig.refused == threads.refused);
    cr_assert(giro_hash_equal(&alone.frames, &threads.frames));
    rig_close(&rig);
}

/* ---- Full lines ------------------------------------------------------------------------------- */

Test(dataplane_verifiers, leave_frames_in_the_ingress_when_the_line_is_full)
{
    struct rig rig;
    rig_open(&rig, 1);
    const uint32_t room = GIRO_VERIFIERS_PER_CHUNK * GIRO_VERIFIERS_FRAMES;
    for (uint32_t i = 0; i < FRAMES; i++)
        cr_assert(take(&rig, i) == GIRO_REJECT_NONE);
    cr_assert(giro_verifiers_room(rig.verifiers));
    cr_assert(giro_verifiers_submit(rig.verifiers, 1000000) == room);
    cr_assert(!giro_verifiers_room(rig.verifiers));
    cr_assert(giro_verifiers_submit(rig.verifiers, 1000000) == 0);
    cr_assert(giro_ingress_waiting(rig.ingress) == FRAMES - room);
    /* Slots of frames that are being verified are held: that is what credit shrinks by. */
    const uint32_t share = giro_ingress_share(rig.ingress, 0);
    struct giro_ingress_frame *frames[GIRO_VERIFIERS_FRAMES];
    bool done = false;
    uint32_t taken = 0;
    while (!done) {
        wait_for_result(&rig);
        taken = giro_verifiers_frames(rig.verifiers, frames, &done);
    }
    for (uint32_t i = 0; i < taken; i++)
        giro_ingress_drop(rig.ingress, frames[i]);
    cr_assert(giro_ingress_share(rig.ingress, 0) > share);
    cr_assert(giro_verifiers_room(rig.verifiers), "one chunk was taken");
    cr_assert(giro_verifiers_submit(rig.verifiers, 1000000) > 0);
    rig_close(&rig);
}

Test(dataplane_verifiers, have_nothing_to_give_when_nothing_was_submitted)
{
    for (uint32_t threads = 0; threads < 3; threads++) {
        struct rig rig;
        struct giro_ingress_frame *frames[GIRO_VERIFIERS_FRAMES];
        bool done = true;
        rig_open(&rig, threads);
        cr_assert(giro_verifiers_submit(rig.verifiers, 1000000) == 0);
        cr_assert(giro_verifiers_frames(rig.verifiers, frames, &done) == 0 && !done);
        cr_assert(giro_verifiers_batch_next(rig.verifiers) == NULL);
        cr_assert(giro_verifiers_sleep(rig.verifiers, true), "there is nothing to stay awake for");
        cr_assert((giro_verifiers_fd(rig.verifiers) >= 0) == (threads > 0));
        cr_assert(counters(&rig).threads == threads && counters(&rig).busy_ns == 0);
        rig_close(&rig);
    }
    struct giro_verifiers *none = NULL;
    const struct giro_verifiers_options many = {.thread_count = GIRO_VERIFIERS_MAX + 1};
    cr_assert(giro_verifiers_open(&many, &none) == GIRO_ERR_ARGUMENT && none == NULL);
}

/* ---- Batches ---------------------------------------------------------------------------------- */

static bool batch_submit(struct rig *rig, uint32_t i)
{
    /* From memory that is gone afterwards: the message is copied. */
    uint8_t *copy = malloc(stream.message_bytes[i]);
    memcpy(copy, stream.messages[i], stream.message_bytes[i]);
    const bool taken = giro_verifiers_batch(rig->verifiers, (uint16_t)(i % 3), copy,
                                            stream.message_bytes[i], OFFSET);
    free(copy);
    return taken;
}

static void batch_check(const struct giro_verified_batch *batch, uint32_t i)
{
    static uint8_t scratch[GIRO_FRAMES_VERIFY_SCRATCH];
    static struct giro_hash hashes[FRAMES];
    const uint8_t *bytes = stream.messages[i] + OFFSET;
    const size_t size = stream.message_bytes[i] - OFFSET;
    struct giro_batch_header header;
    memcpy(&header, bytes, sizeof(header));
    cr_assert(batch->peer == i % 3 && batch->message_bytes == stream.message_bytes[i]);
    cr_assert(memcmp(batch->message, stream.messages[i], batch->message_bytes) == 0);
    const struct giro_hash id = giro_batch_id(&hub.genesis.chain_id, bytes, size);
    cr_assert(giro_hash_equal(&batch->id, &id), "batch %u", i);
    cr_assert(batch->valid == stream.valid[i], "batch %u", i);
    giro_frames_hash(&hub.genesis, bytes, size, scratch, hashes);
    cr_assert(!batch->valid ||
                  memcmp(batch->hashes, hashes, header.frame_count * sizeof(hashes[0])) == 0,
              "batch %u", i);
}

Test(dataplane_verifiers, check_batches_in_order_and_tell_bad_ones)
{
    static const uint32_t threads[] = {1, 3};
    uint32_t bad = 0;
    for (uint32_t t = 0; t < 2; t++) {
        struct rig rig;
        uint32_t next = 0, given = 0;
        rig_open(&rig, threads[t]);
        while (given < BATCHES) {
            while (next < BATCHES && batch_submit(&rig, next))
                next++;
            const struct giro_verified_batch *batch = giro_verifiers_batch_next(rig.verifiers);
            if (batch == NULL) {
                wait_for_result(&rig);
                continue;
            }
            batch_check(batch, given);
            bad += !batch->valid;
            giro_verifiers_batch_done(rig.verifiers);
            given++;
        }
        cr_assert(next == BATCHES && counters(&rig).batches == BATCHES);
        cr_assert(counters(&rig).batches_waiting == 0);
        rig_close(&rig);
    }
    cr_assert(bad > 0 && bad < 2 * BATCHES);
}

Test(dataplane_verifiers, leave_to_the_caller_what_finds_no_room)
{
    struct rig rig;
    rig_open(&rig, 0);
    cr_assert(!batch_submit(&rig, 0), "there are no threads");
    rig_close(&rig);
    rig_open(&rig, 1);
    uint32_t first = 0, second = 0;
    while (
        giro_verifiers_batch(rig.verifiers, 7, stream.messages[0], stream.message_bytes[0], OFFSET))
        first++;
    while (
        giro_verifiers_batch(rig.verifiers, 9, stream.messages[1], stream.message_bytes[1], OFFSET))
        second++;
    cr_assert(first == GIRO_VERIFIERS_PER_BATCH / 2, "%u: one peer alone gets half", first);
    cr_assert(second == GIRO_VERIFIERS_PER_BATCH / 4, "%u: the next half of what is left", second);
    cr_assert(counters(&rig).batches_refused == 2);
    cr_assert(counters(&rig).batches_waiting == first + second);
    uint8_t *large = calloc(1, OFFSET + GIRO_BATCH_BYTES_MAX + 1);
    cr_assert(
        !giro_verifiers_batch(rig.verifiers, 1, large, OFFSET + GIRO_BATCH_BYTES_MAX + 1, OFFSET));
    cr_assert(giro_verifiers_batch(rig.verifiers, 1, large, OFFSET + GIRO_BATCH_BYTES_MAX, OFFSET),
              "the largest, which is none");
    free(large);
    const struct giro_verified_batch *batch = NULL;
    for (uint32_t i = 0; i < first + second + 1; i++) {
        while ((batch = giro_verifiers_batch_next(rig.verifiers)) == NULL)
            wait_for_result(&rig);
        cr_assert(batch->peer == (i < first ? 7 : i < first + second ? 9 : 1), "job %u", i);
        cr_assert(batch->valid ==
                  (i < first ? stream.valid[0] : i < first + second && stream.valid[1]));
        giro_verifiers_batch_done(rig.verifiers);
    }
    rig_close(&rig);
}

/* ---- The end ---------------------------------------------------------------------------------- */

Test(dataplane_verifiers, close_with_full_lines_and_work_under_way)
{
    for (uint32_t round = 0; round < 6 * dataplane_effort(); round++) {
        struct rig rig;
        rig_open(&rig, 1 + round % 3);
        for (uint32_t i = 0; i < FRAMES; i++)
            cr_assert(take(&rig, i) == GIRO_REJECT_NONE);
        cr_assert(giro_verifiers_submit(rig.verifiers, 1000000) > 0);
        for (uint32_t i = 0; i < BATCHES; i++)
            (void)batch_submit(&rig, i);
        cr_assert(counters(&rig).batches_waiting > 0);
        rig_close(&rig);
    }
}
