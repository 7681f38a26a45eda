/* giro status: what became of a payment, with its proof. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "apps/giro/access.h"
#include "apps/giro/https.h"
#include "apps/giro/replicas.h"
#include "giro/recon.h"

struct arguments {
    struct giro_access access;
    const char *as, *uetr, *proof, *json;
    uint32_t settle_s;
};

static const struct argp_option options[] = {
    {"as", 'a', "BIC", 0, "the member that asks: debtor or creditor of the payment", 0},
    {"proof", 'p', "FILE", 0, "also write the proof, for giro verify", 0},
    {"settle", 's', "SECONDS", 0, "without UETR: wait until all replicas agree and are quiet", 0},
    {"json", 'j', "FILE", 0, "without UETR: also write what each replica says", 0},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->access;
        return 0;
    case 'a':
        arguments->as = arg;
        return 0;
    case 'p':
        arguments->proof = arg;
        return 0;
    case 'j':
        arguments->json = arg;
        return 0;
    case 's':
        arguments->settle_s = (uint32_t)strtoul(arg, NULL, 10);
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->uetr != NULL)
            argp_error(state, "one UETR at a time");
        arguments->uetr = arg;
        return 0;
    case ARGP_KEY_END:
        if (arguments->as == NULL || arguments->access.https_count == 0)
            argp_error(state, "--as and --https are needed");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* The record of a verified proof that the replica says is the payment's. */
static int print_payment(const struct giro_hub_view *view, const struct giro_proof_view *proof,
                         const char *uetr, json_int_t record, const char *debtor,
                         const char *creditor)
{
    struct giro_leaf_frame leaf;
    memcpy(&leaf, proof->leaf + GIRO_TAG_BYTES, sizeof(leaf));
    if (memcmp(proof->leaf, GIRO_TAG_LEAF_FRAME, GIRO_TAG_BYTES) != 0 || record < 0 ||
        record >= leaf.record_count) {
        fprintf(stderr, "giro status: the replica's proof is not about that payment\n");
        return GIRO_EXIT_FAILURE;
    }
    struct giro_result result;
    memcpy(&result, proof->leaf + GIRO_TAG_BYTES + sizeof(leaf) + (size_t)record * sizeof(result),
           sizeof(result));
    const char *from =
        leaf.member < view->genesis.member_count ? view->genesis.members[leaf.member].bic : debtor;
    char time[GIRO_TIME_TEXT_BYTES];
    giro_time_format(proof->certificate.header.body.time_ns, time);
    printf("UETR        %s\n", uetr);
    printf("status      %s", giro_status_name(result.status));
    if (result.reason != 0)
        printf("  %s: %s", giro_reason_name(result.reason), giro_reason_sentence(result.reason));
    printf("\ndebtor      %s, channel %u, sequence %lu, record %ld\n", from, leaf.channel,
           (unsigned long)leaf.sequence, (long)record);
    printf("creditor    %s\n", creditor);
    if (result.cycle != 0)
        printf("cycle       %u (final when that cycle is settled)\n", result.cycle);
    printf("entered     %s, height %lu, leaf %u\n", time, (unsigned long)leaf.height, leaf.index);
    printf("proved by   %u replicas' signatures\n", proof->certificate.header.signer_count);
    return GIRO_EXIT_OK;
}

static int show(const struct arguments *arguments, const struct giro_hub_view *view,
                struct giro_https *https, struct giro_diagnosis *diagnosis, enum giro_err *err)
{
    char path[100];
    uint8_t *proof_bytes = NULL, *about = NULL;
    size_t proof_size = 0, about_size = 0;
    snprintf(path, sizeof(path), "/v1/payment/%.40s", arguments->uetr);
    *err = giro_https_get(https, path, &about, &about_size, diagnosis);
    if (*err == GIRO_ERR_OK) {
        snprintf(path, sizeof(path), "/v1/proof/%.40s", arguments->uetr);
        *err = giro_https_get(https, path, &proof_bytes, &proof_size, diagnosis);
    }
    json_t *json = *err == GIRO_ERR_OK ? json_loadb((char *)about, about_size, 0, NULL) : NULL;
    int code = GIRO_EXIT_FAILURE;
    if (*err == GIRO_ERR_OK && json == NULL)
        fprintf(stderr, "giro status: the replica's answer is not JSON\n");
    if (json != NULL) {
        struct giro_proof_view proof;
        const char *wrong =
            giro_proof_verify(&view->genesis, view->ring, proof_bytes, proof_size, &proof);
        const char *debtor = json_string_value(json_object_get(json, "debtor"));
        const char *creditor = json_string_value(json_object_get(json, "creditor"));
        if (wrong != NULL)
            fprintf(stderr, "giro status: the replica's proof does not hold: %s\n", wrong);
        else
            code = print_payment(view, &proof, arguments->uetr,
                                 json_integer_value(json_object_get(json, "record")),
                                 debtor == NULL ? "" : debtor, creditor == NULL ? "" : creditor);
        if (code == GIRO_EXIT_OK && arguments->proof != NULL &&
            giro_file_write(arguments->proof, 0644, proof_bytes, proof_size) != GIRO_ERR_OK) {
            fprintf(stderr, "giro status: \"%s\" cannot be written\n", arguments->proof);
            code = GIRO_EXIT_FAILURE;
        }
    }
    json_decref(json);
    free(about);
    free(proof_bytes);
    return code;
}

static int ask_in_turn(const struct arguments *arguments, const struct giro_hub_view *view,
                       const struct giro_secret_key *key, struct giro_diagnosis *diagnosis,
                       enum giro_err *err)
{
    int code = GIRO_EXIT_FAILURE;
    for (uint32_t i = 0; i < arguments->access.https_count; i++) {
        struct giro_https *https = NULL;
        *err = giro_https_open(&view->genesis, &arguments->access.https[i], key, &https, diagnosis);
        if (*err != GIRO_ERR_OK)
            break;
        code = show(arguments, view, https, diagnosis, err);
        giro_https_close(https);
        if (code == GIRO_EXIT_OK)
            break; /* a replica whose proof does not hold is no reason not to ask the others */
    }
    return code;
}

int giro_cmd_status(int argc, char **argv)
{
    static const char doc[] =
        "Shows the status of a payment and checks its proof: the ledger leaf, its path, and the "
        "certificate, under "
        "the keys of the genesis file. The replica that answers is believed in one thing: which "
        "leaf and record is the "
        "payment's. Without a UETR: what the replicas say of themselves.\v"
        "Examples:\n"
        "  giro status 5f3c1d9e-0b7a-4c55-9a51-2f60b1f1a001 --as XYXXCZPP --https "
        "127.0.0.1:7600,127.0.0.1:7601\n"
        "  giro status --as XYXXCZPP --https 127.0.0.1:7600,127.0.0.1:7601 --settle 10";
    static struct arguments arguments;
    const struct argp argp = {options, parse, "[UETR]", doc, giro_access_children, NULL, NULL};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    static struct giro_hub_view view;
    struct giro_diagnosis diagnosis = {.fact = ""};
    struct giro_secret_key *key = NULL;
    enum giro_err err =
        giro_access_open(&arguments.access, 0, arguments.as, "session", &view, &key, &diagnosis);
    int code = GIRO_EXIT_FAILURE;
    if (key != NULL && arguments.uetr == NULL)
        code = giro_replicas_show(&view, key, arguments.access.https, arguments.access.https_count,
                                  arguments.settle_s, arguments.json);
    else if (key != NULL)
        code = ask_in_turn(&arguments, &view, key, &diagnosis, &err);
    if (err != GIRO_ERR_OK)
        code = giro_fail("status", err, &diagnosis);
    giro_access_close(&view, key);
    return code;
}
