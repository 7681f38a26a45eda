/* The leader schedule with reputation. See leader.h. */
#include "consensus/leader.h"

static uint32_t faults_of(uint32_t replica_count)
{
    GIRO_ASSERT(replica_count >= 1 && replica_count <= GIRO_REPLICAS_MAX);
    return (replica_count - 1) / 3;
}

static void all_set(uint8_t bitmap[GIRO_BITMAP_BYTES], uint32_t replica_count)
{
    memset(bitmap, 0, GIRO_BITMAP_BYTES);
    for (uint32_t i = 0; i < replica_count; i++)
        giro_bitmap_set(bitmap, i);
}

void giro_leader_window_init(struct giro_leader_window *window, uint32_t replica_count)
{
    static_assert((GIRO_REPLICAS_MAX - 1) / 3 <= GIRO_LEADER_AUTHORS_MAX, "f authors fit");
    memset(window, 0, sizeof(*window));
    window->head = giro_head_make(GIRO_KIND_LEADER_WINDOW);
    all_set(window->candidates[0], replica_count);
    all_set(window->candidates[1], replica_count);
}

/* The author moves to the front of the last f distinct ones. */
static void author_note(struct giro_leader_window *window, uint32_t faults, uint16_t author)
{
    uint32_t at = 0;
    while (at < window->author_count && window->authors[at] != author)
        at++;
    if (at == window->author_count) {
        if (faults == 0)
            return;
        if (window->author_count < faults)
            window->author_count++;
        else
            at = faults - 1; /* the oldest falls out */
    }
    GIRO_ASSERT(at < window->author_count);
    memmove(&window->authors[1], &window->authors[0], at * sizeof(window->authors[0]));
    window->authors[0] = author;
}

/* The window is complete: what was seen in it decides who leads from two windows on. */
static void window_close(struct giro_leader_window *window, uint32_t replica_count)
{
    const uint32_t faults = faults_of(replica_count);
    uint8_t next[GIRO_BITMAP_BYTES];
    memcpy(next, window->active, sizeof(next));
    if (giro_bitmap_count(window->active) < replica_count - faults) {
        all_set(next, replica_count);
    } else {
        for (uint32_t i = 0; i < window->author_count; i++)
            next[window->authors[i] / 8] &= (uint8_t) ~(1u << (window->authors[i] % 8));
    }
    GIRO_ASSERT(giro_bitmap_count(next) > faults);
    memcpy(window->candidates[0], window->candidates[1], sizeof(next));
    memcpy(window->candidates[1], next, sizeof(next));
    memset(window->active, 0, sizeof(window->active));
    memset(window->authors, 0, sizeof(window->authors));
    window->author_count = 0;
}

void giro_leader_window_add(struct giro_leader_window *window, uint32_t replica_count,
                            const struct giro_proposal *block)
{
    GIRO_ASSERT(block->block.height == window->height + 1);
    GIRO_ASSERT(block->block.author < replica_count);
    window->height++;
    for (uint32_t i = 0; i < GIRO_BITMAP_BYTES; i++)
        window->active[i] |= block->qc.header.bitmap[i];
    giro_bitmap_set(window->active, block->block.author);
    author_note(window, faults_of(replica_count), block->block.author);
    if ((window->height + 1) % GIRO_LEADER_WINDOW == 0)
        window_close(window, replica_count);
}

uint32_t giro_leader_window_leader(const struct giro_leader_window *window, uint32_t replica_count,
                                   uint64_t round, uint64_t height)
{
    const uint64_t base = (window->height + 1) / GIRO_LEADER_WINDOW;
    const uint64_t index = height / GIRO_LEADER_WINDOW;
    if (index < base || index > base + 1)
        return GIRO_NONE;
    const uint8_t *const candidates = window->candidates[index - base];
    const uint32_t count = giro_bitmap_count(candidates);
    GIRO_ASSERT(count >= 1 && count <= replica_count);
    /* Of more than 2f candidates two neighbours are good, and a commit takes two rounds in a row. Of fewer perhaps none
     * are: then each leads two. */
    const uint64_t turns = count > 2 * faults_of(replica_count) ? round : round / 2;
    uint32_t left = (uint32_t)(turns % count);
    for (uint32_t i = 0; i < replica_count; i++) {
        if (giro_bitmap_has(candidates, i) && left-- == 0)
            return i;
    }
    GIRO_ASSERT(false);
    return GIRO_NONE;
}

static bool bits_below(const uint8_t bitmap[GIRO_BITMAP_BYTES], uint32_t replica_count)
{
    for (uint32_t i = replica_count; i < 8 * GIRO_BITMAP_BYTES; i++) {
        if (giro_bitmap_has(bitmap, i))
            return false;
    }
    return true;
}

enum giro_reject giro_leader_window_check(const struct giro_leader_window *window,
                                          uint32_t replica_count)
{
    const uint32_t faults = faults_of(replica_count);
    static const uint8_t zeros[sizeof(window->reserved)];
    if (!giro_head_is(&window->head, GIRO_KIND_LEADER_WINDOW))
        return GIRO_REJECT_KIND;
    if (memcmp(window->reserved, zeros, sizeof(zeros)) != 0)
        return GIRO_REJECT_RESERVED;
    if (window->author_count > faults)
        return GIRO_REJECT_COUNT;
    if (!bits_below(window->candidates[0], replica_count) ||
        !bits_below(window->candidates[1], replica_count) ||
        !bits_below(window->active, replica_count))
        return GIRO_REJECT_SIGNER;
    if (giro_bitmap_count(window->candidates[0]) <= faults ||
        giro_bitmap_count(window->candidates[1]) <= faults)
        return GIRO_REJECT_COUNT;
    for (uint32_t i = 0; i < GIRO_LEADER_AUTHORS_MAX; i++) {
        const uint16_t author = window->authors[i];
        if (i >= window->author_count) {
            if (author != 0)
                return GIRO_REJECT_RESERVED;
            continue;
        }
        if (author >= replica_count || !giro_bitmap_has(window->active, author))
            return GIRO_REJECT_SIGNER;
        for (uint32_t k = 0; k < i; k++) {
            if (window->authors[k] == author)
                return GIRO_REJECT_DUPLICATE;
        }
    }
    return GIRO_REJECT_NONE;
}
