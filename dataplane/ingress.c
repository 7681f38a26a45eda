/* The ingress: refuse cheaply, cheapest check first; queue what deserves a signature check.
 *
 * Memory, in this order: struct, counters, meters, slots held, the table of datagrams seen, the queue and
 * the free list (indices), a job and its scratch, slots. Slots are 8.9 KiB each and taken last-freed first,
 * so a quiet hub touches few pages of them; init does not touch them at all. */
#include "giro/dataplane.h"

#include <rte_meter.h>
#include <xxhash.h>

#include "ingress_job.h"

#define FRAMES_MAX       (1u << 20)
#define SEEN_COUNT_MIN   4096u
#define SEEN_COUNT_MAX   (1u << 20)
#define SEEN_NS          (GIRO_NS_PER_S / 2)
#define RATE_MAX         1000000000u
#define METER_PERIODS_HZ 1000u

struct seen {
    uint64_t hash; /* of the datagram, never 0 */
    uint64_t taken_ns;
};
struct counts {
    uint64_t reject[GIRO_REJECT_COUNT_OF_REASONS];
};
enum slot_state { SLOT_FREE, SLOT_QUEUED, SLOT_VERIFYING, SLOT_VERIFIED };
struct slot {
    struct giro_ingress_frame item; /* first: giro_ingress_drop casts back */
    uint64_t taken_ns;
    uint32_t state; /* enum slot_state; meaningful once the slot was taken */
};

struct giro_ingress {
    const struct giro_genesis *genesis;
    const struct giro_allow *allow;
    uint64_t seed, taken;
    uint64_t gather_ns;
    uint32_t gather_frames;
    bool crowded; /* the last verification found several frames */
    struct giro_ingress_lanes lanes;
    void (*refused)(void *context, const struct giro_ingress_frame *frame); /* NULL: nobody asks */
    void *refused_context;
    uint32_t frames_max, seen_mask;
    uint32_t queue_first, queue_count;
    uint32_t free_count, fresh_index; /* slots from fresh_index on were never used */
    bool metered;
    struct rte_meter_srtcm_profile profile;
    struct counts *counts;          /* members, then one row for frames of no known member */
    struct rte_meter_srtcm *meters; /* members, then the operator */
    uint32_t *held;                 /* slots in use, by the same rows */
    struct seen *seen;
    uint32_t *queue, *free_slots;
    struct ingress_job *job; /* of giro_ingress_verify */
    struct ingress_scratch *scratch;
    struct slot *slots;
};

struct layout {
    size_t counts, meters, held, seen, queue, free_slots, job, scratch, slots, total;
    uint32_t seen_count;
};

static size_t place(size_t *offset, size_t size_bytes)
{
    size_t at = *offset;
    *offset = giro_align_up(at + size_bytes, GIRO_CACHE_LINE_BYTES);
    return at;
}

static bool layout_make(const struct giro_ingress_options *options, struct layout *layout)
{
    if (options->genesis == NULL || options->genesis->member_count > GIRO_MEMBERS_MAX ||
        options->frames_max == 0 || options->frames_max > FRAMES_MAX ||
        options->member_frames_per_second > RATE_MAX)
        return false;
    size_t rows = options->genesis->member_count + 1u, frames = options->frames_max;
    layout->seen_count = SEEN_COUNT_MIN;
    while (layout->seen_count < 4u * frames && layout->seen_count < SEEN_COUNT_MAX)
        layout->seen_count *= 2;
    size_t offset = 0;
    (void)place(&offset, sizeof(struct giro_ingress));
    layout->counts = place(&offset, rows * sizeof(struct counts));
    layout->meters = place(&offset, rows * sizeof(struct rte_meter_srtcm));
    layout->held = place(&offset, rows * sizeof(uint32_t));
    layout->seen = place(&offset, layout->seen_count * sizeof(struct seen));
    layout->queue = place(&offset, frames * sizeof(uint32_t));
    layout->free_slots = place(&offset, frames * sizeof(uint32_t));
    layout->job = place(&offset, sizeof(struct ingress_job));
    layout->scratch = place(&offset, sizeof(struct ingress_scratch));
    layout->slots = place(&offset, frames * sizeof(struct slot));
    layout->total = offset;
    return true;
}

size_t giro_ingress_footprint(const struct giro_ingress_options *options)
{
    struct layout layout;
    return layout_make(options, &layout) ? layout.total : 0;
}

/* rte_meter's own configuration functions read the TSC rate, which exists only once EAL runs;
 * this port may be plain UDP, and time here is the caller's. So the profile is filled directly:
 * packets instead of bytes, nanoseconds instead of cycles, about METER_PERIODS_HZ refills a
 * second, a bucket of one second. */
static void meter_open(struct giro_ingress *ingress, uint32_t rate, uint32_t rows)
{
    ingress->metered = rate > 0;
    if (!ingress->metered)
        return;
    uint64_t step = (rate + METER_PERIODS_HZ - 1) / METER_PERIODS_HZ;
    ingress->profile = (struct rte_meter_srtcm_profile){.cbs = rate,
                                                        .ebs = 0,
                                                        .cir_period = step * GIRO_NS_PER_S / rate,
                                                        .cir_bytes_per_period = step};
    for (uint32_t i = 0; i < rows; i++)
        ingress->meters[i] = (struct rte_meter_srtcm){.tc = rate};
}

struct giro_ingress *giro_ingress_init(void *mem, size_t size_bytes,
                                       const struct giro_ingress_options *options)
{
    struct layout layout;
    if (!layout_make(options, &layout) || size_bytes < layout.total)
        return NULL;
    GIRO_ASSERT(mem != NULL && (uintptr_t)mem % GIRO_CACHE_LINE_BYTES == 0);
    uint8_t *at = mem;
    memset(at, 0, layout.queue); /* what lies behind is written before it is read */
    struct giro_ingress *ingress = mem;
    ingress->genesis = options->genesis;
    ingress->allow = options->allow;
    ingress->seed = options->map_seed;
    ingress->frames_max = options->frames_max;
    ingress->gather_ns = options->gather_ns;
    ingress->gather_frames = options->gather_frames;
    ingress->seen_mask = layout.seen_count - 1;
    ingress->counts = (struct counts *)(void *)(at + layout.counts);
    ingress->meters = (struct rte_meter_srtcm *)(void *)(at + layout.meters);
    ingress->held = (uint32_t *)(void *)(at + layout.held);
    ingress->seen = (struct seen *)(void *)(at + layout.seen);
    ingress->queue = (uint32_t *)(void *)(at + layout.queue);
    ingress->free_slots = (uint32_t *)(void *)(at + layout.free_slots);
    ingress->job = (struct ingress_job *)(void *)(at + layout.job);
    ingress->scratch = (struct ingress_scratch *)(void *)(at + layout.scratch);
    ingress->slots = (struct slot *)(void *)(at + layout.slots);
    meter_open(ingress, options->member_frames_per_second, options->genesis->member_count + 1u);
    return ingress;
}

/* ---- Slots ----------------------------------------------------------------------------------- */

/* The row of a frame that was taken: its member's, or the operator's. */
static uint32_t row_of_frame(const struct giro_ingress *ingress, const struct giro_frame *frame)
{
    uint32_t rows = ingress->genesis->member_count;
    return frame->header.member < rows ? frame->header.member : rows;
}

static uint32_t row_share(const struct giro_ingress *ingress, uint32_t row)
{
    uint64_t left = ingress->free_count + (ingress->frames_max - ingress->fresh_index);
    uint64_t threshold = GIRO_INGRESS_SHARE * left, held = ingress->held[row];
    if (row == ingress->genesis->member_count || left == 0)
        return (uint32_t)left;
    /* taking one more lowers the threshold, too: held + x <= SHARE x (left - x) + SHARE */
    uint64_t more = held > threshold ? 0 : (threshold - held) / (GIRO_INGRESS_SHARE + 1) + 1;
    return (uint32_t)(more < left ? more : left);
}

static uint32_t slot_take(struct giro_ingress *ingress)
{
    if (ingress->free_count > 0)
        return ingress->free_slots[--ingress->free_count];
    GIRO_ASSERT(ingress->fresh_index < ingress->frames_max);
    return ingress->fresh_index++;
}

static void slot_free(struct giro_ingress *ingress, uint32_t index)
{
    GIRO_ASSERT(index < ingress->fresh_index);
    GIRO_ASSERT(ingress->free_count < ingress->fresh_index);
    uint32_t row = row_of_frame(ingress, &ingress->slots[index].item.frame);
    GIRO_ASSERT(ingress->held[row] > 0);
    ingress->held[row]--;
    ingress->slots[index].state = SLOT_FREE;
    ingress->free_slots[ingress->free_count++] = index;
}

void giro_ingress_drop(struct giro_ingress *ingress, struct giro_ingress_frame *frame)
{
    struct slot *slot = (struct slot *)(void *)frame;
    GIRO_ASSERT(slot >= ingress->slots && slot < ingress->slots + ingress->fresh_index);
    GIRO_ASSERT(slot->state == SLOT_VERIFIED);
    slot_free(ingress, (uint32_t)(slot - ingress->slots));
}

/* ---- Taking ---------------------------------------------------------------------------------- */

static enum giro_reject count(struct giro_ingress *ingress, uint32_t row, enum giro_reject reject)
{
    GIRO_ASSERT(row <= ingress->genesis->member_count);
    GIRO_ASSERT(reject < GIRO_REJECT_COUNT_OF_REASONS);
    ingress->counts[row].reject[reject]++;
    return reject;
}

/* row_of: whose counter an undecodable datagram belongs to, as far as its header can be read. */
static uint32_t row_of(const struct giro_ingress *ingress, const struct giro_datagram *datagram)
{
    struct giro_frame_header header;
    uint32_t unknown = ingress->genesis->member_count;
    if (datagram->size_bytes < sizeof(header))
        return unknown;
    memcpy(&header, datagram->bytes, sizeof(header));
    if (header.head.magic != GIRO_MAGIC || header.chain_prefix != ingress->genesis->chain_prefix)
        return unknown;
    return header.member < unknown ? header.member : unknown;
}

static enum giro_reject keys_check(const struct giro_genesis *genesis,
                                   const struct giro_frame *frame)
{
    struct giro_verify_item items[FRAME_KEYS_MAX];
    if (!frame_member_known(genesis, frame))
        return GIRO_REJECT_MEMBER;
    if (frame->header.channel >= GIRO_CHANNELS_MAX)
        return GIRO_REJECT_CHANNEL;
    return frame_items(genesis, frame, NULL, 0, items) == 0 ? GIRO_REJECT_KEY : GIRO_REJECT_NONE;
}

static bool within_rate(struct giro_ingress *ingress, uint32_t row, uint64_t now_ns)
{
    return !ingress->metered ||
           rte_meter_srtcm_color_blind_check(&ingress->meters[row], &ingress->profile, now_ns, 1) ==
               RTE_COLOR_GREEN;
}

/* The hash of the whole datagram stands for (member, channel, sequence, frame hash): the frame
 * hash itself costs a SHA-256 per record and is only computed for what gets verified. The seed
 * is secret, so nobody can aim at another's entry. */
static struct seen *seen_find(struct giro_ingress *ingress, const struct giro_datagram *datagram,
                              uint64_t *hash)
{
    *hash = XXH3_64bits_withSeed(datagram->bytes, datagram->size_bytes, ingress->seed) | 1u;
    return &ingress->seen[(*hash >> 32) & ingress->seen_mask];
}

static void enqueue(struct giro_ingress *ingress, uint64_t now_ns,
                    const struct giro_datagram *datagram)
{
    uint32_t index = slot_take(ingress);
    struct slot *slot = &ingress->slots[index];
    memcpy(slot->item.bytes, datagram->bytes, datagram->size_bytes);
    enum giro_reject again = giro_frame_decode(slot->item.bytes, datagram->size_bytes,
                                               ingress->genesis->chain_prefix, &slot->item.frame);
    GIRO_ASSERT(again == GIRO_REJECT_NONE); /* the copy is the datagram decoded before */
    slot->item.from = datagram->from;
    slot->taken_ns = now_ns;
    slot->item.hash = giro_hash_zero;
    slot->state = SLOT_QUEUED;
    ingress->held[row_of_frame(ingress, &slot->item.frame)]++;
    GIRO_ASSERT(ingress->queue_count < ingress->frames_max);
    ingress->queue[(ingress->queue_first + ingress->queue_count) % ingress->frames_max] = index;
    ingress->queue_count++;
    ingress->taken++;
}

/* The frame's sender is the one that was proved, and may send from there. from.ipv4 0: it came by HTTPS. */
static enum giro_reject sender_check(const struct giro_ingress *ingress,
                                     const struct giro_frame *frame,
                                     const struct giro_endpoint *from, uint32_t proved)
{
    uint32_t member = frame->header.member;
    if (proved != GIRO_NONE && proved != member)
        return GIRO_REJECT_MEMBER;
    if (from->ipv4 != 0 && member != GIRO_MEMBER_OPERATOR &&
        !giro_allow_member(ingress->allow, from->ipv4, member))
        return GIRO_REJECT_ADDRESS;
    return GIRO_REJECT_NONE;
}

enum giro_reject giro_ingress_take(struct giro_ingress *ingress, uint64_t now_ns,
                                   const struct giro_datagram *datagram, uint32_t member)
{
    struct giro_frame frame;
    enum giro_reject reject = giro_frame_decode(datagram->bytes, datagram->size_bytes,
                                                ingress->genesis->chain_prefix, &frame);
    uint32_t row = member < ingress->genesis->member_count ? member : row_of(ingress, datagram);
    if (reject == GIRO_REJECT_NONE)
        reject = keys_check(ingress->genesis, &frame);
    if (reject == GIRO_REJECT_NONE)
        reject = sender_check(ingress, &frame, &datagram->from, member);
    if (reject != GIRO_REJECT_NONE)
        return count(ingress, row, reject);
    if (!within_rate(ingress, row, now_ns))
        return count(ingress, row, GIRO_REJECT_POLICED);
    uint64_t hash;
    struct seen *seen = seen_find(ingress, datagram, &hash);
    if (seen->hash == hash && now_ns - seen->taken_ns < SEEN_NS)
        return count(ingress, row, GIRO_REJECT_DUPLICATE);
    if (row_share(ingress, row) == 0)
        return count(ingress, row, GIRO_REJECT_LIMIT); /* not remembered: its resend may pass */
    *seen = (struct seen){.hash = hash, .taken_ns = now_ns};
    enqueue(ingress, now_ns, datagram);
    return GIRO_REJECT_NONE;
}

/* ---- Verifying ------------------------------------------------------------------------------- */

void ingress_job_fill(struct giro_ingress *ingress, struct ingress_job *job, uint32_t max)
{
    GIRO_ASSERT(max <= VERIFY_CHUNK);
    job->frame_count = max < ingress->queue_count ? max : ingress->queue_count;
    job->item_count = 0;
    ingress->crowded = job->frame_count > 1;
    for (uint32_t i = 0; i < job->frame_count; i++) {
        job->slots[i] = ingress->queue[ingress->queue_first];
        ingress->queue_first = (ingress->queue_first + 1) % ingress->frames_max;
        ingress->queue_count--;
        struct slot *slot = &ingress->slots[job->slots[i]];
        GIRO_ASSERT(slot->state == SLOT_QUEUED);
        slot->state = SLOT_VERIFYING;
        job->frames[i] = &slot->item.frame;
    }
}

/* One giro_sha256_many for all frame hashes, and one giro_verify_batch for all signatures, both over the same messages. */
void ingress_job_hash(struct ingress_job *job, struct ingress_scratch *scratch,
                      const struct giro_genesis *genesis)
{
    struct giro_part messages[VERIFY_CHUNK];
    for (uint32_t i = 0; i < job->frame_count; i++) {
        uint8_t *message = scratch->messages[i];
        size_t size = giro_frame_message(job->frames[i], &genesis->chain_id, message);
        messages[i] = (struct giro_part){message, size};
        job->firsts[i] = job->item_count;
        job->item_count += frame_items(genesis, job->frames[i], message, (uint32_t)size,
                                       &scratch->items[job->item_count]);
        GIRO_ASSERT(job->item_count > job->firsts[i]); /* keys were checked when it was taken */
    }
    job->firsts[job->frame_count] = job->item_count;
    giro_sha256_many(messages, job->frame_count, job->hashes);
}

void ingress_job_verify(struct ingress_job *job, const struct ingress_scratch *scratch,
                        const struct giro_key_ring *ring)
{
    (void)giro_verify_batch(ring, scratch->items, job->item_count, job->verdicts);
}

uint32_t ingress_job_finish(struct giro_ingress *ingress, const struct ingress_job *job,
                            struct giro_ingress_frame **frames)
{
    uint32_t good = 0;
    ingress->lanes.calls++;
    ingress->lanes.signatures += job->item_count;
    ingress->lanes.signatures_in_full_calls +=
        job->frame_count == VERIFY_CHUNK ? job->item_count : 0;
    for (uint32_t i = 0; i < job->frame_count; i++) {
        struct slot *slot = &ingress->slots[job->slots[i]];
        GIRO_ASSERT(slot->state == SLOT_VERIFYING);
        bool valid = true;
        for (uint32_t j = job->firsts[i]; j < job->firsts[i + 1]; j++)
            valid = valid && job->verdicts[j] == GIRO_VALID;
        if (valid) {
            slot->state = SLOT_VERIFIED;
            slot->item.hash = job->hashes[i];
            frames[good++] = &slot->item;
            continue;
        }
        (void)count(ingress, row_of_frame(ingress, &slot->item.frame), GIRO_REJECT_SIGNATURE);
        if (ingress->refused != NULL)
            ingress->refused(ingress->refused_context, &slot->item);
        slot_free(ingress, job->slots[i]);
    }
    return good;
}

void giro_ingress_watch(struct giro_ingress *ingress,
                        void (*refused)(void *context, const struct giro_ingress_frame *frame),
                        void *context)
{
    ingress->refused = refused;
    ingress->refused_context = context;
}

bool giro_ingress_ripe(const struct giro_ingress *ingress, uint64_t now_ns)
{
    if (ingress->queue_count == 0)
        return false;
    if (ingress->queue_count >= ingress->gather_frames || !ingress->crowded)
        return true;
    uint64_t oldest_ns = ingress->slots[ingress->queue[ingress->queue_first]].taken_ns;
    return now_ns >= oldest_ns + ingress->gather_ns;
}

uint32_t giro_ingress_verify(struct giro_ingress *ingress, const struct giro_key_ring *ring,
                             struct giro_ingress_frame **frames, uint32_t max)
{
    uint32_t good = 0, left = max < ingress->queue_count ? max : ingress->queue_count;
    const bool crowded = left > 1;
    while (left > 0) {
        ingress_job_fill(ingress, ingress->job, left < VERIFY_CHUNK ? left : VERIFY_CHUNK);
        ingress_job_hash(ingress->job, ingress->scratch, ingress->genesis);
        ingress_job_verify(ingress->job, ingress->scratch, ring);
        left -= ingress->job->frame_count;
        good += ingress_job_finish(ingress, ingress->job, frames + good);
    }
    ingress->crowded = crowded;
    return good;
}

/* ---- Reading --------------------------------------------------------------------------------- */

uint32_t giro_ingress_waiting(const struct giro_ingress *ingress)
{
    return ingress->queue_count;
}

static uint32_t row_of_member(const struct giro_ingress *ingress, uint32_t member)
{
    uint32_t rows = ingress->genesis->member_count;
    GIRO_ASSERT(member < rows || member == GIRO_NONE || member == GIRO_MEMBER_OPERATOR);
    return member < rows ? member : rows;
}

uint32_t giro_ingress_share(const struct giro_ingress *ingress, uint32_t member)
{
    return row_share(ingress, row_of_member(ingress, member));
}

void giro_ingress_count(struct giro_ingress *ingress, uint32_t member, enum giro_reject reject)
{
    (void)count(ingress, row_of_member(ingress, member), reject);
}

void giro_ingress_rejects(const struct giro_ingress *ingress, uint32_t member,
                          uint64_t rejects[GIRO_REJECT_COUNT_OF_REASONS])
{
    memcpy(rejects, ingress->counts[row_of_member(ingress, member)].reject, sizeof(struct counts));
}

void giro_ingress_lanes(const struct giro_ingress *ingress, struct giro_ingress_lanes *lanes)
{
    *lanes = ingress->lanes;
}

uint64_t giro_ingress_taken(const struct giro_ingress *ingress)
{
    return ingress->taken;
}
