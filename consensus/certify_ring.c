/* The ring of heights with their votes, and checking signatures of votes and certificates. */
#include "consensus/certify_internal.h"

/* ---- Memory ------------------------------------------------------------------------------------------------------ */

enum {
    PART_SELF,
    PART_HEIGHTS,
    PART_VOTES,
    PART_ITEMS,
    PART_MESSAGES,
    PART_VERDICTS,
    PART_VOTERS,
    PART_COUNT,
};

static bool sizes_of(const struct giro_consensus_options *options, size_t sizes[PART_COUNT])
{
    size_t n = options->replica_count;
    if (n == 0 || n > GIRO_REPLICAS_MAX || options->self >= n)
        return false;
    sizes[PART_SELF] = sizeof(struct giro_certify);
    sizes[PART_HEIGHTS] = GIRO_CERTIFY_HEIGHTS * sizeof(struct giro_certify_height);
    sizes[PART_VOTES] = GIRO_CERTIFY_HEIGHTS * n * sizeof(struct giro_commit_vote);
    sizes[PART_ITEMS] = n * sizeof(struct giro_verify_item);
    sizes[PART_MESSAGES] = n * GIRO_COMMIT_MESSAGE_BYTES;
    sizes[PART_VERDICTS] = n;
    sizes[PART_VOTERS] = n * sizeof(uint16_t);
    return true;
}

size_t giro_certify_footprint(const struct giro_consensus_options *options)
{
    size_t sizes[PART_COUNT];
    if (!sizes_of(options, sizes))
        return 0;
    size_t total = 0;
    for (uint32_t i = 0; i < PART_COUNT; i++)
        total += giro_align_up(sizes[i], GIRO_CACHE_LINE_BYTES);
    return total;
}

struct giro_certify *giro_certify_init(void *mem, size_t size_bytes, struct giro_env *env)
{
    size_t sizes[PART_COUNT];
    void *parts[PART_COUNT];
    if (!sizes_of(&env->options, sizes) || giro_certify_footprint(&env->options) > size_bytes)
        return NULL;
    struct giro_arena arena;
    giro_arena_init(&arena, mem, size_bytes);
    for (uint32_t i = 0; i < PART_COUNT; i++) {
        parts[i] = giro_arena_take(&arena, sizes[i], GIRO_CACHE_LINE_BYTES);
        GIRO_ASSERT(parts[i] != NULL);
    }
    struct giro_certify *certify = parts[PART_SELF];
    certify->env = env;
    certify->heights = parts[PART_HEIGHTS];
    certify->votes = parts[PART_VOTES];
    certify->items = parts[PART_ITEMS];
    certify->messages = parts[PART_MESSAGES];
    certify->verdicts = parts[PART_VERDICTS];
    certify->voters = parts[PART_VOTERS];
    certify->resend_ns = UINT64_MAX;
    certify->resend_delay_ns = GIRO_CERTIFY_RESEND_NS;
    return certify;
}

/* ---- The ring of heights ----------------------------------------------------------------------------------------- */

uint64_t giro_certify_window_top(const struct giro_certify *certify)
{
    return certify->executed_height + GIRO_CERTIFY_AHEAD;
}

uint64_t giro_certify_window_low(const struct giro_certify *certify)
{
    uint64_t top = giro_certify_window_top(certify);
    return top < GIRO_CERTIFY_HEIGHTS ? 1 : top - GIRO_CERTIFY_HEIGHTS + 1;
}

struct giro_certify_height *giro_certify_peek(const struct giro_certify *certify, uint64_t height)
{
    struct giro_certify_height *h = &certify->heights[height % GIRO_CERTIFY_HEIGHTS];
    return h->height == height && height != 0 ? h : NULL;
}

/* The place of a height inside the window; what was there fell out of the window. */
struct giro_certify_height *giro_certify_at(struct giro_certify *certify, uint64_t height)
{
    GIRO_ASSERT(height >= giro_certify_window_low(certify) &&
                height <= giro_certify_window_top(certify));
    struct giro_certify_height *h = &certify->heights[height % GIRO_CERTIFY_HEIGHTS];
    if (h->height != height) {
        GIRO_ASSERT(h->height < height);
        if (h->executed && !h->certified) {
            GIRO_ASSERT(certify->uncertified_count > 0);
            certify->uncertified_count--;
        }
        memset(h, 0, sizeof(*h));
        h->height = height;
    }
    return h;
}

struct giro_commit_vote *giro_certify_vote_at(const struct giro_certify *certify, uint64_t height,
                                              uint32_t voter)
{
    size_t n = certify->env->options.replica_count;
    GIRO_ASSERT(voter < n);
    return &certify->votes[(height % GIRO_CERTIFY_HEIGHTS) * n + voter];
}

/* Equal in everything that is signed; the head differs between vote and certificate. */
bool giro_certify_body_equal(const struct giro_commit_body *a, const struct giro_commit_body *b)
{
    return a->epoch == b->epoch && a->height == b->height && a->time_ns == b->time_ns &&
           giro_hash_equal(&a->block_id, &b->block_id) &&
           giro_hash_equal(&a->state_root, &b->state_root) &&
           giro_hash_equal(&a->ledger_root, &b->ledger_root);
}

/* ---- Signatures -------------------------------------------------------------------------------------------------- */

void giro_certify_item_set(struct giro_certify *certify, uint32_t index, uint32_t voter,
                           const struct giro_commit_body *body,
                           const struct giro_signature *signature)
{
    const struct giro_consensus_options *options = &certify->env->options;
    GIRO_ASSERT(index < options->replica_count && voter < options->replica_count);
    uint8_t *message = certify->messages + (size_t)index * GIRO_COMMIT_MESSAGE_BYTES;
    size_t size_bytes = giro_commit_message(&options->chain_id, body, message);
    GIRO_ASSERT(size_bytes == GIRO_COMMIT_MESSAGE_BYTES);
    certify->items[index] = (struct giro_verify_item){.key = options->batch_keys[voter],
                                                      .message = message,
                                                      .message_bytes = (uint32_t)size_bytes,
                                                      .signature = signature->bytes};
    certify->voters[index] = (uint16_t)voter;
}

uint32_t giro_certify_items_verify(struct giro_certify *certify, uint32_t count)
{
    if (count == 0)
        return 0;
    return giro_verify_batch(certify->env->options.ring, certify->items, count, certify->verdicts);
}

void giro_certify_bitmap_clear(uint8_t bitmap[GIRO_BITMAP_BYTES], uint32_t index)
{
    bitmap[index / 8] &= (uint8_t) ~(1u << (index % 8));
}

/* Checks one stored vote now; a bad one is forgotten. */
bool giro_certify_vote_check(struct giro_certify *certify, struct giro_certify_height *h,
                             uint32_t voter)
{
    GIRO_ASSERT(giro_bitmap_has(h->voted, voter));
    if (giro_bitmap_has(h->checked, voter))
        return true;
    const struct giro_commit_vote *vote = giro_certify_vote_at(certify, h->height, voter);
    giro_certify_item_set(certify, 0, voter, &vote->body, &vote->signature);
    if (giro_certify_items_verify(certify, 1) == 1) {
        giro_bitmap_set(h->checked, voter);
        return true;
    }
    giro_certify_bitmap_clear(h->voted, voter);
    giro_env_reject_of(certify->env, voter, GIRO_REJECT_SIGNATURE);
    return false;
}

enum giro_reject giro_certify_certificate_verify(struct giro_certify *certify,
                                                 const struct giro_certificate *certificate)
{
    const struct giro_env *env = certify->env;
    const struct giro_commit_body *body = &certificate->header.body;
    uint32_t n = env->options.replica_count;
    if (certificate->header.scheme != GIRO_SCHEME_ED25519)
        return GIRO_REJECT_FIELD;
    if (body->epoch != env->options.epoch)
        return GIRO_REJECT_EPOCH;
    if (body->height == 0)
        return GIRO_REJECT_FIELD;
    if (certificate->header.signer_count != env->quorum ||
        giro_bitmap_count(certificate->header.bitmap) != env->quorum)
        return GIRO_REJECT_QUORUM;
    const struct giro_certify_height *h = giro_certify_peek(certify, body->height);
    uint32_t signer = 0;
    uint32_t count = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (!giro_bitmap_has(certificate->header.bitmap, i))
            continue;
        const struct giro_signature *signature = &certificate->signatures[signer++];
        const struct giro_commit_vote *vote = giro_certify_vote_at(certify, body->height, i);
        /* The very vote that was checked on its own is not checked again. */
        if (h != NULL && giro_bitmap_has(h->checked, i) &&
            giro_certify_body_equal(&vote->body, body) &&
            memcmp(&vote->signature, signature, sizeof(*signature)) == 0)
            continue;
        giro_certify_item_set(certify, count++, i, body, signature);
    }
    if (signer != env->quorum)
        return GIRO_REJECT_SIGNER; /* bits above the last replica */
    return giro_certify_items_verify(certify, count) == count ? GIRO_REJECT_NONE
                                                              : GIRO_REJECT_SIGNATURE;
}
