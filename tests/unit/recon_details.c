/* A cut with opened details: references stand in the rows of their payment, whoever changes a byte is found, and what is not of
 * this member, day or debtor is refused. */
#include <stdio.h>
#include <stdlib.h>

#include <criterion/criterion.h>

#include "recon_files_support.h"

TestSuite(recon_details, .init = rig_suite_open, .fini = rig_suite_close);

static const char reference[] = "REF \"7\", sub 1";

/* Member 0's first own payment of the day. */
static struct rig_status status_find(const struct files_day *day)
{
    uint32_t i = 0;
    while (i < day->rig->status_count && (day->rig->statuses[i].member != 0 ||
                                          day->rig->statuses[i].row.status != GIRO_STATUS_ACSC))
        i++;
    cr_assert(i < day->rig->status_count, "no payment");
    return day->rig->statuses[i];
}

/* A frame that pays what `row` is about, as its signer might have sealed it; returns its size. */
static size_t frame_make(struct files_day *day, const struct giro_status_row *row,
                         struct giro_details_seal *seal, uint8_t *out)
{
    struct giro_genesis *genesis = &day->rig->genesis;
    genesis->members[0].frame_keys[0].handle = genesis->replicas[0].batch.handle;
    const struct giro_details text = {.fields = {{reference, sizeof(reference) - 1}, {"E2E-1", 5}}};
    struct giro_frame_header header = {.head = giro_head_make(GIRO_KIND_FRAME),
                                       .chain_prefix = genesis->chain_prefix,
                                       .key_id = 1,
                                       .record_count = (uint16_t)(row->record + 1),
                                       .sequence = row->sequence};
    static uint8_t plaintext[GIRO_DETAILS_PLAIN_MAX];
    enum giro_details_field field;
    struct giro_record record = {.creditor = 1, .amount_minor = 5, .currency = 203};
    memcpy(record.uetr, row->uetr, sizeof(record.uetr));
    *seal = (struct giro_details_seal){
        .place = giro_details_place_of(&genesis->chain_id, &header, row->record, row->uetr),
        .plaintext = plaintext,
        .key = {1, 2, 3},
        .creditor = giro_key_sealing(day->rig->keys[1]),
        .creditor_key_id = 1};
    cr_assert(giro_details_encode(&text, plaintext, &seal->plaintext_bytes, &field) ==
              GIRO_DETAILS_GOOD);
    const size_t records = sizeof(header) + header.record_count * sizeof(record);
    header.details_bytes = giro_details_seal_block(seal, out + records);
    memset(out + sizeof(header), 0, records - sizeof(header));
    memcpy(out + records - sizeof(record), &record, sizeof(record));
    memcpy(out, &header, sizeof(header));
    const size_t size = records + header.details_bytes + GIRO_SIGNATURE_BYTES;
    uint8_t message[GIRO_FRAME_MESSAGE_BYTES_MAX];
    struct giro_frame frame;
    cr_assert(giro_frame_decode(out, size, genesis->chain_prefix, &frame) == GIRO_REJECT_NONE);
    const size_t message_bytes = giro_frame_message(&frame, &genesis->chain_id, message);
    const struct giro_signature signature = giro_sign(day->rig->keys[0], message, message_bytes);
    memcpy(out + size - sizeof(signature), &signature, sizeof(signature));
    return size;
}

/* DIR/details: a day with that payment at its place in the ledger, or elsewhere. */
static void details_write(struct files_day *day, uint16_t member, uint16_t date,
                          uint64_t height_off)
{
    static struct giro_disclosure disclosure;
    static uint8_t frame_bytes[GIRO_FRAME_BYTES_MAX], encoded[GIRO_DISCLOSURE_BYTES_MAX];
    static uint8_t bytes[GIRO_DISCLOSURE_BYTES_MAX + 200];
    const struct rig_status status = status_find(day);
    struct giro_details_seal seal;
    struct giro_frame frame;
    struct giro_writer writer;
    const size_t size = frame_make(day, &status.row, &seal, frame_bytes);
    cr_assert(giro_frame_decode(frame_bytes, size, day->rig->genesis.chain_prefix, &frame) ==
              GIRO_REJECT_NONE);
    giro_disclosure_of(&frame, &disclosure);
    disclosure.items[0] = disclosure.items[status.row.record];
    disclosure.items[0].key = seal.key;
    disclosure.header.item_count = 1;
    disclosure.header.height = status.row.height + height_off;
    disclosure.header.leaf_index = status.row.leaf_index;
    giro_writer_init(&writer, encoded, sizeof(encoded));
    cr_assert(giro_disclosure_encode(&disclosure, &writer));
    const struct giro_details_day_header header = {.head = giro_head_make(GIRO_KIND_DETAILS_DAY),
                                                   .chain_id = day->rig->genesis.chain_id,
                                                   .member = member,
                                                   .business_date = date};
    struct giro_hash digest = giro_hash_zero;
    memcpy(bytes, &header, sizeof(header));
    const size_t entry =
        giro_details_day_put(encoded, (uint32_t)writer.offset, &digest, bytes + sizeof(header));
    files_write(day, "details", bytes, sizeof(header) + entry);
}

static enum giro_err cut(struct files_day *day, const char *out)
{
    char journal[FILES_PATH_BYTES], details[FILES_PATH_BYTES], out_path[FILES_PATH_BYTES];
    struct giro_recon_cut_result result;
    files_journal(day, 0, "whole.journal");
    files_path(day, "whole.journal", journal);
    files_path(day, "details", details);
    files_path(day, out, out_path);
    const struct giro_recon_cut_options options = {.genesis = &day->rig->genesis,
                                                   .ring = day->rig->ring,
                                                   .journal_path = journal,
                                                   .out_path = out_path,
                                                   .details_path = details,
                                                   .to_window = UINT64_MAX};
    return giro_recon_cut(&options, &result, &day->diagnosis);
}

/* How often the reference stands in a file, quoted as RFC 4180 wants it. */
static uint32_t times(const struct files_day *day, const char *name)
{
    size_t size = 0;
    char *text = files_read(day, name, &size);
    uint32_t count = 0;
    for (const char *at = text; (at = strstr(at, ",\"REF \"\"7\"\", sub 1\",")) != NULL; at++)
        count++;
    free(text);
    return count;
}

Test(recon_details, references_stand_in_the_rows_of_their_payment)
{
    struct files_day *day = files_day_new(0xC1);
    details_write(day, 0, RIG_DATE, 0);
    cr_assert(cut(day, "cut") == GIRO_ERR_OK, "%s %s", day->diagnosis.fact, day->diagnosis.detail);
    cr_assert(times(day, "cut/entries.csv") + times(day, "cut/positions.csv") == 1);
    cr_assert(times(day, "cut/statuses.csv") >= 1);
    cr_assert(files_verify(day, "cut") == GIRO_ERR_OK, "%s", day->diagnosis.detail);
    /* Said to stand elsewhere, it is nobody's reference. */
    details_write(day, 0, RIG_DATE, 1);
    cr_assert(cut(day, "elsewhere") == GIRO_ERR_OK);
    cr_assert(times(day, "elsewhere/entries.csv") + times(day, "elsewhere/positions.csv") +
                  times(day, "elsewhere/statuses.csv") ==
              0);
    cr_assert(files_verify(day, "elsewhere") == GIRO_ERR_OK);
    files_day_free(day);
}

Test(recon_details, a_day_of_another_member_or_date_is_refused)
{
    static const struct {
        uint16_t member, date;
    } rows[] = {{1, RIG_DATE}, {2, RIG_DATE}, {0, RIG_DATE + 1}, {RIG_MEMBERS, RIG_DATE}};
    struct files_day *day = files_day_new(0xC1);
    for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        details_write(day, rows[i].member, rows[i].date, 0);
        cr_assert(cut(day, "cut") != GIRO_ERR_OK, "row %u", i);
    }
    files_day_free(day);
}

Test(recon_details, every_flipped_byte_of_a_cut_with_details_is_found)
{
    static const char *const names[] = {"details.opened", "entries.csv", "positions.csv",
                                        "statuses.csv", "manifest.json"};
    struct files_day *day = files_day_new(0xC1);
    details_write(day, 0, RIG_DATE, 0);
    cr_assert(cut(day, "cut") == GIRO_ERR_OK, "%s", day->diagnosis.detail);
    for (uint32_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[64];
        snprintf(path, sizeof(path), "cut/%s", names[i]);
        files_flip(day, path, "cut", UINT64_MAX, i == 0 ? 3 : 17, NULL);
    }
    files_day_free(day);
}
