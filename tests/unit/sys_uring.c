/* The real disk, by io_uring and by pwritev2: each test runs on both paths. */
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/sys/sys_internal.h"
#include "unit/sys_support.h"

#define BLOCK GIRO_DISK_BLOCK_BYTES

static bool readable(int fd, int timeout_ms)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    return poll(&wait, 1, timeout_ms) == 1;
}

static void write_and_read_back(const char *path, bool use_ring)
{
    struct giro_disk disk;
    int event_fd;
    cr_assert(giro_disk_uring_open_choose(path, use_ring, &disk, &event_fd) == GIRO_ERR_OK);
    uint32_t file;
    uint64_t size_bytes;
    cr_assert(disk.ops->open(disk.self, "log-1", 0, &file, &size_bytes) == GIRO_ERR_NOENT);
    cr_assert(disk.ops->open(disk.self, "log-1", 512 * BLOCK, &file, &size_bytes) == GIRO_ERR_OK);
    cr_assert(size_bytes == 512 * BLOCK);
    cr_assert(!readable(event_fd, 0));
    uint8_t *bytes = blocks_new(GIRO_DISK_DEPTH, 1);
    for (uint32_t i = 0; i < GIRO_DISK_DEPTH; i++) {
        const struct giro_disk_write write = {.file = file,
                                              .size_bytes = BLOCK,
                                              .offset = (uint64_t)i * 3 * BLOCK,
                                              .bytes = bytes + i * BLOCK,
                                              .tag = 1000 + i};
        cr_assert(disk.ops->submit(disk.self, &write) == GIRO_ERR_OK, "write %u", i);
        if (i + 1 == GIRO_DISK_DEPTH)
            cr_assert(disk.ops->submit(disk.self, &write) == GIRO_ERR_FULL);
    }
    cr_assert(disk.ops->start(disk.self) == GIRO_ERR_OK);
    uint64_t seen = 0;
    uint32_t left = GIRO_DISK_DEPTH;
    while (left > 0) {
        cr_assert(readable(event_fd, 10000), "the event descriptor says when to poll");
        struct giro_disk_completion completions[5];
        const uint32_t count = disk.ops->poll(disk.self, completions, 5);
        for (uint32_t i = 0; i < count; i++) {
            cr_assert(completions[i].err == GIRO_ERR_OK);
            seen |= UINT64_C(1) << (completions[i].tag - 1000);
        }
        left -= count;
    }
    cr_assert(seen == UINT64_MAX);
    struct giro_disk_completion none;
    cr_assert(disk.ops->poll(disk.self, &none, 1) == 0);
    cr_assert(!readable(event_fd, 20), "no signal is left over");
    disk.ops->close(disk.self, file);
    giro_disk_uring_close(&disk);

    cr_assert(giro_disk_uring_open_choose(path, use_ring, &disk, &event_fd) == GIRO_ERR_OK);
    cr_assert(disk.ops->open(disk.self, "log-1", 0, &file, &size_bytes) == GIRO_ERR_OK);
    uint8_t *content = malloc(512 * BLOCK);
    cr_assert(disk.ops->read(disk.self, file, 0, content, 512 * BLOCK) == GIRO_ERR_OK);
    for (uint32_t i = 0; i < 512 * BLOCK; i++) {
        const uint32_t block = i / BLOCK;
        const uint8_t expected =
            block % 3 == 0 && block / 3 < GIRO_DISK_DEPTH ? (uint8_t)(1 + block / 3) : 0;
        cr_assert(content[i] == expected, "byte %u", i);
    }
    /* Reads need no alignment, not even across the bounce buffer's end. */
    cr_assert(disk.ops->read(disk.self, file, 3 * BLOCK - 3, content, 7) == GIRO_ERR_OK);
    cr_assert(memcmp(content, "\0\0\0\2\2\2\2", 7) == 0);
    cr_assert(disk.ops->read(disk.self, file, 1, content, 400 * BLOCK) == GIRO_ERR_OK);
    cr_assert(content[3 * BLOCK - 2] == 0 && content[3 * BLOCK - 1] == 2);
    cr_assert(disk.ops->read(disk.self, file, 512 * BLOCK - 1, content, 2) == GIRO_ERR_NOENT);
    free(content);
    free(bytes);
    giro_disk_uring_close(&disk);
}

Test(sys, uring_writes_are_there_after_reopening)
{
    for (int use_ring = 0; use_ring < 2; use_ring++) {
        char path[256];
        scratch_make(path);
        write_and_read_back(path, use_ring == 1);
        scratch_remove(path);
    }
}

Test(sys, uring_works_without_direct_io)
{
    struct stat status;
    if (stat("/dev/shm", &status) != 0)
        cr_skip_test("no /dev/shm");
    char path[256] = "/dev/shm/giro-XXXXXX";
    if (mkdtemp(path) == NULL)
        cr_skip_test("/dev/shm is not writable");
    write_and_read_back(path, true);
    scratch_remove(path);
}

Test(sys, uring_directory_serves_one_process)
{
    char path[256];
    scratch_make(path);
    struct giro_disk disk, second;
    int event_fd, second_fd;
    cr_assert(giro_disk_uring_open(path, &disk, &event_fd) == GIRO_ERR_OK);
    cr_assert(giro_disk_uring_open(path, &second, &second_fd) == GIRO_ERR_LOCKED);
    const pid_t child = fork();
    cr_assert(child >= 0);
    if (child == 0)
        _exit(giro_disk_uring_open(path, &second, &second_fd) == GIRO_ERR_LOCKED ? 0 : 1);
    int status;
    cr_assert(waitpid(child, &status, 0) == child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    giro_disk_uring_close(&disk);
    cr_assert(giro_disk_uring_open(path, &disk, &event_fd) == GIRO_ERR_OK);
    giro_disk_uring_close(&disk);
    scratch_remove(path);
}

static void collect(void *context, const char *name)
{
    strcat(strcat((char *)context, name), " ");
}

Test(sys, uring_makes_its_directory_and_lists_and_removes_files)
{
    char parent[256], path[300];
    scratch_make(parent);
    snprintf(path, sizeof path, "%s/data", parent);
    struct giro_disk disk;
    int event_fd;
    cr_assert(giro_disk_uring_open(path, &disk, &event_fd) == GIRO_ERR_OK);
    struct stat status;
    cr_assert(stat(path, &status) == 0 && (status.st_mode & 0777) == 0700);
    static const char *const names[] = {"log-2", "Log-1", "safety"};
    uint32_t files[3];
    uint64_t size_bytes;
    for (size_t i = 0; i < 3; i++)
        cr_assert(disk.ops->open(disk.self, names[i], 3 * BLOCK, &files[i], &size_bytes) ==
                  GIRO_ERR_OK);
    static const char *const bad[] = {"", "lock", ".", "..", "a/b", "log~", ".hidden", "a b"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert(disk.ops->open(disk.self, bad[i], BLOCK, &files[0], &size_bytes) ==
                      GIRO_ERR_ARGUMENT,
                  "'%s'", bad[i]);
    char listed[128] = "";
    cr_assert(disk.ops->list(disk.self, collect, listed) == GIRO_ERR_OK);
    cr_assert(strcmp(listed, "Log-1 log-2 safety ") == 0, "%s", listed);
    disk.ops->close(disk.self, files[1]);
    cr_assert(disk.ops->remove(disk.self, "Log-1") == GIRO_ERR_OK);
    cr_assert(disk.ops->remove(disk.self, "Log-1") == GIRO_ERR_NOENT);
    /* The blocks are allocated, not a hole. */
    char file_path[320];
    snprintf(file_path, sizeof file_path, "%s/log-2", path);
    cr_assert(stat(file_path, &status) == 0 && status.st_blocks * 512 >= 3 * (int)BLOCK);
    giro_disk_uring_close(&disk);
    /* What a death left of a creation is gone after the next open. */
    scratch_write(path, "log-3~", "short");
    cr_assert(giro_disk_uring_open(path, &disk, &event_fd) == GIRO_ERR_OK);
    snprintf(file_path, sizeof file_path, "%s/log-3~", path);
    cr_assert(access(file_path, F_OK) != 0);
    giro_disk_uring_close(&disk);
    scratch_remove(parent);
}

Test(sys, uring_close_waits_for_borrowed_buffers)
{
    char path[256];
    scratch_make(path);
    struct giro_disk disk;
    int event_fd;
    cr_assert(giro_disk_uring_open(path, &disk, &event_fd) == GIRO_ERR_OK);
    uint32_t file;
    uint64_t size_bytes;
    cr_assert(disk.ops->open(disk.self, "log", 64 * BLOCK, &file, &size_bytes) == GIRO_ERR_OK);
    uint8_t *bytes = blocks_new(64, 5);
    const struct giro_disk_write write = {.file = file, .size_bytes = 64 * BLOCK, .bytes = bytes};
    cr_assert(disk.ops->submit(disk.self, &write) == GIRO_ERR_OK);
    giro_disk_uring_close(&disk);
    memset(bytes, 0, 64 * BLOCK);
    cr_assert(giro_disk_uring_open(path, &disk, &event_fd) == GIRO_ERR_OK);
    cr_assert(disk.ops->open(disk.self, "log", 0, &file, &size_bytes) == GIRO_ERR_OK);
    cr_assert(disk.ops->read(disk.self, file, 0, bytes, 64 * BLOCK) == GIRO_ERR_OK);
    for (uint32_t i = 0; i < 64; i++)
        cr_assert(bytes[i * BLOCK] == 5 + i && bytes[i * BLOCK + BLOCK - 1] == 5 + i, "block %u",
                  i);
    giro_disk_uring_close(&disk);
    free(bytes);
    scratch_remove(path);
}

static bool file_there(const char *directory, const char *name)
{
    char path[320];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return access(path, F_OK) == 0;
}

static void zeros_whole(struct giro_disk disk, uint32_t file, uint64_t size_bytes)
{
    uint8_t *content = malloc(size_bytes);
    memset(content, 1, size_bytes);
    cr_assert(disk.ops->read(disk.self, file, 0, content, (uint32_t)size_bytes) == GIRO_ERR_OK);
    for (uint64_t i = 0; i < size_bytes; i++)
        cr_assert(content[i] == 0, "byte %llu", (unsigned long long)i);
    free(content);
}

static void prepare_and_open(const char *path)
{
    const uint64_t size = 2 * 1024 * 1024 + 3 * BLOCK;
    struct giro_disk disk;
    int event_fd;
    uint32_t file;
    uint64_t size_bytes;
    cr_assert(giro_disk_uring_open(path, &disk, &event_fd) == GIRO_ERR_OK);
    cr_assert(disk.ops->prepare(disk.self, "a b", BLOCK) == GIRO_ERR_ARGUMENT);
    cr_assert(disk.ops->prepare(disk.self, "a", 0) == GIRO_ERR_ARGUMENT);
    /* Waited for by open, by nobody, and by remove. */
    cr_assert(disk.ops->prepare(disk.self, "a", size) == GIRO_ERR_OK);
    cr_assert(disk.ops->open(disk.self, "a", size, &file, &size_bytes) == GIRO_ERR_OK);
    cr_assert(size_bytes == size);
    zeros_whole(disk, file, size);
    cr_assert(disk.ops->prepare(disk.self, "b", size) == GIRO_ERR_OK);
    while (!file_there(path, "b"))
        usleep(1000);
    cr_assert(disk.ops->open(disk.self, "b", size, &file, &size_bytes) == GIRO_ERR_OK);
    zeros_whole(disk, file, size);
    cr_assert(disk.ops->prepare(disk.self, "c", size) == GIRO_ERR_OK);
    cr_assert(disk.ops->remove(disk.self, "c") == GIRO_ERR_OK);
    cr_assert(!file_there(path, "c") && !file_there(path, "c~"));
    /* One at a time. */
    cr_assert(disk.ops->prepare(disk.self, "c", 32 * size) == GIRO_ERR_OK);
    cr_assert(disk.ops->prepare(disk.self, "d", size) == GIRO_ERR_FULL);
    /* Closing gives up the file under way. */
    giro_disk_uring_close(&disk);
    cr_assert(!file_there(path, "c") && !file_there(path, "c~") && !file_there(path, "d"));
}

Test(sys, uring_prepares_a_file_that_open_then_finds)
{
    char path[256];
    scratch_make(path);
    prepare_and_open(path);
    scratch_remove(path);
    snprintf(path, sizeof path, "/dev/shm/giro-XXXXXX"); /* no O_DIRECT */
    if (mkdtemp(path) == NULL)
        return;
    prepare_and_open(path);
    scratch_remove(path);
}

Test(sys, uring_prepare_harms_no_file_and_its_failure_is_left_to_open)
{
    char path[256];
    scratch_make(path);
    struct giro_disk disk;
    int event_fd;
    uint32_t file;
    uint64_t size_bytes;
    cr_assert(giro_disk_uring_open(path, &disk, &event_fd) == GIRO_ERR_OK);
    scratch_write(path, "a", "mine");
    cr_assert(disk.ops->prepare(disk.self, "a", BLOCK) == GIRO_ERR_OK);
    cr_assert(disk.ops->open(disk.self, "a", BLOCK, &file, &size_bytes) == GIRO_ERR_OK);
    cr_assert(size_bytes == 4);
    /* A folder where the unfinished file would be: neither thread can make the file. */
    char blocked[300];
    snprintf(blocked, sizeof blocked, "%s/b~", path);
    cr_assert(mkdir(blocked, 0700) == 0);
    cr_assert(disk.ops->prepare(disk.self, "b", BLOCK) == GIRO_ERR_OK);
    cr_assert(disk.ops->open(disk.self, "b", BLOCK, &file, &size_bytes) != GIRO_ERR_OK);
    cr_assert(rmdir(blocked) == 0);
    cr_assert(disk.ops->open(disk.self, "b", BLOCK, &file, &size_bytes) == GIRO_ERR_OK);
    cr_assert(size_bytes == BLOCK);
    giro_disk_uring_close(&disk);
    scratch_remove(path);
}

Test(sys, uring_asserts_alignment, .signal = SIGABRT)
{
    char path[] = "/tmp/giro-XXXXXX";
    cr_assert(mkdtemp(path) != NULL);
    struct giro_disk disk;
    int event_fd;
    cr_assert(giro_disk_uring_open(path, &disk, &event_fd) == GIRO_ERR_OK);
    uint32_t file;
    uint64_t size_bytes;
    cr_assert(disk.ops->open(disk.self, "log", 2 * BLOCK, &file, &size_bytes) == GIRO_ERR_OK);
    uint8_t *bytes = blocks_new(2, 5);
    cr_assert(disk.ops->remove(disk.self, "log") == GIRO_ERR_OK);
    scratch_remove(path); /* the open handles live on; nothing is left behind by the abort */
    const struct giro_disk_write write = {
        .file = file, .size_bytes = BLOCK, .offset = 512, .bytes = bytes};
    (void)disk.ops->submit(disk.self, &write);
}
