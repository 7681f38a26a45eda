/* Key files: made once, loaded again, refused when others may read them. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "genesis_support.h"

static char dir[64];

static void open_folder(void)
{
    genesis_suite_open();
    snprintf(dir, sizeof(dir), "/tmp/giro-keys-XXXXXX");
    cr_assert(mkdtemp(dir) != NULL);
}

static void close_folder(void)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    cr_assert(system(command) == 0);
    genesis_suite_close();
}

TestSuite(genesis_key_file, .init = open_folder, .fini = close_folder);

static struct giro_public_key public_of(struct giro_secret_key *key)
{
    struct giro_public_key public_key = giro_key_public(key);
    giro_key_free(key);
    return public_key;
}

static struct giro_public_key make(const char *owner, const char *role)
{
    struct giro_secret_key *key;
    struct giro_diagnosis diagnosis = {{0}, {0}, {0}};
    cr_assert(giro_key_file_make(dir, owner, role, &key, &diagnosis) == GIRO_ERR_OK, "%s: %s",
              diagnosis.fact, diagnosis.detail);
    return public_of(key);
}

static enum giro_err load(const char *owner, const char *role, struct giro_diagnosis *diagnosis)
{
    struct giro_secret_key *key;
    enum giro_err err = giro_key_file_load(dir, owner, role, &key, diagnosis);
    cr_assert((err == GIRO_ERR_OK) == (key != NULL));
    giro_key_free(key);
    return err;
}

Test(genesis_key_file, make_writes_once_and_load_gives_the_same_key)
{
    char path[128], text[100];
    struct giro_public_key first = make("XYXXCZPP", "frame"), again = make("XYXXCZPP", "frame");
    struct giro_public_key other = make("XYXXCZPP", "session");
    cr_assert(memcmp(&first, &again, 32) == 0, "make replaced a key");
    cr_assert(memcmp(&first, &other, 32) != 0);
    struct giro_secret_key *key;
    cr_assert(giro_key_file_load(dir, "XYXXCZPP", "frame", &key, NULL) == GIRO_ERR_OK);
    struct giro_public_key loaded = public_of(key);
    cr_assert(memcmp(&first, &loaded, 32) == 0);

    snprintf(path, sizeof(path), "%s/XYXXCZPP/frame.key", dir);
    struct stat status;
    cr_assert(stat(path, &status) == 0 && (status.st_mode & 07777) == 0600);
    FILE *file = fopen(path, "r");
    size_t size_bytes = fread(text, 1, sizeof(text), file);
    fclose(file);
    cr_assert(size_bytes == 65 && text[64] == '\n');
    uint8_t seed[32];
    cr_assert(giro_hex_parse(text, 64, seed, 32));
    loaded = public_of(giro_key_from_seed(seed));
    cr_assert(memcmp(&first, &loaded, 32) == 0);
}

Test(genesis_key_file, load_refuses_a_file_that_others_may_use)
{
    static const mode_t modes[] = {0640, 0604, 0660, 0620, 0602, 0610, 0644, 0777};
    char path[128];
    make("replica-0", "vote");
    snprintf(path, sizeof(path), "%s/replica-0/vote.key", dir);
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        struct giro_diagnosis diagnosis = {{0}, {0}, {0}};
        struct giro_secret_key *key;
        cr_assert(chmod(path, modes[i]) == 0);
        cr_assert(load("replica-0", "vote", &diagnosis) == GIRO_ERR_KEY, "mode %o", modes[i]);
        cr_assert(strstr(diagnosis.fact, path) != NULL && diagnosis.hint[0] != '\0');
        cr_assert(giro_key_file_make(dir, "replica-0", "vote", &key, NULL) == GIRO_ERR_KEY);
    }
    cr_assert(chmod(path, 0400) == 0);
    cr_assert(load("replica-0", "vote", NULL) == GIRO_ERR_OK);
    if (geteuid() != 0) {
        fprintf(stderr, "SKIPPED: only root can give a file to another user\n");
        return;
    }
    struct giro_diagnosis diagnosis = {{0}, {0}, {0}};
    cr_assert(chown(path, 12345, 12345) == 0);
    cr_assert(load("replica-0", "vote", &diagnosis) == GIRO_ERR_KEY);
    cr_assert(strstr(diagnosis.detail, "another user") != NULL, "%s", diagnosis.detail);
}

Test(genesis_key_file, load_refuses_other_contents)
{
    static const char *const contents[] = {
        "",
        "\n",
        "0123\n",
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdeg\n",
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n\n",
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef00\n"};
    char path[128];
    make("maker", "approver");
    snprintf(path, sizeof(path), "%s/maker/approver.key", dir);
    for (size_t i = 0; i < sizeof(contents) / sizeof(contents[0]); i++) {
        FILE *file = fopen(path, "w");
        fputs(contents[i], file);
        fclose(file);
        cr_assert(load("maker", "approver", NULL) == GIRO_ERR_KEY, "row %zu", i);
    }
    cr_assert(unlink(path) == 0 && mkfifo(path, 0600) == 0);
    cr_assert(load("maker", "approver", NULL) == GIRO_ERR_KEY, "a pipe");
    cr_assert(unlink(path) == 0 && symlink("/dev/null", path) == 0);
    cr_assert(load("maker", "approver", NULL) != GIRO_ERR_OK, "a link");
    cr_assert(unlink(path) == 0);
    cr_assert(load("maker", "approver", NULL) == GIRO_ERR_NOENT);
}

Test(genesis_key_file, names_that_lead_elsewhere_are_refused)
{
    static const char *const names[] = {"",    ".",   "..", "../x",
                                        "a/b", "a b", "-a", "seventeen-letters"};
    struct giro_secret_key *key;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        cr_assert(giro_key_file_make(dir, names[i], "vote", &key, NULL) == GIRO_ERR_ARGUMENT);
        cr_assert(giro_key_file_make(dir, "owner", names[i], &key, NULL) == GIRO_ERR_ARGUMENT);
        cr_assert(giro_key_file_load(dir, names[i], "vote", &key, NULL) == GIRO_ERR_ARGUMENT);
    }
}

Test(genesis_key_file, the_hub_secret_is_made_once_and_guarded_likewise)
{
    uint8_t first[32], again[32], loaded[32];
    char path[128];
    snprintf(path, sizeof(path), "%s/hub.secret", dir);
    cr_assert(giro_hub_secret_load(dir, NULL, loaded, NULL) == GIRO_ERR_NOENT);
    cr_assert(giro_hub_secret_make(dir, first, NULL) == GIRO_ERR_OK);
    cr_assert(giro_hub_secret_make(dir, again, NULL) == GIRO_ERR_OK);
    cr_assert(giro_hub_secret_load(dir, NULL, loaded, NULL) == GIRO_ERR_OK);
    cr_assert(memcmp(first, again, 32) == 0 && memcmp(first, loaded, 32) == 0);
    struct giro_hash hash = giro_sha256(first, sizeof(first));
    cr_assert(giro_hub_secret_load(dir, &hash, loaded, NULL) == GIRO_ERR_OK);
    hash.bytes[31] ^= 1;
    cr_assert(giro_hub_secret_load(dir, &hash, loaded, NULL) == GIRO_ERR_KEY);
    cr_assert(memcmp(first, loaded, 32) != 0, "another hub's secret is not handed out");
    cr_assert(chmod(path, 0644) == 0);
    cr_assert(giro_hub_secret_load(dir, NULL, loaded, NULL) == GIRO_ERR_KEY);
}
