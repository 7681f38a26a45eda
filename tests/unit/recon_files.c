/* Cutting files from journals: the bytes, the range, what is there already. */
#include <stdio.h>
#include <stdlib.h>

#include <criterion/criterion.h>

#include "recon_files_support.h"

TestSuite(recon_files, .init = rig_suite_open, .fini = rig_suite_close, .timeout = 60);

#define FIRST (RIG_TIME_NS / GIRO_NS_PER_S)

/* What the day is for member C: 0.30 paid gross, 0.70 received net, its cycle settled. Checked by hand. */
static const char entries_csv[] =
    "business_date,account,currency,entry,window,height,booking_time,value_date,kind,service,"
    "cycle,direction,amount,balance_after,uetr,instruction_id,end_to_end_id,counterparty_bic,"
    "original_uetr,reason\n"
    "2026-11-23,CCCCCZPP-CZK,CZK,1,1790000001,2,2026-09-21T14:13:21.000000000Z,2026-11-23,"
    "CREDIT_TRANSFER,GROSS,,DBIT,0.30,9999.72,04000000-0000-0000-0000-000000000000,,,"
    "AAAACZPP,,\n"
    "2026-11-23,CCCCCZPP-CZK,CZK,2,1790000001,3,2026-09-21T14:13:21.000001000Z,2026-11-23,"
    "SETTLEMENT,NET,1,CRDT,0.70,10000.42,cbc31efa-06bd-baa2-d9e4-2821da304f46,,,,,\n";

static const char positions_csv[] =
    "business_date,account,currency,entry,window,height,booking_time,value_date,kind,service,"
    "cycle,direction,amount,balance_after,uetr,instruction_id,end_to_end_id,counterparty_bic,"
    "original_uetr,reason\n"
    "2026-11-23,CCCCCZPP-CZK-1,CZK,1,1790000001,2,2026-09-21T14:13:21.000000000Z,2026-11-23,"
    "CREDIT_TRANSFER,NET,1,CRDT,0.70,0.70,05000000-0000-0000-0000-000000000000,,,AAAACZPP,,\n";

static const char statuses_csv[] =
    "time,height,channel,sequence,uetr,instruction_id,status,reason,cycle\n"
    "2026-09-21T14:13:21.000000000Z,2,0,0,04000000-0000-0000-0000-000000000000,,ACSC,,\n"
    "2026-09-21T14:13:21.000001000Z,3,,,,,ACSC,,1\n";

static const char totals_csv[] =
    "business_date,window,account,currency,row,counterparty_bic,service,kind,debit_count,"
    "debit_amount,credit_count,credit_amount,opening,closing,available,reserved,held,cap,"
    "cap_used,queued_count,queued_amount\n"
    "2026-11-23,1790000001,CCCCCZPP-CZK,CZK,TOTAL,,,,1,0.30,1,0.70,10000.02,10000.42,5000.42,"
    "0.00,5000.00,4000.00,0.00,0,0.00\n"
    "2026-11-23,1790000001,CCCCCZPP-CZK,CZK,KIND,,GROSS,CREDIT_TRANSFER,1,0.30,0,0.00,,,,,,,,"
    ",\n"
    "2026-11-23,1790000001,CCCCCZPP-CZK,CZK,KIND,,NET,SETTLEMENT,0,0.00,1,0.70,,,,,,,,,\n"
    "2026-11-23,1790000001,CCCCCZPP-CZK,CZK,BILATERAL,AAAACZPP,GROSS,CREDIT_TRANSFER,1,0.30,"
    "0,0.00,,,,,,,,,\n"
    "2026-11-23,1790000001,CCCCCZPP-CZK,CZK,BILATERAL,,NET,SETTLEMENT,0,0.00,1,0.70,,,,,,,,,\n"
    "2026-11-23,1790000001,CCCCCZPP-CZK-1,CZK,CYCLE_TOTAL,,,,0,0.00,1,0.70,0.00,0.70,,,,,,,\n"
    "2026-11-23,1790000001,CCCCCZPP-CZK-1,CZK,CYCLE_KIND,,NET,CREDIT_TRANSFER,0,0.00,1,0.70,,"
    ",,,,,,,\n"
    "2026-11-23,1790000001,CCCCCZPP-CZK-1,CZK,CYCLE_BILATERAL,AAAACZPP,NET,CREDIT_TRANSFER,0,"
    "0.00,1,0.70,,,,,,,,,\n";

static const char netting_csv[] =
    "cycle,member_bic,counterparty_bic,currency,sent_count,sent_amount,received_count,"
    "received_amount,net_amount\n"
    "1,CCCCCZPP,AAAACZPP,CZK,0,0.00,1,0.70,0.70\n"
    "1,CCCCCZPP,,CZK,0,0.00,1,0.70,0.70\n";

static void text_is(const struct files_day *day, const char *name, const char *expected)
{
    size_t size = 0;
    char *text = files_read(day, name, &size);
    cr_assert(strcmp(text, expected) == 0, "%s is\n%s\nnot\n%s", name, text, expected);
    free(text);
}

static void cut_all(struct files_day *day, uint16_t member, const char *journal, const char *out)
{
    struct giro_recon_cut_result result;
    files_journal(day, member, journal);
    enum giro_err err = files_cut(day, journal, out, 0, UINT64_MAX, &result);
    cr_assert(err == GIRO_ERR_OK, "%s: %s", day->diagnosis.fact, day->diagnosis.detail);
}

Test(recon_files, a_cut_of_a_small_journal_has_these_bytes)
{
    struct files_day *day = files_day_new(0xC1);
    cut_all(day, 2, "c.journal", "cut");
    text_is(day, "cut/entries.csv", entries_csv);
    text_is(day, "cut/positions.csv", positions_csv);
    text_is(day, "cut/statuses.csv", statuses_csv);
    text_is(day, "cut/totals.csv", totals_csv);
    text_is(day, "cut/netting.csv", netting_csv);
    files_day_free(day);
}

Test(recon_files, sha256sum_agrees_with_a_cut)
{
    struct files_day *day = files_day_new(0xC1);
    cut_all(day, 0, "a.journal", "cut");
    cr_assert(files_shell(day, "cd cut && sha256sum --quiet --strict -c SHA256SUMS") == 0);
    cr_assert(files_shell(day, "test $(ls cut | wc -l) -eq 8 && test $(ls | wc -l) -eq 2") == 0,
              "nothing is left behind");
    files_day_free(day);
}

Test(recon_files, two_ranges_hold_what_one_cut_of_both_holds)
{
    struct files_day *day = files_day_new(0xC1);
    struct giro_recon_cut_result all, first, second;
    cut_all(day, 0, "a.journal", "all");
    enum giro_err err = files_cut(day, "a.journal", "all", 0, UINT64_MAX, &all);
    cr_assert(err == GIRO_ERR_OK, "the same again is no error: %s", day->diagnosis.detail);
    err = files_cut(day, "a.journal", "first", 0, FIRST + 1, &first);
    cr_assert(err == GIRO_ERR_OK, "%s", day->diagnosis.detail);
    err = files_cut(day, "a.journal", "second/", FIRST + 2, FIRST + 3, &second);
    cr_assert(err == GIRO_ERR_OK, "%s", day->diagnosis.detail);
    cr_assert(all.windows == first.windows + second.windows && second.windows == 1);
    cr_assert(all.entries == first.entries + second.entries);
    cr_assert(all.positions == first.positions + second.positions);
    cr_assert(all.statuses == first.statuses + second.statuses);
    const char *names[] = {"entries", "positions", "statuses", "totals"};
    for (uint32_t i = 0; i < 4; i++) {
        char command[256];
        snprintf(command, sizeof(command),
                 "(cat first/%s.csv; tail -n +2 second/%s.csv) | cmp - all/%s.csv", names[i],
                 names[i], names[i]);
        cr_assert(files_shell(day, command) == 0, "%s", names[i]);
    }
    cr_assert(files_shell(day, "test -e first/netting.csv && test ! -e second/netting.csv") == 0);
    cr_assert(files_verify(day, "first") == GIRO_ERR_OK, "%s", day->diagnosis.detail);
    cr_assert(files_verify(day, "second") == GIRO_ERR_OK, "%s", day->diagnosis.detail);
    files_day_free(day);
}

Test(recon_files, a_folder_with_something_else_is_not_replaced)
{
    struct files_day *day = files_day_new(0xC1);
    struct giro_recon_cut_result result;
    cut_all(day, 0, "a.journal", "cut");
    cr_assert(files_shell(day, "cp -r cut before && printf x >> cut/entries.csv") == 0);
    cr_assert(files_cut(day, "a.journal", "cut", 0, UINT64_MAX, &result) == GIRO_ERR_EXISTS);
    cr_assert(files_shell(day, "rm cut/totals.csv") == 0);
    cr_assert(files_cut(day, "a.journal", "cut", 0, UINT64_MAX, &result) == GIRO_ERR_EXISTS);
    cr_assert(files_shell(day, "test ! -e cut/totals.csv && test $(ls | wc -l) -eq 3") == 0);
    cr_assert(files_cut(day, "a.journal", "cut", 0, FIRST - 1, &result) == GIRO_ERR_NOENT);
    cr_assert(files_cut(day, "a.journal", "none", 0, FIRST - 1, &result) == GIRO_ERR_NOENT);
    cr_assert(files_cut(day, "a.journal", "none", 2, 1, &result) == GIRO_ERR_ARGUMENT);
    cr_assert(files_cut(day, "b.journal", "none", 0, 1, &result) == GIRO_ERR_NOENT);
    cr_assert(files_shell(day, "test ! -e none && test $(ls | wc -l) -eq 3") == 0);
    files_day_free(day);
}

Test(recon_files, a_cut_stops_at_a_damaged_block_and_leaves_nothing)
{
    struct files_day *day = files_day_new(0xC1);
    struct giro_recon_cut_result result;
    files_journal(day, 0, "a.journal");
    size_t size = 0;
    char *bytes = files_read(day, "a.journal", &size);
    bytes[size - 200] ^= 4;
    files_write(day, "a.journal", bytes, size);
    enum giro_err err = files_cut(day, "a.journal", "cut", 0, UINT64_MAX, &result);
    cr_assert(err == GIRO_ERR_CHECKSUM, "%s", giro_err_name(err));
    cr_assert(strstr(day->diagnosis.detail, "offset") != NULL);
    cr_assert(files_shell(day, "test $(ls | wc -l) -eq 1") == 0);
    /* A short tail is what the hub's writing leaves at any moment: whole blocks are cut. */
    bytes[size - 200] ^= 4;
    files_write(day, "a.journal", bytes, size - 8);
    err = files_cut(day, "a.journal", "cut", 0, UINT64_MAX, &result);
    cr_assert(err == GIRO_ERR_OK && result.windows > 0, "%s", day->diagnosis.detail);
    free(bytes);
    files_day_free(day);
}

Test(recon_files, the_range_of_a_journal_is_that_of_its_whole_blocks)
{
    struct files_day *day = files_day_new(0xC1);
    struct giro_journal_span span;
    char path[FILES_PATH_BYTES];
    files_journal(day, 0, "a.journal");
    files_path(day, "a.journal", path);
    cr_assert(giro_journal_range(path, &day->rig->genesis.chain_id, &span, &day->diagnosis) ==
              GIRO_ERR_OK);
    cr_assert(span.first_window == FIRST && span.last_window == FIRST + 3 &&
              span.before_last_window == FIRST + 1);
    struct giro_hash other = {.bytes = {1}};
    cr_assert(giro_journal_range(path, &other, &span, &day->diagnosis) == GIRO_ERR_CHAIN);
    cr_assert(files_shell(day, "truncate -s -8 a.journal") == 0);
    cr_assert(giro_journal_range(path, &day->rig->genesis.chain_id, &span, &day->diagnosis) ==
              GIRO_ERR_OK);
    cr_assert(span.last_window == FIRST + 1);
    files_day_free(day);
}

/* ---- Netting ---- */

static enum giro_err netting(struct files_day *day, uint32_t members, uint32_t *cycles)
{
    char paths[RIG_MEMBERS][FILES_PATH_BYTES], out[FILES_PATH_BYTES];
    const char *list[RIG_MEMBERS];
    for (uint16_t i = 0; i < members; i++) {
        char name[32];
        snprintf(name, sizeof(name), "%u.journal", i);
        files_journal(day, i, name);
        files_path(day, name, paths[i]);
        list[i] = paths[i];
    }
    files_path(day, "netting", out);
    return giro_recon_netting(&day->rig->genesis, day->rig->ring, list, members, out, cycles,
                              &day->diagnosis);
}

Test(recon_files, netting_is_the_same_bytes_at_another_hub)
{
    static const char expected[] =
        "cycle,member_bic,counterparty_bic,currency,sent_count,sent_amount,received_count,"
        "received_amount,net_amount\n"
        "1,AAAACZPP,BBBBCZPP,CZK,1,5.00,0,0.00,-5.00\n"
        "1,AAAACZPP,CCCCCZPP,CZK,1,0.70,0,0.00,-0.70\n"
        "1,AAAACZPP,DDDDCZPP,CZK,0,0.00,1,0.20,0.20\n"
        "1,AAAACZPP,,CZK,2,5.70,1,0.20,-5.50\n"
        "1,BBBBCZPP,AAAACZPP,CZK,0,0.00,1,5.00,5.00\n"
        "1,BBBBCZPP,,CZK,0,0.00,1,5.00,5.00\n"
        "1,CCCCCZPP,AAAACZPP,CZK,0,0.00,1,0.70,0.70\n"
        "1,CCCCCZPP,,CZK,0,0.00,1,0.70,0.70\n"
        "1,DDDDCZPP,AAAACZPP,CZK,1,0.20,0,0.00,-0.20\n"
        "1,DDDDCZPP,,CZK,1,0.20,0,0.00,-0.20\n";
    for (uint32_t hub = 0; hub < 2; hub++) {
        struct files_day *day = files_day_new(hub == 0 ? 0xC1 : 0x3D);
        uint32_t cycles = 0;
        for (uint32_t turn = 0; turn < 2; turn++) {
            enum giro_err err = netting(day, RIG_MEMBERS, &cycles);
            cr_assert(err == GIRO_ERR_OK && cycles == 1, "%s", day->diagnosis.detail);
            text_is(day, "netting/1.csv", expected);
        }
        files_day_free(day);
    }
}

Test(recon_files, netting_without_a_members_rows_is_refused)
{
    struct files_day *day = files_day_new(0xC1);
    uint32_t cycles = 0;
    enum giro_err err = netting(day, 3, &cycles);
    cr_assert(err == GIRO_ERR_STATE && cycles == 0, "%s", giro_err_name(err));
    cr_assert(files_shell(day, "test -z \"$(ls netting)\"") == 0);
    cr_assert(netting(day, RIG_MEMBERS, &cycles) == GIRO_ERR_OK);
    cr_assert(files_shell(day, "printf 0 >> netting/1.csv") == 0);
    cr_assert(netting(day, RIG_MEMBERS, &cycles) == GIRO_ERR_EXISTS);
    files_day_free(day);
}
