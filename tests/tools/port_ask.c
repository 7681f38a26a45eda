/* port_ask udp ADDRESS UDP_PORT COUNT BYTES: sends COUNT numbered datagrams of many sizes up to BYTES through the
 * kernel, 64 ahead of the echoes, and checks every byte that comes back. port_ask ping ADDRESS
 * COUNT: the same with ICMP echo (needs NET_RAW). Exit 0: all came back; 1: some did not. */
#include <arpa/inet.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define AHEAD         64u
#define PAYLOAD_BYTES 9188u
#define WAIT_MS       2000

/* The n-th payload: its number, then bytes that follow from it; between 4 and max bytes. */
static size_t payload_make(uint32_t number, size_t max, uint8_t *out)
{
    size_t size = number % 3 == 0 ? max : 4 + number * 37u % (max - 4);
    memcpy(out, &number, sizeof(number));
    for (size_t i = 4; i < size; i++)
        out[i] = (uint8_t)(number + i * 7);
    return size;
}

static int socket_connected(int type, int protocol, const char *address, uint16_t udp_port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(udp_port)};
    int fd = socket(AF_INET, type, protocol), size = 4 * 1024 * 1024;
    if (fd < 0 || inet_pton(AF_INET, address, &to.sin_addr) != 1)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    return connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0 ? fd : -1;
}

static int readable(int fd)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    return poll(&wait, 1, WAIT_MS) > 0;
}

/* Returns how many right echoes came; stops at the first silence. */
static uint32_t ask_udp(int fd, uint32_t count, size_t max)
{
    uint8_t sent[PAYLOAD_BYTES], got[PAYLOAD_BYTES + 1];
    uint32_t next = 0, back = 0;
    while (back < count) {
        for (; next < count && next - back < AHEAD; next++) {
            size_t size = payload_make(next, max, sent);
            if (send(fd, sent, size, 0) != (ssize_t)size)
                return back;
        }
        ssize_t length = readable(fd) ? recv(fd, got, sizeof(got), 0) : -1;
        uint32_t number = 0;
        if (length < 4)
            return back;
        memcpy(&number, got, sizeof(number));
        if ((size_t)length != payload_make(number, max, sent) ||
            memcmp(sent, got, (size_t)length) != 0) {
            fprintf(stderr, "port_ask: datagram %u came back changed\n", number);
            return back;
        }
        back++;
    }
    return back;
}

static uint16_t checksum(const uint8_t *bytes, size_t size)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < size; i++)
        sum += (uint32_t)bytes[i] << (i % 2 == 0 ? 8 : 0);
    while (sum >> 16 != 0)
        sum = (sum & 0xffffu) + (sum >> 16);
    return (uint16_t)~sum;
}

static uint32_t ask_ping(int fd, uint32_t count)
{
    uint8_t echo[64], got[256];
    uint32_t back = 0;
    for (uint32_t i = 0; i < count; i++) {
        for (size_t at = 8; at < sizeof(echo); at++)
            echo[at] = (uint8_t)(at + i);
        echo[0] = ICMP_ECHO;
        echo[1] = echo[2] = echo[3] = 0;
        echo[4] = 0x47;
        echo[5] = 0x52;
        echo[6] = (uint8_t)(i >> 8);
        echo[7] = (uint8_t)i;
        uint16_t sum = checksum(echo, sizeof(echo));
        echo[2] = (uint8_t)(sum >> 8);
        echo[3] = (uint8_t)sum;
        if (send(fd, echo, sizeof(echo), 0) != sizeof(echo) || !readable(fd))
            return back;
        ssize_t length = recv(fd, got, sizeof(got), 0);
        size_t header = (got[0] & 0xfu) * 4u; /* a raw socket shows the IPv4 header, too */
        if (length != (ssize_t)(header + sizeof(echo)) || got[header] != ICMP_ECHOREPLY ||
            checksum(got + header, sizeof(echo)) != 0 ||
            memcmp(got + header + 4, echo + 4, sizeof(echo) - 4) != 0)
            return back;
        back++;
    }
    return back;
}

int main(int argc, char **argv)
{
    int udp = argc == 6 && strcmp(argv[1], "udp") == 0;
    int ping = argc == 4 && strcmp(argv[1], "ping") == 0;
    size_t max = udp ? strtoul(argv[5], NULL, 10) : 0;
    if ((!udp && !ping) || (udp && (max <= 4 || max > PAYLOAD_BYTES))) {
        fprintf(stderr, "usage: port_ask udp ADDRESS UDP_PORT COUNT BYTES | port_ask ping ADDRESS "
                        "COUNT\n");
        return 2;
    }
    uint32_t count = (uint32_t)strtoul(argv[udp ? 4 : 3], NULL, 10);
    int fd = udp ? socket_connected(SOCK_DGRAM, 0, argv[2], (uint16_t)strtoul(argv[3], NULL, 10))
                 : socket_connected(SOCK_RAW, IPPROTO_ICMP, argv[2], 0);
    if (fd < 0) {
        perror("port_ask");
        return 1;
    }
    uint32_t back = udp ? ask_udp(fd, count, max) : ask_ping(fd, count);
    printf("%s: %u of %u came back\n", argv[1], back, count);
    close(fd);
    return back == count ? 0 : 1;
}
