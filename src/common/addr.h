/*
 * addr - IP addresses as 16 bytes, IPv4 as ::ffff:a.b.c.d: one form to compare and print.
 *
 * Process: any.  May include: common/base.h, span.  Owns nothing.
 */
#ifndef COMMON_ADDR_H
#define COMMON_ADDR_H

#include <sys/socket.h>

#include "common/base.h"
#include "common/span.h"

#define ADDR_TEXT_MAX 46

/* The address into addr[]; returns the port (host order).  Another family than IPv4 or IPv6 gives :: and 0. */
uint16_t addr_from_sockaddr(const struct sockaddr *sa, uint8_t addr[static 16]);

/* Socket address of the family that fits; returns its length. */
socklen_t addr_to_sockaddr(const uint8_t addr[static 16], uint16_t port, struct sockaddr_storage *out);

/* As text, IPv4 dotted, IPv6 without brackets (RFC 5952); terminated; returns the length. */
size_t addr_print(const uint8_t addr[static 16], char out[static ADDR_TEXT_MAX]);

/* Literal IPv4 or IPv6 (brackets allowed); false: no address. */
MUST_USE bool addr_parse(struct span text, uint8_t addr[static 16]);

bool addr_is_ipv4(const uint8_t addr[static 16]);

/* 127.0.0.0/8 or ::1. */
bool addr_is_loopback(const uint8_t addr[static 16]);

#endif
