/* The thread that cuts files from journals, while the loop appends to them: requests from the loop, closing in the middle of
 * a cut, several lives over one folder. In the end every journal is cut without gap or repeat, and every folder verifies. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "apps/girod/journal_writer.h"
#include "apps/girod/publish.h"
#include "giro/keys.h"
#include "unit/recon_window_support.h"

#define PATH_BYTES 512u
#define LIVES      4u
#define BLOCKS     60u /* of a life */

struct hub {
    char dir[64], genesis_path[PATH_BYTES], journal_dir[PATH_BYTES], files_dir[PATH_BYTES];
    struct rig *rig;
    struct giro_genesis genesis; /* as loaded */
    struct giro_keys *keys;
    struct giro_journal_files *journals;
    struct giro_journal_writer *writer;
    uint32_t appended; /* of rig->blocks */
    struct giro_prng prng;
};

/* ---- A hub with a genesis file -------------------------------------------------------------------- */

static struct giro_genesis_key key_make(const struct giro_genesis *genesis,
                                        const struct giro_secret_key *secret, const char *owner,
                                        const char *role, uint64_t key_id)
{
    uint8_t message[GIRO_POSSESSION_MESSAGE_BYTES];
    struct giro_genesis_key key = {.key_id = key_id, .key = giro_key_public(secret)};
    size_t size_bytes =
        giro_possession_message(genesis->nonce, role, owner, key_id, &key.key, message);
    key.possession = giro_sign(secret, message, size_bytes);
    return key;
}

static struct giro_genesis_key key_fresh(const struct giro_genesis *genesis, const char *owner,
                                         const char *role, uint64_t key_id)
{
    struct giro_secret_key *secret = giro_key_generate();
    struct giro_genesis_key key = key_make(genesis, secret, owner, role, key_id);
    giro_key_free(secret);
    if (strcmp(role, "sealing") == 0)
        memset(&key.possession, 0, sizeof(key.possession));
    return key;
}

/* What a genesis file says and the rig does not need: names and keys. */
static void genesis_complete(struct rig *rig)
{
    struct giro_genesis *genesis = &rig->genesis;
    snprintf(genesis->name, sizeof(genesis->name), "race");
    memset(genesis->nonce, 0x5a, sizeof(genesis->nonce));
    genesis->clock_bound_ns = 250 * (GIRO_NS_PER_S / 1000);
    genesis->round_floor_ns = 20 * (GIRO_NS_PER_S / 1000);
    genesis->batch_ttl_ns = 20 * GIRO_NS_PER_S;
    for (uint32_t i = 0; i < RIG_REPLICAS; i++) {
        struct giro_genesis_replica *replica = &genesis->replicas[i];
        snprintf(replica->name, sizeof(replica->name), "replica-%u", i);
        replica->batch = key_make(genesis, rig->keys[i], replica->name, "batch", 1);
        replica->vote = key_fresh(genesis, replica->name, "vote", 1);
        replica->transport = key_fresh(genesis, replica->name, "transport", 1);
        replica->file = key_fresh(genesis, replica->name, "file", 1);
    }
    for (uint32_t i = 0; i < genesis->operator_count; i++) {
        snprintf(genesis->operators[i].name, sizeof(genesis->operators[i].name), "operator-%u", i);
        genesis->operators[i].key =
            key_fresh(genesis, genesis->operators[i].name, "approver", i + 1);
    }
    for (uint32_t i = 0; i < RIG_MEMBERS; i++) {
        struct giro_genesis_member *member = &genesis->members[i];
        snprintf(member->bic, sizeof(member->bic), "B%03uCZPP", i);
        snprintf(member->name, sizeof(member->name), "Bank %u", i);
        member->frame_keys[0] = key_fresh(genesis, member->bic, "frame", 1);
        member->session = key_fresh(genesis, member->bic, "session", 1);
        member->sealing = key_fresh(genesis, member->bic, "sealing", 1);
    }
}

static void must(enum giro_err err, const struct giro_diagnosis *diagnosis, const char *what)
{
    cr_assert(err == GIRO_ERR_OK, "%s: %s: %s %s", what, giro_err_name(err), diagnosis->fact,
              diagnosis->detail);
}

static void genesis_write(struct hub *hub)
{
    struct giro_diagnosis diagnosis = {.fact = ""};
    genesis_complete(hub->rig);
    char *text = giro_genesis_text(&hub->rig->genesis);
    FILE *file = fopen(hub->genesis_path, "w");
    cr_assert(text != NULL && file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
    free(text);
    must(giro_genesis_load(hub->genesis_path, &hub->genesis, &diagnosis), &diagnosis, "genesis");
    const struct giro_keys_options keys = {.genesis = &hub->genesis,
                                           .tables_bytes = GIRO_KEY_TABLES_BYTES};
    must(giro_keys_open(&keys, &hub->keys, &diagnosis), &diagnosis, "keys");
    hub->rig->genesis.chain_id = hub->genesis.chain_id;
    hub->rig->genesis.chain_prefix = hub->genesis.chain_prefix;
}

static void hub_open(struct hub *hub, uint64_t seed)
{
    struct giro_diagnosis diagnosis = {.fact = ""};
    memset(hub, 0, sizeof(*hub));
    giro_prng_init(&hub->prng, seed);
    race_dir_make(hub->dir);
    snprintf(hub->genesis_path, PATH_BYTES, "%s/genesis.json", hub->dir);
    snprintf(hub->journal_dir, PATH_BYTES, "%s/journal", hub->dir);
    snprintf(hub->files_dir, PATH_BYTES, "%s/files", hub->dir);
    hub->rig = rig_new();
    genesis_write(hub);
    must(giro_journal_files_open(hub->journal_dir, &hub->genesis, &hub->journals, &diagnosis),
         &diagnosis, "journals");
    must(giro_journal_writer_open(hub->journals, 1u << 16, &hub->writer), &diagnosis, "a thread");
}

static void hub_close(struct hub *hub)
{
    giro_journal_writer_close(hub->writer);
    giro_journal_files_close(hub->journals);
    giro_keys_close(hub->keys);
    giro_genesis_free(&hub->genesis);
    rig_free(hub->rig);
    race_dir_remove(hub->dir);
}

static void hub_append(struct hub *hub)
{
    for (; hub->appended < hub->rig->block_count; hub->appended++) {
        const struct rig_block *block = &hub->rig->blocks[hub->appended];
        char path[700];
        cr_assert(giro_journal_writer_put(hub->writer, block->member, block->business_date,
                                          block->bytes, block->size_bytes) == GIRO_ERR_OK);
        (void)giro_journal_files_path(hub->journals, block->member, block->business_date, path,
                                      sizeof(path)); /* as the loop asks meanwhile */
        (void)giro_journal_files_date(hub->journals, block->member);
        if (giro_prng_chance(&hub->prng, 1, 12))
            race_sleep_ms(8); /* the thread may look while a window is half there */
    }
}

/* One more block, certified a little later, as in the hub. */
static void hub_step(struct hub *hub)
{
    struct rig *rig = hub->rig;
    struct giro_prng *prng = &hub->prng;
    rig_begin(rig, rig->time_ns + giro_prng_below(prng, GIRO_NS_PER_S / 2));
    for (uint64_t left = giro_prng_below(prng, 8); left > 0; left--)
        rig_pay(rig, (uint16_t)giro_prng_below(prng, RIG_MEMBERS),
                (uint16_t)giro_prng_below(prng, RIG_MEMBERS),
                (uint32_t)giro_prng_below(prng, RIG_CURRENCIES),
                giro_prng_chance(prng, 1, 2) ? GIRO_SERVICE_GROSS : GIRO_SERVICE_NET,
                1 + (int64_t)giro_prng_below(prng, 5000));
    if (giro_prng_chance(prng, 1, 20))
        rig_control(rig, GIRO_CONTROL_CLOSE_CYCLE,
                    rig->genesis.currencies[giro_prng_below(prng, RIG_CURRENCIES)].number, 0);
    rig_end(rig);
    rig_certify_to(rig, rig->height - giro_prng_below(prng, 2));
    hub_append(hub);
}

static void day_switch(struct rig *rig)
{
    rig_begin(rig, rig->time_ns + 1);
    cr_assert(rig_control(rig, GIRO_CONTROL_DAY_SWITCH, 0,
                          giro_settlement_business_date(rig->settlement) + 1u));
    rig_end(rig);
}

/* ---- What is in the folders -------------------------------------------------------------------------- */

struct visit {
    const struct hub *hub;
    void (*call)(struct visit *visit, const char *journal, const char *files);
    uint64_t found;
};

/* Calls visit->call for every journal, with the folder its cuts go to. */
static void journals_visit(struct visit *visit)
{
    for (uint32_t i = 0; i < RIG_MEMBERS; i++) {
        const char *bic = visit->hub->genesis.members[i].bic;
        char dir[PATH_BYTES + 16], journal[PATH_BYTES + 300], files[PATH_BYTES + 300];
        snprintf(dir, sizeof(dir), "%s/%s", visit->hub->journal_dir, bic);
        DIR *list = opendir(dir);
        cr_assert(list != NULL, "%s", dir);
        for (const struct dirent *entry; (entry = readdir(list)) != NULL;) {
            if (entry->d_name[0] == '.')
                continue;
            snprintf(journal, sizeof(journal), "%s/%s", dir, entry->d_name);
            snprintf(files, sizeof(files), "%s/%s/%.10s", visit->hub->files_dir, bic,
                     entry->d_name);
            visit->call(visit, journal, files);
        }
        closedir(list);
    }
}

static void aged(struct visit *visit, const char *journal, const char *files)
{
    const struct timespec times[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    cr_assert(utimensat(AT_FDCWD, journal, times, 0) == 0);
}

static struct giro_journal_span span_of(const struct visit *visit, const char *journal)
{
    struct giro_diagnosis diagnosis = {.fact = ""};
    struct giro_journal_span span;
    must(giro_journal_range(journal, &visit->hub->genesis.chain_id, &span, &diagnosis), &diagnosis,
         journal);
    return span;
}

/* Counts journals whose last window has not been cut. */
static void uncut(struct visit *visit, const char *journal, const char *files)
{
    struct giro_journal_span span = span_of(visit, journal);
    char end[32];
    bool found = span.blocks == 0;
    snprintf(end, sizeof(end), "-%lu", span.last_window);
    DIR *list = opendir(files);
    for (const struct dirent *entry; list != NULL && (entry = readdir(list)) != NULL;) {
        const char *dash = strchr(entry->d_name, '-');
        found = found || (dash != NULL && strcmp(dash, end) == 0);
    }
    if (list != NULL)
        closedir(list);
    visit->found += !found;
}

static int cut_named(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* The folders of a journal follow each other, from its first window to its last. */
static void without_gap(struct visit *visit, const char *journal, const char *files)
{
    struct giro_journal_span span = span_of(visit, journal);
    if (span.blocks == 0)
        return;
    struct dirent **names = NULL;
    int count = scandir(files, &names, cut_named, alphasort); /* numbers of ten digits */
    cr_assert(count > 0, "%s", files);
    uint64_t next = span.first_window;
    for (int i = 0; i < count; i++) {
        char *end;
        uint64_t from = strtoul(names[i]->d_name, &end, 10);
        cr_assert(*end == '-', "%s/%s does not belong here", files, names[i]->d_name);
        uint64_t to = strtoul(end + 1, &end, 10);
        cr_assert(*end == '\0', "%s/%s does not belong here", files, names[i]->d_name);
        cr_assert(from == next && to >= from, "%s/%s does not follow", files, names[i]->d_name);
        next = to + 1;
        visit->found++;
        free(names[i]);
    }
    free(names);
    cr_assert(next == span.last_window + 1, "%s is cut up to %lu", journal, next - 1);
}

/* A folder being made right now? */
static bool cut_under_way(const struct hub *hub)
{
    char command[PATH_BYTES + 64];
    snprintf(command, sizeof(command), "find '%s' -name '*.tmp' 2>/dev/null | grep -q .",
             hub->files_dir);
    return system(command) == 0;
}

static void folders_verify(struct hub *hub)
{
    struct giro_diagnosis diagnosis = {.fact = ""};
    struct giro_verify_options options = {.genesis = &hub->genesis,
                                          .ring = giro_keys_ring(hub->keys)};
    must(giro_verify_path(&options, hub->files_dir, &diagnosis), &diagnosis, "verify");
    cr_assert(options.windows == hub->rig->block_count, "%lu windows cut, %u sealed",
              options.windows, hub->rig->block_count);
}

/* ---- Lives ------------------------------------------------------------------------------------------------- */

static struct giro_publish *publish_open(const struct hub *hub, uint32_t interval_s)
{
    struct giro_diagnosis diagnosis = {.fact = ""};
    struct giro_publish *publish = NULL;
    struct giro_publish_options options = {.genesis = &hub->genesis,
                                           .ring = giro_keys_ring(hub->keys),
                                           .journal_dir = hub->journal_dir,
                                           .files_dir = hub->files_dir,
                                           .interval_s = interval_s};
    must(giro_publish_open(&options, &publish, &diagnosis), &diagnosis, "open");
    return publish;
}

/* Returns whether the close came in the middle of a cut. */
static bool life(struct hub *hub, uint32_t number)
{
    struct giro_publish *publish = publish_open(hub, number % 2 == 0 ? 1 : 3600);
    if (number == LIVES / 2)
        day_switch(hub->rig);
    for (uint32_t i = 0; i < BLOCKS; i++) {
        hub_step(hub);
        if (i % 3 == 0)
            giro_publish_request(publish);
        if (i % 10 == 0)
            race_sleep_ms(20); /* for the thread to come by in between */
    }
    giro_publish_request(publish);
    giro_publish_request(publish);
    bool under_way = false;
    for (uint32_t i = 0; number % 2 == 1 && !under_way && i < 50; i++)
        under_way = cut_under_way(hub);
    giro_publish_close(publish);
    cr_assert(!cut_under_way(hub), "close waits for the cut under way");
    return under_way;
}

/* Nothing is written any more: all of it is cut. */
static void last_life(struct hub *hub)
{
    struct visit visit = {.hub = hub, .call = aged};
    rig_idle(hub->rig, hub->rig->time_ns + 2 * GIRO_NS_PER_S);
    rig_certify_to(hub->rig, hub->rig->height);
    hub_append(hub);
    cr_assert(giro_journal_writer_drain(hub->writer) == GIRO_ERR_OK);
    journals_visit(&visit);
    struct giro_publish *publish = publish_open(hub, 3600);
    giro_publish_request(publish);
    visit.call = uncut;
    visit.found = 1;
    for (uint32_t i = 0; visit.found > 0; i++) {
        cr_assert(i < 600, "%lu journals are not cut after a minute", visit.found);
        race_sleep_ms(100);
        visit.found = 0;
        journals_visit(&visit);
    }
    giro_publish_close(publish); /* also waits for the netting reports */
}

int main(void)
{
    static struct hub hub;
    const uint64_t seed = race_number("GIRO_SEED", 20261124);
    fprintf(stderr, "GIRO_SEED=%lu\n", seed);
    cr_assert(giro_crypto_init() == GIRO_ERR_OK);
    race_stderr_take();
    hub_open(&hub, seed);
    uint32_t in_the_middle = 0;
    for (uint32_t i = 0; i < LIVES; i++)
        in_the_middle += life(&hub, i);
    last_life(&hub);
    struct visit visit = {.hub = &hub, .call = without_gap};
    journals_visit(&visit);
    folders_verify(&hub);
    char *lines = race_stderr_give();
    cr_assert(strstr(lines, " ERROR ") == NULL, "an error was reported");
    cr_assert(strstr(lines, "cycles=") != NULL, "no netting report was made");
    free(lines);
    fprintf(stderr, "%u windows of %lu heights in %lu folders, %u closes in the middle of a cut\n",
            hub.rig->block_count, hub.rig->height, visit.found, in_the_middle);
    hub_close(&hub);
    return 0;
}
