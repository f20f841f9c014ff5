/* Addresses and names as numbers. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "check.h"

static msgr_addr address(const char *text)
{
    msgr_addr addr;
    CHECK_OK(msgr_addr_parse(text, NULL, 0, &addr));
    return addr;
}

static void an_address_is_read_in_parts_and_written_again(void)
{
    msgr_addr addr = address("v1:127.0.0.1:6789/7");
    struct sockaddr_in in;
    char text[64], small[8] = "old";
    memcpy(&in, addr.sa, sizeof(in));
    CHECK(addr.type == MSGR_ADDR_LEGACY && addr.nonce == 7 && addr.reserved == 0);
    CHECK(in.sin_family == AF_INET && in.sin_port == htons(6789));
    CHECK(in.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
    CHECK_IS(msgr_addr_format(&addr, text, sizeof(text)), 19);
    CHECK(strcmp(text, "v1:127.0.0.1:6789/7") == 0);
    CHECK_IS(msgr_addr_format(&addr, small, sizeof(small)), -ENAMETOOLONG);
    CHECK(strcmp(small, "old") == 0);
    CHECK_IS(msgr_addr_format(NULL, text, sizeof(text)), -EINVAL);
}

static void what_follows_an_address_is_shown_or_refused(void)
{
    const char *text = "1.2.3.4:5/6, and more", *end = NULL;
    msgr_addr addr, untouched;
    memset(&addr, 0xff, sizeof(addr));
    untouched = addr;
    CHECK_IS(msgr_addr_parse(text, NULL, 0, &addr), -EINVAL);
    CHECK_IS(msgr_addr_parse("v4:1.2.3.4", &end, 0, &addr), -EINVAL);
    CHECK_IS(msgr_addr_parse(text, &end, 4, &addr), -EINVAL);
    CHECK(end == text);
    CHECK_IS(msgr_addr_parse(NULL, &end, 0, &addr), -EINVAL);
    CHECK(memcmp(&addr, &untouched, sizeof(addr)) == 0);
    CHECK_OK(msgr_addr_parse(text, &end, MSGR_ADDR_LEGACY, &addr));
    CHECK(end == text + 11 && addr.type == MSGR_ADDR_LEGACY);
    /* Only what follows is not even text. */
    CHECK_OK(msgr_addr_parse("1.2.3.4\xff", &end, 0, &addr));
    CHECK(*end == '\xff' && addr.type == MSGR_ADDR_MSGR2);
    CHECK_IS(msgr_addr_parse("1.2.3.4", NULL, 0, NULL), -EINVAL);
}

static void a_vector_is_counted_beyond_its_room(void)
{
    const char *text = "[v2:10.0.0.1:3300/0,v1:[::1]:6789/5]";
    msgr_addr addrs[2];
    char again[128];
    memset(addrs, 0, sizeof(addrs));
    CHECK_IS(msgr_addrvec_parse(text, NULL, 0), 2);
    CHECK_IS(msgr_addrvec_parse(text, addrs, 1), 2);
    CHECK(addrs[1].nonce == 0);
    CHECK_IS(msgr_addrvec_parse(text, addrs, 2), 2);
    CHECK(addrs[1].nonce == 5 && addrs[1].type == MSGR_ADDR_LEGACY);
    CHECK_IS(msgr_addrvec_format(addrs, 2, again, sizeof(again)), (int)strlen(text));
    CHECK(strcmp(again, text) == 0);
    CHECK_IS(msgr_addrvec_format(addrs, 1, again, sizeof(again)), 18);
    CHECK(strcmp(again, "v2:10.0.0.1:3300/0") == 0);
    CHECK_IS(msgr_addrvec_format(NULL, 0, again, sizeof(again)), 2);
    CHECK_IS(msgr_addrvec_format(NULL, 1, again, sizeof(again)), -EINVAL);
    CHECK_IS(msgr_addrvec_parse(text, NULL, 2), -EINVAL);
    CHECK_IS(msgr_addrvec_parse("[v2:10.0.0.1:3300", addrs, 2), -EINVAL);
}

static void ports_and_places_are_exchanged(void)
{
    msgr_addr addr = address("v2:10.0.0.1:1/9"), none = address("-");
    struct sockaddr_in6 in6;
    struct sockaddr_storage storage;
    char text[64];
    CHECK_IS(msgr_addr_port(&addr), 1);
    CHECK_OK(msgr_addr_set_port(&addr, 65535));
    CHECK_IS(msgr_addr_port(&addr), 65535);
    CHECK_IS(msgr_addr_port(&none), 0);
    CHECK_IS(msgr_addr_port(NULL), -EINVAL);
    CHECK_IS(msgr_addr_set_port(&none, 1), -EINVAL);

    memset(&in6, 0, sizeof(in6));
    in6.sin6_family = AF_INET6;
    in6.sin6_port = htons(3300);
    CHECK(inet_pton(AF_INET6, "2001:db8::7", &in6.sin6_addr) == 1);
    in6.sin6_scope_id = 3;
    CHECK_OK(msgr_addr_set_sockaddr(&addr, &in6, sizeof(in6)));
    CHECK_IS(msgr_addr_format(&addr, text, sizeof(text)), 23);
    CHECK(strcmp(text, "v2:[2001:db8::7]:3300/9") == 0);
    CHECK_IS(msgr_addr_sockaddr(&addr, &storage, sizeof(storage)), (int)sizeof(in6));
    CHECK(memcmp(&storage, &in6, sizeof(in6)) == 0);
    CHECK_IS(msgr_addr_sockaddr(&addr, &storage, sizeof(in6) - 1), -ENAMETOOLONG);
    CHECK_IS(msgr_addr_sockaddr(&addr, NULL, sizeof(in6)), -EINVAL);
    CHECK_IS(msgr_addr_sockaddr(&none, NULL, 0), 0);

    memset(&storage, 0, sizeof(storage));
    CHECK_IS(msgr_addr_set_sockaddr(&addr, &storage, sizeof(storage)), -EINVAL);
    storage.ss_family = AF_UNIX;
    CHECK_IS(msgr_addr_set_sockaddr(&addr, &storage, sizeof(storage)), -EINVAL);
    CHECK_IS(msgr_addr_set_sockaddr(&addr, &in6, sizeof(in6) - 1), -EINVAL);
    storage.ss_family = AF_INET;
    CHECK_OK(msgr_addr_set_sockaddr(&addr, &storage, sizeof(storage)));
    CHECK_IS(msgr_addr_format(&addr, text, sizeof(text)), 14);
    CHECK(strcmp(text, "v2:0.0.0.0:0/9") == 0);
}

static void addresses_are_compared_whole_or_by_host(void)
{
    msgr_addr one = address("v2:10.0.0.1:1/9"), same = address("v2:10.0.0.1:1/9");
    msgr_addr near = address("v1:10.0.0.1:2/3"), far = address("v2:10.0.0.2:1/9");
    CHECK_IS(msgr_addr_equal(&one, &same), 1);
    CHECK_IS(msgr_addr_equal(&one, &near), 0);
    CHECK_IS(msgr_addr_equal(&one, NULL), 0);
    CHECK_IS(msgr_addr_same_host(&one, &near), 1);
    CHECK_IS(msgr_addr_same_host(&one, &far), 0);
    CHECK_IS(msgr_addr_same_host(NULL, &far), 0);
}

static void what_is_no_address_is_refused(void)
{
    msgr_addr addr = address("v2:10.0.0.1:1/9"), bad = addr;
    char text[64];
    bad.type = 4;
    CHECK_IS(msgr_addr_format(&bad, text, sizeof(text)), -EINVAL);
    bad = addr;
    bad.reserved = 1;
    CHECK_IS(msgr_addr_port(&bad), -EINVAL);
    CHECK_IS(msgr_addr_equal(&bad, &bad), 0);
    memset(bad.sa, 0xee, sizeof(bad.sa));
    bad.reserved = 0;
    CHECK_IS(msgr_addr_sockaddr(&bad, text, sizeof(text)), -EINVAL);
}

static void names_are_read_in_parts_and_written_again(void)
{
    static const char *const malformed[] = {"", "osd", "osd.", "osd.-1", "client.admin", "rgw.1"};
    char text[32];
    int type = 0;
    int64_t num = 0;
    size_t i;
    CHECK_OK(msgr_name_parse("osd.3", &type, &num));
    CHECK(type == MSGR_ENTITY_OSD && num == 3);
    CHECK_OK(msgr_name_parse("client.?", &type, &num));
    CHECK(type == MSGR_ENTITY_CLIENT && num == -1);
    for (i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++)
        CHECK_IS(msgr_name_parse(malformed[i], &type, &num), -EINVAL);
    CHECK_IS(msgr_name_parse("osd.3", NULL, &num), -EINVAL);
    CHECK_IS(msgr_name_parse("osd.3", &type, NULL), -EINVAL);
    CHECK(type == MSGR_ENTITY_CLIENT && num == -1);
    CHECK_IS(msgr_name_format(MSGR_ENTITY_MON, INT64_MAX, text, sizeof(text)), 23);
    CHECK(strcmp(text, "mon.9223372036854775807") == 0);
    CHECK_IS(msgr_name_format(MSGR_ENTITY_MGR, -7, text, sizeof(text)), 5);
    CHECK(strcmp(text, "mgr.?") == 0);
    CHECK_IS(msgr_name_format(3, 1, text, sizeof(text)), -EINVAL);
}

int main(void)
{
    an_address_is_read_in_parts_and_written_again();
    what_follows_an_address_is_shown_or_refused();
    a_vector_is_counted_beyond_its_room();
    ports_and_places_are_exchanged();
    addresses_are_compared_whole_or_by_host();
    what_is_no_address_is_refused();
    names_are_read_in_parts_and_written_again();
    return 0;
}
