/* Names, addresses and times of the C++ interface. */
#include <msgr.hpp>
#include <sstream>

#include "check.h"

using namespace msgr;

template <class T> static std::string text(const T &v)
{
    std::ostringstream out;
    out << v;
    return out.str();
}

static void names_are_read_and_written()
{
    entity_name_t name;
    CHECK(name.parse("osd.3") && name == entity_name_t::OSD(3) && name.is_osd());
    CHECK(name.parse("client.?") && name.is_new() && text(name) == "client.?");
    CHECK(text(entity_name_t::MGR(12)) == "mgr.12");
    for (const char *wrong : {"", "osd", "osd.", "osd.x", "osd.3x", "osd.-1", "cat.1", "osd. 3"}) {
        entity_name_t kept = entity_name_t::MON(7);
        CHECK(!kept.parse(wrong));
        CHECK(kept == entity_name_t::MON(7));
    }
    CHECK(entity_name_t::MON(9) < entity_name_t::OSD(1) && entity_name_t::OSD(1) < entity_name_t::OSD(2));
}

static void an_address_is_read_and_written()
{
    entity_addr_t addr;
    CHECK(addr.parse("v1:10.1.2.3:6789/42"));
    CHECK(addr.is_legacy() && addr.is_ipv4() && addr.get_port() == 6789 && addr.get_nonce() == 42);
    CHECK(addr.to_str() == "v1:10.1.2.3:6789/42" && addr.ip_only_to_str() == "10.1.2.3");
    CHECK(addr.parse("[::1]:7000/1") && addr.is_msgr2() && addr.is_ipv6() && addr.get_port() == 7000);
    CHECK(addr.ip_only_to_str() == "::1");
    const char *end = nullptr;
    CHECK(addr.parse("v2:1.2.3.4:5/6,rest", &end) && std::string(end) == ",rest");
    CHECK(!addr.parse("v2:1.2.3.4:5/6,rest"));
    CHECK(addr.get_port() == 5);
    CHECK(!addr.parse("nonsense"));
}

static void an_address_is_made_by_hand()
{
    entity_addr_t addr(entity_addr_t::TYPE_MSGR2, 9), read;
    CHECK(addr.is_blank_ip() && addr.get_port() == 0);
    for (int i = 0; i < 4; i++)
        addr.set_in4_quad(i, 10 + i);
    addr.set_port(6800);
    CHECK(addr.to_str() == "v2:10.11.12.13:6800/9");
    CHECK(read.parse(addr.to_str()) && read == addr);
    entity_addr_t same;
    CHECK(same.set_sockaddr(addr.get_sockaddr()));
    CHECK(same.is_same_host(addr) && same != addr && same.get_port() == 6800);
    same.set_nonce(9);
    CHECK(same.probably_equals(addr));
    same.set_port(1);
    CHECK(!same.probably_equals(addr));
}

static void a_list_of_addresses_is_read_and_written()
{
    entity_addrvec_t addrs, kept;
    CHECK(addrs.parse("[v2:10.0.0.1:3300/0,v1:10.0.0.1:6789/0]"));
    CHECK(addrs.size() == 2 && addrs.has_msgr2() && addrs.msgr2_addr().get_port() == 3300);
    CHECK(addrs.legacy_addr().get_port() == 6789 && addrs.as_legacy_addr() == addrs.legacy_addr());
    CHECK(addrs.get_str() == "[v2:10.0.0.1:3300/0,v1:10.0.0.1:6789/0]" && text(addrs) == addrs.get_str());
    kept = addrs;
    CHECK(!kept.parse("[v2:10.0.0.1:3300/0") && kept == addrs);
    CHECK(kept.contains(addrs.front()) && !kept.contains(entity_addr_t()));
    CHECK(kept.probably_equals(addrs) && kept.is_same_host(addrs.front()));
    CHECK(entity_addrvec_t(addrs.front()).get_str() == "v2:10.0.0.1:3300/0");
    CHECK(text(entity_inst_t(entity_name_t::MON(0), addrs.front())) == "mon.0 v2:10.0.0.1:3300/0");
}

static void times_are_added_and_compared()
{
    const utime_t early(1, 999999999), step(0, 2);
    CHECK(early + step == utime_t(2, 1) && early < early + step);
    CHECK(early - (early + step) == utime_t() && utime_t(2, 1) - early == step);
    CHECK(text(utime_t(3, 40000)) == "3.000040" && double(utime_t(1, 500000000)) == 1.5);
    CHECK(utime_t::now() > utime_t(1600000000, 0));
}

static void options_are_set_and_read()
{
    const ref_t<CephContext> cct(new CephContext, false);
    std::string value;
    CHECK_OK(cct->set_val("ms_async_op_threads", "2"));
    CHECK(cct->get_val("ms_async_op_threads", &value) == 0 && value == "2");
    CHECK_IS(cct->get_val("no_such_option", &value), -ENOENT);
    CHECK_IS(cct->set_val("ms_async_op_threads", "many"), -EINVAL);
}

int main()
{
    names_are_read_and_written();
    an_address_is_read_and_written();
    an_address_is_made_by_hand();
    a_list_of_addresses_is_read_and_written();
    times_are_added_and_compared();
    options_are_set_and_read();
    return 0;
}
