/* The kernel's side of an af_packet interface. */
#include "port_eal.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static bool request_make(struct ifreq *request, const char *device)
{
    *request = (struct ifreq){.ifr_ifindex = 0};
    size_t length = device == NULL ? 0 : strlen(device);
    if (length == 0 || length >= sizeof(request->ifr_name))
        return false;
    memcpy(request->ifr_name, device, length + 1);
    return true;
}

static bool has_address(int fd, const char *device, uint32_t ipv4)
{
    struct ifreq request;
    struct sockaddr_in own;
    if (!request_make(&request, device) || ioctl(fd, SIOCGIFADDR, &request) != 0)
        return false;
    memcpy(&own, &request.ifr_addr, sizeof(own));
    return own.sin_family == AF_INET && ntohl(own.sin_addr.s_addr) == ipv4;
}

static int bring_up(int fd, const char *device)
{
    struct ifreq request;
    if (!request_make(&request, device))
        return ENODEV;
    if (ioctl(fd, SIOCGIFFLAGS, &request) != 0)
        return errno;
    if ((request.ifr_flags & IFF_UP) != 0)
        return 0;
    request.ifr_flags = (short)(request.ifr_flags | IFF_UP);
    return ioctl(fd, SIOCSIFFLAGS, &request) == 0 ? 0 : errno;
}

/* Never lowers it: others may use the interface. */
static int raise_mtu(int fd, const char *device, uint32_t mtu)
{
    struct ifreq request;
    if (!request_make(&request, device))
        return ENODEV;
    if (ioctl(fd, SIOCGIFMTU, &request) != 0)
        return errno;
    if (request.ifr_mtu >= (int)mtu)
        return 0;
    request.ifr_mtu = (int)mtu;
    return ioctl(fd, SIOCSIFMTU, &request) == 0 ? 0 : errno;
}

enum giro_err interface_prepare(const char *device, uint32_t ipv4, uint32_t mtu,
                                struct giro_diagnosis *diagnosis)
{
    const char *shown = device == NULL ? "" : device;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return GIRO_ERR_NETWORK;
    int fault = bring_up(fd, device);
    if (fault == 0)
        fault = raise_mtu(fd, device, mtu);
    bool taken = fault == 0 && has_address(fd, device, ipv4);
    close(fd);
    if (fault != 0) {
        giro_diagnosis_set(diagnosis, strerror(fault),
                           "check the interface's name and the right NET_ADMIN, or use driver udp",
                           "interface \"%s\" cannot be brought up with an MTU of %u", shown, mtu);
        return GIRO_ERR_PORT;
    }
    if (taken) {
        giro_diagnosis_set(diagnosis, "the kernel would answer in the hub's name",
                           "remove the address from the interface: ip address flush dev IFACE",
                           "interface \"%s\" has the hub's own address", shown);
        return GIRO_ERR_PORT;
    }
    return GIRO_ERR_OK;
}

static bool is_bound_to(int fd, int interface_index)
{
    int domain = 0;
    socklen_t size = sizeof(domain);
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0 || domain != AF_PACKET)
        return false;
    struct sockaddr_storage name = {.ss_family = 0};
    struct sockaddr_ll packet;
    size = sizeof(name);
    if (getsockname(fd, (struct sockaddr *)&name, &size) != 0)
        return false;
    memcpy(&packet, &name, sizeof(packet));
    return packet.sll_ifindex == interface_index;
}

uint32_t interface_sockets(const char *device, int *sockets, uint32_t max)
{
    int interface_index = (int)if_nametoindex(device);
    uint32_t count = 0;
    DIR *open_files = opendir("/proc/self/fd");
    if (open_files == NULL)
        return 0;
    for (struct dirent *entry; interface_index != 0 && (entry = readdir(open_files)) != NULL;) {
        char *end = NULL;
        long fd = strtol(entry->d_name, &end, 10);
        if (*end == '\0' && count < max && is_bound_to((int)fd, interface_index))
            sockets[count++] = (int)fd;
    }
    closedir(open_files);
    return count;
}

int interface_wait_fd(const char *device, int *own)
{
    int sockets[GIRO_PORT_QUEUES_MAX];
    uint32_t count = interface_sockets(device, sockets, GIRO_PORT_QUEUES_MAX);
    *own = -1;
    if (count <= 1)
        return count == 1 ? sockets[0] : -1;
    int all = epoll_create1(EPOLL_CLOEXEC);
    for (uint32_t i = 0; i < count && all >= 0; i++) {
        struct epoll_event event = {.events = EPOLLIN};
        if (epoll_ctl(all, EPOLL_CTL_ADD, sockets[i], &event) == 0)
            continue;
        close(all);
        all = -1;
    }
    *own = all;
    return all;
}

uint64_t interface_lost(const int *sockets, uint32_t count)
{
    uint64_t lost = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct tpacket_stats stats = {.tp_drops = 0}; /* reading sets them to 0 */
        socklen_t size = sizeof(stats);
        if (getsockopt(sockets[i], SOL_PACKET, PACKET_STATISTICS, &stats, &size) == 0)
            lost += stats.tp_drops;
    }
    return lost;
}
