/* Images over a faulty disk: made, kept, loaded, damaged, written up to any boundary; and fetched from peers that lie. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "consensus/images.h"
#include "consensus/statesync.h"
#include "giro/sys.h"

static void setup(void)
{
    cr_assert(giro_crypto_init() == GIRO_ERR_OK);
}

TestSuite(consensus_images, .init = setup);

#define REPLICAS 4u
#define CHUNKS   4u /* of the payment references in these images; one more holds the sections */

struct store {
    struct giro_disk_faulty *faulty;
    struct giro_disk disk;
    struct giro_images *images;
    void *mem;
    uint64_t now_ns;
};
static const struct giro_hash chain = {{0xC1}};

static void *mapped(size_t size_bytes)
{
    void *mem = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    cr_assert(mem != MAP_FAILED);
    return mem;
}

static void store_open(struct store *store)
{
    const struct giro_images_options options = {
        .disk = &store->disk, .chain_id = chain, .replica_count = REPLICAS, .seed = 7};
    store->mem = mapped(giro_images_footprint());
    store->images = giro_images_init(store->mem, giro_images_footprint(), &options);
    cr_assert(store->images != NULL && giro_images_open(store->images) == GIRO_ERR_OK);
}

static void store_stop(struct store *store, bool power_loss)
{
    if (power_loss)
        giro_disk_faulty_power_loss(store->faulty);
    else
        giro_disk_faulty_crash(store->faulty);
    munmap(store->mem, giro_images_footprint());
}

static void store_new(struct store *store, uint64_t seed)
{
    const struct giro_disk_faults faults = {.latency_min_ns = 1000,
                                            .latency_max_ns = 100000,
                                            .torn_per_mille = 300,
                                            .kept_per_mille = 300};
    memset(store, 0, sizeof(*store));
    store->faulty = giro_disk_faulty_new(seed, &faults);
    store->disk = giro_disk_faulty_disk(store->faulty);
    store_open(store);
}

/* Turns of a loop, until nothing is under way or time is up. */
static void turns(struct store *store, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct giro_disk_completion done[16];
        cr_assert(giro_images_work(store->images) == GIRO_ERR_OK);
        store->now_ns += 200000;
        giro_disk_faulty_advance(store->faulty, store->now_ns);
        uint32_t got = store->disk.ops->poll(store->disk.self, done, 16);
        for (uint32_t k = 0; k < got; k++)
            cr_assert(giro_images_completed(store->images, done[k].tag, done[k].err) ==
                      GIRO_ERR_OK);
    }
}

/* The image of a height: chunk i of the references changes every i + 1 heights. */
static bool encode(struct store *store, uint64_t height)
{
    struct giro_image *image = giro_images_begin(store->images);
    if (image == NULL)
        return false;
    giro_image_begin(image, CHUNKS);
    for (uint32_t i = 0; i < CHUNKS; i++) {
        struct giro_prng prng;
        giro_prng_init(&prng, (height / (i + 1)) * 16 + i);
        giro_prng_fill(&prng, image->bytes + (size_t)i * GIRO_CHUNK_BYTES + GIRO_IMAGE_UETR_AT,
                       GIRO_CHUNK_BYTES - GIRO_IMAGE_UETR_AT);
        image->changed[i] = 1;
    }
    giro_writer_u64(giro_image_section(image, GIRO_IMAGE_REPLICA), height);
    giro_images_encoded(store->images, giro_image_end(image, &chain, height), height);
    return true;
}

static void signers(uint8_t *bitmap, uint8_t *scheme, uint8_t *count)
{
    bitmap[0] = 0x07;
    *scheme = GIRO_SCHEME_ED25519;
    *count = 3;
}

/* What a quorum would have signed; signatures are not looked at here. */
static struct giro_manifest *manifest_of(const struct store *store)
{
    static struct giro_manifest manifest;
    memset(&manifest, 0, sizeof(manifest));
    struct giro_checkpoint_header *checkpoint = &manifest.checkpoint.header;
    struct giro_certificate_header *certificate = &manifest.certificate.header;
    struct giro_qc_header *qc = &manifest.qc.header;
    checkpoint->body = (struct giro_checkpoint_body){.head = giro_head_make(GIRO_KIND_CHECKPOINT),
                                                     .epoch = 1,
                                                     .height = store->images->height,
                                                     .block_id = {{9}},
                                                     .image_root = store->images->root};
    certificate->body = (struct giro_commit_body){.head = giro_head_make(GIRO_KIND_CERTIFICATE),
                                                  .epoch = 1,
                                                  .height = store->images->height,
                                                  .block_id = {{9}}};
    *qc = (struct giro_qc_header){
        .head = giro_head_make(GIRO_KIND_QC), .epoch = 1, .round = 5, .block_id = {{9}}};
    signers(checkpoint->bitmap, &checkpoint->scheme, &checkpoint->signer_count);
    signers(certificate->bitmap, &certificate->scheme, &certificate->signer_count);
    signers(qc->bitmap, &qc->scheme, &qc->signer_count);
    return &manifest;
}

static void make(struct store *store, uint64_t height)
{
    cr_assert(encode(store, height));
    turns(store, 60);
    cr_assert(store->images->state == GIRO_IMAGES_READY);
    cr_assert(giro_images_seal(store->images, manifest_of(store), 10 * height) == GIRO_ERR_OK);
    turns(store, 10);
    cr_assert(giro_images_sealed(store->images));
    giro_images_check(store->images);
}

static uint64_t newest_height(const struct store *store, uint32_t nth)
{
    uint32_t file = giro_images_newest(store->images, nth);
    return file == GIRO_NONE ? 0 : store->images->files[file].header.height;
}

/* The newest one that loads, as a start does it; its content is that of its height. 0: none. */
static uint64_t load_newest(struct store *store)
{
    for (uint32_t nth = 0; giro_images_newest(store->images, nth) != GIRO_NONE; nth++) {
        uint32_t file = giro_images_newest(store->images, nth), size_bytes = 0;
        static struct giro_manifest manifest;
        const uint8_t *bytes = giro_images_manifest(store->images, file, &size_bytes);
        cr_assert(giro_manifest_decode(bytes, size_bytes, REPLICAS, &chain, &manifest) ==
                  GIRO_REJECT_NONE);
        if (giro_images_load(store->images, file) != GIRO_ERR_OK)
            continue;
        struct giro_image_reader reader;
        struct giro_reader section;
        uint64_t height = newest_height(store, nth);
        cr_assert(giro_image_open(&reader, store->images->image.bytes,
                                  store->images->image.chunk_count, &chain,
                                  height) == GIRO_REJECT_NONE);
        cr_assert(giro_image_next(&reader, GIRO_IMAGE_REPLICA, &section) == GIRO_REJECT_NONE);
        cr_assert(giro_reader_u64(&section) == height && giro_reader_left(&section) == 0);
        cr_assert(giro_image_close(&reader) == GIRO_REJECT_NONE);
        return height;
    }
    return 0;
}

Test(consensus_images, two_images_are_kept_and_what_did_not_change_is_written_once)
{
    struct store store;
    store_new(&store, 1);
    for (uint64_t height = 1; height <= 12; height++) {
        make(&store, height);
        cr_assert(newest_height(&store, 0) == height && newest_height(&store, 1) == height - 1);
        cr_assert(giro_images_needed(&store.images[0]) == (height == 1 ? 1 : 10 * (height - 1)));
    }
    /* Chunk 0 carries the height and the sections do; chunk i changes every i + 1 heights. */
    cr_assert(store.images->chunks_kept >= 10, "%lu", (unsigned long)store.images->chunks_kept);
    cr_assert(store.images->handle_count == 1, "three images share sixteen places");
    store_stop(&store, true);
    store_open(&store);
    cr_assert(newest_height(&store, 0) == 12 && newest_height(&store, 1) == 11);
    cr_assert(load_newest(&store) == 12);
    store_stop(&store, true);
    giro_disk_faulty_free(store.faulty);
}

Test(consensus_images, a_flipped_bit_in_any_chunk_gives_the_image_before_and_then_none)
{
    struct store store;
    struct giro_prng prng;
    giro_prng_init(&prng, 3);
    for (uint32_t chunk = 0; chunk <= CHUNKS; chunk++) {
        store_new(&store, 2 + chunk);
        make(&store, 20);
        make(&store, 40);
        for (uint32_t nth = 0; nth < 2; nth++) {
            uint32_t file = giro_images_newest(store.images, nth), place;
            const struct giro_images_file *at = &store.images->files[file];
            memcpy(&place,
                   at->bytes + giro_align_up(sizeof(at->header) + at->header.manifest_bytes, 8) +
                       chunk * sizeof(place),
                   sizeof(place));
            uint64_t offset =
                (uint64_t)place * GIRO_CHUNK_BYTES + giro_prng_below(&prng, GIRO_CHUNK_BYTES);
            store_stop(&store, true);
            cr_assert(giro_disk_faulty_flip(store.faulty, "chunks-0000", offset,
                                            (uint32_t)giro_prng_below(&prng, 8)) == GIRO_ERR_OK);
            store_open(&store);
            cr_assert(load_newest(&store) == (nth == 0 ? 20 : 0), "chunk %u", chunk);
            store_stop(&store, false);
            store_open(&store);
        }
        store_stop(&store, true);
        giro_disk_faulty_free(store.faulty);
    }
}

Test(consensus_images, death_at_any_write_leaves_the_image_before_or_the_new_one)
{
    uint32_t before = 0, after = 0;
    for (uint64_t writes = 0; writes < 14; writes++) {
        struct store store;
        store_new(&store, 100 + writes);
        make(&store, 20);
        make(&store, 40);
        giro_disk_faulty_stop_after(store.faulty, writes);
        if (encode(&store, 60)) {
            turns(&store, 60);
            if (store.images->state == GIRO_IMAGES_READY &&
                giro_images_seal(store.images, manifest_of(&store), 600) == GIRO_ERR_OK)
                turns(&store, 10);
        }
        giro_disk_faulty_stop_after(store.faulty, UINT64_MAX);
        store_stop(&store, true);
        store_open(&store);
        uint64_t height = load_newest(&store);
        cr_assert(height == 40 || height == 60, "%lu after %lu writes", (unsigned long)height,
                  (unsigned long)writes);
        before += height == 40;
        after += height == 60;
        make(&store, 80);
        store_stop(&store, true);
        giro_disk_faulty_free(store.faulty);
    }
    cr_assert(before > 0 && after > 0, "%u %u", before, after);
}

/* ---- State sync: one that asks, three that serve ---------------------------------------------------------- */

enum lie { HONEST, WRONG_CHUNK, SILENT, LACKS };
struct party {
    struct store store;
    struct giro_statesync *sync;
    void *mem;
    enum lie lie;
    uint32_t asked; /* chunks asked of it */
};
static struct party parties[REPLICAS];
static struct message {
    uint16_t from, to, kind;
    uint32_t size_bytes;
    uint8_t *bytes;
} queue[4096];
static uint32_t queue_first, queue_end;
static uint64_t now_ns;

/* Signatures are the core's; here every manifest that decodes passes. */
enum giro_reject giro_consensus_manifest_check(struct giro_consensus *core,
                                               const struct giro_manifest *manifest)
{
    (void)core, (void)manifest;
    return GIRO_REJECT_NONE;
}

static void party_send(void *context, uint16_t peer, uint16_t kind, const struct giro_part *parts,
                       uint32_t part_count)
{
    uint16_t from = (uint16_t)((struct party *)context - parties);
    for (uint16_t to = 0; to < REPLICAS; to++) {
        if (to == from || (peer != GIRO_PEER_ALL && peer != to))
            continue;
        struct message *message = &queue[queue_end++ % 4096];
        *message = (struct message){.from = from, .to = to, .kind = kind};
        message->bytes = malloc(2 * GIRO_CHUNK_BYTES);
        for (uint32_t i = 0; i < part_count; i++) {
            memcpy(message->bytes + message->size_bytes, parts[i].bytes, parts[i].size_bytes);
            message->size_bytes += (uint32_t)parts[i].size_bytes;
        }
        enum lie lie = parties[from].lie;
        if (kind == GIRO_KIND_CHUNK && lie == WRONG_CHUNK)
            message->bytes[message->size_bytes / 2] ^= 1;
        if (kind == GIRO_KIND_CHUNK && lie == SILENT)
            message->kind = 0;
    }
}

static void party_open(struct party *party)
{
    party->mem = mapped(giro_statesync_footprint(REPLICAS));
    party->sync = giro_statesync_init(party->mem, giro_statesync_footprint(REPLICAS), REPLICAS);
    party->sync->images = party->store.images;
    party->sync->chain = &chain;
    party->sync->self = (uint32_t)(party - parties);
    party->sync->context = party;
    party->sync->send = party_send;
}

static void parties_open(uint64_t height, enum lie first, enum lie second)
{
    memset(parties, 0, sizeof(parties));
    queue_first = queue_end = 0;
    now_ns = GIRO_NS_PER_S;
    for (uint32_t i = 0; i < REPLICAS; i++) {
        store_new(&parties[i].store, 50 + i);
        if (i > 0) {
            make(&parties[i].store, height);
            if (parties[i].store.images->files[0].valid && i < 3)
                parties[i].lie = i == 1 ? first : second;
        }
        party_open(&parties[i]);
    }
}

static void parties_close(void)
{
    for (; queue_first < queue_end; queue_first++)
        free(queue[queue_first % 4096].bytes);
    for (uint32_t i = 0; i < REPLICAS; i++) {
        store_stop(&parties[i].store, true);
        munmap(parties[i].mem, giro_statesync_footprint(REPLICAS));
        giro_disk_faulty_free(parties[i].store.faulty);
    }
}

/* Until party 0 has its image, or for so many milliseconds. */
static bool parties_run(uint32_t milliseconds)
{
    for (uint32_t turn = 0; turn < milliseconds; turn++) {
        now_ns += 1000000;
        uint32_t end = queue_end;
        for (; queue_first < end; queue_first++) {
            struct message *message = &queue[queue_first % 4096];
            struct party *to = &parties[message->to];
            bool lacks = message->kind == GIRO_KIND_FETCH_CHUNK && to->lie == LACKS;
            to->asked += message->kind == GIRO_KIND_FETCH_CHUNK;
            if (lacks)
                ((struct giro_fetch_chunk *)message->bytes)->hash.bytes[0] ^= 1;
            (void)giro_statesync_message(to->sync, now_ns, message->from, message->kind,
                                         message->bytes, message->size_bytes);
            free(message->bytes);
        }
        for (uint32_t i = 0; i < REPLICAS; i++) {
            turns(&parties[i].store, 1);
            giro_statesync_poll(parties[i].sync, now_ns, 0);
        }
        if (giro_images_fetch_done(parties[0].store.images))
            return true;
    }
    return false;
}

static void demand_loaded(uint64_t height)
{
    store_stop(&parties[0].store, true);
    store_open(&parties[0].store);
    cr_assert(load_newest(&parties[0].store) == height);
}

Test(consensus_images, an_image_comes_from_several_peers_at_once)
{
    parties_open(20, HONEST, HONEST);
    giro_statesync_want(parties[0].sync, now_ns, 5);
    cr_assert(parties_run(3000));
    for (uint32_t i = 1; i < REPLICAS; i++)
        cr_assert(parties[i].asked > 0, "peer %u was not asked", i);
    demand_loaded(20);
    parties_close();
}

Test(consensus_images, a_peer_that_sends_a_wrong_chunk_is_counted_and_left_alone)
{
    parties_open(20, WRONG_CHUNK, HONEST);
    giro_statesync_want(parties[0].sync, now_ns, 5);
    cr_assert(parties_run(5000));
    cr_assert(parties[0].sync->peers[1].rejects[GIRO_REJECT_HASH] > 0);
    cr_assert(parties[1].asked <= GIRO_SYNC_PER_PEER, "asked %u times", parties[1].asked);
    demand_loaded(20);
    parties_close();
}

Test(consensus_images, peers_that_keep_silent_or_lack_the_chunks_cost_time_only)
{
    parties_open(20, SILENT, LACKS);
    giro_statesync_want(parties[0].sync, now_ns, 5);
    cr_assert(parties_run(20000));
    cr_assert(parties[0].sync->peers[1].rejects[GIRO_REJECT_STALE] > 0);
    demand_loaded(20);
    parties_close();
}

Test(consensus_images, a_sync_goes_on_after_a_death_with_the_chunks_that_came)
{
    parties_open(20, HONEST, HONEST);
    giro_statesync_want(parties[0].sync, now_ns, 5);
    /* Two chunks are here, then the process dies. */
    for (uint32_t i = 0; i < 4000 && parties[0].sync->chunks_fetched < 2; i++)
        (void)parties_run(1);
    turns(&parties[0].store, 5);
    uint32_t fetched = (uint32_t)parties[0].sync->chunks_fetched;
    cr_assert(fetched >= 2 && fetched < CHUNKS + 1, "%u", fetched);
    store_stop(&parties[0].store, true);
    munmap(parties[0].mem, giro_statesync_footprint(REPLICAS));
    store_open(&parties[0].store);
    party_open(&parties[0]);
    giro_statesync_want(parties[0].sync, now_ns, 5);
    cr_assert(parties_run(5000));
    cr_assert(parties[0].sync->chunks_fetched <= CHUNKS + 1 - fetched, "%lu came again after %u",
              (unsigned long)parties[0].sync->chunks_fetched, fetched);
    demand_loaded(20);
    parties_close();
}

/* Two chunks are left, and the two peers that are asked first are dead: each is given up in turn, and then the third is asked. */
Test(consensus_images, dead_peers_do_not_take_turns_with_the_last_chunks)
{
    parties_open(20, HONEST, HONEST);
    giro_statesync_want(parties[0].sync, now_ns, 5);
    for (uint32_t i = 0; i < 4000 && parties[0].sync->chunks_fetched < CHUNKS - 1; i++)
        (void)parties_run(1);
    turns(&parties[0].store, 5);
    store_stop(&parties[0].store, true);
    munmap(parties[0].mem, giro_statesync_footprint(REPLICAS));
    store_open(&parties[0].store);
    party_open(&parties[0]);
    parties[1].lie = parties[2].lie = SILENT;
    giro_statesync_want(parties[0].sync, now_ns, 5);
    cr_assert(parties_run(10000));
    demand_loaded(20);
    parties_close();
}

/* When the image is gone everywhere, a newer one is asked for, and only what is not here comes. */
Test(consensus_images, an_image_that_peers_let_go_is_given_up_for_a_newer_one)
{
    parties_open(20, HONEST, HONEST);
    giro_statesync_want(parties[0].sync, now_ns, 5);
    for (uint32_t i = 0; i < 4000 && parties[0].sync->chunks_fetched < 1; i++)
        (void)parties_run(1);
    for (uint32_t i = 1; i < REPLICAS; i++) {
        for (uint64_t height = 600; height <= 1800; height += 600)
            make(&parties[i].store, height);
    }
    cr_assert(parties_run(20000));
    demand_loaded(1800);
    parties_close();
}

/* One peer is dead: it does not say that it let the image go, nor will it ever. */
Test(consensus_images, a_dead_peer_does_not_keep_an_image_that_the_others_let_go)
{
    parties_open(20, SILENT, HONEST);
    giro_statesync_want(parties[0].sync, now_ns, 5);
    for (uint32_t i = 0; i < 4000 && parties[0].sync->chunks_fetched < 1; i++)
        (void)parties_run(1);
    for (uint32_t i = 2; i < REPLICAS; i++) {
        for (uint64_t height = 600; height <= 1800; height += 600)
            make(&parties[i].store, height);
    }
    cr_assert(parties_run(20000));
    demand_loaded(1800);
    parties_close();
}

/* A peer that asks for the same chunk over and over gets it at the pace of everybody. */
Test(consensus_images, serving_is_paced_whoever_asks_how_often)
{
    parties_open(20, HONEST, HONEST);
    struct giro_fetch_chunk body = {.head = giro_head_make(GIRO_KIND_FETCH_CHUNK),
                                    .hash = parties[1].store.images->hashes[0]};
    for (uint32_t turn = 0; turn < 1000; turn++) {
        for (uint32_t i = 0; i < 20; i++)
            (void)giro_statesync_message(parties[1].sync, now_ns, 2, GIRO_KIND_FETCH_CHUNK,
                                         (const uint8_t *)&body, sizeof(body));
        (void)parties_run(1);
    }
    uint64_t most = 1000000000u / GIRO_SYNC_SERVE_NS;
    cr_assert(parties[1].sync->chunks_served <= most + 1, "%lu in a second",
              (unsigned long)parties[1].sync->chunks_served);
    cr_assert(parties[1].sync->peers[2].rejects[GIRO_REJECT_LIMIT] > 10000);
    parties_close();
}

Test(consensus_images, hostile_messages_of_state_sync_are_counted_and_change_nothing)
{
    struct giro_prng prng;
    giro_prng_init(&prng, 11);
    parties_open(20, HONEST, HONEST);
    static const uint16_t kinds[] = {GIRO_KIND_FETCH_IMAGE, GIRO_KIND_MANIFEST,
                                     GIRO_KIND_FETCH_CHUNK, GIRO_KIND_CHUNK, GIRO_KIND_NOT_FOUND};
    uint32_t file = giro_images_newest(parties[1].store.images, 0), manifest_bytes = 0;
    const uint8_t *manifest = giro_images_manifest(parties[1].store.images, file, &manifest_bytes);
    static uint8_t bytes[GIRO_IMAGES_FILE_BYTES];
    giro_statesync_want(parties[0].sync, now_ns, 5);
    for (uint32_t i = 0; i < 20000; i++) {
        uint32_t size_bytes = (uint32_t)giro_prng_below(&prng, manifest_bytes + 8);
        memset(bytes, 0, sizeof(bytes));
        memcpy(bytes, manifest, size_bytes < manifest_bytes ? size_bytes : manifest_bytes);
        uint16_t kind = kinds[giro_prng_below(&prng, 5)];
        struct giro_head head = giro_head_make((enum giro_kind)kind);
        memcpy(bytes, &head, sizeof(head));
        for (uint32_t k = 0; k < 3 && size_bytes > 0; k++)
            bytes[giro_prng_below(&prng, size_bytes)] ^= (uint8_t)giro_prng_next(&prng);
        (void)giro_statesync_message(parties[0].sync, now_ns, 1, kind, bytes, size_bytes);
    }
    giro_images_check(parties[0].store.images);
    cr_assert(parties[0].sync->best_bytes == 0, "a mutated manifest passed");
    parties_close();
}
