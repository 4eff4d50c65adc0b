#include "common/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

uint16_t addr_from_sockaddr(const struct sockaddr *sa, uint8_t addr[static 16])
{
	if (sa->sa_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, sa, sizeof(in));
		memcpy(addr, mapped, sizeof(mapped));
		memcpy(addr + 12, &in.sin_addr, 4);
		return ntohs(in.sin_port);
	}
	if (sa->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, sa, sizeof(in6));
		memcpy(addr, &in6.sin6_addr, 16);
		return ntohs(in6.sin6_port);
	}
	memset(addr, 0, 16);
	return 0;
}

bool addr_is_ipv4(const uint8_t addr[static 16])
{
	return memcmp(addr, mapped, sizeof(mapped)) == 0;
}

bool addr_is_loopback(const uint8_t addr[static 16])
{
	static const uint8_t v6[16] = { [15] = 1 };

	return memcmp(addr, v6, 16) == 0 || (addr_is_ipv4(addr) && addr[12] == 127);
}

socklen_t addr_to_sockaddr(const uint8_t addr[static 16], uint16_t port, struct sockaddr_storage *out)
{
	memset(out, 0, sizeof(*out));
	if (addr_is_ipv4(addr)) {
		struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };

		memcpy(&in.sin_addr, addr + 12, 4);
		memcpy(out, &in, sizeof(in));
		return sizeof(in);
	}
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	memcpy(&in6.sin6_addr, addr, 16);
	memcpy(out, &in6, sizeof(in6));
	return sizeof(in6);
}

size_t addr_print(const uint8_t addr[static 16], char out[static ADDR_TEXT_MAX])
{
	bool v4 = addr_is_ipv4(addr);

	if (!inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? addr + 12 : addr, out, ADDR_TEXT_MAX))
		out[0] = '\0';
	return strlen(out);
}

bool addr_parse(struct span text, uint8_t addr[static 16])
{
	char copy[ADDR_TEXT_MAX];
	struct in_addr v4;
	struct in6_addr v6;

	if (text.len >= 2 && text.p[0] == '[' && text.p[text.len - 1] == ']')
		text = span_of(text.p + 1, text.len - 2);
	if (text.len >= sizeof(copy) || memchr(text.p, '\0', text.len))
		return false;
	memcpy(copy, text.p, text.len);
	copy[text.len] = '\0';
	if (inet_pton(AF_INET, copy, &v4) == 1) {
		memcpy(addr, mapped, sizeof(mapped));
		memcpy(addr + 12, &v4, 4);
		return true;
	}
	if (inet_pton(AF_INET6, copy, &v6) != 1)
		return false;
	memcpy(addr, &v6, 16);
	return true;
}
