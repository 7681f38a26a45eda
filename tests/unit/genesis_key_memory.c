/* Where a secret is in memory: while its key lives only in pages that no core dump has, and nowhere afterwards. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "genesis_support.h"

TestSuite(genesis_key_memory, .init = genesis_suite_open, .fini = genesis_suite_close);

#define MASK        0xa5u
#define CHUNK_BYTES ((size_t)1 << 20)

/* What is looked for, masked, so that the search does not find itself. */
struct pattern {
    uint8_t masked[64];
    size_t size_bytes;
};
struct found {
    uint32_t dumped, kept_out; /* in pages that a core dump would have; in others */
};

static bool is_at(const struct pattern *pattern, const uint8_t *bytes)
{
    for (size_t i = 0; i < pattern->size_bytes; i++)
        if ((bytes[i] ^ MASK) != pattern->masked[i])
            return false;
    return true;
}

/* Patterns are looked for at each byte of a readable range; the buffer itself is outside, in memory of its own. */
static uint32_t range_search(int memory, uint8_t *buffer, unsigned long begin, unsigned long end,
                             const struct pattern *patterns, uint32_t count)
{
    uint32_t found = 0;
    for (unsigned long at = begin; at < end; at += CHUNK_BYTES - 64) {
        const size_t size_bytes = end - at < CHUNK_BYTES ? end - at : CHUNK_BYTES;
        const ssize_t got = pread(memory, buffer, size_bytes, (off_t)at);
        for (ssize_t i = 0; got >= 64 && i <= got - 64; i++)
            for (uint32_t p = 0; p < count; p++)
                found += is_at(&patterns[p], buffer + i);
    }
    memset(buffer, 0, CHUNK_BYTES);
    return found;
}

static struct found search(const struct pattern *patterns, uint32_t count)
{
    struct found found = {0, 0};
    uint8_t *buffer =
        mmap(NULL, CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const int memory = open("/proc/self/mem", O_RDONLY);
    FILE *maps = fopen("/proc/self/smaps", "r");
    cr_assert(buffer != MAP_FAILED && memory >= 0 && maps != NULL);
    static char line[4096];
    unsigned long begin = 0, end = 0, from, to;
    char rights[8] = "";
    while (fgets(line, sizeof(line), maps) != NULL) {
        char read_rights[8];
        if (sscanf(line, "%lx-%lx %7s", &from, &to, read_rights) == 3) {
            begin = from;
            end = to;
            memcpy(rights, read_rights, sizeof(rights));
        } else if (strncmp(line, "VmFlags:", 8) == 0 && rights[0] == 'r' &&
                   !((uintptr_t)buffer >= begin && (uintptr_t)buffer < end)) {
            const uint32_t here = range_search(memory, buffer, begin, end, patterns, count);
            if (strstr(line, " dd") != NULL)
                found.kept_out += here;
            else
                found.dumped += here;
        }
    }
    fclose(maps);
    close(memory);
    munmap(buffer, CHUNK_BYTES);
    return found;
}

/* Writes a key file whose seed this process keeps masked only; patterns: the seed, its text. */
static void file_make(const char *path, struct pattern patterns[2])
{
    const int random = open("/dev/urandom", O_RDONLY);
    uint8_t seed[32];
    char text[66];
    cr_assert(random >= 0 && read(random, seed, sizeof(seed)) == sizeof(seed));
    close(random);
    giro_hex_format(seed, sizeof(seed), text);
    text[64] = '\n';
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    cr_assert(fd >= 0 && write(fd, text, 65) == 65 && close(fd) == 0);
    patterns[0].size_bytes = 32;
    patterns[1].size_bytes = 64;
    for (size_t i = 0; i < 32; i++)
        patterns[0].masked[i] = seed[i] ^ MASK;
    for (size_t i = 0; i < 64; i++)
        patterns[1].masked[i] = (uint8_t)text[i] ^ MASK;
    explicit_bzero(seed, sizeof(seed));
    explicit_bzero(text, sizeof(text));
}

Test(genesis_key_memory, a_secret_is_only_in_guarded_pages_and_gone_when_its_key_is)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    cr_skip_test("the sanitizer keeps terabytes of its own");
#endif
    char dir[64] = "/tmp/giro-keys-XXXXXX", path[128], command[128];
    cr_assert(mkdtemp(dir) != NULL);
    snprintf(path, sizeof(path), "%s/replica-0", dir);
    cr_assert(mkdir(path, 0700) == 0);
    snprintf(path, sizeof(path), "%s/replica-0/vote.key", dir);
    struct pattern patterns[2];
    file_make(path, patterns);
    struct found found = search(patterns, 2);
    cr_assert(found.dumped == 0 && found.kept_out == 0, "the test itself holds the secret");
    struct giro_secret_key *key;
    cr_assert(giro_key_file_load(dir, "replica-0", "vote", &key, NULL) == GIRO_ERR_OK);
    const struct giro_signature signature = giro_sign(key, "giro", 4);
    cr_assert(signature.bytes[0] != 0 || signature.bytes[1] != 0 || signature.bytes[2] != 0);
    found = search(patterns, 2);
    cr_assert(found.dumped == 0, "%u copies where a core dump has them", found.dumped);
    cr_assert(found.kept_out == 1, "%u copies", found.kept_out);
    giro_key_free(key);
    found = search(patterns, 2);
    cr_assert(found.dumped == 0 && found.kept_out == 0, "%u and %u copies are left", found.dumped,
              found.kept_out);
    /* A file that is refused leaves nothing either. */
    const int fd = open(path, O_WRONLY | O_APPEND);
    cr_assert(fd >= 0 && write(fd, "x", 1) == 1 && close(fd) == 0);
    cr_assert(giro_key_file_load(dir, "replica-0", "vote", &key, NULL) == GIRO_ERR_KEY);
    found = search(patterns, 2);
    cr_assert(found.dumped == 0 && found.kept_out == 0, "%u and %u copies are left", found.dumped,
              found.kept_out);
    snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    cr_assert(system(command) == 0);
}
