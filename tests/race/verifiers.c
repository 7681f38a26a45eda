/* Verifiers on several threads while their owner takes datagrams in, submits, takes results out of order of the lines, sleeps and
 * closes in the middle of it all. Frames come out in the order they went in, each once; verdicts are those of the stream. */
#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "giro/verifiers.h"
#include "unit/dataplane_support.h"

#define KINDS  48u /* datagrams, signed once */
#define SLOTS  512u
#define FRAMES 4000u /* of a life */
#define OFFSET sizeof(struct giro_peer_envelope)

static struct hub hub;
static uint8_t datagrams[KINDS][GIRO_FRAME_BYTES_MAX];
static size_t sizes[KINDS];
static uint8_t message[OFFSET + GIRO_BATCH_BYTES_MAX], message_bad[OFFSET + GIRO_BATCH_BYTES_MAX];
static uint32_t message_bytes;

static bool is_bad(uint64_t kind)
{
    return kind % 7 == 3;
}

static void stream_make(void)
{
    struct batch_maker maker;
    batch_begin(&maker, message + OFFSET);
    for (uint32_t i = 0; i < KINDS; i++) {
        const struct frame_wish wish = {
            .member = (uint16_t)(i % HUB_MEMBERS), .record_count = 20, .sequence = i};
        sizes[i] = frame_make(&hub, &wish, datagrams[i]);
        batch_add(&maker, datagrams[i], sizes[i]);
        datagrams[i][sizes[i] - 9] ^= is_bad(i) ? 1 : 0;
    }
    message_bytes = (uint32_t)(OFFSET + batch_end(&maker));
    memcpy(message_bad, message, message_bytes);
    message_bad[message_bytes - 30] ^= 1;
}

struct life {
    struct giro_ingress *ingress;
    struct giro_verifiers *verifiers;
    struct giro_prng prng;
    uint64_t in, out; /* datagrams taken, and frames given or refused */
    uint64_t batches_in, batches_out;
    uint8_t batch_bad[1u << 8]; /* by number */
};

/* The next datagram that was taken and whose signature holds. */
static void on_good(struct life *life, const struct giro_ingress_frame *frame)
{
    cr_assert(frame->frame.header.sequence == life->out % KINDS, "frame %lu", life->out);
    cr_assert(!is_bad(life->out % KINDS), "frame %lu", life->out);
    life->out++;
}

static void bad_skip(struct life *life)
{
    while (life->out < life->in && is_bad(life->out % KINDS))
        life->out++;
}

static void take_in(struct life *life)
{
    const uint64_t clump = giro_prng_below(&life->prng, 100);
    for (uint64_t i = 0; i < clump && life->in < FRAMES; i++) {
        const uint64_t kind = life->in % KINDS;
        const struct giro_datagram datagram = {.bytes = datagrams[kind],
                                               .size_bytes = (uint32_t)sizes[kind]};
        /* Half a second later each, so that no repeat is a duplicate. */
        if (giro_ingress_take(life->ingress, (life->in + 1) * GIRO_NS_PER_S, &datagram,
                              GIRO_NONE) != GIRO_REJECT_NONE)
            return; /* no slot: later */
        life->in++;
    }
    (void)giro_verifiers_submit(life->verifiers, (life->in + 1) * GIRO_NS_PER_S);
}

static bool frames_out(struct life *life)
{
    struct giro_ingress_frame *frames[GIRO_VERIFIERS_FRAMES];
    bool done = false;
    const uint32_t good = giro_verifiers_frames(life->verifiers, frames, &done);
    for (uint32_t i = 0; i < good; i++) {
        bad_skip(life);
        on_good(life, frames[i]);
        giro_ingress_drop(life->ingress, frames[i]);
    }
    return done;
}

static void batch_in(struct life *life)
{
    const bool bad = giro_prng_chance(&life->prng, 1, 3);
    const uint16_t peer = (uint16_t)giro_prng_below(&life->prng, 4);
    if (giro_verifiers_batch(life->verifiers, peer, bad ? message_bad : message, message_bytes,
                             OFFSET))
        life->batch_bad[life->batches_in++ % sizeof(life->batch_bad)] = bad;
}

static bool batch_out(struct life *life)
{
    const struct giro_verified_batch *batch = giro_verifiers_batch_next(life->verifiers);
    if (batch == NULL)
        return false;
    const bool bad = life->batch_bad[life->batches_out % sizeof(life->batch_bad)] != 0;
    cr_assert(batch->valid == !bad, "batch %lu", life->batches_out);
    giro_verifiers_batch_done(life->verifiers);
    life->batches_out++;
    return true;
}

static void sleep_until_result(struct life *life)
{
    struct pollfd ready = {.fd = giro_verifiers_fd(life->verifiers), .events = POLLIN};
    struct giro_verifiers_counters counters;
    giro_verifiers_counters(life->verifiers, &counters);
    if (counters.chunks_waiting + counters.batches_waiting == 0 ||
        !giro_verifiers_sleep(life->verifiers, true))
        return;
    cr_assert(poll(&ready, 1, 60000) == 1, "nobody woke the owner");
    giro_verifiers_awake(life->verifiers);
}

static void live(uint32_t threads, uint64_t seed, bool to_the_end)
{
    const struct giro_ingress_options options = {
        .genesis = &hub.genesis, .frames_max = SLOTS, .gather_frames = 16, .map_seed = 7};
    const size_t size = giro_ingress_footprint(&options);
    void *mem = aligned_alloc(64, size);
    cr_assert(mem != NULL);
    struct life life = {.ingress = giro_ingress_init(mem, size, &options)};
    const struct giro_verifiers_options verifiers = {.genesis = &hub.genesis,
                                                     .ring = hub.ring,
                                                     .ingress = life.ingress,
                                                     .thread_count = threads};
    giro_prng_init(&life.prng, seed);
    cr_assert(giro_verifiers_open(&verifiers, &life.verifiers) == GIRO_ERR_OK);
    const uint64_t end = to_the_end ? FRAMES : giro_prng_below(&life.prng, FRAMES / 4);
    while (life.out < end) {
        take_in(&life);
        if (giro_prng_chance(&life.prng, 1, 4))
            batch_in(&life);
        bool found = giro_prng_chance(&life.prng, 3, 4) && frames_out(&life);
        found |= giro_prng_chance(&life.prng, 3, 4) && batch_out(&life);
        bad_skip(&life);
        if (!found && giro_prng_chance(&life.prng, 1, 2))
            sleep_until_result(&life);
    }
    giro_verifiers_close(life.verifiers);
    free(mem);
}

int main(void)
{
    const uint64_t seed = race_number("GIRO_SEED", 20261127);
    const uint64_t effort = race_number("GIRO_EFFORT", 1);
    fprintf(stderr, "GIRO_SEED=%lu\n", seed);
    hub_open(&hub);
    stream_make();
    for (uint32_t threads = 1; threads <= 4; threads++)
        live(threads, seed + threads, true);
    for (uint64_t i = 0; i < 8 * effort; i++)
        live(1 + (uint32_t)(i % 3), seed + 100 + i, false);
    hub_close(&hub);
    return 0;
}
