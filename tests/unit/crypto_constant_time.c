/* Signs with a secret that a tool watches; tests/tools/check_constant_time runs it.
 *
 *   secret SUM          the seed is undefined memory to valgrind, which reports a branch or an address that depends on it
 *   trace SUM KEYS FILE signs under each of KEYS keys, one instruction at a time, and writes the instruction pointer and the
 *                       general registers before each to FILE.0, FILE.1, ..., and the map of the process to FILE.maps
 * SUM is avx2, avx512, or leak: the first, after a look at an entry by each digit: both must find that. Exit code 77: this
 * processor cannot run it, or there is no valgrind header. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sodium.h>

#include "common/crypto/internal.h"
#include "common/crypto/sign.h"

#if defined(__has_include)
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#endif
#endif

#define SKIPPED       77
#define MESSAGE_BYTES 200u

static void must(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "crypto_constant_time: %s: %s\n", what, strerror(errno));
        exit(1);
    }
}

static volatile uint64_t looked_up;

static void sum_leak(struct giro_comb_job *job)
{
    for (uint32_t w = 0; w < GIRO_COMB_WINDOWS_MAX; w++)
        looked_up = giro_comb_base[job->key_digits[w] >> 1].sum.v[0];
    giro_sign_sum_avx2(job);
}

static giro_sign_sum_fn *sum_of(const char *name)
{
    const bool wide = strcmp(name, "avx512") == 0, leak = strcmp(name, "leak") == 0;
    must(wide || leak || strcmp(name, "avx2") == 0, "no such sum");
    if (!giro_crypto_variant_set(wide ? GIRO_VARIANT_AVX512 : GIRO_VARIANT_AVX2))
        exit(SKIPPED);
    return leak ? sum_leak : giro_variant_sign();
}

struct job {
    giro_sign_sum_fn *sum;
    struct giro_secret_key key;
    uint8_t message[MESSAGE_BYTES];
    struct giro_signature expected, found;
    bool sound;
};

static void job_open(struct job *job, const char *sum, uint8_t number)
{
    uint8_t seed[32], public_bytes[32];
    memset(job, 0, sizeof(*job));
    job->sum = sum_of(sum);
    for (uint32_t i = 0; i < sizeof(seed); i++)
        seed[i] = (uint8_t)(number * 37 + i * 11);
    must(crypto_sign_seed_keypair(public_bytes, job->key.secret, seed) == 0, "no key");
    must(crypto_sign_detached(job->expected.bytes, NULL, job->message, MESSAGE_BYTES,
                              job->key.secret) == 0,
         "libsodium does not sign");
}

/* From the seed to the signature. */
static __attribute__((noinline)) void job_sign(struct job *job)
{
    giro_sign_expand(&job->key);
    job->sound = giro_sign_by(job->sum, &job->key, job->message, MESSAGE_BYTES, &job->found);
}

static void job_check(const struct job *job)
{
    must(job->sound && memcmp(&job->found, &job->expected, sizeof(job->found)) == 0,
         "another signature than libsodium's");
}

#ifdef VALGRIND_MAKE_MEM_UNDEFINED
static int secret(const char *sum)
{
    static struct job job;
    for (uint8_t number = 0; number < 3; number++) {
        job_open(&job, sum, number);
        VALGRIND_MAKE_MEM_UNDEFINED(job.key.secret, 32);
        job_sign(&job);
        uint8_t undefined[64] = {0};
        VALGRIND_GET_VBITS(job.found.bytes, undefined, sizeof(undefined));
        must(!RUNNING_ON_VALGRIND || !sodium_is_zero(undefined, sizeof(undefined)),
             "the secret is not followed into the signature");
        VALGRIND_MAKE_MEM_DEFINED(&job.found, sizeof(job.found));
        VALGRIND_MAKE_MEM_DEFINED(&job.sound, sizeof(job.sound));
        job_check(&job);
    }
    return 0;
}
#else
static int secret(const char *sum)
{
    (void)sum;
    return SKIPPED;
}
#endif

/* ---- Tracing ---- */

static __attribute__((noinline)) void traced_end(void)
{
    __asm__ volatile("");
}

static void maps_write(const char *path)
{
    char name[512], bytes[65536];
    snprintf(name, sizeof(name), "%s.maps", path);
    FILE *maps = fopen("/proc/self/maps", "r"), *file = fopen(name, "w");
    must(maps != NULL && file != NULL, name);
    const size_t size_bytes = fread(bytes, 1, sizeof(bytes), maps);
    fclose(maps);
    const size_t written_bytes = fwrite(bytes, 1, size_bytes, file);
    const int closed = fclose(file);
    must(written_bytes == size_bytes && closed == 0, name);
}

static void child_run(struct job *job)
{
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
        _exit(SKIPPED);
    raise(SIGSTOP);
    job_sign(job);
    traced_end();
    _exit(0);
}

static void step_write(FILE *file, const struct user_regs_struct *regs)
{
    const uint64_t words[17] = {regs->rip, regs->rax, regs->rcx, regs->rdx, regs->rbx, regs->rsp,
                                regs->rbp, regs->rsi, regs->rdi, regs->r8,  regs->r9,  regs->r10,
                                regs->r11, regs->r12, regs->r13, regs->r14, regs->r15};
    must(fwrite(words, sizeof(words), 1, file) == 1, "the trace cannot be written");
}

/* In a child, so that all keys' signatures begin with the same memory but for the key. */
static int trace_one(struct job *job, FILE *file)
{
    const pid_t child = fork();
    must(child >= 0, "fork");
    if (child == 0)
        child_run(job);
    for (;;) {
        int status;
        struct user_regs_struct regs;
        must(waitpid(child, &status, 0) == child, "waitpid");
        if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
            return SKIPPED;
        must(WIFSTOPPED(status), "the signer ended by itself");
        must(ptrace(PTRACE_GETREGS, child, NULL, &regs) == 0, "no registers");
        if (regs.rip == (uint64_t)(uintptr_t)traced_end)
            break;
        step_write(file, &regs);
        must(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) == 0, "no step");
    }
    must(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child, "the signer does not end");
    return 0;
}

static int trace(const char *sum, uint8_t keys, const char *path)
{
    static struct job job;
    maps_write(path);
    for (uint8_t key = 0; key < keys; key++) {
        char name[512];
        snprintf(name, sizeof(name), "%s.%u", path, key);
        job_open(&job, sum, key);
        job_sign(&job); /* also binds every function that is called */
        job_check(&job);
        traced_end();
        FILE *file = fopen(name, "w");
        must(file != NULL, name);
        const int code = trace_one(&job, file);
        must(fclose(file) == 0, name);
        if (code != 0)
            return code;
    }
    return 0;
}

int main(int argc, char **argv)
{
    must(giro_crypto_init() == GIRO_ERR_OK, "libsodium cannot be used");
    if (argc == 3 && strcmp(argv[1], "secret") == 0)
        return secret(argv[2]);
    if (argc == 5 && strcmp(argv[1], "trace") == 0)
        return trace(argv[2], (uint8_t)strtoul(argv[3], NULL, 10), argv[4]);
    fprintf(stderr, "usage: crypto_constant_time secret SUM | trace SUM KEYS FILE\n");
    return 2;
}
