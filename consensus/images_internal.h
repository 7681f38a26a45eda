/* consensus/images_internal.h - what images.c and images_write.c share. */
#ifndef GIRO_CONSENSUS_IMAGES_INTERNAL_H
#define GIRO_CONSENSUS_IMAGES_INTERNAL_H

#include "consensus/images.h"

#define GIRO_IMAGES_IN_MEMORY 0x80u /* of a place's `used`: by the image in memory */

void giro_images_chunk_name(uint32_t number, char name[16]);
/* giro_images_chunk_file opens chunk files up to this one; with make, it makes those that are not there. */
enum giro_err giro_images_chunk_file(struct giro_images *images, uint32_t number,
                                     bool make) GIRO_MUST_USE;
uint32_t giro_images_file_place(const struct giro_images_file *file, uint32_t index);
struct giro_hash giro_images_file_hash(const struct giro_images_file *file, uint32_t index);
/* giro_images_keep decides again which files are kept and which places they use. */
void giro_images_keep(struct giro_images *images);
enum giro_err giro_images_place_read(struct giro_images *images, uint32_t place,
                                     const struct giro_hash *hash, uint8_t *out) GIRO_MUST_USE;

#endif
