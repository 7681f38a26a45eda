/* The watcher of what was executed: blocks are the same on all replicas and in all their lives (I1, I8), a payment executes
 * once, certificates are of those blocks, journals verify and are equal. */
#include <stdlib.h>

#include "sim/full.h"

/* A payment is known by its sender and its UETR: two members may use the same one. */
#define PAYMENT_KEY_BYTES (GIRO_UETR_BYTES + sizeof(uint16_t))

static struct sim_full_replica *full_replica(const struct sim_replica *replica)
{
    return &replica->world->full->replicas[replica->instance];
}

void sim_watch_open(struct sim_full *full)
{
    struct giro_map_options frames = {
        .capacity = SIM_FRAMES_MAX, .key_bytes = GIRO_HASH_BYTES, .seed = 1};
    struct giro_map_options uetrs = {
        .capacity = SIM_FRAMES_MAX * SIM_FRAME_RECORDS, .key_bytes = PAYMENT_KEY_BYTES, .seed = 2};
    size_t frames_bytes = giro_map_footprint(&frames), uetrs_bytes = giro_map_footprint(&uetrs);
    full->frame_map_mem = sim_memory(aligned_alloc(64, frames_bytes));
    full->uetr_map_mem = sim_memory(aligned_alloc(64, uetrs_bytes));
    full->frame_map = giro_map_init(full->frame_map_mem, frames_bytes, &frames);
    full->uetr_map = giro_map_init(full->uetr_map_mem, uetrs_bytes, &uetrs);
}

void sim_books_close(struct sim_full *full)
{
    for (uint64_t h = 0; h < full->block_room; h++) {
        free(full->blocks[h].bytes);
        free(full->blocks[h].leaf_at);
    }
    free(full->blocks);
    for (uint32_t m = 0; m < SIM_MEMBERS; m++) {
        for (uint32_t c = 0; c < SIM_CURRENCIES; c++)
            free(full->journals[m][c].rows);
    }
    free(full->frame_map_mem);
    free(full->uetr_map_mem);
}

/* ---- Blocks and payments --------------------------------------------------------------------------- */

static struct sim_block *block_at(struct sim_world *world, uint64_t height)
{
    if (height >= world->full->block_room) {
        uint64_t room = height * 2 + 256;
        world->full->blocks =
            sim_memory(realloc(world->full->blocks, room * sizeof(*world->full->blocks)));
        memset(world->full->blocks + world->full->block_room, 0,
               (room - world->full->block_room) * sizeof(*world->full->blocks));
        world->full->block_room = room;
    }
    return &world->full->blocks[height];
}

static bool accepted(const struct giro_result *result)
{
    return result->status == GIRO_STATUS_ACSC || result->status == GIRO_STATUS_ACSP;
}

/* One frame leaf of a block seen for the first time: I8, no frame and no payment twice. */
static void leaf_note(struct sim_world *world, uint64_t height, uint32_t leaf_index,
                      const uint8_t *preimage, uint32_t size_bytes)
{
    struct giro_leaf_frame leaf;
    if (size_bytes < GIRO_TAG_BYTES + sizeof(leaf) ||
        memcmp(preimage, GIRO_TAG_LEAF_FRAME, GIRO_TAG_BYTES) != 0)
        return;
    memcpy(&leaf, preimage + GIRO_TAG_BYTES, sizeof(leaf));
    uint32_t index = giro_map_get(world->full->frame_map, leaf.frame_hash.bytes);
    if (index == GIRO_NONE) {
        sim_fail(world, "I8: height %lu executes a frame nobody sent", (unsigned long)height);
        return;
    }
    struct sim_frame *frame = &world->full->frames[index];
    if (frame->height != 0) {
        sim_fail(world, "I8: frame %u executed at height %lu and again at %lu", index,
                 (unsigned long)frame->height, (unsigned long)height);
        return;
    }
    if (leaf.record_count != frame->frame.header.record_count || leaf.height != height ||
        size_bytes !=
            GIRO_TAG_BYTES + sizeof(leaf) + leaf.record_count * sizeof(frame->results[0])) {
        sim_fail(world, "I8: leaf of frame %u does not fit the frame", index);
        return;
    }
    frame->height = height;
    frame->leaf_index = leaf_index;
    memcpy(frame->results, preimage + GIRO_TAG_BYTES + sizeof(leaf),
           leaf.record_count * sizeof(frame->results[0]));
    for (uint32_t i = 0; i < leaf.record_count; i++) {
        struct giro_record record = giro_record_get(&frame->frame, i);
        if (!accepted(&frame->results[i]))
            continue;
        uint8_t key[PAYMENT_KEY_BYTES];
        memcpy(key, record.uetr, GIRO_UETR_BYTES);
        memcpy(key + GIRO_UETR_BYTES, &leaf.member, sizeof(leaf.member));
        if (giro_map_get(world->full->uetr_map, key) != GIRO_NONE)
            sim_fail(world, "I8: a payment of frame %u was accepted before", index);
        if (!giro_map_put(world->full->uetr_map, key, index))
            sim_fail(world, "the watcher's table is full");
    }
}

static void block_keep(struct sim_world *world, struct sim_block *block, uint64_t height,
                       const uint8_t *bytes, size_t size_bytes)
{
    struct giro_ledger_block header;
    memcpy(&header, bytes, sizeof(header));
    block->known = true;
    block->leaf_count = header.leaf_count;
    block->bytes = sim_memory(malloc(size_bytes));
    memcpy(block->bytes, bytes, size_bytes);
    block->leaf_at = sim_memory(calloc(2u * header.leaf_count + 1u, sizeof(uint32_t)));
    block->leaf_bytes = block->leaf_at + header.leaf_count;
    size_t at = sizeof(header) + sizeof(struct giro_commit_body);
    for (uint32_t i = 0; i < header.leaf_count; i++) {
        memcpy(&block->leaf_bytes[i], bytes + at, sizeof(uint32_t));
        block->leaf_at[i] = (uint32_t)at + 4;
        leaf_note(world, height, i, block->bytes + at + 4, block->leaf_bytes[i]);
        at += 4 + giro_align_up(block->leaf_bytes[i], 4);
    }
    if (giro_align_up(at, 8) != size_bytes)
        sim_fail(world, "ledger block %lu is not as long as its leaves", (unsigned long)height);
    if (height > world->top_height)
        world->top_height = height;
}

void sim_watch_ledger(struct sim_replica *replica, uint64_t height, const void *bytes,
                      size_t size_bytes)
{
    struct sim_world *world = replica->world;
    struct sim_block *block = block_at(world, height);
    struct giro_commit_body body;
    memcpy(&body, (const uint8_t *)bytes + sizeof(struct giro_ledger_block), sizeof(body));
    uint64_t digest;
    memcpy(&digest, body.state_root.bytes, sizeof(digest));
    sim_trace(world, "execute", replica->index, height, digest);
    /* The first one of a life comes behind an image, or is height 1. */
    if (replica->height != 0 && height != replica->height + 1)
        sim_fail(world, "replica %u executes height %lu after %lu", replica->index,
                 (unsigned long)height, (unsigned long)replica->height);
    replica->height = height;
    struct sim_full_files *files = &world->full->files[replica->instance];
    if (height > files->height + 1 && !files->synced)
        sim_fail(world, "replica %u has height %lu in its ledger file, and not the one before",
                 replica->index, (unsigned long)height);
    if (height > files->height)
        files->height = height;
    if (!block->known) {
        block->body = body;
        block_keep(world, block, height, bytes, size_bytes);
        return;
    }
    if (!giro_hash_equal(&block->body.block_id, &body.block_id))
        sim_fail(world, "I1: replica %u commits another block at height %lu", replica->index,
                 (unsigned long)height);
    if (memcmp(&block->body, &body, sizeof(body)) != 0)
        sim_fail(world, "I8: replica %u has other roots at height %lu", replica->index,
                 (unsigned long)height);
}

uint32_t sim_watch_leaf(struct sim_replica *replica, uint64_t height, uint32_t leaf_index,
                        uint8_t *out, uint32_t out_bytes)
{
    struct sim_world *world = replica->world;
    /* The block in hand is not handed out before it is complete: a frame twice in one block. */
    if (height > replica->height || height >= world->full->block_room ||
        !world->full->blocks[height].known)
        return 0;
    const struct sim_block *block = &world->full->blocks[height];
    if (leaf_index >= block->leaf_count || block->leaf_bytes[leaf_index] > out_bytes)
        return 0;
    memcpy(out, block->bytes + block->leaf_at[leaf_index], block->leaf_bytes[leaf_index]);
    return block->leaf_bytes[leaf_index];
}

/* ---- Certificates ------------------------------------------------------------------------------------ */

void sim_watch_certificate(struct sim_replica *replica, const struct giro_certificate *certificate)
{
    struct sim_world *world = replica->world;
    const struct giro_commit_body *body = &certificate->header.body;
    sim_trace(world, "certified", replica->index, body->height, 0);
    struct sim_block *block = block_at(world, body->height);
    if (!block->known) {
        sim_fail(world, "replica %u has a certificate of height %lu that nobody executed",
                 replica->index, (unsigned long)body->height);
        return;
    }
    if (memcmp(&body->epoch, &block->body.epoch, sizeof(*body) - sizeof(body->head)) != 0)
        sim_fail(world, "I8: the certificate of height %lu is over other roots",
                 (unsigned long)body->height);
    if (block->certified)
        return;
    block->certified = true;
    if (body->height > world->full->top_certified)
        world->full->top_certified = body->height;
    if (!giro_certificate_verify(&world->hub->genesis, world->hub->ring, certificate))
        sim_fail(world, "the certificate of height %lu does not verify",
                 (unsigned long)body->height);
}

/* ---- Journals ------------------------------------------------------------------------------------------ */

/* Everything but the certificate, whose signers may differ from replica to replica. */
static struct giro_hash rows_hash(const struct giro_journal_view *view)
{
    struct giro_part parts[] = {
        {&view->record, sizeof(view->record)},
        {view->cycles, view->record.cycle_count * sizeof(view->cycles[0])},
        {view->entries, view->record.entry_count * sizeof(struct giro_entry)},
        {view->positions, view->record.position_count * sizeof(struct giro_entry)},
        {view->statuses, view->record.status_count * sizeof(struct giro_status_row)}};
    return giro_sha256_parts(parts, 5);
}

void sim_watch_journal(struct sim_replica *replica, uint16_t member, const void *bytes,
                       uint32_t size_bytes)
{
    struct sim_world *world = replica->world;
    struct giro_journal_view view;
    enum giro_reject reject =
        giro_journal_decode(bytes, size_bytes, world->hub->genesis.replica_count, &view);
    if (reject != GIRO_REJECT_NONE) {
        sim_fail(world, "replica %u hands out a journal block that does not decode: %s",
                 replica->index, giro_reject_name(reject));
        return;
    }
    uint32_t currency = giro_genesis_currency_by_number(&world->hub->genesis, view.record.currency);
    if (member >= SIM_MEMBERS || currency >= SIM_CURRENCIES) {
        sim_fail(world, "a journal block of an unknown account");
        return;
    }
    struct sim_journal *journal = &world->full->journals[member][currency];
    uint64_t sequence = view.record.sequence;
    struct giro_hash hash = rows_hash(&view);
    uint64_t *last = &full_replica(replica)->windows[member][currency];
    uint64_t *filed = &world->full->files[replica->instance].windows[member][currency];
    if ((*last != 0 && sequence != *last + 1) ||
        (sequence > *filed + 1 && !world->full->files[replica->instance].synced))
        sim_fail(world, "replica %u hands out window %lu of member %u out of order", replica->index,
                 (unsigned long)sequence, member);
    *last = sequence;
    *filed = sequence > *filed ? sequence : *filed;
    sim_trace(world, "journal", (uint64_t)replica->index << 32 | member, currency, sequence);
    if (sequence == 0 || sequence > journal->count + 1) {
        sim_fail(world, "replica %u hands out window %lu of member %u after %lu", replica->index,
                 (unsigned long)sequence, member, (unsigned long)journal->count);
        return;
    }
    if (sequence <= journal->count) {
        if (!giro_hash_equal(&hash, &journal->rows[sequence - 1]))
            sim_fail(world, "I8: replica %u has other rows in window %lu of member %u",
                     replica->index, (unsigned long)sequence, member);
        return;
    }
    const char *fault =
        giro_journal_verify(&world->hub->genesis, world->hub->ring, &view, &journal->chain);
    if (fault != NULL)
        sim_fail(world, "window %lu of member %u does not verify: %s", (unsigned long)sequence,
                 member, fault);
    journal->rows = sim_memory(realloc(journal->rows, sequence * sizeof(hash)));
    journal->rows[journal->count++] = hash;
    world->full->journal_blocks++;
}

/* ---- Now and then, and at the end ----------------------------------------------------------------------- */

/* Every replica's files end with the last window there is. */
static void windows_check(struct sim_world *world, const struct sim_replica *replica)
{
    const struct sim_full_files *files = &world->full->files[replica->instance];
    if (files->synced)
        return;
    for (uint32_t m = 0; m < SIM_MEMBERS; m++) {
        for (uint32_t c = 0; c < SIM_CURRENCIES; c++) {
            if (files->windows[m][c] != world->full->journals[m][c].count)
                sim_fail(world, "replica %u handed out %lu of %lu windows of member %u",
                         replica->index, (unsigned long)files->windows[m][c],
                         (unsigned long)world->full->journals[m][c].count, m);
        }
    }
}

static void conservation_check(struct sim_world *world, const struct sim_replica *replica)
{
    for (uint32_t c = 0; c < SIM_CURRENCIES; c++) {
        struct giro_totals totals;
        giro_settlement_totals(giro_replica_settlement(sim_replica_of(replica)), c, &totals);
        if (totals.balances != totals.prefunded || totals.positions != 0 ||
            totals.prefunded != (giro_i128)SIM_MEMBERS * SIM_PREFUNDED)
            sim_fail(world, "I8: money is not conserved on replica %u", replica->index);
    }
}

void sim_watch_check(struct sim_world *world)
{
    for (uint32_t i = 0; i < world->replica_count && !world->failed; i++) {
        struct sim_replica *replica = &world->replicas[i];
        if (!replica->up)
            continue;
        giro_replica_check(sim_replica_of(replica));
        conservation_check(world, replica);
    }
}

struct own_book {
    giro_i128 balance, position;
};

/* What the members can compute themselves from their payments and the results in the leaves: another program than
 * settlement, the same numbers. */
static void own_books(const struct sim_world *world, const struct giro_settlement *settlement,
                      struct own_book books[SIM_MEMBERS][SIM_CURRENCIES])
{
    for (uint32_t i = 0; i < world->full->frame_count; i++) {
        const struct sim_frame *frame = &world->full->frames[i];
        for (uint32_t r = 0; frame->height != 0 && r < frame->frame.header.record_count; r++) {
            struct giro_record record = giro_record_get(&frame->frame, r);
            if (!accepted(&frame->results[r]))
                continue;
            uint32_t c = giro_genesis_currency_by_number(&world->hub->genesis, record.currency);
            struct giro_account_view view;
            giro_settlement_account(settlement, frame->frame.header.member, c, &view);
            struct own_book *debtor = &books[frame->frame.header.member][c];
            struct own_book *creditor = &books[record.creditor][c];
            bool open = record.service == GIRO_SERVICE_NET && frame->results[r].cycle == view.cycle;
            *(open ? &debtor->position : &debtor->balance) -= record.amount_minor;
            *(open ? &creditor->position : &creditor->balance) += record.amount_minor;
        }
    }
}

static void books_check(struct sim_world *world, const struct sim_replica *replica)
{
    struct own_book books[SIM_MEMBERS][SIM_CURRENCIES];
    const struct giro_settlement *settlement = giro_replica_settlement(sim_replica_of(replica));
    memset(books, 0, sizeof(books));
    own_books(world, settlement, books);
    for (uint16_t m = 0; m < SIM_MEMBERS; m++) {
        for (uint32_t c = 0; c < SIM_CURRENCIES; c++) {
            struct giro_account_view view;
            giro_settlement_account(settlement, m, c, &view);
            if (view.balance != SIM_PREFUNDED + books[m][c].balance ||
                view.position != books[m][c].position)
                sim_fail(world, "I8: the books of member %u on replica %u are not its payments", m,
                         replica->index);
        }
    }
}

void sim_watch_final(struct sim_world *world)
{
    sim_watch_check(world);
    for (uint32_t i = 0; i < world->replica_count && !world->failed; i++) {
        struct sim_replica *replica = &world->replicas[i];
        struct giro_hash state_root, ledger_root;
        uint64_t height;
        giro_replica_roots(sim_replica_of(replica), &height, &state_root, &ledger_root);
        if (height != world->top_height)
            sim_fail(world, "replica %u ends at height %lu of %lu", i, (unsigned long)height,
                     (unsigned long)world->top_height);
        else if (height > 0 &&
                 !giro_hash_equal(&state_root, &world->full->blocks[height].body.state_root))
            sim_fail(world, "I8: replica %u ends with another state root", i);
        books_check(world, replica);
        struct giro_replica_status status;
        giro_replica_status(sim_replica_of(replica), &status);
        if (status.consensus.observer || status.consensus.starting)
            sim_fail(world, "replica %u ends as %s in its incarnation %lu", i,
                     status.consensus.observer ? "an observer" : "one that starts",
                     (unsigned long)status.consensus.incarnation);
        windows_check(world, replica);
    }
    for (uint32_t i = 0; i < world->full->frame_count && !world->failed; i++) {
        const struct sim_frame *frame = &world->full->frames[i];
        if (frame->certified && frame->height == 0)
            sim_fail(world, "I8: frame %u was acknowledged and is not in the ledger", i);
        if (!frame->hostile && !frame->certified)
            sim_fail(world, "frame %u is not certified", i);
    }
}
