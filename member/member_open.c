/* The public interface: opening and closing. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "member/member_internal.h"
#include "member/sender.h"

#define FRAMES_A_CHANNEL 256u
#define OPEN_WAIT_MS     2000u /* for the outbox's number to reach the disk */

static enum giro_err refuse(struct giro_diagnosis *diagnosis, enum giro_err err, const char *hint,
                            const char *fact, const char *subject)
{
    giro_diagnosis_set(diagnosis, giro_err_sentence(err), hint, "%s \"%s\"", fact,
                       subject == NULL ? "" : subject);
    return err;
}

static enum giro_err options_take(struct giro_member *member,
                                  const struct giro_member_options *options,
                                  struct giro_diagnosis *diagnosis)
{
    static const char *const hint = "see giro/member.h";
    if (options->size_bytes != sizeof(*options))
        return refuse(diagnosis, GIRO_ERR_ARGUMENT, "set size_bytes to sizeof(options)",
                      "wrong size of", "options");
    if (options->genesis_path == NULL || options->keys_dir == NULL || options->bic == NULL ||
        options->outbox_dir == NULL || options->replicas == NULL)
        return refuse(diagnosis, GIRO_ERR_ARGUMENT, hint, "a path or name is missing in",
                      "options");
    member->options = *options;
    member->channel_count = options->channel_count == 0 ? 1 : options->channel_count;
    member->frames_max =
        options->frames_max == 0 ? FRAMES_A_CHANNEL * member->channel_count : options->frames_max;
    if ((options->flags & ~(uint32_t)GIRO_MEMBER_PROVE) != 0 ||
        options->channel_first + member->channel_count > GIRO_CHANNELS_MAX ||
        member->frames_max > GIRO_OUTBOX_FRAMES_MAX)
        return refuse(diagnosis, GIRO_ERR_ARGUMENT, hint, "a number is out of range in", "options");
    int length = snprintf(member->keys_dir, sizeof(member->keys_dir), "%s", options->keys_dir);
    if (length < 0 || (size_t)length >= sizeof(member->keys_dir))
        return refuse(diagnosis, GIRO_ERR_ARGUMENT, "choose a shorter path",
                      "too long:", options->keys_dir);
    return GIRO_ERR_OK;
}

/* Proofs want the replicas' batch keys; possessions of all keys are checked on the way. */
static enum giro_err ring_make(struct giro_member *member, struct giro_diagnosis *diagnosis)
{
    uint32_t count = giro_genesis_key_count(&member->genesis);
    size_t size = giro_align_up(giro_key_ring_footprint_for(count, 0), 64);
    member->ring_mem = aligned_alloc(64, size);
    if (member->ring_mem == NULL)
        return GIRO_ERR_NOMEM;
    member->ring = giro_key_ring_init(member->ring_mem, size, count);
    return giro_genesis_enrol(&member->genesis, member->ring, diagnosis);
}

static enum giro_err keys_load(struct giro_member *member, struct giro_diagnosis *diagnosis)
{
    const char *bic = member->options.bic;
    GIRO_TRY(giro_genesis_load(member->options.genesis_path, &member->genesis, diagnosis));
    uint32_t index = giro_genesis_member_by_bic(&member->genesis, bic);
    if (index == GIRO_NONE)
        return refuse(diagnosis, GIRO_ERR_NOENT, "use the BIC of a member in the genesis file",
                      "the hub has no member", bic);
    member->index = (uint16_t)index;
    const struct giro_genesis_member *own = &member->genesis.members[index];
    GIRO_TRY(
        giro_key_file_load(member->keys_dir, own->bic, "frame", &member->frame_key, diagnosis));
    struct giro_public_key key = giro_key_public(member->frame_key);
    for (uint32_t i = 0; i < own->frame_key_count; i++)
        if (memcmp(&own->frame_keys[i].key, &key, sizeof(key)) == 0)
            member->frame_key_id = (uint16_t)own->frame_keys[i].key_id;
    if (member->frame_key_id == 0)
        return refuse(diagnosis, GIRO_ERR_KEY, "use the key that the genesis file names",
                      "not an enrolled frame key of", bic);
    /* Ends at a guard page, so begins aligned because keys are a multiple of 16 bytes. */
    member->details_keys = sodium_malloc(DETAILS_KEYS * sizeof(*member->details_keys));
    if (member->details_keys == NULL)
        return GIRO_ERR_NOMEM;
    return (member->options.flags & GIRO_MEMBER_PROVE) != 0 ? ring_make(member, diagnosis)
                                                            : GIRO_ERR_OK;
}

static enum giro_err outbox_make(struct giro_member *member, struct giro_diagnosis *diagnosis)
{
    const char *path = member->options.outbox_dir;
    enum giro_err err = giro_disk_uring_open(path, &member->disk, &member->disk_event);
    if (err != GIRO_ERR_OK)
        return refuse(diagnosis, err, giro_err_advice(err), "the outbox cannot be opened:", path);
    member->disk_open = true;
    struct giro_outbox_options options = {.disk = &member->disk,
                                          .chain_id = member->genesis.chain_id,
                                          .chain_prefix = member->genesis.chain_prefix,
                                          .member = member->index,
                                          .frames_max = member->frames_max,
                                          .frame_bytes_max = GIRO_FRAME_MTU_BYTES};
    while (options.id == 0)
        randombytes_buf(&options.id, sizeof(options.id));
    randombytes_buf(&options.seed, sizeof(options.seed));
    size_t size = giro_align_up(giro_outbox_footprint(&options), 64);
    member->outbox_mem = aligned_alloc(64, size);
    if (member->outbox_mem == NULL)
        return GIRO_ERR_NOMEM;
    member->outbox = giro_outbox_init(member->outbox_mem, size, &options);
    err = giro_outbox_open(member->outbox);
    if (err == GIRO_ERR_FULL)
        return refuse(diagnosis, err, "open it with a larger frames_max",
                      "the outbox holds more frames than allowed:", path);
    if (err != GIRO_ERR_OK)
        return refuse(diagnosis, err, giro_err_advice(err), "the outbox cannot be read:", path);
    member->found_left = giro_outbox_count(member->outbox);
    return GIRO_ERR_OK;
}

static void on_random(void *context, void *bytes, size_t size_bytes)
{
    (void)context;
    randombytes_buf(bytes, size_bytes);
}

static enum giro_err courier_make(struct giro_member *member, struct giro_diagnosis *diagnosis)
{
    struct giro_courier_options options = {.genesis = &member->genesis,
                                           .ring = member->ring,
                                           .flights_max = member->frames_max + QUESTIONS,
                                           .datagram_max = GIRO_FRAME_MTU_BYTES,
                                           .random = on_random,
                                           .told = giro_member_told,
                                           .context = member};
    struct giro_secret_key *session_key = NULL;
    const char *bic = member->genesis.members[member->index].bic;
    randombytes_buf(&options.seed, sizeof(options.seed));
    GIRO_TRY(giro_courier_open(&options, &member->courier));
    GIRO_TRY(giro_key_file_load(member->keys_dir, bic, "session", &session_key, diagnosis));
    struct giro_public_key key = giro_key_public(session_key);
    bool enrolled =
        memcmp(&member->genesis.members[member->index].session.key, &key, sizeof(key)) == 0;
    enum giro_err err =
        enrolled ? giro_courier_member(member->courier, member->index, session_key)
                 : refuse(diagnosis, GIRO_ERR_KEY, "use the key that the genesis file names",
                          "not the enrolled session key of", bic);
    giro_key_free(session_key);
    GIRO_TRY(err);
    giro_courier_connect(member->courier, member->index);
    return GIRO_ERR_OK;
}

static enum giro_err port_make(struct giro_member *member, struct giro_diagnosis *diagnosis)
{
    struct giro_config_address replicas[GIRO_REPLICAS_MAX];
    uint32_t count = giro_addresses_parse(member->options.replicas, replicas, GIRO_REPLICAS_MAX);
    if (count != member->genesis.replica_count)
        return refuse(diagnosis, GIRO_ERR_ARGUMENT,
                      "name one host:port per replica, in the genesis file's order",
                      "wrong number of addresses in", member->options.replicas);
    GIRO_TRY(giro_socket_open(replicas, count, GIRO_FRAME_MTU_BYTES, &member->socket, diagnosis));
    member->epoll = epoll_create1(EPOLL_CLOEXEC);
    member->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    int fds[] = {giro_socket_fd(member->socket), member->timer, member->disk_event};
    for (uint32_t i = 0; i < 3; i++) {
        struct epoll_event event = {.events = EPOLLIN};
        if (member->epoll < 0 || fds[i] < 0 ||
            epoll_ctl(member->epoll, EPOLL_CTL_ADD, fds[i], &event) != 0)
            return GIRO_ERR_IO;
    }
    return GIRO_ERR_OK;
}

static void pause_ms(uint32_t ms)
{
    struct timespec pause = {.tv_nsec = (long)ms * 1000000};
    nanosleep(&pause, NULL);
}

/* Takes the channels up. Gaps that find no room now are closed when there is. */
static enum giro_err channels_make(struct giro_member *member, struct giro_diagnosis *diagnosis)
{
    for (uint32_t c = 0; c < member->channel_count; c++) {
        uint16_t number = (uint16_t)(member->options.channel_first + c);
        struct giro_outbox_span span = giro_outbox_span(member->outbox, number);
        uint64_t lowest = span.next;
        for (uint32_t slot = giro_outbox_next(member->outbox, GIRO_NONE); slot != GIRO_NONE;
             slot = giro_outbox_next(member->outbox, slot)) {
            struct giro_outbox_entry entry = giro_outbox_entry(member->outbox, slot);
            if (entry.channel == number && entry.sequence < lowest)
                lowest = entry.sequence;
        }
        member->channels[c].lowest = lowest;
    }
    return giro_member_channels_open(member, diagnosis);
}

/* A new outbox puts its number down before it reserves anything, so that the first submit finds it there. */
static enum giro_err number_keep(struct giro_member *member, struct giro_diagnosis *diagnosis)
{
    uint64_t end_ns = member->clock.mono_ns(member->clock.self) + OPEN_WAIT_MS * UINT64_C(1000000);
    for (uint32_t c = 0; c < member->channel_count; c++) {
        uint16_t number = (uint16_t)(member->options.channel_first + c);
        if (member->channels[c].open && !giro_outbox_span(member->outbox, number).known)
            GIRO_TRY(giro_outbox_range(member->outbox, number, 0, 0));
    }
    for (;;) {
        enum giro_err err = giro_member_disk(member, true);
        if (err != GIRO_ERR_OK)
            return refuse(diagnosis, err, giro_err_advice(err),
                          "the outbox cannot be written:", member->options.outbox_dir);
        if (giro_outbox_settled(member->outbox) ||
            member->clock.mono_ns(member->clock.self) >= end_ns)
            return GIRO_ERR_OK;
        pause_ms(1);
    }
}

static enum giro_err open_all(struct giro_member *member, const struct giro_member_options *options,
                              struct giro_diagnosis *diagnosis)
{
    GIRO_TRY(giro_crypto_init());
    GIRO_TRY(options_take(member, options, diagnosis));
    GIRO_TRY(keys_load(member, diagnosis));
    GIRO_TRY(outbox_make(member, diagnosis));
    GIRO_TRY(courier_make(member, diagnosis));
    GIRO_TRY(port_make(member, diagnosis));
    GIRO_TRY(channels_make(member, diagnosis));
    GIRO_TRY(number_keep(member, diagnosis));
    giro_member_wake(member);
    return GIRO_ERR_OK;
}

static void free_all(struct giro_member *member)
{
    giro_courier_free(member->courier);
    giro_socket_close(member->socket);
    if (member->disk_open)
        giro_disk_uring_close(&member->disk);
    if (member->epoll >= 0)
        close(member->epoll);
    if (member->timer >= 0)
        close(member->timer);
    if (member->frame_key != NULL)
        giro_key_free(member->frame_key);
    sodium_free(member->details_keys);
    if (member->genesis.members != NULL)
        giro_genesis_free(&member->genesis);
    free(member->ring_mem);
    free(member->outbox_mem);
    free(member);
}

int giro_member_open(const struct giro_member_options *options, struct giro_member **member_out,
                     char *message, size_t message_bytes)
{
    struct giro_diagnosis diagnosis = {.fact = ""};
    struct giro_member *member = calloc(1, sizeof(*member));
    *member_out = NULL;
    enum giro_err err = GIRO_ERR_NOMEM;
    if (member != NULL) {
        member->epoll = member->timer = member->disk_event = -1;
        member->clock = giro_clock_system();
        err = open_all(member, options, &diagnosis);
    }
    if (err == GIRO_ERR_OK) {
        *member_out = member;
    } else if (member != NULL) {
        free_all(member);
    }
    if (message != NULL && message_bytes > 0)
        snprintf(message, message_bytes, "%s%s%s%s%s",
                 err == GIRO_ERR_OK          ? ""
                 : diagnosis.fact[0] == '\0' ? giro_err_sentence(err)
                                             : diagnosis.fact,
                 diagnosis.detail[0] == '\0' ? "" : ": ", diagnosis.detail,
                 diagnosis.hint[0] == '\0' ? "" : "; ", diagnosis.hint);
    return (int)err;
}

/* Everything on disk, and the channels' unused sequences given back. */
static enum giro_err channels_close(struct giro_member *member, uint64_t end_ns)
{
    struct giro_diagnosis diagnosis = {.fact = ""};
    struct giro_outbox_writer writer = giro_member_writer(member);
    for (uint32_t c = 0; c < member->channel_count;) {
        uint16_t number = (uint16_t)(member->options.channel_first + c);
        GIRO_TRY(giro_member_disk(member, true));
        if (!member->channels[c].open) { /* its gap is left to the next open */
            c++;
            continue;
        }
        enum giro_err err = GIRO_ERR_FULL;
        if (giro_outbox_settled(member->outbox))
            err = giro_outbox_channel_close(&writer, number, &diagnosis);
        if (err == GIRO_ERR_OK) {
            c++;
            continue;
        }
        if (err != GIRO_ERR_FULL)
            return err;
        if (member->clock.mono_ns(member->clock.self) >= end_ns)
            return GIRO_ERR_TIMEOUT;
        pause_ms(1);
    }
    return GIRO_ERR_OK;
}

int giro_member_close(struct giro_member *member, uint32_t timeout_ms)
{
    uint64_t end_ns = member->clock.mono_ns(member->clock.self) + timeout_ms * UINT64_C(1000000);
    bool blocked;
    enum giro_err err = member->failed;
    giro_courier_close_sessions(member->courier);
    giro_socket_send(member->socket, member->courier, &member->clock, &blocked);
    if (err == GIRO_ERR_OK)
        err = channels_close(member, end_ns);
    for (;;) { /* the records of ranges given back: without them the next open reads the counter */
        if (err != GIRO_ERR_OK || giro_outbox_settled(member->outbox) ||
            member->clock.mono_ns(member->clock.self) >= end_ns)
            break;
        err = giro_member_disk(member, true);
        pause_ms(1);
    }
    free_all(member);
    return (int)err;
}
