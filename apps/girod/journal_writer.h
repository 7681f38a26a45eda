/* apps/girod/journal_writer.h - writes journal blocks in a thread of its own: a window's end brings all members' blocks at once, tens of
 * megabytes a second under load, and the loop has votes to send meanwhile.
 *
 * Model: blocks are copied into a ring and appended in the order they were put; whoever puts waits while it is full. The disk is told
 * to begin with each block at once, so that a sync of the files later has little left to do. Nothing is promised by a journal: what a
 * crash loses, a replay brings again.
 * Threads: all of this is the event loop's; the thread of its own is inside. */
#ifndef GIRO_APPS_JOURNAL_WRITER_H
#define GIRO_APPS_JOURNAL_WRITER_H

#include "apps/girod/journal_files.h"

struct giro_journal_writer;
/* giro_journal_writer_open: files is borrowed until close, and nobody else appends to it. ring_bytes: a power of two, 64 at least; a
 * block that does not fit into the ring is appended by who puts it. NOMEM. */
enum giro_err giro_journal_writer_open(struct giro_journal_files *files, uint64_t ring_bytes,
                                       struct giro_journal_writer **writer) GIRO_MUST_USE;
/* giro_journal_writer_close writes what was put, then ends. */
void giro_journal_writer_close(struct giro_journal_writer *writer);
/* giro_journal_writer_put: as giro_journal_files_append, later. Returns the error of an append that failed before; what is put after
 * one is dropped. */
enum giro_err giro_journal_writer_put(struct giro_journal_writer *writer, uint16_t member,
                                      uint16_t business_date, const void *bytes,
                                      uint32_t size_bytes) GIRO_MUST_USE;
/* giro_journal_writer_mark counts the blocks put; giro_journal_writer_done: that many are in their files, and none failed;
 * giro_journal_writer_failed: the error of the append that failed, or OK. */
uint64_t giro_journal_writer_mark(const struct giro_journal_writer *writer);
bool giro_journal_writer_done(struct giro_journal_writer *writer, uint64_t mark);
enum giro_err giro_journal_writer_failed(struct giro_journal_writer *writer);
/* giro_journal_writer_drain waits until nothing is left to write; returns the error of an append that failed. */
enum giro_err giro_journal_writer_drain(struct giro_journal_writer *writer) GIRO_MUST_USE;
/* giro_journal_writer_fd: an eventfd that is written when the thread has nothing left to write; the caller reads it. */
int giro_journal_writer_fd(const struct giro_journal_writer *writer);

#endif
