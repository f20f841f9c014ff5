/* Names, addresses and times of the C++ interface. */
#include <msgr.hpp>
#include <sstream>

#include "check.h"
#include "hex.hpp"

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

constexpr uint64_t NEW_PEER = 0x3f01cfbdfffdffff, MIMIC = NEW_PEER & ~uint64_t(4), OLD_PEER = 0;

#define MON_V2 "0101011c000000020000000000000010000000020033f47f0000010000000000000000"
#define MON_V1 "0101011c000000010000000000000010000000020041957f0000010000000000000000"
#define ANY "0101011c00000003000000b72ad7ad10000000020000007f0000010000000000000000"

/* As in what daemons of Ceph have sent. */
static void addresses_are_encoded_as_in_ceph()
{
    const struct {
        const char *text, *encoded;
    } known[] = {{"v2:127.0.0.1:13300/0", MON_V2},
                 {"v1:127.0.0.1:16789/0", MON_V1},
                 {"any:127.0.0.1:0/2916559543", ANY},
                 {"v2:10.1.2.3:6800/12345", "0101011c00000002000000393000001000000002001a900a0102030000000000000000"},
                 {"v2:[::1]:13300/0",
                  "0101012800000002000000000000001c0000000a0033f4000000000000000000000000000000000000000100000000"}};
    for (const auto &one : known) {
        entity_addr_t addr, same;
        CHECK(addr.parse(one.text));
        bufferlist bl, old;
        addr.encode(bl, NEW_PEER);
        CHECK(to_hex(bl) == one.encoded);
        auto p = bl.cbegin();
        decode(same, p);
        CHECK(p.end() && same == addr);
        /* Old peers know of one type. */
        addr.encode(old, OLD_PEER);
        CHECK(old.length() == 136);
        p = old.cbegin();
        decode(same, p);
        addr.set_type(entity_addr_t::TYPE_LEGACY);
        CHECK(p.end() && same == addr);
    }
    bufferlist blank, legacy, any;
    entity_addr_t().encode(blank, NEW_PEER);
    CHECK(to_hex(blank) == "0101012800000000000000000000001c" + std::string(62, '0'));
    entity_addr_t addr;
    CHECK(addr.parse("v1:127.0.0.1:16789/7"));
    addr.encode(legacy, OLD_PEER);
    CHECK(to_hex(legacy) == "00000000070000000002" "41957f000001" + std::string(240, '0'));
    CHECK(addr.parse("any:127.0.0.1:0/2916559543"));
    addr.encode(any, MIMIC);
    CHECK(to_hex(any) == "0101011c00000001000000b72ad7ad10000000020000007f0000010000000000000000");
}

static void vectors_of_addresses_are_encoded_as_in_ceph()
{
    entity_addrvec_t pair, same;
    CHECK(pair.parse("[v2:127.0.0.1:13300/0,v1:127.0.0.1:16789/0]"));
    bufferlist bl, empty, old;
    pair.encode(bl, NEW_PEER);
    entity_addrvec_t().encode(empty, NEW_PEER);
    CHECK(to_hex(bl) == "0202000000" MON_V2 MON_V1 && to_hex(empty) == "0200000000");
    auto p = bl.cbegin();
    decode(same, p);
    CHECK(p.end() && same == pair);
    pair.encode(old, OLD_PEER);
    p = old.cbegin();
    decode(same, p);
    CHECK(p.end() && same == entity_addrvec_t(pair.legacy_addr()));
    const bufferlist single = from_hex(MON_V2);
    p = single.cbegin();
    decode(same, p);
    CHECK(same == entity_addrvec_t(pair.front()));

    const entity_inst_t inst(entity_name_t::OSD(3), pair.front());
    entity_inst_t same_inst;
    bl.clear();
    inst.encode(bl, NEW_PEER);
    CHECK(to_hex(bl) == "040300000000000000" MON_V2);
    p = bl.cbegin();
    decode(same_inst, p);
    CHECK(same_inst == inst);
}

static void what_is_no_address_is_refused()
{
    const auto refused = [](std::string bytes) {
        bufferlist bl;
        bl.append(bytes);
        auto p = bl.cbegin();
        entity_addr_t addr;
        try {
            decode(addr, p);
        } catch (const buffer::error &) {
            return true;
        }
        return false;
    };
    const std::string good = from_hex(MON_V2).to_str();
    CHECK(!refused(good));
    for (size_t len = 0; len < good.size(); len++)
        CHECK(refused(good.substr(0, len)));
    /* marker, compat, length, length of the socket address, too short and too long, family */
    const std::pair<size_t, char> broken[] = {{0, 3}, {2, 2}, {3, 0x1d}, {15, 1}, {15, 17}, {19, 7}};
    for (const auto &[where, value] : broken) {
        std::string bytes = good;
        bytes[where] = value;
        CHECK(refused(bytes));
    }
    std::string later = good;
    later[1] = 9;
    CHECK(!refused(later));
    std::string old(136, '\0');
    CHECK(!refused(old));
    old[9] = 7;
    CHECK(refused(old));
}

int main()
{
    names_are_read_and_written();
    an_address_is_read_and_written();
    an_address_is_made_by_hand();
    a_list_of_addresses_is_read_and_written();
    times_are_added_and_compared();
    options_are_set_and_read();
    addresses_are_encoded_as_in_ceph();
    vectors_of_addresses_are_encoded_as_in_ceph();
    what_is_no_address_is_refused();
    return 0;
}
