/* girod-traitor: girod whose operator lies. For the demo and the end-to-end tests only; no production program has any of this.
 *
 * It is girod's own objects, and the linker puts the functions below in front of five of theirs (--wrap). The replica
 * inside is honest; what leaves it is not, and everything is signed with its real keys:
 *  - of each proposal there are two, each first to one half of the others, then to the other;
 *  - of each vote there is a second one for a block that does not exist; every fifth is withheld;
 *  - every eighth commit vote is followed by one for other roots;
 *  - batches are kept from one replica, which must ask for them;
 *  - the first window with bookings of each member is forged in the journal it serves: an amount, checksum made right;
 *  - of each journal that it did not forge, it leaves out the last window;
 *  - of each proof it serves, the last signature is another;
 *  - under the digest and size of a member's day of details it serves zeros.
 * It says how often it did what when it stops. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <xxhash.h>

#include "apps/girod/details_files.h"
#include "apps/girod/hub.h"
#include "apps/girod/journal_files.h"
#include "apps/girod/ledger_file.h"
#include "apps/girod/links.h"
#include "giro/consensus.h"
#include "giro/genesis.h"

#define FORGED_BY_MINOR INT64_C(100000)

void __real_giro_links_send(struct giro_links *links, uint16_t peer, const struct giro_part *parts,
                            uint32_t part_count);
void __wrap_giro_links_send(struct giro_links *links, uint16_t peer, const struct giro_part *parts,
                            uint32_t part_count);
enum giro_err __real_giro_journal_files_append(struct giro_journal_files *files, uint16_t member,
                                               uint16_t business_date, const void *bytes,
                                               uint32_t size_bytes);
enum giro_err __wrap_giro_journal_files_append(struct giro_journal_files *files, uint16_t member,
                                               uint16_t business_date, const void *bytes,
                                               uint32_t size_bytes);
uint64_t __real_giro_journal_files_path(struct giro_journal_files *files, uint16_t member,
                                        uint16_t business_date, char *path, size_t path_bytes);
uint64_t __wrap_giro_journal_files_path(struct giro_journal_files *files, uint16_t member,
                                        uint16_t business_date, char *path, size_t path_bytes);
uint64_t __real_giro_details_files_path(const struct giro_details_files *files, uint16_t member,
                                        uint16_t business_date, char *path, size_t path_bytes);
uint64_t __wrap_giro_details_files_path(const struct giro_details_files *files, uint16_t member,
                                        uint16_t business_date, char *path, size_t path_bytes);
enum giro_err __real_giro_ledger_file_proof(struct giro_ledger_file *file, uint64_t height,
                                            uint32_t leaf_index, uint8_t **proof,
                                            size_t *size_bytes);
enum giro_err __wrap_giro_ledger_file_proof(struct giro_ledger_file *file, uint64_t height,
                                            uint32_t leaf_index, uint8_t **proof,
                                            size_t *size_bytes);
enum giro_err __real_giro_hub_open(const struct giro_config *config, struct giro_hub **hub,
                                   struct giro_diagnosis *diagnosis);
enum giro_err __wrap_giro_hub_open(const struct giro_config *config, struct giro_hub **hub,
                                   struct giro_diagnosis *diagnosis);
void __real_giro_hub_close(struct giro_hub *hub);
void __wrap_giro_hub_close(struct giro_hub *hub);

static struct {
    struct giro_hash chain_id;
    uint32_t replica_count, self;
    struct giro_secret_key *vote_key, *batch_key;
    bool forged[GIRO_MEMBERS_MAX];
    uint8_t message[GIRO_PEER_BYTES_MAX];
    uint64_t votes, commit_votes;
    struct {
        uint64_t proposals, votes, withheld, commit_votes, batches, windows;
    } did;
} traitor;

/* ---- Keys -------------------------------------------------------------------------------------------- */

enum giro_err __wrap_giro_hub_open(const struct giro_config *config, struct giro_hub **hub,
                                   struct giro_diagnosis *diagnosis)
{
    struct giro_genesis genesis;
    GIRO_TRY(giro_genesis_load(config->genesis_path, &genesis, diagnosis));
    if (config->replica >= genesis.replica_count)
        return GIRO_ERR_CONFIG;
    traitor.chain_id = genesis.chain_id;
    traitor.replica_count = genesis.replica_count;
    traitor.self = config->replica;
    const char *name = genesis.replicas[config->replica].name;
    enum giro_err err =
        giro_key_file_load(config->keys_path, name, "vote", &traitor.vote_key, diagnosis);
    if (err == GIRO_ERR_OK)
        err = giro_key_file_load(config->keys_path, name, "batch", &traitor.batch_key, diagnosis);
    giro_genesis_free(&genesis);
    GIRO_TRY(err);
    return __real_giro_hub_open(config, hub, diagnosis);
}

void __wrap_giro_hub_close(struct giro_hub *hub)
{
    __real_giro_hub_close(hub);
    fprintf(stderr,
            "traitor: proposals doubled %lu, votes doubled %lu, votes withheld %lu, commit votes "
            "doubled %lu, batches withheld %lu, windows forged %lu\n",
            (unsigned long)traitor.did.proposals, (unsigned long)traitor.did.votes,
            (unsigned long)traitor.did.withheld, (unsigned long)traitor.did.commit_votes,
            (unsigned long)traitor.did.batches, (unsigned long)traitor.did.windows);
    giro_key_free(traitor.vote_key);
    giro_key_free(traitor.batch_key);
}

/* ---- Twins: another message of the same round, signed as well ------------------------------------------ */

/* The same block one nanosecond later. */
static bool twin_proposal(uint8_t *body, size_t size_bytes)
{
    struct giro_proposal_header header;
    struct giro_batch_reference references[GIRO_BLOCK_REFERENCES_MAX];
    if (size_bytes < sizeof(header) + sizeof(struct giro_signature))
        return false;
    memcpy(&header, body, sizeof(header));
    size_t references_bytes = header.block.reference_count * sizeof(references[0]);
    if (header.block.reference_count > GIRO_BLOCK_REFERENCES_MAX ||
        size_bytes < sizeof(header) + references_bytes + sizeof(struct giro_signature))
        return false;
    memcpy(references, body + sizeof(header), references_bytes);
    header.block.time_ns++;
    struct giro_hash id = giro_block_id(&header.block, references);
    uint8_t message[GIRO_PROPOSAL_MESSAGE_BYTES];
    size_t message_bytes =
        giro_proposal_message(&traitor.chain_id, header.block.epoch, &id, message);
    struct giro_signature signature = giro_sign(traitor.batch_key, message, message_bytes);
    memcpy(body, &header, sizeof(header));
    memcpy(body + size_bytes - sizeof(signature), &signature, sizeof(signature));
    return true;
}

static bool twin_vote(uint8_t *body, size_t size_bytes)
{
    struct giro_vote vote;
    if (size_bytes != sizeof(vote))
        return false;
    memcpy(&vote, body, sizeof(vote));
    vote.block_id.bytes[0] ^= 1;
    struct giro_qc_header fields = {.epoch = vote.epoch,
                                    .round = vote.round,
                                    .parent_round = vote.parent_round,
                                    .block_id = vote.block_id,
                                    .commit_id = vote.commit_id};
    uint8_t message[GIRO_VOTE_MESSAGE_BYTES];
    size_t message_bytes = giro_vote_message(&traitor.chain_id, &fields, message);
    vote.signature = giro_sign(traitor.vote_key, message, message_bytes);
    memcpy(body, &vote, sizeof(vote));
    return true;
}

static bool twin_commit_vote(uint8_t *body, size_t size_bytes)
{
    struct giro_commit_vote vote;
    if (size_bytes != sizeof(vote))
        return false;
    memcpy(&vote, body, sizeof(vote));
    vote.body.state_root.bytes[0] ^= 1;
    uint8_t message[GIRO_COMMIT_MESSAGE_BYTES];
    size_t message_bytes = giro_commit_message(&traitor.chain_id, &vote.body, message);
    vote.signature = giro_sign(traitor.batch_key, message, message_bytes);
    memcpy(body, &vote, sizeof(vote));
    return true;
}

/* ---- Journals without their end ---------------------------------------------------------------------- */

uint64_t __wrap_giro_journal_files_path(struct giro_journal_files *files, uint16_t member,
                                        uint16_t business_date, char *path, size_t path_bytes)
{
    const uint64_t size_bytes =
        __real_giro_journal_files_path(files, member, business_date, path, path_bytes);
    uint64_t last = 0, offset = 0;
    for (uint32_t i = 0; i < GIRO_CURRENCIES_MAX && !traitor.forged[member]; i++)
        if (giro_journal_files_last(files, member, i, business_date, &offset) && offset > last)
            last = offset;
    return last > 0 && last < size_bytes ? last : size_bytes;
}

/* ---- Proofs of nothing --------------------------------------------------------------------------------- */

enum giro_err __wrap_giro_ledger_file_proof(struct giro_ledger_file *file, uint64_t height,
                                            uint32_t leaf_index, uint8_t **proof,
                                            size_t *size_bytes)
{
    GIRO_TRY(__real_giro_ledger_file_proof(file, height, leaf_index, proof, size_bytes));
    (*proof)[*size_bytes - 1] ^= 1;
    return GIRO_ERR_OK;
}

/* ---- Details ------------------------------------------------------------------------------------------- */

uint64_t __wrap_giro_details_files_path(const struct giro_details_files *files, uint16_t member,
                                        uint16_t business_date, char *path, size_t path_bytes)
{
    const uint64_t size_bytes =
        __real_giro_details_files_path(files, member, business_date, path, path_bytes);
    if (size_bytes == 0)
        return 0;
    const size_t length = strlen(path);
    snprintf(path + length, path_bytes - length, ".lie");
    FILE *lie = fopen(path, "w");
    if (lie == NULL || ftruncate(fileno(lie), (off_t)size_bytes) != 0)
        return 0;
    fclose(lie);
    return size_bytes;
}

/* ---- Sending -------------------------------------------------------------------------------------------- */

static void send_whole(struct giro_links *links, uint16_t peer, const uint8_t *bytes,
                       size_t size_bytes)
{
    struct giro_part part = {bytes, size_bytes};
    __real_giro_links_send(links, peer, &part, 1);
}

/* Each half of the others hears one of the two first, and the other afterwards. */
static void send_both(struct giro_links *links, const struct giro_part *parts, uint32_t part_count,
                      size_t size_bytes)
{
    uint32_t other = 0;
    for (uint32_t i = 0; i < traitor.replica_count; i++) {
        if (i == traitor.self)
            continue;
        bool twin_first = other++ % 2 == 0;
        if (twin_first)
            send_whole(links, (uint16_t)i, traitor.message, size_bytes);
        __real_giro_links_send(links, (uint16_t)i, parts, part_count);
        if (!twin_first)
            send_whole(links, (uint16_t)i, traitor.message, size_bytes);
    }
}

static void send_but_one(struct giro_links *links, const struct giro_part *parts,
                         uint32_t part_count)
{
    uint32_t left_out = traitor.self == 0 ? 1 : 0;
    for (uint32_t i = 0; i < traitor.replica_count; i++)
        if (i != traitor.self && i != left_out)
            __real_giro_links_send(links, (uint16_t)i, parts, part_count);
}

void __wrap_giro_links_send(struct giro_links *links, uint16_t peer, const struct giro_part *parts,
                            uint32_t part_count)
{
    struct giro_peer_envelope envelope;
    size_t size_bytes = 0;
    for (uint32_t i = 0; i < part_count; i++) {
        GIRO_ASSERT(size_bytes + parts[i].size_bytes <= sizeof(traitor.message));
        memcpy(traitor.message + size_bytes, parts[i].bytes, parts[i].size_bytes);
        size_bytes += parts[i].size_bytes;
    }
    memcpy(&envelope, traitor.message, sizeof(envelope));
    uint8_t *body = traitor.message + sizeof(envelope);
    size_t body_bytes = size_bytes - sizeof(envelope);
    bool to_all = peer == GIRO_PEER_ALL && traitor.replica_count > 2;
    if (to_all && envelope.body_kind == GIRO_KIND_PROPOSAL && twin_proposal(body, body_bytes)) {
        traitor.did.proposals++;
        send_both(links, parts, part_count, size_bytes);
    } else if (to_all && envelope.body_kind == GIRO_KIND_VOTE && ++traitor.votes % 5 == 0) {
        traitor.did.withheld++;
    } else if (to_all && envelope.body_kind == GIRO_KIND_VOTE && twin_vote(body, body_bytes)) {
        traitor.did.votes++;
        send_both(links, parts, part_count, size_bytes);
    } else if (to_all && envelope.body_kind == GIRO_KIND_COMMIT_VOTE &&
               ++traitor.commit_votes % 8 == 0 && twin_commit_vote(body, body_bytes)) {
        traitor.did.commit_votes++;
        __real_giro_links_send(links, peer, parts, part_count);
        send_whole(links, peer, traitor.message, size_bytes);
    } else if (to_all && envelope.body_kind == GIRO_KIND_BATCH) {
        traitor.did.batches++;
        send_but_one(links, parts, part_count);
    } else {
        __real_giro_links_send(links, peer, parts, part_count);
    }
}

/* ---- The forged window ------------------------------------------------------------------------------------ */

enum giro_err __wrap_giro_journal_files_append(struct giro_journal_files *files, uint16_t member,
                                               uint16_t business_date, const void *bytes,
                                               uint32_t size_bytes)
{
    struct giro_journal_block block;
    struct giro_entry entry;
    memcpy(&block, bytes, sizeof(block));
    size_t at = sizeof(block) + block.record_bytes;
    if (member >= GIRO_MEMBERS_MAX || traitor.forged[member] ||
        block.entry_count + block.position_count == 0 || size_bytes < at + sizeof(entry))
        return __real_giro_journal_files_append(files, member, business_date, bytes, size_bytes);
    uint8_t *forged = malloc(size_bytes);
    if (forged == NULL)
        return GIRO_ERR_NOMEM;
    memcpy(forged, bytes, size_bytes);
    memcpy(&entry, forged + at, sizeof(entry));
    entry.amount_minor += FORGED_BY_MINOR;
    memcpy(forged + at, &entry, sizeof(entry));
    block.checksum = XXH3_64bits(forged + 16, block.size_bytes - 16);
    memcpy(forged, &block, sizeof(block));
    traitor.forged[member] = true;
    traitor.did.windows++;
    enum giro_err err =
        __real_giro_journal_files_append(files, member, business_date, forged, size_bytes);
    free(forged);
    return err;
}
