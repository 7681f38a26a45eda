/* The safety module. A record is one 4 KiB slot, written twice, 128 KiB apart, and only when both writes are durable does
 * a signature leave. A slot's record lies in its first 512 bytes, so a torn write leaves the old or the new record, never
 * a mixture: two corrupt copies of one place are damage, not a power loss. */
#include "giro/safety.h"
#include "giro/sys.h"
#include "mutant.h"
#include "safety_slots.h"

#define MAGIC_OBJECT UINT64_C(0x7465666173697267)
#define PLACES       GIRO_SAFETY_PLACES
#define FILE_BYTES   GIRO_SAFETY_FILE_BYTES
#define WAITS_MAX    (1u << 20) /* then the disk is taken for dead */

enum phase {
    PHASE_IDLE,
    PHASE_WAITING, /* for the log to cover it, or for room in the disk's queue */
    PHASE_WRITING,
    PHASE_DONE, /* signed or refused; giro_safety_take has not been called */
};

struct giro_safety {
    uint64_t magic;
    struct giro_safety_options options;
    uint8_t *image; /* FILE_BYTES, 4,096-aligned: the file as read, and the source of repairs */
    uint8_t *block; /* one slot: the record being written */
    uint32_t file;
    bool opened, failed;
    struct giro_safety_slot record; /* the newest durable one */
    struct giro_safety_slot next;   /* what the request under way makes of it */
    uint32_t writes_submitted, writes_completed;
    enum phase phase;
    bool is_timeout, refused, rewrite;
    enum giro_reject reject;
    uint64_t after_log;
    struct giro_vote vote;
    struct giro_timeout_header timeout;
};

size_t giro_safety_footprint(void)
{
    return giro_align_up(sizeof(struct giro_safety), 64) + GIRO_DISK_BLOCK_BYTES + FILE_BYTES +
           GIRO_SAFETY_SLOT_BYTES;
}

struct giro_safety *giro_safety_init(void *mem, size_t size_bytes,
                                     const struct giro_safety_options *options)
{
    if (size_bytes < giro_safety_footprint() || options->replica >= GIRO_REPLICAS_MAX)
        return NULL;
    struct giro_safety *safety = mem;
    memset(safety, 0, sizeof *safety);
    safety->options = *options;
    safety->image =
        (uint8_t *)giro_align_up((uintptr_t)mem + sizeof *safety, GIRO_DISK_BLOCK_BYTES);
    safety->block = safety->image + FILE_BYTES;
    safety->magic = MAGIC_OBJECT;
    return safety;
}

/* ---- Writing -------------------------------------------------------------------------------------- */

static enum giro_err fail(struct giro_safety *safety, enum giro_err err)
{
    safety->failed = true;
    return err;
}

static enum giro_err submit_slot(struct giro_safety *safety, uint32_t place, uint32_t copy,
                                 const uint8_t *bytes)
{
    struct giro_disk_write write = {.file = safety->file,
                                    .size_bytes = GIRO_SAFETY_SLOT_BYTES,
                                    .offset =
                                        (uint64_t)(place + copy * PLACES) * GIRO_SAFETY_SLOT_BYTES,
                                    .bytes = bytes,
                                    .tag = GIRO_DISK_TAG(GIRO_DISK_OWNER_SAFETY, copy)};
    return safety->options.disk->ops->submit(safety->options.disk->self, &write);
}

/* Submits the two writes of safety->next. What finds the queue full is left for the next call. */
static enum giro_err write_next(struct giro_safety *safety)
{
    struct giro_safety_slot *next = &safety->next;
    if (safety->writes_submitted == 0) {
        GIRO_ASSERT(next->sequence == safety->record.sequence + 1);
        GIRO_ASSERT(next->last_voted_round >= safety->record.last_voted_round);
        GIRO_ASSERT(next->lock_round >= safety->record.lock_round);
        GIRO_ASSERT(next->last_timeout_round >= safety->record.last_timeout_round);
        GIRO_ASSERT(next->incarnation >= safety->record.incarnation);
        GIRO_ASSERT(next->log_watermark >= safety->record.log_watermark);
        giro_safety_slot_checksum(next, next->checksum);
        memset(safety->block, 0, GIRO_SAFETY_SLOT_BYTES);
        memcpy(safety->block, next, sizeof *next);
        safety->writes_completed = 0;
    }
    while (safety->writes_submitted < 2) {
        enum giro_err err = submit_slot(safety, (uint32_t)(next->sequence % PLACES),
                                        safety->writes_submitted, safety->block);
        if (err == GIRO_ERR_FULL)
            return GIRO_ERR_OK;
        if (err != GIRO_ERR_OK)
            return fail(safety, err);
        safety->writes_submitted++;
    }
    safety->phase = PHASE_WRITING;
    return GIRO_ERR_OK;
}

/* Polls until count of this module's writes are durable. Nobody else has writes under way at that time. */
static enum giro_err wait_writes(struct giro_safety *safety, uint32_t count,
                                 void (*wait)(void *context), void *context)
{
    struct giro_disk *disk = safety->options.disk;
    for (uint32_t waits = 0; count > 0; waits++) {
        struct giro_disk_completion done;
        if (disk->ops->poll(disk->self, &done, 1) == 1) {
            GIRO_ASSERT(GIRO_DISK_TAG_OWNER(done.tag) == GIRO_DISK_OWNER_SAFETY);
            if (done.err != GIRO_ERR_OK)
                return fail(safety, done.err);
            count--;
            continue;
        }
        if (waits == WAITS_MAX)
            return fail(safety, GIRO_ERR_TIMEOUT);
        wait(context);
    }
    return GIRO_ERR_OK;
}

/* ---- Opening -------------------------------------------------------------------------------------- */

/* Reads the file into the image and finds the newest record: sequence 0 when there is none. NOENT: no file. */
static enum giro_err image_read(struct giro_safety *safety, uint64_t create_bytes,
                                struct giro_safety_slot *newest)
{
    struct giro_disk *disk = safety->options.disk;
    uint64_t size_bytes = 0;
    GIRO_TRY(
        disk->ops->open(disk->self, GIRO_SAFETY_FILE, create_bytes, &safety->file, &size_bytes));
    enum giro_err err = size_bytes != FILE_BYTES ? GIRO_ERR_DAMAGED
                                                 : disk->ops->read(disk->self, safety->file, 0,
                                                                   safety->image, FILE_BYTES);
    if (err == GIRO_ERR_OK)
        err = giro_safety_newest(safety->image, &safety->options.chain_id, safety->options.replica,
                                 newest);
    if (err != GIRO_ERR_OK)
        disk->ops->close(disk->self, safety->file);
    return err;
}

/* Makes both copies of every place equal again; the good one is in the image already. */
static enum giro_err repair(struct giro_safety *safety, void (*wait)(void *context), void *context,
                            uint32_t *repaired)
{
    for (uint32_t place = 0; place < PLACES; place++) {
        struct giro_safety_slot record;
        uint32_t copy;
        if (!giro_safety_place_read(safety->image, place, &record, &copy))
            continue;
        uint8_t *good = giro_safety_slot_at(safety->image, place, copy);
        uint8_t *bad = giro_safety_slot_at(safety->image, place, 1 - copy);
        if (memcmp(good, bad, sizeof record) == 0)
            continue;
        memcpy(bad, good, GIRO_SAFETY_SLOT_BYTES);
        enum giro_err err = submit_slot(safety, place, 1 - copy, bad);
        if (err != GIRO_ERR_OK)
            return fail(safety, err);
        GIRO_TRY(wait_writes(safety, 1, wait, context));
        (*repaired)++;
    }
    return GIRO_ERR_OK;
}

static struct giro_safety_slot first_record(const struct giro_safety *safety)
{
    return (struct giro_safety_slot){.head = giro_head_make(GIRO_KIND_SAFETY_SLOT),
                                     .chain_id = safety->options.chain_id,
                                     .epoch = safety->options.epoch,
                                     .replica = safety->options.replica};
}

enum giro_err giro_safety_peek(struct giro_safety *safety, uint64_t *log_watermark)
{
    GIRO_ASSERT(safety->magic == MAGIC_OBJECT && !safety->opened);
    struct giro_safety_slot newest;
    *log_watermark = 0;
    enum giro_err err = image_read(safety, 0, &newest);
    if (err == GIRO_ERR_NOENT || err == GIRO_ERR_DAMAGED)
        return GIRO_ERR_OK; /* giro_safety_open decides, when it is known whether the log is empty */
    GIRO_TRY(err);
    safety->options.disk->ops->close(safety->options.disk->self, safety->file);
    *log_watermark = newest.log_watermark;
    return GIRO_ERR_OK;
}

enum giro_err giro_safety_open(struct giro_safety *safety, bool log_is_empty,
                               void (*wait)(void *context), void *context,
                               struct giro_safety_state *state, uint32_t *repaired)
{
    GIRO_ASSERT(safety->magic == MAGIC_OBJECT && !safety->opened);
    *repaired = 0;
    enum giro_err err = image_read(safety, log_is_empty ? FILE_BYTES : 0, &safety->record);
    if (err == GIRO_ERR_NOENT)
        return GIRO_ERR_DAMAGED;
    GIRO_TRY(err);
    if (safety->record.sequence == 0) {
        if (!log_is_empty)
            return GIRO_ERR_DAMAGED;
        safety->record = first_record(safety);
    } else if (giro_safety_newest_may_be_lost(safety->image, safety->record.sequence)) {
        return GIRO_ERR_DAMAGED;
    }
    if (safety->record.epoch != safety->options.epoch)
        return GIRO_ERR_STATE;
    GIRO_TRY(repair(safety, wait, context, repaired));
    safety->next = safety->record;
    safety->next.sequence++;
    safety->next.incarnation++;
    GIRO_TRY(write_next(safety));
    if (safety->phase != PHASE_WRITING)
        return fail(safety, GIRO_ERR_FULL);
    GIRO_TRY(wait_writes(safety, 2, wait, context));
    safety->record = safety->next;
    safety->phase = PHASE_IDLE;
    safety->writes_submitted = 0;
    safety->opened = true;
    *state = giro_safety_slot_state(&safety->record);
    return GIRO_ERR_OK;
}

/* ---- Signing -------------------------------------------------------------------------------------- */

static uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Changes safety->next; rewrite stays false when the same vote was signed before. */
static enum giro_reject decide_vote(struct giro_safety *safety, uint64_t lock_round)
{
    const struct giro_vote *vote = &safety->vote;
    struct giro_safety_slot *next = &safety->next;
    if (vote->epoch != next->epoch)
        return GIRO_REJECT_EPOCH;
    if (vote->voter != safety->options.replica)
        return GIRO_REJECT_SIGNER;
    if (vote->round == 0 || vote->parent_round >= vote->round || lock_round >= vote->round)
        return GIRO_REJECT_FIELD;
    /* NOLINTNEXTLINE(misc-redundant-expression): mutants are 0 but in their tests */
    if (vote->round <= next->last_timeout_round && !GIRO_MUTANT_IS(NO_LAST_VOTED_ROUND) &&
        !GIRO_MUTANT_IS(TIMEOUT_DOES_NOT_VOTE))
        return GIRO_REJECT_ROUND;
    if (vote->round == next->last_vote.round)
        return memcmp(vote, &next->last_vote, sizeof *vote) == 0 ? GIRO_REJECT_NONE
                                                                 : GIRO_REJECT_EQUIVOCATION;
    if (vote->round <= next->last_voted_round && !GIRO_MUTANT_IS(NO_LAST_VOTED_ROUND))
        return GIRO_REJECT_ROUND;
    next->last_vote = *vote;
    next->last_voted_round = max_u64(next->last_voted_round, vote->round);
    next->lock_round = max_u64(next->lock_round, max_u64(lock_round, vote->parent_round));
    safety->rewrite = true;
    return GIRO_REJECT_NONE;
}

static enum giro_reject decide_timeout(struct giro_safety *safety, uint64_t lock_round)
{
    const struct giro_timeout_header *timeout = &safety->timeout;
    struct giro_safety_slot *next = &safety->next;
    if (timeout->epoch != next->epoch)
        return GIRO_REJECT_EPOCH;
    if (timeout->voter != safety->options.replica)
        return GIRO_REJECT_SIGNER;
    if (timeout->round == 0 || timeout->high_qc_round >= timeout->round ||
        lock_round >= timeout->round)
        return GIRO_REJECT_FIELD;
    if (timeout->round == next->last_timeout.round)
        return memcmp(timeout, &next->last_timeout, sizeof *timeout) == 0
                   ? GIRO_REJECT_NONE
                   : GIRO_REJECT_EQUIVOCATION;
    if (timeout->round <= next->last_timeout_round || timeout->round < next->last_voted_round)
        return GIRO_REJECT_ROUND;
    if (timeout->high_qc_round < next->lock_round)
        return GIRO_REJECT_ROUND;
    next->last_timeout = *timeout;
    next->last_timeout_round = timeout->round;
    if (!GIRO_MUTANT_IS(TIMEOUT_DOES_NOT_VOTE))
        next->last_voted_round = max_u64(next->last_voted_round, timeout->round);
    next->lock_round = max_u64(next->lock_round, max_u64(lock_round, timeout->high_qc_round));
    safety->rewrite = true;
    return GIRO_REJECT_NONE;
}

/* The only place where a vote or a timeout is signed. What is signed is in the durable record. */
static void sign(struct giro_safety *safety)
{
    uint8_t message[GIRO_VOTE_MESSAGE_BYTES];
    static_assert(GIRO_TIMEOUT_MESSAGE_BYTES <= sizeof message, "both fit");
    const struct giro_hash *chain = &safety->options.chain_id;
    if (safety->is_timeout) {
        struct giro_timeout_header *timeout = &safety->timeout;
        GIRO_ASSERT(memcmp(timeout, &safety->record.last_timeout, sizeof *timeout) == 0);
        size_t size = giro_timeout_message(chain, timeout->epoch, timeout->round,
                                           timeout->high_qc_round, message);
        timeout->signature = giro_sign(safety->options.vote_key, message, size);
    } else {
        struct giro_vote *vote = &safety->vote;
        GIRO_ASSERT(memcmp(vote, &safety->record.last_vote, sizeof *vote) == 0);
        struct giro_qc_header fields = {.epoch = vote->epoch,
                                        .round = vote->round,
                                        .parent_round = vote->parent_round,
                                        .block_id = vote->block_id,
                                        .commit_id = vote->commit_id};
        size_t size = giro_vote_message(chain, &fields, message);
        if (GIRO_MUTANT_IS(WRONG_TAG))
            memcpy(message, GIRO_TAG_TIMEOUT, GIRO_TAG_BYTES);
        vote->signature = giro_sign(safety->options.vote_key, message, size);
    }
    safety->phase = PHASE_DONE;
}

void giro_safety_request(struct giro_safety *safety, const struct giro_action *action)
{
    GIRO_ASSERT(safety->opened && safety->phase == PHASE_IDLE);
    GIRO_ASSERT(action->kind == GIRO_ACTION_SIGN);
    if (safety->failed)
        return;
    safety->is_timeout = action->sign.is_timeout;
    safety->vote = action->sign.vote;
    safety->timeout = action->sign.timeout;
    memset(&safety->vote.signature, 0, sizeof safety->vote.signature);
    memset(&safety->timeout.signature, 0, sizeof safety->timeout.signature);
    safety->after_log = action->sign.after_log;
    safety->next = safety->record;
    safety->rewrite = false;
    safety->reject = safety->is_timeout ? decide_timeout(safety, action->sign.lock_round)
                                        : decide_vote(safety, action->sign.lock_round);
    safety->refused = safety->reject != GIRO_REJECT_NONE;
    safety->phase = PHASE_WAITING;
    if (safety->refused)
        safety->phase = PHASE_DONE;
    else if (!safety->rewrite)
        sign(safety);
    if (GIRO_MUTANT_IS(SENT_BEFORE_DURABLE) && safety->phase == PHASE_WAITING) {
        safety->record = safety->next;
        sign(safety);
    }
}

enum giro_err giro_safety_advance(struct giro_safety *safety, uint64_t log_watermark)
{
    if (safety->failed)
        return GIRO_ERR_IO;
    if (safety->phase != PHASE_WAITING || log_watermark < safety->after_log)
        return GIRO_ERR_OK;
    if (safety->writes_submitted == 0) {
        safety->next.sequence = safety->record.sequence + 1;
        safety->next.log_watermark = max_u64(safety->record.log_watermark, log_watermark);
    }
    return write_next(safety);
}

enum giro_err giro_safety_completed(struct giro_safety *safety, uint64_t tag, enum giro_err err)
{
    GIRO_ASSERT(GIRO_DISK_TAG_OWNER(tag) == GIRO_DISK_OWNER_SAFETY);
    if (safety->failed)
        return GIRO_ERR_IO;
    if (err != GIRO_ERR_OK)
        return fail(safety, err);
    safety->writes_completed++;
    GIRO_ASSERT(safety->writes_completed <= safety->writes_submitted);
    if (safety->writes_completed < 2)
        return GIRO_ERR_OK;
    safety->record = safety->next;
    safety->writes_submitted = safety->writes_completed = 0;
    sign(safety);
    return GIRO_ERR_OK;
}

bool giro_safety_writing(const struct giro_safety *safety)
{
    return safety->phase == PHASE_WRITING;
}

bool giro_safety_take(struct giro_safety *safety, struct giro_event *event)
{
    if (safety->phase != PHASE_DONE || safety->failed)
        return false;
    memset(event, 0, sizeof *event);
    event->kind = GIRO_EVENT_SIGNED;
    event->signed_.is_timeout = safety->is_timeout;
    event->signed_.refused = safety->refused;
    event->signed_.reject = safety->reject;
    event->signed_.vote = safety->vote;
    event->signed_.timeout = safety->timeout;
    safety->phase = PHASE_IDLE;
    return true;
}
