/* A member's session with one replica, by hand over a connected socket: for tools that must send what no honest program would. */
#ifndef TESTS_TOOLS_SESSION_LINE_H
#define TESTS_TOOLS_SESSION_LINE_H

#include "giro/genesis.h"
#include "giro/session.h"

struct session_line {
    int fd; /* connected UDP socket, borrowed */
    struct giro_session session;
    uint64_t credit, acknowledged;
    uint32_t cookies; /* INITs that were refused for want of a cookie */
};
/* session_line_open shakes hands, trying for ten seconds. key is the member's session key. */
bool session_line_open(struct session_line *line, const struct giro_genesis *genesis,
                       uint16_t member, uint16_t replica, const struct giro_secret_key *key,
                       int fd);
/* session_line_frame sends any bytes as a FRAME block in a datagram of its own, when there is credit for it. False: nobody has
 * given any for ten seconds. */
bool session_line_frame(struct session_line *line, const void *bytes, size_t size_bytes);
/* session_line_settle waits until everything sent was acknowledged; false after ten seconds. */
bool session_line_settle(struct session_line *line);

#endif
