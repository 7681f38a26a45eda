/* Proofs: a leaf, its path and the certificate over its root. */
#include <stdlib.h>

#include <criterion/criterion.h>

#include "recon_window_support.h"

TestSuite(recon_proof, .init = rig_suite_open, .fini = rig_suite_close);

/* Proof of leaf `index` of the rig's last block; malloc'ed. */
static uint8_t *proof_make(const struct rig *rig, uint32_t index, size_t *size_bytes)
{
    uint32_t leaf_bytes;
    const uint8_t *leaf = giro_ledger_leaf(rig->ledger, index, &leaf_bytes);
    struct giro_hash path[GIRO_PROOF_PATH_MAX];
    uint32_t path_count = giro_ledger_path(rig->ledger, index, path);
    struct giro_certificate certificate = rig_certificate(rig, &rig->bodies[rig->height]);
    uint8_t *bytes = malloc(8192);
    cr_assert(giro_proof_encode(rig->height, index, giro_ledger_count(rig->ledger), leaf,
                                leaf_bytes, path, path_count, &certificate, bytes, 100) == 0,
              "does not fit");
    *size_bytes = giro_proof_encode(rig->height, index, giro_ledger_count(rig->ledger), leaf,
                                    leaf_bytes, path, path_count, &certificate, bytes, 8192);
    cr_assert(*size_bytes > 0);
    return bytes;
}

/* Height 2 has window leaves, frame leaves, the operators' frame and a cycle leaf. */
static struct rig *rig_with_leaves(void)
{
    struct rig *rig = rig_new();
    rig_begin(rig, RIG_TIME_NS + GIRO_NS_PER_S);
    rig_pay(rig, 0, 1, 0, GIRO_SERVICE_NET, 5);
    rig_end(rig);
    rig_begin(rig, RIG_TIME_NS + 2 * GIRO_NS_PER_S);
    rig_pay(rig, 0, 1, 0, GIRO_SERVICE_GROSS, 5);
    rig_pay(rig, 2, 1, 0, GIRO_SERVICE_GROSS, 5);
    rig_control(rig, GIRO_CONTROL_CLOSE_CYCLE, 203, 0);
    rig_end(rig);
    cr_assert(giro_ledger_count(rig->ledger) >= 5);
    return rig;
}

Test(recon_proof, every_leaf_of_a_block_is_proved)
{
    struct rig *rig = rig_with_leaves();
    bool seen[3] = {false};
    for (uint32_t i = 0; i < giro_ledger_count(rig->ledger); i++) {
        size_t size_bytes;
        uint8_t *proof = proof_make(rig, i, &size_bytes);
        struct giro_proof_view view;
        const char *fault = giro_proof_verify(&rig->genesis, rig->ring, proof, size_bytes, &view);
        cr_assert(fault == NULL, "leaf %u: %s", i, fault);
        cr_assert(view.header.height == rig->height && view.header.leaf_index == i);
        seen[0] |= memcmp(view.leaf, GIRO_TAG_LEAF_WINDOW, GIRO_TAG_BYTES) == 0;
        seen[1] |= memcmp(view.leaf, GIRO_TAG_LEAF_FRAME, GIRO_TAG_BYTES) == 0;
        seen[2] |= memcmp(view.leaf, GIRO_TAG_LEAF_CYCLE, GIRO_TAG_BYTES) == 0;
        free(proof);
    }
    cr_assert(seen[0] && seen[1] && seen[2]);
    rig_free(rig);
}

Test(recon_proof, a_flipped_bit_or_another_size_is_refused)
{
    struct rig *rig = rig_with_leaves();
    for (uint32_t i = 0; i < giro_ledger_count(rig->ledger); i++) {
        size_t size_bytes;
        uint8_t *proof = proof_make(rig, i, &size_bytes);
        struct giro_proof_view view;
        for (size_t at = 0; at < size_bytes; at++) {
            proof[at] ^= (uint8_t)(1u << at % 8);
            cr_assert(giro_proof_verify(&rig->genesis, rig->ring, proof, size_bytes, &view) != NULL,
                      "leaf %u, byte %zu", i, at);
            proof[at] ^= (uint8_t)(1u << at % 8);
        }
        for (size_t size = 0; size < size_bytes; size++) {
            uint8_t *cut = malloc(size + 1);
            memcpy(cut, proof, size);
            cr_assert(giro_proof_verify(&rig->genesis, rig->ring, cut, size, &view) != NULL,
                      "leaf %u, %zu bytes", i, size);
            free(cut);
        }
        cr_assert(giro_proof_verify(&rig->genesis, rig->ring, proof, size_bytes + 1, &view) !=
                  NULL);
        free(proof);
    }
    rig_free(rig);
}

Test(recon_proof, another_hubs_proof_is_refused)
{
    struct rig *rig = rig_with_leaves();
    size_t size_bytes;
    uint8_t *proof = proof_make(rig, 0, &size_bytes);
    struct giro_proof_view view;
    rig->genesis.chain_id.bytes[0] ^= 1;
    const char *fault = giro_proof_verify(&rig->genesis, rig->ring, proof, size_bytes, &view);
    cr_assert_str_eq(fault,
                     "the proof's certificate is not signed by a quorum of this hub's replicas");
    free(proof);
    rig_free(rig);
}
