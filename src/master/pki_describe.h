/*
 * pki_describe - certificates and CRLs of an image as fields (diff_fields).
 *
 * Process: master (its loader and --check).  May include: common/base.h, clock, image, x509/facts, diff_fields, OpenSSL.
 * Owns nothing.
 */
#ifndef MASTER_PKI_DESCRIBE_H
#define MASTER_PKI_DESCRIBE_H

#include "common/base.h"
#include "common/image.h"
#include "master/diff_fields.h"

/* Whose it is, its serial number and when it ends; nothing of what cannot be read but its bytes. */
void pki_describe_certificate(struct span der, struct fields *f);

void pki_describe_crl(const struct image *img, const struct image_crl *crl, struct fields *f);

#endif
