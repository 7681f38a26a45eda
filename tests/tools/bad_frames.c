/* bad_frames reject GENESIS KEYS ADDRESS COUNT: sends, in a session of the first member with replica 0 at ADDRESS and beside it,
 * COUNT datagrams of every kind a replica must refuse, and prints one line
 * "REASON N" per reject reason that must have been counted. "REASON" is ANY for datagrams changed at random: refused, whatever
 * the reason. One good frame is among them, to be replayed.
 *
 * bad_frames equivocate GENESIS KEYS ADDRESS OTHER_ADDRESS BIC FIRST: signs two different frames with the next sequence of the
 * member's channel 0, sends one to replica FIRST at ADDRESS and the other to the one after it at the same moment, waits until
 * both have them, and prints a line for each payment: its UETR and the frame in hexadecimal digits.
 *
 * Exit codes: 0 sent, 1 something failed, 2 wrong usage. */
#include <arpa/inet.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "member/sender.h"
#include "tools/session_line.h"

#define PAUSE_EVERY 32u
#define PAUSE_NS                                                                                   \
    2000000 /* the receiver's buffer holds megabytes, but two cores are shared by five processes */
#define REPLAY_AFTER 700000000

struct sending {
    const struct giro_genesis *genesis;
    struct giro_secret_key *keys[2]; /* of the first two members */
    struct giro_secret_key *maker;
    struct session_line line; /* of the first member with the replica */
    int fd;
    uint64_t sent, rejected[GIRO_REJECT_COUNT_OF_REASONS], any;
    struct giro_prng prng;
};

static void pause_ns(long ns)
{
    struct timespec pause = {.tv_nsec = ns};
    nanosleep(&pause, NULL);
}

static int socket_to(const char *address)
{
    struct giro_config_address to;
    struct sockaddr_in name = {.sin_family = AF_INET};
    const char *colon = strchr(address, ':');
    size_t length = colon == NULL ? 0 : (size_t)(colon - address);
    if (length == 0 || length >= sizeof(to.host))
        return -1;
    memcpy(to.host, address, length);
    to.host[length] = '\0';
    name.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0 || inet_pton(AF_INET, to.host, &name.sin_addr) != 1 ||
        connect(fd, (struct sockaddr *)&name, sizeof(name)) != 0)
        return -1;
    return fd;
}

static bool put(struct sending *sending, const void *bytes, size_t size_bytes)
{
    if (++sending->sent % PAUSE_EVERY == 0)
        pause_ns(PAUSE_NS);
    return session_line_frame(&sending->line, bytes, size_bytes);
}

static struct giro_record payment_make(const struct giro_genesis *genesis, uint16_t creditor)
{
    struct giro_record record = {.amount_minor = 100,
                                 .creditor = creditor,
                                 .currency = genesis->currencies[0].number,
                                 .service = GIRO_SERVICE_NET,
                                 .kind = GIRO_PAYMENT_CREDIT_TRANSFER};
    randombytes_buf(record.uetr, sizeof(record.uetr));
    record.uetr[6] = (uint8_t)((record.uetr[6] & 0x0F) | 0x40);
    record.uetr[8] = (uint8_t)((record.uetr[8] & 0x3F) | 0x80);
    return record;
}

/* A good frame of the first member on channel 5, which is only ever used here. */
static size_t good_make(const struct sending *sending, uint64_t sequence, uint8_t *frame)
{
    struct giro_record records[2] = {payment_make(sending->genesis, 1),
                                     payment_make(sending->genesis, 1)};
    return giro_frame_make(sending->genesis, sending->keys[0], 0, 1, 5, sequence, records, 2,
                           frame);
}

/* ---- What may be wrong with a frame ---------------------------------------------------------------------- */

struct kind {
    enum giro_reject reject;
    /* Spoils a good frame in a buffer of GIRO_FRAME_BYTES_MAX + 64; returns the size to send. */
    size_t (*spoil)(const struct sending *sending, uint8_t *frame, size_t size_bytes);
};

static struct giro_frame_header *header_of(uint8_t *frame)
{
    return (struct giro_frame_header *)(void *)frame;
}
static size_t spoil_shorter(const struct sending *sending, uint8_t *frame, size_t size_bytes)
{
    (void)sending;
    (void)frame;
    return size_bytes - 1;
}
static size_t spoil_tiny(const struct sending *sending, uint8_t *frame, size_t size_bytes)
{
    (void)sending;
    (void)frame;
    (void)size_bytes;
    return 3;
}
static size_t spoil_longer(const struct sending *sending, uint8_t *frame, size_t size_bytes)
{
    (void)sending;
    memset(frame + size_bytes, 0, 4);
    return size_bytes + 4;
}
static size_t spoil_huge(const struct sending *sending, uint8_t *frame, size_t size_bytes)
{
    (void)sending;
    memset(frame + size_bytes, 0, GIRO_FRAME_BYTES_MAX + 64 - size_bytes);
    return GIRO_FRAME_BYTES_MAX + 64;
}
static size_t spoil_magic(const struct sending *sending, uint8_t *frame, size_t size_bytes)
{
    (void)sending;
    frame[0] ^= 1;
    return size_bytes;
}
static size_t spoil_kind(const struct sending *sending, uint8_t *frame, size_t size_bytes)
{
    (void)sending;
    header_of(frame)->head.kind = 0x0777;
    return size_bytes;
}
static size_t spoil_version(const struct sending *sending, uint8_t *frame, size_t size_bytes)
{
    (void)sending;
    header_of(frame)->head.version = 2;
    return size_bytes;
}
static size_t spoil_reserved(const struct sending *sending, uint8_t *frame, size_t size_bytes)
{
    (void)sending;
    header_of(frame)->reserved = 1;
    return size_bytes;
}
static size_t spoil_chain(const struct sending *sending, uint8_t *frame, size_t size_bytes)
{
    (void)sending;
    header_of(frame)->chain_prefix ^= 1;
    return size_bytes;
}
static size_t spoil_member(const struct sending *sending, uint8_t *frame, size_t size_bytes)
{
    header_of(frame)->member = (uint16_t)sending->genesis->member_count;
    return size_bytes;
}
static size_t spoil_key(const struct sending *sending, uint8_t *frame, size_t size_bytes)
{
    (void)sending;
    header_of(frame)->key_id = 9;
    return size_bytes;
}
static size_t spoil_channel(const struct sending *sending, uint8_t *frame, size_t size_bytes)
{
    (void)sending;
    header_of(frame)->channel = GIRO_CHANNELS_MAX;
    return size_bytes;
}
static size_t spoil_count(const struct sending *sending, uint8_t *frame, size_t size_bytes)
{
    (void)sending;
    header_of(frame)->record_count = 0;
    return size_bytes;
}
static size_t spoil_amount(const struct sending *sending, uint8_t *frame, size_t size_bytes)
{
    (void)sending;
    frame[sizeof(struct giro_frame_header) + 16] ^= 4;
    return size_bytes;
}
static size_t spoil_signature(const struct sending *sending, uint8_t *frame, size_t size_bytes)
{
    (void)sending;
    frame[size_bytes - 1] ^= 1;
    return size_bytes;
}
/* Another member's key under this member's name. */
static size_t spoil_signer(const struct sending *sending, uint8_t *frame, size_t size_bytes)
{
    struct giro_record record = payment_make(sending->genesis, 1);
    (void)size_bytes;
    return giro_frame_make(sending->genesis, sending->keys[1], 0, 1, 5, 1, &record, 1, frame);
}
/* Signed for another hub whose chain id happens to begin like ours. */
static size_t spoil_hub(const struct sending *sending, uint8_t *frame, size_t size_bytes)
{
    static struct giro_genesis other;
    struct giro_record record = payment_make(sending->genesis, 1);
    (void)size_bytes;
    other.chain_id = sending->genesis->chain_id;
    other.chain_prefix = sending->genesis->chain_prefix;
    other.chain_id.bytes[31] ^= 1;
    return giro_frame_make(&other, sending->keys[0], 0, 1, 5, 1, &record, 1, frame);
}
/* One person cannot be two. */
static size_t control_make(const struct sending *sending, uint8_t *frame, uint16_t checker_key_id)
{
    struct giro_control control = {.op = GIRO_CONTROL_CLOSE_CYCLE,
                                   .currency = sending->genesis->currencies[0].number};
    randombytes_buf(control.link, sizeof(control.link));
    size_t size_bytes = giro_control_make(sending->genesis, sending->maker, 1, sending->maker, 2, 0,
                                          1000, &control, 1, frame);
    header_of(frame)->checker_key_id = checker_key_id;
    return size_bytes;
}
static size_t spoil_one_operator(const struct sending *sending, uint8_t *frame, size_t size_bytes)
{
    (void)size_bytes;
    return control_make(sending, frame, 1);
}
static size_t spoil_checker(const struct sending *sending, uint8_t *frame, size_t size_bytes)
{
    (void)size_bytes;
    return control_make(sending, frame, 2);
}

static const struct kind kinds[] = {
    {GIRO_REJECT_TRUNCATED, spoil_shorter},
    {GIRO_REJECT_TRUNCATED, spoil_tiny},
    {GIRO_REJECT_OVERSIZED, spoil_longer},
    {GIRO_REJECT_OVERSIZED, spoil_huge},
    {GIRO_REJECT_MAGIC, spoil_magic},
    {GIRO_REJECT_KIND, spoil_kind},
    {GIRO_REJECT_VERSION, spoil_version},
    {GIRO_REJECT_RESERVED, spoil_reserved},
    {GIRO_REJECT_CHAIN, spoil_chain},
    {GIRO_REJECT_MEMBER, spoil_member},
    {GIRO_REJECT_KEY, spoil_key},
    {GIRO_REJECT_CHANNEL, spoil_channel},
    {GIRO_REJECT_COUNT, spoil_count},
    {GIRO_REJECT_SIGNATURE, spoil_amount},
    {GIRO_REJECT_SIGNATURE, spoil_signature},
    {GIRO_REJECT_SIGNATURE, spoil_signer},
    {GIRO_REJECT_SIGNATURE, spoil_hub},
    {GIRO_REJECT_SIGNER, spoil_one_operator},
    {GIRO_REJECT_MEMBER, spoil_checker}, /* and comes by HTTPS only */
};

static bool send_kinds(struct sending *sending, uint32_t count)
{
    static _Alignas(8) uint8_t frame[GIRO_FRAME_BYTES_MAX + 64];
    for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
        for (uint32_t i = 0; i < count; i++) {
            size_t size_bytes = kinds[k].spoil(sending, frame, good_make(sending, 1, frame));
            if (!put(sending, frame, size_bytes))
                return false;
        }
        sending->rejected[kinds[k].reject] += count;
    }
    return true;
}

/* One bit of a good frame, or its whole content, at random. */
static bool send_random(struct sending *sending, uint32_t count)
{
    uint8_t frame[GIRO_FRAME_BYTES_MAX + 64];
    for (uint32_t i = 0; i < 4 * count; i++) {
        size_t size_bytes = good_make(sending, 1, frame);
        if (i % 4 == 0)
            giro_prng_fill(&sending->prng, frame, size_bytes);
        else
            frame[giro_prng_below(&sending->prng, size_bytes)] ^=
                (uint8_t)(1u << giro_prng_below(&sending->prng, 8));
        if (!put(sending, frame, size_bytes))
            return false;
    }
    sending->any += 4 * count;
    return true;
}

/* Good frames and others outside a session: nothing but a session's datagrams is looked at. */
static bool send_plain(struct sending *sending, uint32_t count)
{
    uint8_t frame[GIRO_FRAME_BYTES_MAX];
    for (uint32_t i = 0; i < 2 * count; i++) {
        size_t size_bytes = good_make(sending, 1, frame);
        frame[0] ^= i % 2; /* its magic */
        if (i % PAUSE_EVERY == 0)
            pause_ns(PAUSE_NS);
        if (send(sending->fd, frame, size_bytes, 0) != (ssize_t)size_bytes)
            return false;
    }
    sending->rejected[GIRO_REJECT_KIND] += count;
    sending->rejected[GIRO_REJECT_MAGIC] += count;
    return true;
}

/* The same good frame: at once (the port's hint drops it), and again later (it executes as a duplicate: no effect). */
static bool send_replays(struct sending *sending, uint32_t count)
{
    uint8_t frame[GIRO_FRAME_BYTES_MAX];
    size_t size_bytes = good_make(sending, 0, frame);
    bool good = true;
    for (uint32_t round = 0; good && round < 2; round++) {
        for (uint32_t i = 0; good && i < 1 + count; i++)
            good = put(sending, frame, size_bytes);
        sending->rejected[GIRO_REJECT_DUPLICATE] += count;
        pause_ns(REPLAY_AFTER);
    }
    return good;
}

static int reject_run(struct sending *sending, uint32_t count)
{
    if (!send_plain(sending, count) || !send_kinds(sending, count) ||
        !send_random(sending, count) || !send_replays(sending, count)) {
        perror("bad_frames: send");
        return 1;
    }
    sending->rejected[GIRO_REJECT_COOKIE] += sending->line.cookies;
    for (uint32_t i = 1; i < GIRO_REJECT_COUNT_OF_REASONS; i++)
        if (sending->rejected[i] > 0)
            printf("%s %lu\n", giro_reject_name((enum giro_reject)i),
                   (unsigned long)sending->rejected[i]);
    printf("ANY %lu\n", (unsigned long)sending->any);
    return 0;
}

/* ---- Two frames, one sequence -------------------------------------------------------------------------------- */

/* Sessions of `bic`, with replica `first` and with those after it. */
static bool lines_open(const struct giro_genesis *genesis, const char *keys_dir, const char *bic,
                       const int *fds, uint16_t first, uint16_t count, struct session_line *lines,
                       struct giro_diagnosis *diagnosis)
{
    uint32_t member = giro_genesis_member_by_bic(genesis, bic);
    struct giro_secret_key *key = NULL;
    if (member == GIRO_NONE ||
        giro_key_file_load(keys_dir, bic, "session", &key, diagnosis) != GIRO_ERR_OK)
        return false;
    bool good = true;
    for (uint16_t r = 0; good && r < count; r++)
        good = session_line_open(&lines[r], genesis, (uint16_t)member, (uint16_t)(first + r), key,
                                 fds[r]);
    giro_key_free(key);
    return good;
}

static int equivocate_run(const struct giro_genesis *genesis, const char *keys_dir, const char *bic,
                          uint16_t first, const int fds[2], struct giro_diagnosis *diagnosis)
{
    struct session_line lines[2];
    uint32_t member = giro_genesis_member_by_bic(genesis, bic);
    struct giro_secret_key *key = NULL;
    uint64_t sequence = 0;
    if (member == GIRO_NONE ||
        !lines_open(genesis, keys_dir, bic, fds, first, 2, lines, diagnosis) ||
        giro_key_file_load(keys_dir, bic, "frame", &key, diagnosis) != GIRO_ERR_OK ||
        giro_sequence_reserve(keys_dir, bic, 0, 1, &sequence, diagnosis) != GIRO_ERR_OK)
        return 1;
    static uint8_t frames[2][GIRO_FRAME_BYTES_MAX];
    size_t sizes[2];
    for (uint32_t i = 0; i < 2; i++) {
        struct giro_record record = payment_make(genesis, member == 0 ? 1 : 0);
        char text[37], hex[2 * GIRO_FRAME_BYTES_MAX + 1];
        giro_uetr_format(record.uetr, text);
        sizes[i] =
            giro_frame_make(genesis, key, (uint16_t)member, 1, 0, sequence, &record, 1, frames[i]);
        giro_hex_format(frames[i], sizes[i], hex);
        printf("%s %s\n", text, hex);
    }
    giro_key_free(key);
    for (uint32_t i = 0; i < 2; i++)
        if (!session_line_frame(&lines[i], frames[i], sizes[i]))
            return 1;
    for (uint32_t i = 0; i < 2; i++)
        if (!session_line_settle(&lines[i]))
            return 1;
    return 0;
}

static int run(int argc, char **argv, struct giro_diagnosis *diagnosis)
{
    static struct giro_genesis genesis;
    static struct sending sending;
    if (giro_crypto_init() != GIRO_ERR_OK ||
        giro_genesis_load(argv[2], &genesis, diagnosis) != GIRO_ERR_OK)
        return 1;
    int fds[2] = {socket_to(argv[4]), argc == 8 ? socket_to(argv[5]) : 0};
    int code = 1;
    if (fds[0] < 0 || fds[1] < 0) {
        giro_diagnosis_set(diagnosis, "127.0.0.1:7400", "", "no such address");
    } else if (argc == 8) {
        code = equivocate_run(&genesis, argv[3], argv[6], (uint16_t)strtoul(argv[7], NULL, 10), fds,
                              diagnosis);
    } else {
        sending.genesis = &genesis;
        sending.fd = fds[0];
        giro_prng_init(&sending.prng, 5);
        enum giro_err err = GIRO_ERR_OK;
        for (uint32_t i = 0; i < 2 && err == GIRO_ERR_OK; i++)
            err = giro_key_file_load(argv[3], genesis.members[i].bic, "frame", &sending.keys[i],
                                     diagnosis);
        if (err == GIRO_ERR_OK)
            err = giro_key_file_load(argv[3], "maker", "approver", &sending.maker, diagnosis);
        if (err == GIRO_ERR_OK && lines_open(&genesis, argv[3], genesis.members[0].bic, fds, 0, 1,
                                             &sending.line, diagnosis))
            code = reject_run(&sending, (uint32_t)strtoul(argv[5], NULL, 10));
        for (uint32_t i = 0; i < 2; i++)
            if (sending.keys[i] != NULL)
                giro_key_free(sending.keys[i]);
        if (sending.maker != NULL)
            giro_key_free(sending.maker);
    }
    giro_genesis_free(&genesis);
    return code;
}

int main(int argc, char **argv)
{
    bool reject = argc == 6 && strcmp(argv[1], "reject") == 0;
    bool equivocate = argc == 8 && strcmp(argv[1], "equivocate") == 0;
    if (!reject && !equivocate) {
        fprintf(stderr,
                "usage: bad_frames reject GENESIS KEYS HOST:PORT COUNT\n"
                "       bad_frames equivocate GENESIS KEYS HOST:PORT HOST:PORT BIC FIRST\n");
        return 2;
    }
    struct giro_diagnosis diagnosis = {.fact = ""};
    int code = run(argc, argv, &diagnosis);
    if (code != 0 && diagnosis.fact[0] != '\0')
        giro_diagnosis_print("bad_frames", &diagnosis);
    return code;
}
