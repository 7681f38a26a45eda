/* apps/girod/postmortem.h - what a replica leaves behind when it stops itself or dies while executing, in its data directory.
 *
 * halt-<height>.txt: why it stopped, both roots, the certificate, the block. crash-<height>-<frame>.txt: a frame that ended the
 * process twice. "executing": a mapped giro_crash_marker (giro/wire/store.h), which says at every moment which frame is being
 * executed; a death of the process leaves it as it was (a power loss may lose it, and then only counts less). A second death at
 * the same height and frame makes the next start refuse: no restart loop. To try again, remove the file "executing".
 * The others are told, too: by the core while it runs; by giro_halt_tell when it stops at a start, before it has links.
 * Threads: one. */
#ifndef GIRO_APPS_POSTMORTEM_H
#define GIRO_APPS_POSTMORTEM_H

#include "apps/girod/links.h"
#include "giro/consensus.h"
#include "giro/sys.h"

/* giro_marker_open maps the marker of a directory, made if need be, and counts a death it tells of. STATE (with diagnosis and
 * dump): the second one at the same place. */
enum giro_err giro_marker_open(const char *dir, uint32_t replica, struct giro_crash_marker **marker,
                               struct giro_diagnosis *diagnosis) GIRO_MUST_USE;
void giro_marker_close(struct giro_crash_marker *marker);
/* giro_halt_write writes halt-<height>.txt; path (>= 600 bytes) says where. */
enum giro_err giro_halt_write(const char *dir, uint32_t replica, const struct giro_halt *halt,
                              char *path, size_t path_bytes) GIRO_MUST_USE;
/* giro_halt_tell opens links for as long as it takes to hand one message to every peer, GIRO_HALT_TELL_NS at most (a peer that is
 * down does not hear it). Of links only base, genesis, self, transport_key and peers count. Returns how many got it. */
#define GIRO_HALT_TELL_NS (5u * GIRO_NS_PER_S)
uint32_t giro_halt_tell(const struct giro_links_options *links, const uint8_t *message,
                        uint32_t message_bytes);

#endif
