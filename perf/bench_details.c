/* bench_details: sealing and opening the details of one payment, against the curve operations and the cipher alone. */
#include <sodium.h>

#include "giro/details.h"
#include "perf/bench.h"

#define PAYMENTS 64u

struct work {
    struct giro_details_seal seals[PAYMENTS];
    uint8_t plaintext[GIRO_DETAILS_PLAIN_MAX];
    uint8_t blocks[PAYMENTS][GIRO_DETAILS_BLOCK_MAX];
    uint32_t block_bytes;
    struct giro_secret_key *creditor;
    uint8_t scalar[32], points[PAYMENTS][32];
};

static uint64_t seal_all(void *context)
{
    struct work *work = context;
    for (uint32_t i = 0; i < PAYMENTS; i++)
        work->block_bytes = giro_details_seal_block(&work->seals[i], work->blocks[i]);
    return work->block_bytes; /* boxes differ from run to run */
}

/* What the two boxes cannot do without: an ephemeral key and a shared secret each. */
static uint64_t four_products(void *context)
{
    struct work *work = context;
    uint8_t point[32];
    int failed = 0;
    for (uint32_t i = 0; i < PAYMENTS; i++) {
        for (uint32_t box = 0; box < 2; box++) {
            failed |= crypto_scalarmult_base(point, work->scalar);
            failed |= crypto_scalarmult(work->points[i], work->scalar, point);
        }
    }
    return failed == 0;
}

static uint64_t open_all(void *context)
{
    struct work *work = context;
    uint64_t opened = 0;
    for (uint32_t i = 0; i < PAYMENTS; i++) {
        struct giro_details_block block;
        struct giro_details details;
        uint8_t key[GIRO_DETAILS_KEY_BYTES], plaintext[GIRO_DETAILS_PLAIN_MAX];
        uint32_t plaintext_bytes;
        opened += giro_details_block_decode(work->blocks[i], work->block_bytes, &block) ==
                      GIRO_REJECT_NONE &&
                  giro_details_unbox(&block.header, GIRO_DETAILS_CREDITOR, work->creditor, key) &&
                  giro_details_open(&block, &work->seals[i].place, key, plaintext, &plaintext_bytes,
                                    &details) == GIRO_DETAILS_OPENED;
    }
    giro_bench_must(opened == PAYMENTS, "details do not open");
    return opened;
}

/* What opening a box cannot do without: the creditor's own public key, which the nonce is made of, and the shared secret. */
static uint64_t two_products(void *context)
{
    struct work *work = context;
    uint8_t point[32];
    int failed = 0;
    for (uint32_t i = 0; i < PAYMENTS; i++) {
        failed |= crypto_scalarmult_base(point, work->scalar);
        failed |= crypto_scalarmult(work->points[i], work->scalar, point);
    }
    return failed == 0;
}

/* With K at hand, as the debtor has it and a court: no curve. */
static uint64_t open_with_key(void *context)
{
    struct work *work = context;
    uint64_t opened = 0;
    for (uint32_t i = 0; i < PAYMENTS; i++) {
        struct giro_details_block block;
        struct giro_details details;
        uint8_t plaintext[GIRO_DETAILS_PLAIN_MAX];
        uint32_t plaintext_bytes;
        opened += giro_details_block_decode(work->blocks[i], work->block_bytes, &block) ==
                      GIRO_REJECT_NONE &&
                  giro_details_open(&block, &work->seals[i].place, work->seals[i].key, plaintext,
                                    &plaintext_bytes, &details) == GIRO_DETAILS_OPENED;
    }
    giro_bench_must(opened == PAYMENTS, "details do not open");
    return opened;
}

static struct work *work_new(uint32_t text_bytes)
{
    static struct work work;
    char text[140];
    struct giro_details details = {.fields = {{NULL, 0}}};
    enum giro_details_field field;
    uint32_t plaintext_bytes = 0;
    memset(text, 'x', sizeof(text));
    for (uint32_t i = 0; i < GIRO_DETAILS_FIELD_COUNT && text_bytes > 0; i++) {
        uint32_t most = giro_details_field_characters((enum giro_details_field)i);
        most = most < text_bytes ? most : text_bytes;
        details.fields[i] = (struct giro_details_text){text, most};
        text_bytes -= most;
    }
    giro_bench_must(giro_details_encode(&details, work.plaintext, &plaintext_bytes, &field) ==
                        GIRO_DETAILS_GOOD,
                    "details cannot be encoded");
    work.creditor = giro_key_from_seed((const uint8_t[32]){1});
    struct giro_secret_key *supervisor = giro_key_from_seed((const uint8_t[32]){2});
    memset(work.scalar, 3, sizeof(work.scalar));
    for (uint32_t i = 0; i < PAYMENTS; i++) {
        work.seals[i] = (struct giro_details_seal){.place = {.sequence = i},
                                                   .plaintext = work.plaintext,
                                                   .plaintext_bytes = plaintext_bytes,
                                                   .key = {(uint8_t)i, 7},
                                                   .creditor = giro_key_sealing(work.creditor),
                                                   .supervisor = giro_key_sealing(supervisor),
                                                   .creditor_key_id = 1,
                                                   .supervisor_key_id = 1};
    }
    giro_key_free(supervisor);
    return &work;
}

int main(int argc, char **argv)
{
    struct giro_bench bench;
    giro_bench_open(&bench, "details", "Seals and opens the details of payments.", argc, argv);
    giro_bench_must(giro_crypto_init() == GIRO_ERR_OK, "libsodium cannot be used");
    static const uint32_t texts[] = {40, 300, 558};
    for (uint32_t i = 0; i < 3; i++) {
        char parameters[64];
        struct work *work = work_new(texts[i]);
        snprintf(parameters, sizeof(parameters), "\"plaintext\": %u",
                 work->seals[0].plaintext_bytes);
        const struct giro_bench_case cases[] = {
            {"seal one payment's details", parameters, PAYMENTS, seal_all, four_products,
             "its four curve products", work, 51},
            {"open them as creditor", parameters, PAYMENTS, open_all, two_products,
             "its two curve products", work, 51},
            {"open them with K", parameters, PAYMENTS, open_with_key, NULL, NULL, work, 101},
        };
        for (uint32_t c = 0; c < 3; c++)
            giro_bench_run(&bench, &cases[c]);
        giro_key_free(work->creditor);
    }
    return giro_bench_close(&bench);
}
