#include "conf/address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>

#define HOST_NAME_LIMIT 253 /* of DNS */

void address_deinit(Address *address)
{
    free(address->host);
    *address = (Address)ADDRESS_NULL;
}

static int parse_port(Address *address, const char *digits, Text *complaint)
{
    unsigned long port = 0;
    size_t n = strspn(digits, "0123456789");
    if (n > 0 && n <= 5 && digits[n] == '\0')
        port = strtoul(digits, NULL, 10);
    if (n == 0 || n > 5 || digits[n] != '\0' || port > 65535) {
        text_append(complaint, "the port must be a number up to 65535");
        return -EINVAL;
    }
    address->has_port = true;
    address->port = (uint16_t)port;
    return 0;
}

static bool is_ipv6(const char *host)
{
    struct in6_addr binary;
    _cleanup_(mem_freep) char *without_zone = mem_copy_bytes_as_string(host, strcspn(host, "%"));
    return inet_pton(AF_INET6, without_zone, &binary) == 1;
}

static int check_name(const char *host, Text *complaint)
{
    for (const char *p = host; *p; p++) {
        if (isalnum((unsigned char)*p) || *p == '-' || *p == '.' || *p == '_')
            continue;
        text_append(complaint, "the host name may have letters, digits, dots and dashes only");
        return -EINVAL;
    }
    if (*host == '\0' || strlen(host) > HOST_NAME_LIMIT) {
        text_append(complaint, *host ? "the host name is too long" : "there is no host name");
        return -EINVAL;
    }
    return 0;
}

static int parse_bracketed(Address *address, const char *text, Text *complaint)
{
    const char *close = strchr(text, ']');
    if (!close || (close[1] != '\0' && close[1] != ':')) {
        text_append(complaint, "write an IPv6 address as [::1]:15002");
        return -EINVAL;
    }
    address->host = mem_copy_bytes_as_string(text + 1, (size_t)(close - text - 1));
    if (!is_ipv6(address->host)) {
        text_append(complaint, "what stands in brackets is no IPv6 address");
        return -EINVAL;
    }
    return close[1] == ':' ? parse_port(address, close + 2, complaint) : 0;
}

static int parse_plain(Address *address, const char *text, Text *complaint)
{
    const char *colon = strchr(text, ':');
    if (colon && strchr(colon + 1, ':')) {
        text_append(complaint, "write an IPv6 address in brackets, as [::1]:15002");
        return -EINVAL;
    }
    if (colon != text) {
        size_t length = colon ? (size_t)(colon - text) : strlen(text);
        address->host = mem_copy_bytes_as_string(text, length);
        if (check_name(address->host, complaint) < 0)
            return -EINVAL;
    }
    return colon ? parse_port(address, colon + 1, complaint) : 0;
}

int address_parse(Address *ret_address, const char *text, Text *complaint)
{
    _cleanup_(address_deinit) Address address = ADDRESS_NULL;
    int r =
        *text == '[' ? parse_bracketed(&address, text, complaint) : parse_plain(&address, text, complaint);
    if (r < 0)
        return r;
    for (char *p = address.host; p && *p; p++)
        *p = (char)tolower((unsigned char)*p);
    *ret_address = address;
    address = (Address)ADDRESS_NULL;
    return 0;
}

bool address_is_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (strcmp(host, "localhost") == 0)
        return true;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return (ntohl(v4.s_addr) >> 24) == 127;
    if (inet_pton(AF_INET6, host, &v6) != 1)
        return false;
    return IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
}
