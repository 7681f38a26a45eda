/* The files a replica keeps, made by hand for verification: ledger, certificates, a block log with its safety slots, a
 * spool. Keys and hub are the rig's. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include <criterion/criterion.h>

#include "giro/store.h"
#include "recon_files_support.h"

#define SELF         2u
#define LOG_BLOCKS   3u
#define SAFETY_COUNT 5u

/* ---- Ledger and certificates ---- */

static void put(FILE *file, const void *bytes, size_t size_bytes)
{
    cr_assert(fwrite(bytes, size_bytes, 1, file) == 1);
}

static FILE *file_make(const struct files_day *day, const char *name)
{
    char path[FILES_PATH_BYTES];
    files_path(day, name, path);
    FILE *file = fopen(path, "wb");
    cr_assert(file != NULL, "%s", path);
    return file;
}

static size_t certificate_encode(const struct rig *rig, const struct giro_commit_body *body,
                                 uint8_t bytes[GIRO_CERTIFICATE_BYTES_MAX])
{
    struct giro_certificate certificate = rig_certificate(rig, body);
    struct giro_writer writer;
    giro_writer_init(&writer, bytes, GIRO_CERTIFICATE_BYTES_MAX);
    cr_assert(giro_certificate_encode(&certificate, &writer));
    return writer.offset;
}

static void ledger_files(const struct files_day *day)
{
    const struct rig *rig = day->rig;
    struct giro_ledger_header header = {.head = giro_head_make(GIRO_KIND_LEDGER),
                                        .chain_id = rig->genesis.chain_id,
                                        .replica = SELF};
    FILE *file = file_make(day, "data/ledger");
    put(file, &header, sizeof(header));
    put(file, day->ledger, day->ledger_bytes);
    cr_assert(fclose(file) == 0);
    file = file_make(day, "data/certificates");
    put(file, &header, sizeof(header));
    for (uint64_t height = 1; height < rig->height; height++) { /* the last is on its way */
        uint8_t bytes[GIRO_CERTIFICATE_BYTES_MAX];
        uint32_t fixed[2] = {(uint32_t)certificate_encode(rig, &rig->bodies[height], bytes), 0};
        put(file, fixed, sizeof(fixed));
        put(file, bytes, fixed[0]);
    }
    cr_assert(fclose(file) == 0);
}

/* ---- Block log ---- */

static size_t frame_make(const struct rig *rig, uint64_t sequence, uint8_t *bytes)
{
    struct giro_frame_header header = {.head = giro_head_make(GIRO_KIND_FRAME),
                                       .chain_prefix = rig->genesis.chain_prefix,
                                       .member = 1,
                                       .key_id = 1,
                                       .record_count = 1,
                                       .sequence = sequence};
    struct giro_record record = {.amount_minor = 5,
                                 .currency = 203,
                                 .service = GIRO_SERVICE_GROSS,
                                 .kind = GIRO_PAYMENT_CREDIT_TRANSFER};
    memcpy(bytes, &header, sizeof(header));
    memcpy(bytes + sizeof(header), &record, sizeof(record));
    size_t size = sizeof(header) + sizeof(record) + GIRO_SIGNATURE_BYTES;
    struct giro_frame frame;
    cr_assert(giro_frame_decode(bytes, size, rig->genesis.chain_prefix, &frame) ==
              GIRO_REJECT_NONE);
    uint8_t message[GIRO_FRAME_MESSAGE_BYTES_MAX];
    size_t message_bytes = giro_frame_message(&frame, &rig->genesis.chain_id, message);
    struct giro_signature signature = giro_sign(rig->keys[0], message, message_bytes);
    memcpy(bytes + size - sizeof(signature), &signature, sizeof(signature));
    return size;
}

static size_t batch_make(const struct rig *rig, uint64_t sequence, uint8_t *bytes)
{
    uint8_t *frame = bytes + GIRO_BATCH_FIRST + 4;
    uint32_t frame_bytes = (uint32_t)frame_make(rig, sequence, frame);
    memcpy(bytes + GIRO_BATCH_FIRST, &frame_bytes, sizeof(frame_bytes));
    struct giro_batch_header header = {.head = giro_head_make(GIRO_KIND_BATCH),
                                       .epoch = 1,
                                       .sequence = sequence,
                                       .created_ns = 1,
                                       .size_bytes = GIRO_BATCH_FIRST + 4 + frame_bytes,
                                       .frame_count = 1,
                                       .record_count = 1,
                                       .author = 1};
    memcpy(bytes, &header, sizeof(header));
    return header.size_bytes;
}

static size_t proof_make(const struct rig *rig, const uint8_t *batch, size_t batch_bytes,
                         struct giro_batch_reference *reference, uint8_t *bytes, size_t max)
{
    static struct giro_batch_ack acks[3];
    struct giro_batch_header batch_header;
    memcpy(&batch_header, batch, sizeof(batch_header));
    *reference = (struct giro_batch_reference){
        .batch_id = giro_batch_id(&rig->genesis.chain_id, batch, batch_bytes),
        .expiry_ns = 77,
        .size_bytes = (uint32_t)batch_bytes,
        .frame_count = 1,
        .record_count = 1,
        .author = 1,
        .sequence = batch_header.sequence};
    struct giro_batch_proof_header header = {.head = giro_head_make(GIRO_KIND_BATCH_PROOF),
                                             .reference = *reference,
                                             .scheme = GIRO_SCHEME_ED25519,
                                             .signer_count = 3};
    for (uint16_t i = 0; i < 3; i++) {
        giro_bitmap_set(header.bitmap, i);
        acks[i] = (struct giro_batch_ack){.header = {.head = giro_head_make(GIRO_KIND_BATCH_ACK),
                                                     .epoch = 1,
                                                     .expiry_ns = 77,
                                                     .voter = i,
                                                     .id_count = 1},
                                          .ids = {reference->batch_id}};
        uint8_t message[GIRO_BATCH_ACK_MESSAGE_BYTES_MAX];
        size_t message_bytes = giro_batch_ack_message(&rig->genesis.chain_id, &acks[i], message);
        acks[i].signature = giro_sign(rig->keys[i], message, message_bytes);
    }
    struct giro_writer writer;
    giro_writer_init(&writer, bytes, max);
    cr_assert(giro_batch_proof_encode(&header, acks, &writer));
    return writer.offset;
}

static void qc_sign(const struct rig *rig, struct giro_qc *qc)
{
    uint8_t message[GIRO_VOTE_MESSAGE_BYTES];
    qc->header.scheme = GIRO_SCHEME_ED25519;
    qc->header.signer_count = 3;
    size_t message_bytes = giro_vote_message(&rig->genesis.chain_id, &qc->header, message);
    for (uint32_t i = 0; i < 3; i++) {
        giro_bitmap_set(qc->header.bitmap, i + 1);
        qc->signatures[i] = giro_sign(rig->keys[i + 1], message, message_bytes);
    }
}

struct log_maker {
    const struct rig *rig;
    struct giro_disk disk;
    struct giro_log *log;
    struct giro_qc qc; /* of the last block */
    uint64_t sequence;
    uint64_t end; /* offset behind the last record */
};

static void append(struct log_maker *maker, enum giro_log_kind kind, const void *bytes,
                   size_t size_bytes)
{
    struct giro_part part = {bytes, size_bytes};
    struct giro_log_position position;
    cr_assert(giro_log_append(maker->log, kind, &part, 1, &maker->sequence, &position) ==
              GIRO_ERR_OK);
    maker->end =
        position.offset + sizeof(struct giro_log_record_header) + giro_align_up(size_bytes, 8);
}

static void settle(struct log_maker *maker)
{
    while (giro_log_watermark(maker->log) < maker->sequence) {
        struct giro_disk_completion done[8];
        cr_assert(giro_log_flush(maker->log) == GIRO_ERR_OK);
        uint32_t count = maker->disk.ops->poll(maker->disk.self, done, 8);
        for (uint32_t i = 0; i < count; i++)
            cr_assert(giro_log_completed(maker->log, done[i].tag, done[i].err) == GIRO_ERR_OK);
        if (count == 0) {
            struct timespec pause = {.tv_nsec = 20000};
            nanosleep(&pause, NULL);
        }
    }
}

/* One height: batch, proof, block, its QC, roots, certificate. */
static void height_append(struct log_maker *maker, uint64_t height)
{
    static uint8_t batch[4096], proof[4096], bytes[65536];
    const struct rig *rig = maker->rig;
    struct giro_batch_reference reference;
    size_t batch_bytes = batch_make(rig, height, batch);
    uint32_t proof_bytes =
        (uint32_t)proof_make(rig, batch, batch_bytes, &reference, proof, sizeof(proof));
    append(maker, GIRO_LOG_BATCH_RECORD, batch, batch_bytes);
    append(maker, GIRO_LOG_PROOF_RECORD, proof, proof_bytes);
    struct giro_block_header block = {.head = giro_head_make(GIRO_KIND_BLOCK),
                                      .chain_id = rig->genesis.chain_id,
                                      .epoch = 1,
                                      .round = height,
                                      .height = height,
                                      .parent_id = maker->qc.header.block_id,
                                      .time_ns = height,
                                      .author = 1,
                                      .reference_count = 1};
    struct giro_writer writer;
    struct giro_hash id;
    const uint8_t *proofs[1] = {proof};
    giro_writer_init(&writer, bytes, sizeof(bytes));
    cr_assert(giro_proposal_encode(&block, &reference, proofs, &proof_bytes, &maker->qc, NULL, NULL,
                                   &writer, &id));
    uint8_t message[GIRO_PROPOSAL_MESSAGE_BYTES];
    size_t message_bytes = giro_proposal_message(&rig->genesis.chain_id, 1, &id, message);
    struct giro_signature signature = giro_sign(rig->keys[1], message, message_bytes);
    giro_writer_put(&writer, &signature, sizeof(signature));
    append(maker, GIRO_LOG_BLOCK_RECORD, bytes, writer.offset);
    struct giro_qc_header previous = maker->qc.header;
    maker->qc = (struct giro_qc){.header = {.head = giro_head_make(GIRO_KIND_QC),
                                            .epoch = 1,
                                            .round = height,
                                            .parent_round = height - 1,
                                            .block_id = id,
                                            .commit_id = previous.block_id}};
    qc_sign(rig, &maker->qc);
    giro_writer_init(&writer, bytes, sizeof(bytes));
    cr_assert(giro_qc_encode(&maker->qc, &writer));
    append(maker, GIRO_LOG_QC_RECORD, bytes, writer.offset);
    struct giro_commit_body body = {.head = giro_head_make(GIRO_KIND_COMMIT_VOTE),
                                    .epoch = 1,
                                    .height = height,
                                    .time_ns = height,
                                    .block_id = id};
    append(maker, GIRO_LOG_ROOTS_RECORD, &body, sizeof(body));
    body.head = giro_head_make(GIRO_KIND_CERTIFICATE);
    append(maker, GIRO_LOG_CERTIFICATE_RECORD, bytes, certificate_encode(rig, &body, bytes));
    settle(maker); /* a group commit, with its padding */
}

static void safety_file(const struct files_day *day, uint64_t watermark)
{
    uint8_t *image = calloc(GIRO_SAFETY_SLOTS, GIRO_SAFETY_SLOT_BYTES);
    cr_assert(image != NULL);
    for (uint64_t sequence = 1; sequence <= SAFETY_COUNT; sequence++) {
        struct giro_safety_slot slot = {.head = giro_head_make(GIRO_KIND_SAFETY_SLOT),
                                        .chain_id = day->rig->genesis.chain_id,
                                        .sequence = sequence,
                                        .epoch = 1,
                                        .last_voted_round = sequence,
                                        .incarnation = 1,
                                        .log_watermark = watermark,
                                        .replica = SELF};
        giro_safety_slot_checksum(&slot, slot.checksum);
        memcpy(image + sequence * GIRO_SAFETY_SLOT_BYTES, &slot, sizeof(slot));
        memcpy(image + (sequence + 32) * GIRO_SAFETY_SLOT_BYTES, &slot, sizeof(slot));
    }
    files_write(day, "data/log/safety", image, GIRO_SAFETY_SLOTS * GIRO_SAFETY_SLOT_BYTES);
    free(image);
}

static enum giro_err visit_none(void *context, const struct giro_log_found *found)
{
    (void)context, (void)found;
    return GIRO_ERR_OK;
}

static uint64_t block_log(const struct files_day *day)
{
    struct log_maker maker = {.rig = day->rig};
    char path[FILES_PATH_BYTES];
    int fd;
    files_path(day, "data/log", path);
    cr_assert(giro_disk_uring_open(path, &maker.disk, &fd) == GIRO_ERR_OK);
    struct giro_log_options options = {.disk = &maker.disk,
                                       .chain_id = day->rig->genesis.chain_id,
                                       .replica = SELF,
                                       .segment_bytes = 4u << 20,
                                       .buffer_bytes = 2u << 20,
                                       .seed = 99,
                                       .inflight_max = 2};
    size_t size = giro_log_footprint(&options);
    void *mem = aligned_alloc(4096, giro_align_up(size, 4096));
    cr_assert(mem != NULL);
    maker.log = giro_log_init(mem, size, &options);
    cr_assert(giro_log_open(maker.log, 0, 1, visit_none, NULL) == GIRO_ERR_OK);
    maker.qc.header = (struct giro_qc_header){.head = giro_head_make(GIRO_KIND_QC),
                                              .epoch = 1,
                                              .block_id = giro_genesis_block_id(&day->rig->genesis),
                                              .scheme = GIRO_SCHEME_ED25519};
    for (uint64_t height = 1; height <= LOG_BLOCKS; height++)
        height_append(&maker, height);
    giro_disk_uring_close(&maker.disk);
    free(mem);
    safety_file(day, maker.sequence);
    return maker.end;
}

uint64_t files_replica(struct files_day *day)
{
    char path[FILES_PATH_BYTES];
    files_path(day, "data/journal/AAAACZPP", path);
    cr_assert(giro_dir_make(path) == GIRO_ERR_OK);
    ledger_files(day);
    files_journal(day, 0, "data/journal/AAAACZPP/2026-11-23.journal");
    return block_log(day);
}

/* ---- Spool ---- */

void files_spool(const struct files_day *day, const char *name)
{
    struct giro_spool_header header = {.head = giro_head_make(GIRO_KIND_SPOOL),
                                       .chain_id = day->rig->genesis.chain_id,
                                       .frame_count = 2,
                                       .record_count = 2,
                                       .created_ns = 5};
    FILE *file = file_make(day, name);
    put(file, &header, sizeof(header));
    for (uint64_t i = 0; i < header.frame_count; i++) {
        uint8_t bytes[512];
        uint32_t size_bytes = (uint32_t)frame_make(day->rig, i, bytes);
        put(file, &size_bytes, sizeof(size_bytes));
        put(file, bytes, size_bytes);
    }
    uint32_t end = 0;
    put(file, &end, sizeof(end));
    cr_assert(fclose(file) == 0);
}
