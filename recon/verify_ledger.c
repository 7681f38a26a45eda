/* The files `ledger` and `certificates`: leaves against the roots that a quorum signed. */
#include <stdlib.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "verify.h"

static const char *header_check(struct verify *verify, const struct recon_map *map,
                                struct giro_ledger_header *header, uint64_t *offset)
{
    *offset = 0;
    if (map->size_bytes < sizeof(*header))
        return "shorter than its header";
    memcpy(header, map->bytes, sizeof(*header));
    if (!giro_head_is(&header->head, GIRO_KIND_LEDGER))
        return "not a ledger file of a version this program knows";
    *offset = offsetof(struct giro_ledger_header, chain_id);
    if (!giro_hash_equal(&header->chain_id, &verify->options->genesis->chain_id))
        return "the header names another hub";
    *offset = offsetof(struct giro_ledger_header, reserved);
    return verify_is_zero(header->reserved, sizeof(header->reserved))
               ? NULL
               : "reserved bytes of the header are not zero";
}

/* An empty or headless file is what a kill at the very start leaves. */
static bool headless(struct verify *verify, const char *path, const struct recon_map *map)
{
    if (map->size_bytes >= sizeof(struct giro_ledger_header))
        return false;
    verify_say(verify, path, "ends torn before its first record (normal after a kill)");
    return true;
}

/* ---- Certificates ---- */

static uint32_t certificate_bytes(const struct giro_genesis *genesis)
{
    return (uint32_t)(sizeof(struct giro_certificate_header) +
                      giro_genesis_quorum(genesis) * GIRO_SIGNATURE_BYTES);
}

/* One certificate at offset. *size_bytes 0: the file ends within it. */
static const char *certificate_read(struct verify *verify, const struct recon_map *map,
                                    uint64_t offset, uint32_t *size_bytes,
                                    struct giro_certificate *certificate)
{
    uint64_t left = map->size_bytes - offset;
    const uint32_t whole = certificate_bytes(verify->options->genesis);
    uint32_t fixed[2];
    *size_bytes = 0;
    if (left < sizeof(fixed))
        return NULL;
    memcpy(fixed, map->bytes + offset, sizeof(fixed));
    if (fixed[0] != whole || fixed[1] != 0)
        return "not the size of a certificate of this hub";
    if (left < sizeof(fixed) + whole)
        return NULL;
    struct giro_reader reader;
    giro_reader_init(&reader, map->bytes + offset + sizeof(fixed), whole);
    enum giro_reject reject =
        giro_certificate_decode(&reader, verify->options->genesis->replica_count, certificate);
    if (reject != GIRO_REJECT_NONE)
        return giro_reject_text(reject);
    if (giro_reader_left(&reader) != 0)
        return "longer than the certificate in it";
    *size_bytes = (uint32_t)sizeof(fixed) + whole;
    return verify_certificate(verify, certificate);
}

static int body_compare(const void *a, const void *b)
{
    const struct giro_commit_body *left = a, *right = b;
    return left->height < right->height ? -1 : left->height > right->height;
}

static const struct giro_commit_body *body_find(const struct verify *verify, uint64_t height)
{
    const struct giro_commit_body key = {.height = height};
    const struct verify_list *list = &verify->certificates;
    return list->count == 0
               ? NULL
               : bsearch(&key, list->items, list->count, list->item_bytes, body_compare);
}

/* Two certificates of one height that say different things would be proof of more than f liars. */
static const char *bodies_sort(struct verify *verify)
{
    struct verify_list *list = &verify->certificates;
    if (list->count > 1)
        qsort(list->items, list->count, list->item_bytes, body_compare);
    for (uint64_t i = 1; i < list->count; i++) {
        const struct giro_commit_body *before = verify_list_at(list, i - 1);
        const struct giro_commit_body *body = verify_list_at(list, i);
        if (before->height == body->height && memcmp(before, body, sizeof(*body)) != 0)
            return "two certificates of one height disagree";
    }
    return NULL;
}

enum giro_err verify_certificates(struct verify *verify, const char *path,
                                  const struct recon_map *map)
{
    struct giro_ledger_header header;
    uint64_t offset = 0;
    verify_list_free(&verify->certificates);
    snprintf(verify->certificates_path, sizeof(verify->certificates_path), "%s", path);
    if (headless(verify, path, map))
        return GIRO_ERR_OK;
    const char *wrong = header_check(verify, map, &header, &offset);
    if (wrong == NULL)
        GIRO_TRY(verify_replica(verify, path, offsetof(struct giro_ledger_header, replica),
                                header.replica));
    static _Thread_local struct giro_certificate certificate;
    if (wrong == NULL)
        offset = sizeof(header);
    while (wrong == NULL && offset < map->size_bytes) {
        uint32_t size_bytes;
        wrong = certificate_read(verify, map, offset, &size_bytes, &certificate);
        if (wrong != NULL || size_bytes == 0)
            break;
        if (!verify_list_add(&verify->certificates, &certificate.header.body))
            return recon_fail(verify->diagnosis, GIRO_ERR_NOMEM, path, "while reading it");
        offset += size_bytes;
    }
    bool torn = wrong == NULL && offset < map->size_bytes;
    if (wrong == NULL)
        wrong = bodies_sort(verify);
    if (wrong != NULL)
        return recon_fail(verify->diagnosis, GIRO_ERR_SIGNATURE, path, "offset %lu: %s",
                          (unsigned long)offset, wrong);
    verify_say(verify, path, "%lu certificates%s", (unsigned long)verify->certificates.count,
               torn ? ", then ends torn (normal after a kill)" : "");
    return GIRO_ERR_OK;
}

/* The certificates beside a ledger, unless they were the last thing verified. */
static enum giro_err certificates_load(struct verify *verify, const char *ledger_path)
{
    char path[RECON_PATH_BYTES];
    const char *slash = strrchr(ledger_path, '/');
    int length = slash == NULL ? snprintf(path, sizeof(path), "certificates")
                               : snprintf(path, sizeof(path), "%.*s/certificates",
                                          (int)(slash - ledger_path), ledger_path);
    if (length < 0 || (size_t)length >= sizeof(path))
        return recon_fail(verify->diagnosis, GIRO_ERR_ARGUMENT, ledger_path,
                          "the path is too long");
    if (strcmp(path, verify->certificates_path) == 0)
        return GIRO_ERR_OK;
    verify_list_free(&verify->certificates);
    struct stat info;
    if (stat(path, &info) != 0) {
        verify_say(verify, path, "not there: the leaves are held against nothing signed");
        return GIRO_ERR_OK;
    }
    struct recon_map map;
    GIRO_TRY(recon_map_open(path, &map, verify->diagnosis));
    enum giro_err err = verify_certificates(verify, path, &map);
    recon_map_close(&map);
    return err;
}

/* ---- Ledger ---- */

/* Hashes the leaves behind a block's commit body; returns the bytes up to the block's padded end, 0 if they run over
 * left_bytes. */
static uint64_t leaves_hash(const uint8_t *block, uint64_t left_bytes, uint32_t leaf_count,
                            struct giro_hash *leaves, bool *clean)
{
    struct giro_reader reader;
    giro_reader_init(&reader, block, left_bytes);
    giro_reader_take(&reader, sizeof(struct giro_ledger_block) + sizeof(struct giro_commit_body));
    *clean = true;
    for (uint32_t i = 0; i < leaf_count && !reader.failed; i++) {
        uint32_t size_bytes = giro_reader_u32(&reader);
        const uint8_t *leaf = giro_reader_take(&reader, size_bytes);
        uint64_t padding_bytes = giro_align_up(size_bytes, 4) - size_bytes;
        const uint8_t *padding = giro_reader_take(&reader, padding_bytes);
        if (reader.failed)
            break;
        leaves[i] = giro_leaf_hash(leaf, size_bytes);
        *clean = *clean && verify_is_zero(padding, padding_bytes);
    }
    uint64_t padding_bytes = giro_align_up(reader.offset, 8) - reader.offset;
    const uint8_t *padding = giro_reader_take(&reader, padding_bytes);
    if (reader.failed)
        return 0;
    *clean = *clean && verify_is_zero(padding, padding_bytes);
    return reader.offset;
}

struct ledger_scan {
    struct verify *verify;
    const struct recon_map *map;
    uint64_t offset, height, blocks, missing, leaves, certified;
    bool torn;
    struct giro_hash *hashes; /* GIRO_LEDGER_LEAVES_MAX */
};

static const char *block_compare(struct ledger_scan *scan, const uint8_t *block,
                                 const struct giro_ledger_block *header)
{
    struct giro_commit_body body;
    memcpy(&body, block + sizeof(*header), sizeof(body));
    if (body.height != header->height)
        return "the commit body is of another height";
    struct giro_hash root = giro_merkle_root(header->height, scan->hashes, header->leaf_count);
    if (!giro_hash_equal(&root, &body.ledger_root))
        return "the leaves do not hash to the block's ledger root";
    scan->leaves += header->leaf_count;
    const struct giro_commit_body *certified = body_find(scan->verify, header->height);
    if (certified == NULL)
        return NULL;
    scan->certified++;
    const size_t from = sizeof(struct giro_head); /* kinds differ: commit vote, certificate */
    if (memcmp((const uint8_t *)certified + from, (const uint8_t *)&body + from,
               sizeof(body) - from) != 0)
        return "the block is not the one certified at its height";
    return NULL;
}

/* The block at scan->offset; torn is set where the file ends within it. */
static const char *block_verify(struct ledger_scan *scan)
{
    const uint8_t *block = scan->map->bytes + scan->offset;
    uint64_t left = scan->map->size_bytes - scan->offset;
    struct giro_ledger_block header;
    scan->torn = left < sizeof(header);
    if (scan->torn)
        return NULL;
    memcpy(&header, block, sizeof(header));
    if (!giro_head_is(&header.head, GIRO_KIND_LEDGER_BLOCK))
        return "no block where one must start";
    if (!verify_is_zero(header.reserved, sizeof(header.reserved)))
        return "reserved bytes of a block are not zero";
    if (header.leaf_count > GIRO_LEDGER_LEAVES_MAX || header.height <= scan->height)
        return "a block is out of order or has too many leaves";
    bool clean = true;
    uint64_t size = leaves_hash(block, left, header.leaf_count, scan->hashes, &clean);
    if (size == 0 && header.size_bytes > left) {
        scan->torn = true;
        return NULL;
    }
    if (size != header.size_bytes)
        return "the sizes in a block do not add up";
    if (XXH3_64bits(block + 16, size - 16) != header.checksum)
        return "a block does not match its checksum";
    if (!clean)
        return "padding is not zero";
    scan->missing += header.height - scan->height - 1;
    scan->blocks++;
    scan->height = header.height;
    scan->offset += size;
    return block_compare(scan, block, &header);
}

enum giro_err verify_ledger(struct verify *verify, const char *path, const struct recon_map *map)
{
    struct giro_ledger_header header;
    uint64_t offset;
    if (headless(verify, path, map))
        return GIRO_ERR_OK;
    const char *wrong = header_check(verify, map, &header, &offset);
    if (wrong != NULL)
        return recon_fail(verify->diagnosis, GIRO_ERR_FORMAT, path, "offset %lu: %s",
                          (unsigned long)offset, wrong);
    GIRO_TRY(
        verify_replica(verify, path, offsetof(struct giro_ledger_header, replica), header.replica));
    GIRO_TRY(certificates_load(verify, path));
    struct ledger_scan scan = {.verify = verify, .map = map, .offset = sizeof(header)};
    scan.hashes = malloc(GIRO_LEDGER_LEAVES_MAX * sizeof(*scan.hashes));
    if (scan.hashes == NULL)
        return recon_fail(verify->diagnosis, GIRO_ERR_NOMEM, path, "while reading it");
    uint64_t at = scan.offset;
    while (wrong == NULL && !scan.torn && scan.offset < map->size_bytes) {
        at = scan.offset;
        wrong = block_verify(&scan);
    }
    free(scan.hashes);
    if (wrong != NULL)
        return recon_fail(verify->diagnosis, GIRO_ERR_CHECKSUM, path, "offset %lu: %s",
                          (unsigned long)at, wrong);
    char gaps[80] = "";
    if (scan.missing > 0) /* an image from other replicas took their place */
        snprintf(gaps, sizeof(gaps), ", %lu heights are not in it", (unsigned long)scan.missing);
    verify_say(verify, path, "ledger: %lu blocks (%lu certified), %lu leaves%s%s",
               (unsigned long)scan.blocks, (unsigned long)scan.certified,
               (unsigned long)scan.leaves, gaps,
               scan.torn ? ", then ends torn (normal after a kill)" : "");
    return GIRO_ERR_OK;
}
