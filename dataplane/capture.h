/* dataplane/capture.h - packets of a port as a pcapng file, for diagnosis. Private to this folder.
 *
 * Model: the port hands over every packet, as Ethernet, with what became of it; capture writes it behind a buffer, until the file
 * has its size or its time is over, whichever comes first. What is written goes to the page cache by write(2), a few
 * microseconds a packet at most: nothing to leave running. Source: draft-ietf-opsawg-pcapng. Threads: the port's. */
#ifndef DATAPLANE_CAPTURE_H
#define DATAPLANE_CAPTURE_H

#include "giro/dataplane.h"

struct capture;
enum giro_err capture_open(const struct giro_capture_options *options, struct capture **capture,
                           struct giro_diagnosis *diagnosis);
/* capture_packet adds one. note: why the port dropped it, shown as the packet's comment; NULL: it did not. */
void capture_packet(struct capture *capture, bool sent, const void *packet, size_t size_bytes,
                    const char *note);
/* capture_tick ends it when its time is over. Once per receive. */
void capture_tick(struct capture *capture);
void capture_state(const struct capture *capture, struct giro_capture_state *state);
/* capture_finish writes what is buffered and closes the file; the state stays readable. */
void capture_finish(struct capture *capture);
void capture_close(struct capture *capture);

#endif
