/* netbox A B [OPTION...]: carries Ethernet frames between two interfaces, as a bad cable would: late, twice, out of order, or
 * not at all. For kernels without the netem queueing discipline, and the same everywhere.
 *
 * A fault plan as the simulator's: each direction draws its delay once from [--delay-min, --delay-max] us, each frame then
 * gets up to --jitter us on top; per mille of frames are lost, doubled, or held back (by up to --hold us, so that later ones
 * overtake them). Frames with one delay keep their order. The same seed draws the same numbers; when frames come is the
 * machine's affair. Ends on SIGTERM or SIGINT and prints what it did.
 * The interfaces are veth ends without addresses, offloads off: what has no checksum yet, or is larger than a frame, cannot
 * be carried. */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "giro/base.h"

#define FRAME_BYTES 2048u
#define HELD_MAX    16384u /* frames under way in both directions; more are lost, as in a full queue */

struct plan {
    uint64_t seed, delay_min_ns, delay_max_ns, jitter_ns, hold_ns;
    uint64_t loss, twice, held; /* per mille */
};
struct held {
    uint64_t due_ns, number; /* of two due at once the earlier goes first */
    uint32_t size_bytes, side;
    uint8_t bytes[FRAME_BYTES];
};
struct box {
    struct plan plan;
    struct giro_prng prng;
    int fds[2];
    uint64_t delay_ns[2];
    struct held *frames; /* HELD_MAX */
    uint32_t *heap;      /* numbers of frames, earliest first */
    uint32_t *spare;     /* numbers of unused ones */
    uint32_t heap_count, spare_count;
    uint64_t number, carried, lost, doubled, late, overflow;
};

static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
    (void)number;
    stopping = 1;
}

static uint64_t mono_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * GIRO_NS_PER_S + (uint64_t)now.tv_nsec;
}

/* ---- Frames under way, by due time ------------------------------------------------------------------- */

static bool before(const struct box *box, uint32_t a, uint32_t b)
{
    const struct held *x = &box->frames[a], *y = &box->frames[b];
    return x->due_ns != y->due_ns ? x->due_ns < y->due_ns : x->number < y->number;
}

static void swap(struct box *box, uint32_t i, uint32_t j)
{
    uint32_t kept = box->heap[i];
    box->heap[i] = box->heap[j];
    box->heap[j] = kept;
}

static void push(struct box *box, uint32_t frame)
{
    uint32_t at = box->heap_count++;
    box->heap[at] = frame;
    for (; at > 0 && before(box, box->heap[at], box->heap[(at - 1) / 2]); at = (at - 1) / 2)
        swap(box, at, (at - 1) / 2);
}

static uint32_t pop(struct box *box)
{
    uint32_t first = box->heap[0], at = 0;
    box->heap[0] = box->heap[--box->heap_count];
    for (;;) {
        uint32_t least = at;
        for (uint32_t child = 2 * at + 1; child <= 2 * at + 2; child++)
            if (child < box->heap_count && before(box, box->heap[child], box->heap[least]))
                least = child;
        if (least == at)
            return first;
        swap(box, at, least);
        at = least;
    }
}

/* ---- Carrying ------------------------------------------------------------------------------------------- */

static bool chance(struct box *box, uint64_t per_mille)
{
    return per_mille > 0 && giro_prng_chance(&box->prng, per_mille, 1000);
}

static void hold(struct box *box, uint32_t side, const uint8_t *bytes, uint32_t size_bytes,
                 uint64_t now_ns)
{
    const struct plan *plan = &box->plan;
    if (box->spare_count == 0) {
        box->overflow++;
        return;
    }
    uint32_t frame = box->spare[--box->spare_count];
    struct held *held = &box->frames[frame];
    held->due_ns = now_ns + box->delay_ns[side];
    if (plan->jitter_ns > 0)
        held->due_ns += giro_prng_below(&box->prng, plan->jitter_ns);
    if (plan->hold_ns > 0 && chance(box, plan->held)) {
        held->due_ns += giro_prng_below(&box->prng, plan->hold_ns);
        box->late++;
    }
    held->number = box->number++;
    held->side = side;
    held->size_bytes = size_bytes;
    memcpy(held->bytes, bytes, size_bytes);
    push(box, frame);
}

static void take(struct box *box, uint32_t side)
{
    uint8_t bytes[FRAME_BYTES];
    for (;;) {
        ssize_t size = recv(box->fds[side], bytes, sizeof(bytes), MSG_DONTWAIT | MSG_TRUNC);
        if (size < 0)
            return;
        if ((size_t)size > sizeof(bytes)) { /* an offload is on */
            box->overflow++;
            continue;
        }
        uint64_t now_ns = mono_ns();
        if (chance(box, box->plan.loss)) {
            box->lost++;
            continue;
        }
        hold(box, side, bytes, (uint32_t)size, now_ns);
        if (chance(box, box->plan.twice)) {
            hold(box, side, bytes, (uint32_t)size, now_ns);
            box->doubled++;
        }
    }
}

static void release(struct box *box)
{
    uint64_t now_ns = mono_ns();
    while (box->heap_count > 0 && box->frames[box->heap[0]].due_ns <= now_ns) {
        uint32_t frame = pop(box);
        const struct held *held = &box->frames[frame];
        if (send(box->fds[1 - held->side], held->bytes, held->size_bytes, MSG_DONTWAIT) > 0)
            box->carried++;
        else
            box->overflow++;
        box->spare[box->spare_count++] = frame;
    }
}

static void run(struct box *box)
{
    struct pollfd fds[2] = {{.fd = box->fds[0], .events = POLLIN},
                            {.fd = box->fds[1], .events = POLLIN}};
    while (!stopping) {
        uint64_t now_ns = mono_ns();
        uint64_t next_ns = box->heap_count > 0 ? box->frames[box->heap[0]].due_ns : UINT64_MAX;
        uint64_t wait_ns = next_ns <= now_ns ? 0 : next_ns - now_ns;
        if (wait_ns > GIRO_NS_PER_S)
            wait_ns = GIRO_NS_PER_S;
        struct timespec wait = {.tv_sec = (time_t)(wait_ns / GIRO_NS_PER_S),
                                .tv_nsec = (long)(wait_ns % GIRO_NS_PER_S)};
        if (ppoll(fds, 2, &wait, NULL) < 0 && errno != EINTR)
            return;
        take(box, 0);
        take(box, 1);
        release(box);
    }
}

/* ---- Opening ----------------------------------------------------------------------------------------------- */

static int interface_open(const char *name)
{
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
    struct sockaddr_ll address = {.sll_family = AF_PACKET,
                                  .sll_protocol = htons(ETH_P_ALL),
                                  .sll_ifindex = (int)if_nametoindex(name)};
    struct packet_mreq promiscuous = {.mr_ifindex = address.sll_ifindex,
                                      .mr_type = PACKET_MR_PROMISC};
    int one = 1, room = 8 << 20;
    if (fd < 0 || address.sll_ifindex == 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) != 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof(promiscuous)) != 0) {
        fprintf(stderr, "netbox: interface \"%s\": %s\n", name, strerror(errno));
        exit(1);
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
    return fd;
}

static const struct option options[] = {
    {"seed", 1, NULL, 's'},   {"delay-min", 1, NULL, 'd'}, {"delay-max", 1, NULL, 'D'},
    {"jitter", 1, NULL, 'j'}, {"hold", 1, NULL, 'h'},      {"loss", 1, NULL, 'l'},
    {"twice", 1, NULL, 't'},  {"held", 1, NULL, 'H'},      {NULL, 0, NULL, 0}};

static bool parse(struct plan *plan, int argc, char **argv)
{
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        uint64_t value = optarg == NULL ? 0 : strtoull(optarg, NULL, 10);
        switch (option) {
        case 's':
            plan->seed = value;
            break;
        case 'd':
            plan->delay_min_ns = value * 1000;
            break;
        case 'D':
            plan->delay_max_ns = value * 1000;
            break;
        case 'j':
            plan->jitter_ns = value * 1000;
            break;
        case 'h':
            plan->hold_ns = value * 1000;
            break;
        case 'l':
            plan->loss = value;
            break;
        case 't':
            plan->twice = value;
            break;
        case 'H':
            plan->held = value;
            break;
        default:
            return false;
        }
    }
    return argc - optind == 2 && plan->delay_min_ns <= plan->delay_max_ns && plan->loss <= 1000 &&
           plan->twice <= 1000 && plan->held <= 1000;
}

int main(int argc, char **argv)
{
    static struct box box;
    if (!parse(&box.plan, argc, argv)) {
        fprintf(stderr,
                "usage: netbox [--seed N] [--delay-min US] [--delay-max US] [--jitter US] "
                "[--loss PER_MILLE] [--twice PER_MILLE] [--held PER_MILLE --hold US] A B\n");
        return 2;
    }
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    box.frames = malloc(HELD_MAX * sizeof(*box.frames));
    box.heap = malloc(HELD_MAX * sizeof(*box.heap));
    box.spare = malloc(HELD_MAX * sizeof(*box.spare));
    if (box.frames == NULL || box.heap == NULL || box.spare == NULL)
        return 1;
    for (uint32_t i = 0; i < HELD_MAX; i++)
        box.spare[box.spare_count++] = i;
    giro_prng_init(&box.prng, box.plan.seed);
    for (uint32_t side = 0; side < 2; side++) {
        box.fds[side] = interface_open(argv[optind + (int)side]);
        uint64_t range = box.plan.delay_max_ns - box.plan.delay_min_ns;
        box.delay_ns[side] = box.plan.delay_min_ns + giro_prng_below(&box.prng, range + 1);
    }
    fprintf(stderr, "netbox: %s -> %s %lu us, back %lu us\n", argv[optind], argv[optind + 1],
            (unsigned long)box.delay_ns[0] / 1000, (unsigned long)box.delay_ns[1] / 1000);
    run(&box);
    printf("netbox: carried %lu, lost %lu, doubled %lu, held back %lu, no room %lu\n",
           (unsigned long)box.carried, (unsigned long)box.lost, (unsigned long)box.doubled,
           (unsigned long)box.late, (unsigned long)box.overflow);
    free(box.frames);
    free(box.heap);
    free(box.spare);
    return 0;
}
