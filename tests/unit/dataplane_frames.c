#include <stdlib.h>

#include <criterion/criterion.h>

#include "dataplane_support.h"

static struct hub hub;
static uint8_t *batch, *scratch;
static struct giro_hash hashes[256];

static void open_hub(void)
{
    hub_open(&hub);
    batch = malloc(GIRO_BATCH_BYTES_MAX);
    scratch = malloc(GIRO_FRAMES_VERIFY_SCRATCH);
}

static void close_hub(void)
{
    free(batch);
    free(scratch);
    hub_close(&hub);
    dataplane_leak_check();
}

TestSuite(dataplane_frames, .init = open_hub, .fini = close_hub);

static bool verify(size_t size)
{
    return giro_frames_verify(&hub.genesis, hub.ring, batch, size, scratch, hashes);
}

/* A batch of `count` datagrams of all kinds; where_last gets the offset of the last datagram. */
static size_t make(uint32_t count, size_t *where_last)
{
    static uint8_t bytes[GIRO_FRAME_BYTES_MAX];
    struct batch_maker maker;
    batch_begin(&maker, batch);
    for (uint32_t i = 0; i < count; i++) {
        size_t size = i % 40 == 5   ? control_make(&hub, i, bytes)
                      : i % 40 == 9 ? skip_make(&hub, 2, i, i, bytes)
                                    : frame_make(&hub,
                                                 &(struct frame_wish){.member = i % HUB_MEMBERS,
                                                                      .sequence = i,
                                                                      .detailed = i % 3 == 1,
                                                                      .record_count = 1 + i % 21},
                                                 bytes);
        *where_last = maker.size_bytes + 4;
        batch_add(&maker, bytes, size);
    }
    return batch_end(&maker);
}

Test(dataplane_frames, accepts_batches_of_good_frames_of_every_kind)
{
    static const uint32_t counts[] = {1, 2, 63, 64, 65, 128, 200};
    size_t last;
    for (uint32_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        cr_assert(verify(make(counts[i], &last)), "%u frames", counts[i]);
}

Test(dataplane_frames, hashes_every_frame_alike_with_and_without_verifying)
{
    static const uint32_t counts[] = {1, 2, 63, 64, 65, 128, 200};
    static uint8_t message[GIRO_FRAME_MESSAGE_BYTES_MAX];
    static struct giro_hash alone[256];
    size_t last;
    for (uint32_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        size_t size = make(counts[i], &last);
        memset(hashes, 0, sizeof(hashes));
        memset(alone, 0, sizeof(alone));
        cr_assert(verify(size));
        giro_frames_hash(&hub.genesis, batch, size, scratch, alone);
        struct giro_frame frame;
        uint32_t offset = GIRO_BATCH_FIRST, at = 0;
        while (giro_batch_next(batch, size, hub.genesis.chain_prefix, &offset, &frame)) {
            size_t bytes = giro_frame_message(&frame, &hub.genesis.chain_id, message);
            struct giro_hash one = giro_sha256(message, bytes);
            cr_assert(giro_hash_equal(&hashes[at], &one), "frame %u of %u", at, counts[i]);
            cr_assert(giro_hash_equal(&alone[at], &one), "frame %u of %u", at, counts[i]);
            at++;
        }
        cr_assert_eq(at, counts[i]);
        cr_assert(giro_hash_is_zero(&hashes[at]) && giro_hash_is_zero(&alone[at]));
    }
}

Test(dataplane_frames, refuses_a_batch_for_one_bad_frame_wherever_it_stands)
{
    static const uint32_t counts[] = {1,  6,  10,
                                      64, 65, 70}; /* the last: frame, control, skip, ... */
    for (uint32_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        size_t last, size = make(counts[i], &last);
        batch[last + 24] ^= 1; /* its sequence: still well formed, no longer what was signed */
        cr_assert(!verify(size), "%u frames, changed header", counts[i]);
        batch[last + 24] ^= 1;
        cr_assert(verify(size));
        size_t end = size - (size - 64 - last) % 4;
        batch[end - 30] ^= 1;
        cr_assert(!verify(size), "%u frames, changed signature", counts[i]);
    }
}

Test(dataplane_frames, refuses_unknown_members_keys_chains_and_broken_batches)
{
    static const struct {
        const char *what;
        uint32_t count;      /* the last datagram is changed */
        int32_t at_in_batch; /* or, if not negative, this byte of the batch */
        uint32_t at;
        uint8_t value;
    } rows[] = {
        {"member 3 of 3", 1, -1, 16, 3},     {"key 9", 1, -1, 18, 9},
        {"other chain", 1, -1, 8, 0},        {"channel 64", 1, -1, 20, 64},
        {"unknown maker", 6, -1, 18, 7},     {"unknown checker", 6, -1, 36, 7},
        {"maker checks", 6, -1, 36, 1},      {"makers swapped", 6, -1, 18, 2},
        {"batch magic", 3, 0, 0, 0},         {"frame count", 3, 36, 0, 2},
        {"record count", 3, 40, 0, 99},      {"reserved", 3, 50, 0, 1},
        {"first frame's size", 3, 64, 0, 1},
    };
    for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t last, size = make(rows[i].count, &last);
        batch[rows[i].at_in_batch >= 0 ? (size_t)rows[i].at_in_batch : last + rows[i].at] =
            rows[i].value;
        cr_assert(!verify(size), "%s", rows[i].what);
    }
    size_t last, size = make(3, &last);
    for (size_t cut = 0; cut < size; cut++)
        cr_assert(!verify(cut), "cut at %zu", cut);
}

Test(dataplane_frames, never_accepts_a_mutated_batch)
{
    struct giro_prng prng;
    giro_prng_init(&prng, dataplane_seed());
    size_t last, size = make(3, &last);
    uint8_t *good = malloc(size);
    memcpy(good, batch, size);
    for (uint32_t i = 0; i < 500 * dataplane_effort(); i++) {
        memcpy(batch, good, size);
        size_t at = giro_prng_below(&prng, size);
        batch[at] ^= 1u << giro_prng_below(&prng, 8);
        bool free_field =
            at >= 8 && at < 46; /* epoch, sequence, time, author: the batch id covers them */
        cr_assert(!verify(size) || free_field, "round %u: byte %zu", i, at);
    }
    free(good);
}
