/* Frames between arrival and certificate, against a naive model. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <criterion/criterion.h>

#include "apps/girod/pending.h"
#include "member_support.h"

TestSuite(pending, .init = hub_suite_open, .fini = hub_suite_close);

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
