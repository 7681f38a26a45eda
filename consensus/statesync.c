/* Images to and from peers. See statesync.h. */
#include "consensus/statesync.h"

/* ---- Memory ------------------------------------------------------------------------------------------- */

size_t giro_statesync_footprint(uint32_t replica_count)
{
    return giro_align_up(sizeof(struct giro_statesync), 64) + GIRO_IMAGES_FILE_BYTES +
           GIRO_CHUNK_BYTES + giro_align_up(sizeof(struct giro_manifest), 64) +
           giro_align_up(replica_count * sizeof(struct giro_statesync_peer), 64);
}

struct giro_statesync *giro_statesync_init(void *mem, size_t size_bytes, uint32_t replica_count)
{
    if (mem == NULL || size_bytes < giro_statesync_footprint(replica_count))
        return NULL;
    struct giro_statesync *sync = mem;
    uint8_t *at = (uint8_t *)mem + giro_align_up(sizeof(*sync), 64);
    sync->best = at;
    at += GIRO_IMAGES_FILE_BYTES;
    sync->chunk = at;
    at += GIRO_CHUNK_BYTES;
    sync->manifest = (struct giro_manifest *)at;
    at += giro_align_up(sizeof(struct giro_manifest), 64);
    sync->peers = (struct giro_statesync_peer *)at;
    sync->replica_count = replica_count;
    return sync;
}

static void reject(struct giro_statesync *sync, uint16_t peer, enum giro_reject reason)
{
    sync->peers[peer].rejects[reason]++;
}

static void send_one(struct giro_statesync *sync, uint16_t peer, uint16_t kind, const void *body,
                     size_t size_bytes)
{
    const struct giro_part part = {body, size_bytes};
    sync->send(sync->context, peer, kind, &part, 1);
}

/* ---- Asking ---------------------------------------------------------------------------------------------- */

static void gather_begin(struct giro_statesync *sync, uint64_t now_ns)
{
    const struct giro_fetch_image request = {.head = giro_head_make(GIRO_KIND_FETCH_IMAGE),
                                             .above_height = sync->above_height};
    sync->state = GIRO_SYNC_GATHERING;
    sync->until_ns = now_ns + GIRO_SYNC_GATHER_NS;
    sync->best_bytes = 0;
    sync->best_height = 0;
    send_one(sync, GIRO_PEER_ALL, GIRO_KIND_FETCH_IMAGE, &request, sizeof(request));
}

static void requests_forget(struct giro_statesync *sync)
{
    for (uint32_t i = 0; i < sync->replica_count; i++) {
        memset(sync->peers[i].requests, 0, sizeof(sync->peers[i].requests));
        sync->peers[i].in_vain = false;
    }
}

void giro_statesync_want(struct giro_statesync *sync, uint64_t now_ns, uint64_t above_height)
{
    if (sync->state != GIRO_SYNC_IDLE || sync->replica_count == 1)
        return;
    sync->above_height = above_height;
    sync->syncs_begun++;
    requests_forget(sync);
    /* A crash interrupted one: the chunks that came are there. */
    const uint32_t partial = giro_images_partial(sync->images);
    if (partial != GIRO_NONE && sync->images->files[partial].header.height > above_height &&
        giro_images_fetch_resume(sync->images)) {
        sync->state = GIRO_SYNC_FETCHING;
        return;
    }
    gather_begin(sync, now_ns);
}

/* On top of the image nothing is needed that was logged before now. */
static void gather_end(struct giro_statesync *sync, uint64_t now_ns)
{
    if (sync->best_bytes == 0 || sync->best_height <= sync->above_height) {
        sync->state = GIRO_SYNC_IDLE; /* the core says again that it needs one */
        return;
    }
    if (!giro_images_fetch_begin(sync->images, sync->best, sync->best_bytes, sync->log_sequence)) {
        sync->until_ns = now_ns + GIRO_SYNC_GATHER_NS; /* an image of our own is being written */
        return;
    }
    requests_forget(sync);
    sync->state = GIRO_SYNC_FETCHING;
}

static void on_manifest(struct giro_statesync *sync, uint16_t sender, const uint8_t *body,
                        size_t size_bytes)
{
    if (sync->state != GIRO_SYNC_GATHERING) {
        reject(sync, sender, GIRO_REJECT_STALE);
        return;
    }
    enum giro_reject reason = GIRO_REJECT_NONE;
    if (size_bytes > GIRO_IMAGES_FILE_BYTES - sizeof(struct giro_image_file))
        reason = GIRO_REJECT_OVERSIZED;
    if (reason == GIRO_REJECT_NONE)
        reason = giro_manifest_decode(body, size_bytes, sync->replica_count, sync->chain,
                                      sync->manifest);
    if (reason == GIRO_REJECT_NONE) {
        const uint64_t height = sync->manifest->checkpoint.header.body.height;
        if (height <= sync->above_height || height <= sync->best_height)
            return; /* as good as what is here already: no signatures are checked for it */
        reason = giro_consensus_manifest_check(sync->core, sync->manifest);
        if (reason == GIRO_REJECT_NONE) {
            memcpy(sync->best, body, size_bytes);
            sync->best_bytes = (uint32_t)size_bytes;
            sync->best_height = height;
            return;
        }
    }
    reject(sync, sender, reason);
}

/* ---- Chunks ------------------------------------------------------------------------------------------------ */

static bool under_way(const struct giro_statesync *sync, uint32_t index)
{
    for (uint32_t i = 0; i < sync->replica_count; i++) {
        for (uint32_t k = 0; k < GIRO_SYNC_PER_PEER; k++) {
            const struct giro_statesync_request *request = &sync->peers[i].requests[k];
            if (request->active && request->index == index)
                return true;
        }
    }
    return false;
}

/* The next chunk that nobody was asked for; GIRO_NONE when there is none. */
static uint32_t next_wanted(const struct giro_statesync *sync)
{
    uint32_t index = giro_images_fetch_missing(sync->images, 0);
    while (index != GIRO_NONE && under_way(sync, index))
        index = giro_images_fetch_missing(sync->images, index + 1);
    return index;
}

/* A peer did not give what it was asked for. When that is so of every peer since the last chunk came, this image is gone: a newer
 * one is asked for. What is here already of it need not come again. A dead peer counts like one that let the image go: waiting for
 * its word would wait for ever. */
static void asked_in_vain(struct giro_statesync *sync, uint64_t now_ns, uint16_t peer,
                          uint64_t avoid_ns)
{
    sync->peers[peer].in_vain = true;
    sync->peers[peer].avoid_until_ns = now_ns + avoid_ns;
    uint32_t count = 0;
    for (uint32_t i = 0; i < sync->replica_count; i++)
        count += sync->peers[i].in_vain;
    if (count + 1 < sync->replica_count || sync->state != GIRO_SYNC_FETCHING)
        return;
    giro_images_fetch_drop(sync->images);
    if (sync->images->state != GIRO_IMAGES_FETCHING)
        gather_begin(sync, now_ns);
}

/* What was not answered in time is asked of somebody else. */
static void expire(struct giro_statesync *sync, uint64_t now_ns, uint16_t peer)
{
    struct giro_statesync_peer *state = &sync->peers[peer];
    for (uint32_t k = 0; k < GIRO_SYNC_PER_PEER; k++) {
        struct giro_statesync_request *request = &state->requests[k];
        if (!request->active || now_ns < request->deadline_ns)
            continue;
        request->active = false;
        reject(sync, peer, GIRO_REJECT_STALE);
        asked_in_vain(sync, now_ns, peer, GIRO_SYNC_TIMEOUT_NS);
    }
}

static void ask_peer(struct giro_statesync *sync, uint64_t now_ns, uint16_t peer)
{
    struct giro_statesync_peer *state = &sync->peers[peer];
    for (uint32_t k = 0; k < GIRO_SYNC_PER_PEER; k++) {
        struct giro_statesync_request *request = &state->requests[k];
        if (request->active || now_ns < state->avoid_until_ns)
            continue;
        uint32_t index = next_wanted(sync);
        if (index == GIRO_NONE)
            return;
        *request = (struct giro_statesync_request){true, index, now_ns + GIRO_SYNC_TIMEOUT_NS};
        const struct giro_fetch_chunk body = {.head = giro_head_make(GIRO_KIND_FETCH_CHUNK),
                                              .hash = sync->images->hashes[index]};
        send_one(sync, peer, GIRO_KIND_FETCH_CHUNK, &body, sizeof(body));
    }
}

/* Those that were asked in vain since the last chunk came are asked after all others: dead peers would take turns with the last
 * chunks, and nobody else be asked. */
static void ask_those(struct giro_statesync *sync, uint64_t now_ns, bool in_vain)
{
    for (uint32_t i = 1; i < sync->replica_count && sync->state == GIRO_SYNC_FETCHING; i++) {
        const uint32_t peer = (sync->self + i) % sync->replica_count;
        if (sync->peers[peer].in_vain == in_vain)
            ask_peer(sync, now_ns, (uint16_t)peer);
    }
}

static struct giro_statesync_request *request_of(struct giro_statesync *sync, uint16_t sender,
                                                 const struct giro_hash *hash)
{
    if (sync->state != GIRO_SYNC_FETCHING)
        return NULL;
    for (uint32_t k = 0; k < GIRO_SYNC_PER_PEER; k++) {
        struct giro_statesync_request *request = &sync->peers[sender].requests[k];
        if (request->active && giro_hash_equal(&sync->images->hashes[request->index], hash))
            return request;
    }
    return NULL;
}

static void on_chunk(struct giro_statesync *sync, uint64_t now_ns, uint16_t sender,
                     const uint8_t *body, size_t size_bytes)
{
    struct giro_chunk_header header;
    enum giro_reject reason = giro_chunk_decode(body, size_bytes, &header);
    if (reason != GIRO_REJECT_NONE) {
        reject(sync, sender, reason);
        return;
    }
    struct giro_statesync_request *request = request_of(sync, sender, &header.hash);
    if (request == NULL) {
        reject(sync, sender, GIRO_REJECT_STALE);
        return;
    }
    request->active = false;
    if (!giro_images_fetch_put(sync->images, request->index, body + sizeof(header),
                               header.size_bytes)) {
        reject(sync, sender, GIRO_REJECT_HASH);
        asked_in_vain(sync, now_ns, sender, GIRO_SYNC_LIES_NS);
        return;
    }
    sync->chunks_fetched++;
    for (uint32_t i = 0; i < sync->replica_count; i++)
        sync->peers[i].in_vain = false;
}

static void on_not_found(struct giro_statesync *sync, uint64_t now_ns, uint16_t sender,
                         const struct giro_not_found *answer)
{
    if (answer->wanted_kind == GIRO_KIND_MANIFEST)
        return;
    struct giro_statesync_request *request = request_of(sync, sender, &answer->id);
    if (request == NULL)
        return;
    request->active = false;
    asked_in_vain(sync, now_ns, sender, GIRO_SYNC_LACKS_NS);
}

/* ---- Serving ------------------------------------------------------------------------------------------------ */

static void serve_not_found(struct giro_statesync *sync, uint16_t peer, uint16_t kind,
                            const struct giro_hash *id, uint64_t height)
{
    const struct giro_not_found answer = {.head = giro_head_make(GIRO_KIND_NOT_FOUND),
                                          .id = *id,
                                          .height = height,
                                          .wanted_kind = kind};
    send_one(sync, peer, GIRO_KIND_NOT_FOUND, &answer, sizeof(answer));
}

static void on_fetch_image(struct giro_statesync *sync, uint64_t now_ns, uint16_t sender,
                           const uint8_t *body, size_t size_bytes)
{
    struct giro_fetch_image request;
    enum giro_reject reason = giro_fetch_image_decode(body, size_bytes, &request);
    if (reason == GIRO_REJECT_NONE && now_ns < sync->peers[sender].manifest_next_ns)
        reason = GIRO_REJECT_LIMIT;
    if (reason != GIRO_REJECT_NONE) {
        reject(sync, sender, reason);
        return;
    }
    sync->peers[sender].manifest_next_ns = now_ns + GIRO_SYNC_GATHER_NS / 2;
    const uint32_t newest = giro_images_newest(sync->images, 0);
    if (newest == GIRO_NONE || sync->images->files[newest].header.height <= request.above_height) {
        serve_not_found(sync, sender, GIRO_KIND_MANIFEST, &giro_hash_zero, request.above_height);
        return;
    }
    uint32_t manifest_bytes = 0;
    const uint8_t *manifest = giro_images_manifest(sync->images, newest, &manifest_bytes);
    send_one(sync, sender, GIRO_KIND_MANIFEST, manifest, manifest_bytes);
}

static void on_fetch_chunk(struct giro_statesync *sync, uint16_t sender, const uint8_t *body,
                           size_t size_bytes)
{
    struct giro_statesync_peer *peer = &sync->peers[sender];
    struct giro_fetch_chunk request;
    enum giro_reject reason = giro_fetch_chunk_decode(body, size_bytes, &request);
    if (reason == GIRO_REJECT_NONE && peer->queue_count == GIRO_SYNC_QUEUE)
        reason = GIRO_REJECT_LIMIT;
    if (reason != GIRO_REJECT_NONE)
        reject(sync, sender, reason);
    else
        peer->queue[peer->queue_count++] = request.hash;
}

static void serve_chunk(struct giro_statesync *sync, uint16_t peer, const struct giro_hash *hash)
{
    if (giro_images_chunk(sync->images, hash, sync->chunk) != GIRO_ERR_OK) {
        serve_not_found(sync, peer, GIRO_KIND_CHUNK, hash, 0);
        return;
    }
    struct giro_chunk_header header = {
        .head = giro_head_make(GIRO_KIND_CHUNK), .hash = *hash, .size_bytes = GIRO_CHUNK_BYTES};
    while (header.size_bytes > 0 && sync->chunk[header.size_bytes - 1] == 0)
        header.size_bytes--;
    const struct giro_part parts[] = {{&header, sizeof(header)}, {sync->chunk, header.size_bytes}};
    sync->send(sync->context, peer, GIRO_KIND_CHUNK, parts, 2);
    sync->chunks_served++;
}

/* One chunk at a time, the peers in turn. */
static void serve_some(struct giro_statesync *sync, uint64_t now_ns)
{
    if (now_ns < sync->serve_next_ns)
        return;
    for (uint32_t i = 0; i < sync->replica_count; i++) {
        const uint32_t peer = (sync->serve_peer + i) % sync->replica_count;
        struct giro_statesync_peer *state = &sync->peers[peer];
        if (state->queue_count == 0)
            continue;
        const struct giro_hash hash = state->queue[0];
        state->queue_count--;
        memmove(&state->queue[0], &state->queue[1], state->queue_count * sizeof(hash));
        sync->serve_peer = (peer + 1) % sync->replica_count;
        sync->serve_next_ns = now_ns + GIRO_SYNC_SERVE_NS;
        serve_chunk(sync, (uint16_t)peer, &hash);
        return;
    }
}

/* ---- Driving -------------------------------------------------------------------------------------------------- */

static bool not_found_decode(const uint8_t *body, size_t size_bytes, struct giro_not_found *answer)
{
    if (size_bytes != sizeof(*answer))
        return false;
    memcpy(answer, body, sizeof(*answer));
    return giro_head_is(&answer->head, GIRO_KIND_NOT_FOUND) &&
           (answer->wanted_kind == GIRO_KIND_MANIFEST || answer->wanted_kind == GIRO_KIND_CHUNK);
}

bool giro_statesync_message(struct giro_statesync *sync, uint64_t now_ns, uint16_t sender,
                            uint16_t body_kind, const uint8_t *body, size_t size_bytes)
{
    struct giro_not_found answer;
    GIRO_ASSERT(sender < sync->replica_count && sender != sync->self);
    switch (body_kind) {
    case GIRO_KIND_FETCH_IMAGE:
        on_fetch_image(sync, now_ns, sender, body, size_bytes);
        return true;
    case GIRO_KIND_MANIFEST:
        on_manifest(sync, sender, body, size_bytes);
        return true;
    case GIRO_KIND_FETCH_CHUNK:
        on_fetch_chunk(sync, sender, body, size_bytes);
        return true;
    case GIRO_KIND_CHUNK:
        on_chunk(sync, now_ns, sender, body, size_bytes);
        return true;
    case GIRO_KIND_NOT_FOUND:
        if (!not_found_decode(body, size_bytes, &answer))
            return false;
        on_not_found(sync, now_ns, sender, &answer);
        return true;
    default:
        return false;
    }
}

void giro_statesync_poll(struct giro_statesync *sync, uint64_t now_ns, uint64_t executed_height)
{
    serve_some(sync, now_ns);
    if (sync->state == GIRO_SYNC_GATHERING && now_ns >= sync->until_ns)
        gather_end(sync, now_ns);
    if (sync->state != GIRO_SYNC_FETCHING)
        return;
    if (executed_height >= sync->images->height && !sync->images->fetched) {
        giro_images_fetch_drop(sync->images); /* blocks were faster */
        if (sync->images->state != GIRO_IMAGES_FETCHING)
            sync->state = GIRO_SYNC_IDLE;
        return;
    }
    for (uint32_t i = 1; i < sync->replica_count; i++)
        expire(sync, now_ns, (uint16_t)((sync->self + i) % sync->replica_count));
    ask_those(sync, now_ns, false);
    ask_those(sync, now_ns, true);
}

uint64_t giro_statesync_next_ns(const struct giro_statesync *sync)
{
    uint64_t next_ns = UINT64_MAX;
    for (uint32_t i = 0; i < sync->replica_count; i++) {
        const struct giro_statesync_peer *peer = &sync->peers[i];
        if (peer->queue_count > 0 && sync->serve_next_ns < next_ns)
            next_ns = sync->serve_next_ns;
        for (uint32_t k = 0; k < GIRO_SYNC_PER_PEER && sync->state == GIRO_SYNC_FETCHING; k++) {
            const struct giro_statesync_request *request = &peer->requests[k];
            uint64_t at_ns = request->active ? request->deadline_ns : peer->avoid_until_ns;
            /* An idle request of a peer that may be asked waits for a chunk to be wanted. */
            if (i != sync->self && at_ns != 0 && at_ns < next_ns &&
                (request->active || next_wanted(sync) != GIRO_NONE))
                next_ns = at_ns;
        }
    }
    if (sync->state == GIRO_SYNC_GATHERING && sync->until_ns < next_ns)
        next_ns = sync->until_ns;
    return next_ns;
}
