#include "apps/giro/details.h"

#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "apps/giro/https.h"
#include "member/details.h"

#define PATH_BYTES 800u

/* ---- Opening ---- */

static enum giro_err sealing_load(struct giro_opener *opener, const char *keys_dir,
                                  const char *owner, struct giro_diagnosis *diagnosis)
{
    const struct giro_genesis_key *enrolled =
        opener->member == GIRO_MEMBER_OPERATOR ? &opener->genesis->supervisor.sealing
                                               : &opener->genesis->members[opener->member].sealing;
    enum giro_err err = giro_key_file_load(keys_dir, owner, "sealing", &opener->sealing, diagnosis);
    if (err == GIRO_ERR_NOENT) {
        diagnosis->fact[0] = '\0';
        return GIRO_ERR_OK;
    }
    if (err != GIRO_ERR_OK)
        return err;
    const struct giro_public_key key = giro_key_sealing(opener->sealing);
    if (memcmp(&key, &enrolled->key, sizeof(key)) == 0)
        return GIRO_ERR_OK;
    giro_diagnosis_set(diagnosis, "the genesis file names another one",
                       "use the key directory the genesis was made with",
                       "\"%s/%s/sealing.key\" is not the enrolled key", keys_dir, owner);
    return GIRO_ERR_KEY;
}

enum giro_err giro_opener_open(const struct giro_genesis *genesis, const char *keys_dir,
                               const char *owner, struct giro_opener *opener,
                               struct giro_diagnosis *diagnosis)
{
    const uint32_t member = giro_genesis_member_by_bic(genesis, owner);
    const bool supervisor =
        genesis->supervisor.sealing.key_id != 0 && strcmp(owner, genesis->supervisor.name) == 0;
    *opener = (struct giro_opener){.genesis = genesis, .member = (uint16_t)member};
    if (member == GIRO_NONE && !supervisor) {
        giro_diagnosis_set(diagnosis, "", "give the BIC or name that the genesis file has",
                           "\"%s\" is no member and not the supervisor of this hub", owner);
        return GIRO_ERR_ARGUMENT;
    }
    if (supervisor)
        opener->member = GIRO_MEMBER_OPERATOR;
    enum giro_err err = sealing_load(opener, keys_dir, owner, diagnosis);
    if (err == GIRO_ERR_OK && !supervisor)
        err = giro_details_keys_load(keys_dir, genesis, opener->member, &opener->kept, diagnosis);
    if (err != GIRO_ERR_OK)
        giro_opener_close(opener);
    return err;
}

void giro_opener_close(struct giro_opener *opener)
{
    giro_key_free(opener->sealing);
    giro_details_keys_free(opener->kept);
    opener->sealing = NULL;
    opener->kept = NULL;
}

bool giro_opener_key(const struct giro_opener *opener, const struct giro_disclosure *disclosure,
                     uint32_t index, uint8_t key[32])
{
    const struct giro_disclosure_item *item = &disclosure->items[index];
    if (item->block.bytes == NULL)
        return false;
    if (opener->member == GIRO_MEMBER_OPERATOR)
        return opener->sealing != NULL &&
               giro_details_unbox(&item->block.header, GIRO_DETAILS_SUPERVISOR, opener->sealing,
                                  key);
    if (disclosure->frame.member == opener->member) {
        const uint8_t *kept = giro_details_keys_find(opener->kept, &item->block.header.commitment);
        if (kept != NULL)
            memcpy(key, kept, 32);
        if (kept != NULL)
            return true;
    }
    return item->record.creditor == opener->member && opener->sealing != NULL &&
           giro_details_unbox(&item->block.header, GIRO_DETAILS_CREDITOR, opener->sealing, key);
}

/* ---- Days from the replicas ---- */

struct replica {
    struct giro_https *https;
    json_t *days; /* NULL: it did not answer */
};
struct giro_details_client {
    const struct giro_hub_view *view;
    const char *bic;
    struct giro_secret_key *session;
    struct giro_opener opener;
    uint32_t replica_count, answered;
    struct replica replicas[GIRO_REPLICAS_MAX];
    char breaks[PATH_BYTES]; /* folder */
};

static void list_fetch(struct giro_details_client *client, struct replica *replica)
{
    struct giro_diagnosis unused = {.fact = ""};
    uint8_t *bytes = NULL;
    size_t size_bytes = 0;
    giro_https_patience(replica->https, GIRO_HTTPS_ONE_OF_MANY_MS, NULL);
    if (giro_https_get(replica->https, "/v1/details", &bytes, &size_bytes, &unused) != GIRO_ERR_OK)
        return;
    replica->days = json_loadb((const char *)bytes, size_bytes, 0, NULL);
    client->answered += json_is_array(replica->days);
    free(bytes);
}

enum giro_err giro_details_client_open(const struct giro_hub_view *view, const char *keys_dir,
                                       const char *bic, const struct giro_config_address *https,
                                       uint32_t https_count,
                                       struct giro_details_client **client_out,
                                       struct giro_diagnosis *diagnosis)
{
    struct giro_details_client *client = calloc(1, sizeof(*client));
    if (client == NULL)
        return GIRO_ERR_NOMEM;
    client->view = view;
    client->bic = bic;
    enum giro_err err = giro_opener_open(&view->genesis, keys_dir, bic, &client->opener, diagnosis);
    if (err == GIRO_ERR_OK)
        err = giro_key_file_load(keys_dir, bic, "session", &client->session, diagnosis);
    for (uint32_t i = 0; err == GIRO_ERR_OK && i < https_count; i++) {
        struct replica *replica = &client->replicas[client->replica_count++];
        err =
            giro_https_open(&view->genesis, &https[i], client->session, &replica->https, diagnosis);
        if (err == GIRO_ERR_OK)
            list_fetch(client, replica);
    }
    if (err != GIRO_ERR_OK) {
        giro_details_client_close(client);
        return err;
    }
    const uint32_t faults = view->genesis.replica_count - giro_genesis_quorum(&view->genesis);
    if (client->answered <= faults)
        fprintf(stderr,
                "giro: %u replicas told which details %s has, of which all may leave some out: ask "
                "%u\n",
                client->answered, bic, faults + 1);
    *client_out = client;
    return GIRO_ERR_OK;
}

void giro_details_client_close(struct giro_details_client *client)
{
    if (client == NULL)
        return;
    for (uint32_t i = 0; i < client->replica_count; i++) {
        json_decref(client->replicas[i].days);
        if (client->replicas[i].https != NULL)
            giro_https_close(client->replicas[i].https);
    }
    giro_opener_close(&client->opener);
    giro_key_free(client->session);
    free(client);
}

/* Sources of one date: each distinct file once, with how many replicas have it. */
struct sources {
    uint32_t count;
    uint32_t gap_count; /* replicas that say themselves that something of it may be missing there */
    struct giro_details_source list[GIRO_REPLICAS_MAX];
    char paths[GIRO_REPLICAS_MAX][PATH_BYTES];
    char digests[GIRO_REPLICAS_MAX][65];
};

/* Is that the file which the replica named? Else its digest would stand for bytes that another replica has. */
static enum giro_err source_check(const char *path, const char *digest,
                                  struct giro_diagnosis *diagnosis)
{
    struct giro_hash found;
    char hex[2 * GIRO_HASH_BYTES + 1];
    GIRO_TRY(giro_details_day_digest(path, &found, diagnosis));
    giro_hex_format(found.bytes, sizeof(found.bytes), hex);
    if (strcmp(hex, digest) == 0)
        return GIRO_ERR_OK;
    giro_diagnosis_set(diagnosis, "its digest is another", "", "\"%s\" is not what was listed",
                       path);
    return GIRO_ERR_FORMAT;
}

static void source_fetch(struct giro_details_client *client, struct replica *replica,
                         const char *date, const char *dir, struct sources *sources)
{
    size_t index;
    json_t *day;
    json_array_foreach(replica->days, index, day)
    {
        const char *bic = json_string_value(json_object_get(day, "bic"));
        const char *own_date = json_string_value(json_object_get(day, "date"));
        const char *digest = json_string_value(json_object_get(day, "digest"));
        const json_int_t size_bytes = json_integer_value(json_object_get(day, "bytes"));
        if (bic == NULL || own_date == NULL || strcmp(bic, client->bic) != 0 ||
            strcmp(own_date, date) != 0)
            continue;
        sources->gap_count += json_is_true(json_object_get(day, "gap"));
        if (digest == NULL || strlen(digest) != 64 || size_bytes <= 0)
            return;
        for (uint32_t i = 0; i < sources->count; i++) {
            if (strcmp(sources->digests[i], digest) == 0) {
                sources->list[i].replicas++;
                return;
            }
        }
        char url[100];
        struct giro_diagnosis diagnosis = {.fact = ""};
        const uint32_t at = sources->count;
        snprintf(url, sizeof(url), "/v1/details/%s/%s", bic, date);
        snprintf(sources->paths[at], PATH_BYTES, "%s/.%s.%u.details.tmp", dir, date, at);
        enum giro_err err = giro_https_download(replica->https, url, (uint64_t)size_bytes,
                                                sources->paths[at], NULL, NULL, &diagnosis);
        if (err == GIRO_ERR_OK)
            err = source_check(sources->paths[at], digest, &diagnosis);
        if (err != GIRO_ERR_OK) {
            giro_diagnosis_print("giro", &diagnosis);
            unlink(sources->paths[at]);
            return;
        }
        memcpy(sources->digests[at], digest, 65);
        sources->list[at] = (struct giro_details_source){.path = sources->paths[at], .replicas = 1};
        sources->count++;
        return;
    }
}

static bool on_key(void *context, const struct giro_disclosure *disclosure, uint32_t index,
                   uint8_t key[32])
{
    const struct giro_details_client *client = context;
    return giro_opener_key(&client->opener, disclosure, index, key);
}

/* One payment with K: what convicts its debtor. */
static void break_write(const struct giro_details_client *client,
                        const struct giro_disclosure *disclosure, uint32_t index,
                        const uint8_t key[32], const char *uetr)
{
    uint8_t *bytes = malloc(GIRO_DISCLOSURE_BYTES_MAX);
    struct giro_disclosure *one = malloc(sizeof(*one));
    char path[PATH_BYTES + 60];
    struct giro_writer writer;
    snprintf(path, sizeof(path), "%s/%s.disclosure", client->breaks, uetr);
    if (bytes != NULL && one != NULL && giro_dir_make(client->breaks) == GIRO_ERR_OK) {
        *one = *disclosure;
        one->items[0] = disclosure->items[index];
        one->items[0].key = key;
        one->header.item_count = 1;
        giro_writer_init(&writer, bytes, GIRO_DISCLOSURE_BYTES_MAX);
        if (giro_disclosure_encode(one, &writer) &&
            giro_file_write(path, 0600, bytes, writer.offset) == GIRO_ERR_OK)
            fprintf(stderr, "  kept for the proof of it: \"%s\"\n", path);
    }
    free(one);
    free(bytes);
}

static void on_broken(void *context, const struct giro_disclosure *disclosure, uint32_t index,
                      const uint8_t key[32], enum giro_details_verdict verdict)
{
    const struct giro_details_client *client = context;
    char uetr[37];
    giro_uetr_format(disclosure->items[index].record.uetr, uetr);
    fprintf(stderr, "giro: details of payment %s from %s: %s\n", uetr,
            client->view->genesis.members[disclosure->frame.member].bic,
            giro_details_verdict_text(verdict));
    if (verdict != GIRO_DETAILS_WRONG_KEY)
        break_write(client, disclosure, index, key, uetr);
}

/* What the others have is enough while there are f + 1 of them. */
static void gaps_tell(const struct giro_details_client *client, const char *date, uint32_t gaps)
{
    const struct giro_genesis *genesis = &client->view->genesis;
    const uint32_t faults = genesis->replica_count - giro_genesis_quorum(genesis);
    const uint32_t whole = client->answered > gaps ? client->answered - gaps : 0;
    if (gaps > 0 && whole <= faults)
        fprintf(stderr,
                "giro: details of %s, %s: %u replicas lack a part of them, and the %u others may "
                "all leave some out: ask %u others\n",
                client->bic, date, gaps, whole, faults + 1);
}

enum giro_err giro_details_client_day(struct giro_details_client *client, const char *date,
                                      const char *dir, const char *journal_path, char *path,
                                      size_t path_bytes, struct giro_details_merge_result *result,
                                      struct giro_diagnosis *diagnosis)
{
    static struct sources sources;
    uint16_t day = 0;
    sources.count = sources.gap_count = 0;
    path[0] = '\0';
    *result = (struct giro_details_merge_result){.frames = 0};
    if (!giro_date_parse(date, strlen(date), &day))
        return GIRO_ERR_ARGUMENT;
    for (uint32_t i = 0; i < client->replica_count; i++)
        source_fetch(client, &client->replicas[i], date, dir, &sources);
    gaps_tell(client, date, sources.gap_count);
    if (sources.count == 0)
        return GIRO_ERR_OK;
    snprintf(client->breaks, sizeof(client->breaks), "%s/breaks", dir);
    snprintf(path, path_bytes, "%s/.%s.opened.tmp", dir, date);
    const struct giro_details_merge_options options = {.genesis = &client->view->genesis,
                                                       .ring = client->view->ring,
                                                       .member = client->opener.member,
                                                       .business_date = day,
                                                       .sources = sources.list,
                                                       .source_count = sources.count,
                                                       .journal_path = journal_path,
                                                       .out_path = path,
                                                       .key = on_key,
                                                       .broken = on_broken,
                                                       .context = client};
    enum giro_err err = giro_details_merge(&options, result, diagnosis);
    for (uint32_t i = 0; i < sources.count; i++)
        unlink(sources.paths[i]);
    if (result->bad_sources > 0)
        fprintf(stderr, "giro: details of %s, %s: what %u replicas sent does not verify\n",
                client->bic, date, result->bad_sources);
    if (err != GIRO_ERR_OK) {
        unlink(path);
        path[0] = '\0';
    }
    return err;
}
