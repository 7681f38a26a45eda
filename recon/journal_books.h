/* recon/journal_books.h - the sums of one journal block. Private to this folder. */
#ifndef GIRO_RECON_JOURNAL_BOOKS_H
#define GIRO_RECON_JOURNAL_BOOKS_H

#include "giro/recon.h"

/* journal_books_check recomputes both books from the rows, row by row, and the netting row
 * against them. NULL if all holds. record.member is below genesis->member_count. */
const char *journal_books_check(const struct giro_genesis *genesis,
                                const struct giro_journal_view *view);

#endif
