#include <stdio.h>
#include <stdlib.h>

#include <criterion/criterion.h>

#include "dataplane_support.h"

#define MS UINT64_C(1000000)

static struct hub hub;

static void open_hub(void)
{
    hub_open(&hub);
}

static void close_hub(void)
{
    hub_close(&hub);
    dataplane_leak_check();
}

TestSuite(dataplane_ingress, .init = open_hub, .fini = close_hub);

static struct giro_ingress *ingress_new(uint32_t frames_max, uint32_t rate)
{
    struct giro_ingress_options options = {.genesis = &hub.genesis,
                                           .frames_max = frames_max,
                                           .member_frames_per_second = rate,
                                           .gather_frames = 4,
                                           .gather_ns = 50,
                                           .map_seed = 7};
    size_t size = giro_ingress_footprint(&options);
    cr_assert(size > 0 && size % 64 == 0);
    void *mem = aligned_alloc(64, size);
    memset(mem, 0xa5, size); /* nothing may depend on what the memory held */
    struct giro_ingress *ingress = giro_ingress_init(mem, size, &options);
    cr_assert(ingress == mem);
    return ingress;
}

static enum giro_reject take(struct giro_ingress *ingress, uint64_t now_ns, const uint8_t *bytes,
                             size_t size)
{
    struct giro_datagram datagram = {
        .bytes = bytes, .size_bytes = (uint32_t)size, .from = {.ipv4 = 0x0a000002, .port = 4711}};
    return giro_ingress_take(ingress, now_ns, &datagram, GIRO_NONE);
}

static uint64_t rejected(const struct giro_ingress *ingress, uint32_t member,
                         enum giro_reject reject)
{
    uint64_t rejects[GIRO_REJECT_COUNT_OF_REASONS];
    giro_ingress_rejects(ingress, member, rejects);
    return rejects[reject];
}

static uint64_t rejected_all(const struct giro_ingress *ingress)
{
    uint64_t sum = 0;
    for (uint32_t row = 0; row <= HUB_MEMBERS; row++)
        for (uint32_t i = 0; i < GIRO_REJECT_COUNT_OF_REASONS; i++)
            sum += rejected(ingress, row == HUB_MEMBERS ? GIRO_NONE : row, (enum giro_reject)i);
    return sum;
}

static size_t make_kind(enum giro_kind kind, uint8_t *out)
{
    if (kind == GIRO_KIND_SKIP)
        return skip_make(&hub, 1, 5, 9, out);
    if (kind == GIRO_KIND_CONTROL)
        return control_make(&hub, 5, out);
    return frame_make(&hub, &(struct frame_wish){.member = 1, .sequence = 5}, out);
}

Test(dataplane_ingress, refuses_each_reason_and_counts_it_where_it_belongs)
{
    static const struct {
        const char *what;
        enum giro_kind kind;
        uint32_t offset, field_bytes;
        uint64_t value;
        int32_t grow;
        enum giro_reject reject;
        uint32_t row;
    } rows[] = {
        {"one byte short", GIRO_KIND_FRAME, 0, 0, 0, -1, GIRO_REJECT_TRUNCATED, 1},
        {"header only", GIRO_KIND_FRAME, 0, 0, 0, -128, GIRO_REJECT_TRUNCATED, 1},
        {"not even a header", GIRO_KIND_FRAME, 0, 0, 0, -160, GIRO_REJECT_TRUNCATED, GIRO_NONE},
        {"empty", GIRO_KIND_FRAME, 0, 0, 0, -168, GIRO_REJECT_TRUNCATED, GIRO_NONE},
        {"one byte long", GIRO_KIND_FRAME, 0, 0, 0, 1, GIRO_REJECT_OVERSIZED, 1},
        {"beyond any frame", GIRO_KIND_FRAME, 0, 0, 0, 8972 - 168 + 1, GIRO_REJECT_OVERSIZED, 1},
        {"other magic", GIRO_KIND_FRAME, 0, 4, 0x4f524948, 0, GIRO_REJECT_MAGIC, GIRO_NONE},
        {"a proof", GIRO_KIND_FRAME, 4, 2, GIRO_KIND_PROOF, 0, GIRO_REJECT_KIND, 1},
        {"version 2", GIRO_KIND_FRAME, 6, 2, 2, 0, GIRO_REJECT_VERSION, 1},
        {"reserved set", GIRO_KIND_FRAME, 38, 2, 1, 0, GIRO_REJECT_RESERVED, 1},
        {"checker on a frame", GIRO_KIND_FRAME, 36, 2, 2, 0, GIRO_REJECT_RESERVED, 1},
        {"other hub", GIRO_KIND_FRAME, 8, 8, 42, 0, GIRO_REJECT_CHAIN, GIRO_NONE},
        {"member 3 of 3", GIRO_KIND_FRAME, 16, 2, 3, 0, GIRO_REJECT_MEMBER, GIRO_NONE},
        {"frame of the operator", GIRO_KIND_FRAME, 16, 2, 0xffff, 0, GIRO_REJECT_MEMBER, GIRO_NONE},
        {"skip of the operator", GIRO_KIND_SKIP, 16, 2, 0xffff, 0, GIRO_REJECT_MEMBER, GIRO_NONE},
        {"control by a member", GIRO_KIND_CONTROL, 16, 2, 1, 0, GIRO_REJECT_MEMBER, 1},
        {"key 2 of 1", GIRO_KIND_FRAME, 18, 2, 2, 0, GIRO_REJECT_KEY, 1},
        {"unknown maker", GIRO_KIND_CONTROL, 18, 2, 3, 0, GIRO_REJECT_KEY, GIRO_NONE},
        {"unknown checker", GIRO_KIND_CONTROL, 36, 2, 3, 0, GIRO_REJECT_KEY, GIRO_NONE},
        {"maker checks", GIRO_KIND_CONTROL, 36, 2, 1, 0, GIRO_REJECT_SIGNER, GIRO_NONE},
        {"channel 64", GIRO_KIND_FRAME, 20, 2, 64, 0, GIRO_REJECT_CHANNEL, 1},
        {"no record", GIRO_KIND_FRAME, 22, 2, 0, 0, GIRO_REJECT_COUNT, 1},
        {"139 records", GIRO_KIND_FRAME, 22, 2, 139, 0, GIRO_REJECT_COUNT, 1},
        {"odd details", GIRO_KIND_FRAME, 32, 4, 2, 0, GIRO_REJECT_FIELD, 1},
        {"skip backwards", GIRO_KIND_SKIP, 40, 8, 4, 0, GIRO_REJECT_FIELD, 1},
    };
    struct giro_ingress *ingress = ingress_new(8, 0);
    for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t bytes[GIRO_FRAME_BYTES_MAX + 64] = {0};
        size_t size = make_kind(rows[i].kind, bytes) + (size_t)rows[i].grow;
        memcpy(bytes + rows[i].offset, &rows[i].value, rows[i].field_bytes);
        uint64_t before = rejected(ingress, rows[i].row, rows[i].reject);
        uint8_t *exact = malloc(size + 1); /* the size is 0 once */
        memcpy(exact, bytes, size);
        enum giro_reject reject = take(ingress, MS, exact, size);
        free(exact);
        cr_assert(reject == rows[i].reject, "%s: %s", rows[i].what, giro_reject_name(reject));
        cr_assert(rejected(ingress, rows[i].row, reject) == before + 1, "%s", rows[i].what);
        cr_assert(rejected_all(ingress) == i + 1, "%s: counted once", rows[i].what);
    }
    cr_assert(giro_ingress_waiting(ingress) == 0 && giro_ingress_taken(ingress) == 0);
    free(ingress);
}

Test(dataplane_ingress, verifies_good_frames_in_order_and_fills_hash_and_sender)
{
    static uint8_t message[GIRO_FRAME_MESSAGE_BYTES_MAX];
    uint8_t bytes[GIRO_FRAME_BYTES_MAX];
    struct giro_ingress *ingress = ingress_new(200, 0);
    for (uint32_t i = 0; i < 150; i++) { /* more than two chunks */
        size_t size = i % 50 == 7    ? control_make(&hub, i, bytes)
                      : i % 50 == 11 ? skip_make(&hub, 2, i, i + 3, bytes)
                                     : frame_make(&hub,
                                                  &(struct frame_wish){.member = i % HUB_MEMBERS,
                                                                       .channel = i % 64,
                                                                       .record_count = 1 + i % 138,
                                                                       .sequence = i},
                                                  bytes);
        cr_assert(take(ingress, MS, bytes, size) == GIRO_REJECT_NONE, "frame %u", i);
    }
    memset(bytes, 0, sizeof(bytes)); /* the ingress keeps its own copy */
    cr_assert(giro_ingress_waiting(ingress) == 150 && giro_ingress_taken(ingress) == 150);
    struct giro_ingress_frame *frames[150];
    cr_assert(giro_ingress_verify(ingress, hub.ring, frames, 10) == 10);
    cr_assert(giro_ingress_waiting(ingress) == 140);
    cr_assert(giro_ingress_verify(ingress, hub.ring, frames + 10, 150) == 140);
    for (uint32_t i = 0; i < 150; i++) {
        cr_assert(frames[i]->frame.header.sequence == i, "order at %u", i);
        cr_assert(frames[i]->frame.bytes == frames[i]->bytes);
        cr_assert(frames[i]->from.ipv4 == 0x0a000002 && frames[i]->from.port == 4711);
        size_t size = giro_frame_message(&frames[i]->frame, &hub.genesis.chain_id, message);
        struct giro_hash hash = giro_sha256(message, size);
        cr_assert(giro_hash_equal(&hash, &frames[i]->hash), "hash at %u", i);
        giro_ingress_drop(ingress, frames[i]);
    }
    cr_assert(rejected_all(ingress) == 0);
    free(ingress);
}

Test(dataplane_ingress, drops_bad_signatures_and_counts_them_per_member)
{
    struct giro_ingress *ingress = ingress_new(16, 0);
    uint8_t bytes[GIRO_FRAME_BYTES_MAX];
    struct giro_ingress_frame *frames[16];
    for (uint32_t i = 0; i < 12; i++) {
        size_t size =
            i < 8 ? frame_make(&hub, &(struct frame_wish){.member = i % 2, .sequence = i}, bytes)
                  : control_make(&hub, i, bytes);
        if (i == 3 || i == 5) /* member 1 */
            bytes[size - 10] ^= 1;
        if (i == 9) /* the checker's */
            bytes[size - 1] ^= 0x40;
        if (i == 10) /* the maker's */
            bytes[size - 64 - 20] ^= 4;
        cr_assert(take(ingress, MS, bytes, size) == GIRO_REJECT_NONE);
    }
    cr_assert(giro_ingress_verify(ingress, hub.ring, frames, 16) == 8);
    static const uint64_t good[8] = {0, 1, 2, 4, 6, 7, 8, 11};
    for (uint32_t i = 0; i < 8; i++)
        cr_assert(frames[i]->frame.header.sequence == good[i]);
    cr_assert(rejected(ingress, 1, GIRO_REJECT_SIGNATURE) == 2);
    cr_assert(rejected(ingress, GIRO_NONE, GIRO_REJECT_SIGNATURE) == 2);
    cr_assert(rejected_all(ingress) == 4);
    free(ingress);
}

Test(dataplane_ingress, treats_a_datagram_seen_within_half_a_second_as_duplicate)
{
    struct giro_ingress *ingress = ingress_new(16, 0);
    uint8_t bytes[GIRO_FRAME_BYTES_MAX], other[GIRO_FRAME_BYTES_MAX];
    size_t size = frame_make(&hub, &(struct frame_wish){.member = 1, .sequence = 1}, bytes);
    size_t other_size = frame_make(&hub, &(struct frame_wish){.member = 1, .sequence = 2}, other);
    uint64_t t = 1000 * MS;
    cr_assert(take(ingress, t, bytes, size) == GIRO_REJECT_NONE);
    cr_assert(take(ingress, t, bytes, size) == GIRO_REJECT_DUPLICATE);
    cr_assert(take(ingress, t, other, other_size) == GIRO_REJECT_NONE);
    cr_assert(take(ingress, t + 500 * MS - 1, bytes, size) == GIRO_REJECT_DUPLICATE);
    cr_assert(take(ingress, t + 500 * MS, bytes, size) == GIRO_REJECT_NONE);
    cr_assert(take(ingress, t + 999 * MS, bytes, size) == GIRO_REJECT_DUPLICATE);
    cr_assert(rejected(ingress, 1, GIRO_REJECT_DUPLICATE) == 3);
    bytes[size - 1] ^= 1; /* a forged twin is not the genuine frame's duplicate, nor the reverse */
    cr_assert(take(ingress, t + 999 * MS, bytes, size) == GIRO_REJECT_NONE);
    free(ingress);
}

Test(dataplane_ingress, refuses_when_every_slot_is_taken_and_lets_the_resend_pass)
{
    struct giro_ingress *ingress = ingress_new(4, 0);
    uint8_t bytes[5][GIRO_FRAME_BYTES_MAX];
    size_t size = 0;
    for (uint32_t i = 0; i < 5; i++)
        size = frame_make(&hub, &(struct frame_wish){.member = 2, .sequence = i}, bytes[i]);
    for (uint32_t i = 0; i < 4; i++)
        cr_assert(take(ingress, MS, bytes[i], size) == GIRO_REJECT_NONE);
    cr_assert(take(ingress, MS, bytes[4], size) == GIRO_REJECT_LIMIT);
    struct giro_ingress_frame *frames[4];
    cr_assert(giro_ingress_verify(ingress, hub.ring, frames, 4) == 4);
    cr_assert(take(ingress, MS, bytes[4], size) == GIRO_REJECT_LIMIT, "verified ones hold slots");
    giro_ingress_drop(ingress, frames[2]);
    cr_assert(take(ingress, MS, bytes[4], size) == GIRO_REJECT_NONE, "not remembered as seen");
    cr_assert(rejected(ingress, 2, GIRO_REJECT_LIMIT) == 2);
    cr_assert(giro_ingress_waiting(ingress) == 1);
    cr_assert(giro_ingress_verify(ingress, hub.ring, frames, 4) == 1);
    cr_assert(frames[0]->frame.header.sequence == 4);
    free(ingress);
}

/* One member fills as much as it may, then two others; what is left for each is what dynamic thresholds promise. */
Test(dataplane_ingress, leaves_slots_for_others_however_much_one_sends)
{
    enum { SLOTS = 100 };
    struct giro_ingress *ingress = ingress_new(SLOTS, 0);
    struct giro_ingress_frame *frames[SLOTS];
    uint8_t bytes[GIRO_FRAME_BYTES_MAX];
    uint32_t taken[HUB_MEMBERS] = {0};
    uint64_t sequence = 0;
    for (uint16_t member = 0; member < HUB_MEMBERS; member++) {
        enum giro_reject reject = GIRO_REJECT_NONE;
        while (reject == GIRO_REJECT_NONE) {
            struct frame_wish wish = {.member = member, .sequence = sequence++};
            size_t size = frame_make(&hub, &wish, bytes);
            uint32_t share = giro_ingress_share(ingress, member);
            reject = take(ingress, MS, bytes, size);
            taken[member] += reject == GIRO_REJECT_NONE;
            cr_assert((share > 0) == (reject == GIRO_REJECT_NONE), "member %u, %u taken", member,
                      taken[member]);
            cr_assert(reject != GIRO_REJECT_NONE ||
                          giro_ingress_share(ingress, member) >= share - 1,
                      "a share is kept while nobody else takes: %u then %u", share,
                      giro_ingress_share(ingress, member));
        }
        cr_assert(reject == GIRO_REJECT_LIMIT);
    }
    cr_assert(taken[0] == 81 && taken[1] == 16 && taken[2] == 3, "%u %u %u", taken[0], taken[1],
              taken[2]);
    uint32_t verified = giro_ingress_verify(ingress, hub.ring, frames, SLOTS);
    cr_assert(verified == SLOTS);
    cr_assert(rejected(ingress, 0, GIRO_REJECT_LIMIT) == 1);
    /* As slots come back, the ones that hold little are served first. */
    for (uint32_t i = 0; i < 10; i++)
        giro_ingress_drop(ingress, frames[i]);
    cr_assert(giro_ingress_share(ingress, 0) == 0 && giro_ingress_share(ingress, 1) == 5 &&
              giro_ingress_share(ingress, 2) == 8);
    size_t size = control_make(&hub, 1, bytes);
    cr_assert(take(ingress, MS, bytes, size) == GIRO_REJECT_NONE, "control frames have no share");
    free(ingress);
}

Test(dataplane_ingress, believes_the_session_and_the_allow_list_before_the_frame)
{
    static const char *const entries[] = {"10.0.0.0/8 BANKCZP0", "10.9.0.0/16"};
    struct giro_ingress_options options = {
        .genesis = &hub.genesis, .frames_max = 8, .member_frames_per_second = 1, .map_seed = 7};
    struct giro_allow *allow = NULL;
    struct giro_diagnosis diagnosis;
    for (uint32_t i = 0; i < HUB_MEMBERS; i++)
        snprintf(hub.genesis.members[i].bic, sizeof(hub.genesis.members[i].bic), "BANKCZP%u", i);
    cr_assert(giro_allow_open(entries, 2, &hub.genesis, &allow, &diagnosis) == GIRO_ERR_OK);
    options.allow = allow;
    size_t size = giro_ingress_footprint(&options);
    void *mem = aligned_alloc(64, size);
    struct giro_ingress *ingress = giro_ingress_init(mem, size, &options);
    uint8_t bytes[GIRO_FRAME_BYTES_MAX];
    static const struct {
        const char *what;
        uint32_t ipv4, proved;
        uint16_t member;
        enum giro_reject reject;
        uint32_t row;
    } rows[] = {
        {"member 1 from member 0's network", 0x0a000001, 1, 1, GIRO_REJECT_ADDRESS, 1},
        {"member 1 in member 0's session", 0x0a090001, 0, 1, GIRO_REJECT_MEMBER, 0},
        {"a member as operator", 0, GIRO_MEMBER_OPERATOR, 1, GIRO_REJECT_MEMBER, 1},
        {"none of these cost member 1 its one token", 0x0a090001, 1, 1, GIRO_REJECT_NONE, 1},
        {"which is gone now", 0x0a090001, 1, 1, GIRO_REJECT_POLICED, 1},
        {"member 0 from its own", 0x0a000001, 0, 0, GIRO_REJECT_NONE, 0},
    };
    for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct frame_wish wish = {.member = rows[i].member, .sequence = i};
        struct giro_datagram datagram = {.bytes = bytes,
                                         .size_bytes = (uint32_t)frame_make(&hub, &wish, bytes),
                                         .from = {.ipv4 = rows[i].ipv4, .port = 4711}};
        uint64_t before = rejected(ingress, rows[i].row, rows[i].reject);
        enum giro_reject reject = giro_ingress_take(ingress, MS, &datagram, rows[i].proved);
        cr_assert(reject == rows[i].reject, "%s: %s", rows[i].what, giro_reject_name(reject));
        cr_assert(rejected(ingress, rows[i].row, reject) ==
                      before + (reject != GIRO_REJECT_NONE ? 1 : 0),
                  "%s", rows[i].what);
    }
    giro_ingress_count(ingress, 2, GIRO_REJECT_STALE);
    giro_ingress_count(ingress, GIRO_NONE, GIRO_REJECT_STALE);
    cr_assert(rejected(ingress, 2, GIRO_REJECT_STALE) == 1);
    cr_assert(rejected(ingress, GIRO_NONE, GIRO_REJECT_STALE) == 1);
    giro_allow_close(allow);
    free(mem);
}

Test(dataplane_ingress, delays_no_lone_frame_and_gathers_several_under_load)
{
    struct giro_ingress *ingress = ingress_new(16, 0);
    struct giro_ingress_frame *frames[16];
    struct giro_ingress_lanes lanes;
    uint8_t bytes[16][GIRO_FRAME_BYTES_MAX];
    size_t size = 0;
    for (uint32_t i = 0; i < 16; i++)
        size = frame_make(&hub, &(struct frame_wish){.member = 2, .sequence = i}, bytes[i]);
    cr_assert(!giro_ingress_ripe(ingress, MS), "nothing waits");
    cr_assert(take(ingress, MS, bytes[0], size) == GIRO_REJECT_NONE);
    cr_assert(giro_ingress_ripe(ingress, MS), "a lone frame after silence");
    cr_assert(giro_ingress_verify(ingress, hub.ring, frames, 16) == 1);
    cr_assert(take(ingress, MS, bytes[1], size) == GIRO_REJECT_NONE);
    cr_assert(take(ingress, MS, bytes[2], size) == GIRO_REJECT_NONE);
    cr_assert(giro_ingress_ripe(ingress, MS), "the load was low a moment ago");
    cr_assert(giro_ingress_verify(ingress, hub.ring, frames, 16) == 2);
    cr_assert(take(ingress, MS, bytes[3], size) == GIRO_REJECT_NONE);
    cr_assert(!giro_ingress_ripe(ingress, MS + 49), "under load it waits for others");
    cr_assert(giro_ingress_ripe(ingress, MS + 50), "but not long");
    for (uint32_t i = 4; i < 6; i++)
        cr_assert(take(ingress, MS + 10, bytes[i], size) == GIRO_REJECT_NONE);
    cr_assert(!giro_ingress_ripe(ingress, MS + 10), "three");
    cr_assert(take(ingress, MS + 10, bytes[6], size) == GIRO_REJECT_NONE);
    cr_assert(giro_ingress_ripe(ingress, MS + 10), "four are enough");
    cr_assert(giro_ingress_verify(ingress, hub.ring, frames, 16) == 4);
    giro_ingress_lanes(ingress, &lanes);
    cr_assert(lanes.calls == 3 && lanes.signatures == 7 && lanes.signatures_in_full_calls == 0);
    free(ingress);
}

Test(dataplane_ingress, goes_round_its_slots_without_losing_any)
{
    struct giro_ingress *ingress = ingress_new(5, 0);
    struct giro_prng prng;
    giro_prng_init(&prng, dataplane_seed());
    uint8_t bytes[GIRO_FRAME_BYTES_MAX];
    struct giro_ingress_frame *held[5];
    uint32_t held_count = 0, waiting = 0;
    uint64_t next_in = 0, next_out = 0;
    for (uint32_t i = 0; i < 400; i++) {
        size_t size = frame_make(&hub, &(struct frame_wish){.sequence = next_in}, bytes);
        enum giro_reject reject = take(ingress, MS, bytes, size);
        cr_assert(reject == (held_count + waiting < 5 ? GIRO_REJECT_NONE : GIRO_REJECT_LIMIT));
        next_in += reject == GIRO_REJECT_NONE;
        waiting += reject == GIRO_REJECT_NONE;
        uint32_t got = giro_ingress_verify(ingress, hub.ring, held + held_count,
                                           (uint32_t)giro_prng_below(&prng, 3));
        for (uint32_t j = 0; j < got; j++)
            cr_assert(held[held_count + j]->frame.header.sequence == next_out++);
        waiting -= got;
        held_count += got;
        while (held_count > 0 && giro_prng_chance(&prng, 1, 2)) {
            uint32_t victim = (uint32_t)giro_prng_below(&prng, held_count);
            giro_ingress_drop(ingress, held[victim]);
            held[victim] = held[--held_count];
        }
        cr_assert(giro_ingress_waiting(ingress) == waiting);
    }
    free(ingress);
}

Test(dataplane_ingress, polices_each_member_at_its_rate_with_a_burst_of_one_second)
{
    struct giro_ingress *ingress = ingress_new(4096, 10);
    uint8_t bytes[GIRO_FRAME_BYTES_MAX];
    uint64_t sequence = 0, t = 5 * GIRO_NS_PER_S;
    static const struct {
        const char *what;
        uint64_t at_ms;
        uint16_t member;
        uint32_t sent, passed;
    } rows[] = {
        {"a full bucket", 0, 0, 15, 10},
        {"the same instant", 0, 0, 3, 0},
        {"another member", 0, 1, 12, 10},
        {"just before a token", 99, 0, 2, 0},
        {"one token", 100, 0, 2, 1},
        {"five tokens", 600, 0, 8, 5},
        {"never more than a second's worth", 100000, 0, 30, 10},
    };
    for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint32_t passed = 0;
        for (uint32_t j = 0; j < rows[i].sent; j++) {
            struct frame_wish wish = {.member = rows[i].member, .sequence = sequence++};
            size_t size = frame_make(&hub, &wish, bytes);
            enum giro_reject reject = take(ingress, t + rows[i].at_ms * MS, bytes, size);
            cr_assert(reject == GIRO_REJECT_NONE || reject == GIRO_REJECT_POLICED);
            passed += reject == GIRO_REJECT_NONE;
        }
        cr_assert(passed == rows[i].passed, "%s: %u passed", rows[i].what, passed);
    }
    cr_assert(rejected(ingress, 0, GIRO_REJECT_POLICED) == 5 + 3 + 2 + 1 + 3 + 20);
    cr_assert(rejected(ingress, 1, GIRO_REJECT_POLICED) == 2);
    free(ingress);
}

Test(dataplane_ingress, keeps_the_rate_over_time_whatever_its_size)
{
    static const uint32_t rates[] = {1, 7, 999, 1000, 1001, 4096, 30011};
    uint8_t bytes[GIRO_FRAME_BYTES_MAX];
    size_t size = frame_make(&hub, &(struct frame_wish){.member = 1}, bytes);
    for (uint32_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        struct giro_ingress *ingress = ingress_new(1, rates[i]);
        uint64_t passed = 0, sent = 0;
        /* ten seconds at about twice the rate; a frame that is not policed is LIMIT or DUPLICATE */
        for (uint64_t t = 0; t <= 10 * GIRO_NS_PER_S; t += GIRO_NS_PER_S / (2 * rates[i]), sent++)
            passed += take(ingress, t, bytes, size) != GIRO_REJECT_POLICED;
        uint64_t expected = UINT64_C(11) * rates[i], slack = 2 + rates[i] / 500;
        cr_assert(passed <= expected + slack && passed + slack >= expected, "rate %u: %lu of %lu",
                  rates[i], passed, sent);
        free(ingress);
    }
}

Test(dataplane_ingress, refuses_options_out_of_range_and_memory_too_small)
{
    struct giro_ingress_options good = {.genesis = &hub.genesis, .frames_max = 4};
    struct giro_ingress_options rows[] = {good, good, good, good};
    rows[0].genesis = NULL;
    rows[1].frames_max = 0;
    rows[2].frames_max = (1u << 20) + 1;
    rows[3].member_frames_per_second = 1000000001;
    for (uint32_t i = 0; i < 4; i++)
        cr_assert(giro_ingress_footprint(&rows[i]) == 0, "row %u", i);
    size_t size = giro_ingress_footprint(&good);
    void *mem = aligned_alloc(64, size);
    cr_assert(giro_ingress_init(mem, size - 64, &good) == NULL);
    cr_assert(giro_ingress_init(mem, size, &good) != NULL);
    free(mem);
}

static size_t mutate(struct giro_prng *prng, uint8_t *bytes, size_t size)
{
    uint64_t edits = 1 + giro_prng_below(prng, 3);
    for (uint64_t i = 0; i < edits; i++) {
        switch (giro_prng_below(prng, 8)) {
        case 0: /* cut short */
            return giro_prng_below(prng, size);
        case 1: { /* longer */
            size_t more = 1 + giro_prng_below(prng, 64);
            giro_prng_fill(prng, bytes + size, more);
            return size + more;
        }
        case 2: /* the header */
            bytes[giro_prng_below(prng, 40)] = (uint8_t)giro_prng_next(prng);
            break;
        case 3: /* the signature */
            bytes[size - 1 - giro_prng_below(prng, 64)] ^= 1u << giro_prng_below(prng, 8);
            break;
        default:
            bytes[giro_prng_below(prng, size)] ^= 1u << giro_prng_below(prng, 8);
        }
    }
    return size;
}

Test(dataplane_ingress, never_verifies_a_mutated_datagram)
{
    struct giro_ingress *ingress = ingress_new(8, 0);
    struct giro_prng prng;
    giro_prng_init(&prng, dataplane_seed());
    uint8_t good[GIRO_FRAME_BYTES_MAX + 64], bad[GIRO_FRAME_BYTES_MAX + 64];
    static const enum giro_kind kinds[] = {GIRO_KIND_FRAME, GIRO_KIND_SKIP, GIRO_KIND_CONTROL};
    uint32_t reached = 0, rounds = 1500 * dataplane_effort();
    for (uint32_t i = 0; i < rounds; i++) {
        size_t size = make_kind(kinds[i % 3], good);
        memcpy(bad, good, size);
        size_t bad_size = mutate(&prng, bad, size);
        if (bad_size == size && memcmp(good, bad, size) == 0)
            continue;
        uint8_t *exact = malloc(bad_size + 1);
        memcpy(exact, bad, bad_size);
        reached += take(ingress, i * GIRO_NS_PER_S, exact, bad_size) == GIRO_REJECT_NONE;
        free(exact);
        struct giro_ingress_frame *frames[8];
        cr_assert(giro_ingress_verify(ingress, hub.ring, frames, 8) == 0, "round %u", i);
        cr_assert(giro_ingress_waiting(ingress) == 0);
    }
    cr_assert(reached > rounds / 4, "only %u reached the signature check", reached);
    free(ingress);
}
