/* giro/err.h - the three kinds of error, kept apart.
 *
 * 1. Our bug: GIRO_ASSERT. On in every build; the process stops with file, line and condition.
 * 2. An operating failure (disk full, port busy, bad configuration): enum giro_err, 0 is ok. One list
 *    (GIRO_ERR_MAP) gives code, name, sentence and what the operator should do.
 * 3. Bad input from a peer or a file: a reject reason (giro/wire.h, GIRO_REJECT_MAP), counted per
 *    reason and per member, never asserted, never logged per packet.
 *
 * Threads: everything here may be called from any thread. Nothing allocates.
 */
#ifndef GIRO_ERR_H
#define GIRO_ERR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* X(code, name, sentence, what the operator should do) */
#define GIRO_ERR_MAP(X)                                                                            \
    X(0, OK, "no error", "nothing")                                                                \
    X(1, NOMEM, "out of memory", "lower the limits in the configuration or add memory")            \
    X(2, ARGUMENT, "an argument is out of range", "check the value named in the message")          \
    X(3, CONFIG, "the configuration is not valid", "correct the line named in the message")        \
    X(4, IO, "input or output failed", "check the disk and the path named in the message")         \
    X(5, NOSPACE, "the disk is full", "free space on the volume named in the message")             \
    X(6, NOENT, "a file or record is not there", "check the path or number in the message")        \
    X(7, EXISTS, "a file is already there", "choose another name or remove it")                    \
    X(8, FORMAT, "bytes are not in the expected format", "check where the file came from")         \
    X(9, CHECKSUM, "stored bytes do not match their checksum", "restore the file from a peer")     \
    X(10, SIGNATURE, "a signature is not valid", "check the keys and where the file came from")    \
    X(11, CHAIN, "the bytes belong to another hub", "use the genesis file of this hub")            \
    X(12, KEY, "a key is missing, malformed or not enrolled", "check the key directory")           \
    X(13, FULL, "a bounded queue or table is full", "try again, or raise its limit")               \
    X(14, STATE, "the operation is not allowed in this state", "see the message")                  \
    X(15, NETWORK, "a network operation failed", "check addresses, routes and permissions")        \
    X(16, TIMEOUT, "nothing answered in time", "check that the replicas run and are reachable")    \
    X(17, TLS, "a TLS handshake or record failed", "check the pinned transport keys")              \
    X(18, DIVERGED, "replicas disagree about the state", "stop, keep all files, call support")     \
    X(19, DAMAGED, "durable bytes are missing or damaged", "repair this replica from its peers")   \
    X(20, LOCKED, "another process uses this directory", "stop the other process first")           \
    X(21, PORT, "the packet port cannot be opened", "check NET_RAW and NET_ADMIN, or use udp")     \
    X(22, INTERRUPTED, "stopped by a signal", "run it again")                                      \
    X(23, MEMORY, "memory changed under the program",                                              \
      "start it again; if it recurs, test the memory")                                             \
    X(24, RESTART, "a newer state came from the other replicas", "start it again; girod does")

enum giro_err {
#define GIRO_ERR_ENUM(code, name, sentence, advice) GIRO_ERR_##name = (code),
    GIRO_ERR_MAP(GIRO_ERR_ENUM)
#undef GIRO_ERR_ENUM
};

#define GIRO_MUST_USE __attribute__((warn_unused_result))

/* giro_err_name returns the short name ("NOSPACE"), never NULL. */
const char *giro_err_name(enum giro_err err);
/* giro_err_sentence returns one plain sentence without a full stop, never NULL. */
const char *giro_err_sentence(enum giro_err err);
/* giro_err_advice returns what the operator should do, never NULL. */
const char *giro_err_advice(enum giro_err err);

/* GIRO_TRY(expr) returns expr's error from the calling function unless it is GIRO_ERR_OK. */
#define GIRO_TRY(expr)                                                                             \
    do {                                                                                           \
        enum giro_err giro_try_err_ = (expr);                                                      \
        if (giro_try_err_ != GIRO_ERR_OK)                                                          \
            return giro_try_err_;                                                                  \
    } while (0)

/* giro_assert_fail calls the assert hook or, where none is set, writes "file:line: assertion failed:
 * condition" to stderr; then it aborts. */
__attribute__((noreturn)) void giro_assert_fail(const char *condition, const char *file, int line);
/* giro_assert_hook, when not NULL, is called before abort (tests, crash dumps). It may not return
 * control to the failing code. Set once at start. */
extern void (*giro_assert_hook)(const char *condition, const char *file, int line);

/* GIRO_ASSERT states a proved fact. On in every build. */
#define GIRO_ASSERT(condition)                                                                     \
    (__builtin_expect(!(condition), 0) ? giro_assert_fail(#condition, __FILE__, __LINE__) : (void)0)

#ifdef __cplusplus
}
#endif
#endif
