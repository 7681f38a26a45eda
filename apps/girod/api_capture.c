#include "apps/girod/api_capture.h"

#include <event2/buffer.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/girod/api_answer.h"

#define SECONDS_MAX   600u
#define MEGABYTES_MAX 16u /* one answer can carry it */

static void start(struct giro_port *port, const char *path, struct evhttp_request *request)
{
    uint64_t seconds = 10, megabytes = 8;
    const struct giro_api_number wanted[] = {{"seconds", &seconds}, {"megabytes", &megabytes}};
    if (!giro_api_numbers(request, wanted, 2) || seconds < 1 || seconds > SECONDS_MAX ||
        megabytes < 1 || megabytes > MEGABYTES_MAX) {
        giro_api_answer_error(request, 400, "seconds is 1 to 600, megabytes 1 to 16");
        return;
    }
    struct giro_capture_options options = {.path = path,
                                           .bytes_max = megabytes << 20,
                                           .duration_ns = seconds * GIRO_NS_PER_S,
                                           .packet_bytes_max = GIRO_CAPTURE_PACKET_MAX};
    struct giro_diagnosis diagnosis = {.fact = ""};
    enum giro_err err = giro_port_capture_start(port, &options, &diagnosis);
    if (err == GIRO_ERR_OK) {
        GIRO_LOG(INFO, "port", "an operator captures packets: %lu s or %lu MiB",
                 (unsigned long)seconds, (unsigned long)megabytes);
        giro_api_answer_json(request, 202,
                             json_pack("{s:s}", "taken", "GET /v1/capture follows it"));
    } else if (err == GIRO_ERR_STATE) {
        giro_api_answer_error(request, 400, "a capture is running; POST /v1/capture/stop ends it");
    } else {
        giro_api_answer_error(request, 500,
                              diagnosis.fact[0] != '\0' ? diagnosis.fact : giro_err_sentence(err));
    }
}

static void show(struct giro_port *port, struct evhttp_request *request)
{
    struct giro_capture_state state;
    giro_port_capture_state(port, &state);
    giro_api_answer_json(request, 200,
                         json_pack("{s:b, s:I, s:I, s:s}", "running", state.running, "packets",
                                   (json_int_t)state.packets, "bytes", (json_int_t)state.bytes,
                                   "error",
                                   state.err == GIRO_ERR_OK ? "" : giro_err_sentence(state.err)));
}

static void send_file(struct giro_port *port, const char *path, struct evhttp_request *request)
{
    struct giro_capture_state state;
    struct stat info;
    giro_port_capture_state(port, &state);
    int fd = state.running ? -1 : open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) != 0 || info.st_size == 0) {
        giro_api_answer_error(
            request, 404, state.running ? "the capture is still running" : "there is no capture");
        if (fd >= 0)
            close(fd);
        return;
    }
    struct evbuffer *body = evbuffer_new();
    if (body != NULL && evbuffer_add_file(body, fd, 0, info.st_size) == 0) {
        giro_api_answer_bytes(request, 200, "application/octet-stream", body);
    } else {
        close(fd);
        giro_api_answer_error(request, 500, "the capture cannot be read");
    }
    if (body != NULL)
        evbuffer_free(body);
}

void giro_api_capture(struct giro_port *port, const char *path, struct evhttp_request *request,
                      bool post, const char *rest)
{
    if (port == NULL) {
        giro_api_answer_error(request, 404, "this replica has no port");
    } else if (post && strcmp(rest, "") == 0) {
        start(port, path, request);
    } else if (post && strcmp(rest, "/stop") == 0) {
        giro_port_capture_stop(port);
        show(port, request);
    } else if (!post && strcmp(rest, "") == 0) {
        show(port, request);
    } else if (!post && strcmp(rest, "/file") == 0) {
        send_file(port, path, request);
    } else {
        giro_api_answer_error(request, 404, "no such page; docs/protocol.md lists them");
    }
}
