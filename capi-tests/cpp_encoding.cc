/* The encoding of programs' own types, with the macros that Ceph's sources use. */
#include <msgr/compat/include/ceph_features.h>
#include <msgr/compat/osd/osd_types.h>
#include <msgr/entity_addr.hpp>

#include "check.h"

/* As programs write them. */
struct point_t {
    int32_t x = 0, y = 0;
    std::vector<snapid_t> snaps;

    void encode(ceph::buffer::list &bl) const
    {
        ENCODE_START(1, 1, bl);
        encode(x, bl);
        encode(y, bl);
        encode(snaps, bl);
        ENCODE_FINISH(bl);
    }
    void decode(ceph::buffer::list::const_iterator &p)
    {
        DECODE_START(1, p);
        decode(x, p);
        decode(y, p);
        decode(snaps, p);
        DECODE_FINISH(p);
    }
    bool operator<(const point_t &other) const { return x < other.x; }
};
WRITE_CLASS_ENCODER(point_t)

/* A later version of it, which old readers can read unless it is `far`. */
struct later_point_t {
    point_t point;
    std::string name;
    bool far = false;

    void encode(ceph::buffer::list &bl) const
    {
        ENCODE_START(2, 1, bl);
        encode(point.x, bl);
        encode(point.y, bl);
        encode(point.snaps, bl);
        encode(name, bl);
        ENCODE_FINISH_NEW_COMPAT(bl, far ? 2 : 0);
    }
    void decode(ceph::buffer::list::const_iterator &p)
    {
        DECODE_START(2, p);
        decode(point.x, p);
        decode(point.y, p);
        decode(point.snaps, p);
        if (struct_v >= 2)
            decode(name, p);
        DECODE_FINISH(p);
    }
};
WRITE_CLASS_ENCODER(later_point_t)

namespace elsewhere {
/* Looks at what the peer understands. */
struct modest_t {
    std::string text;

    void encode(ceph::buffer::list &bl, uint64_t features) const
    {
        using ceph::encode;
        encode(features == 1 ? text : std::string("?"), bl);
    }
    void decode(ceph::buffer::list::const_iterator &p)
    {
        using ceph::decode;
        decode(text, p);
    }
};
WRITE_CLASS_ENCODER_FEATURES(modest_t)
} // namespace elsewhere

/* From before there were lengths: `Wide` is in how many bytes the version was. */
template <int Wide> struct old_t {
    uint32_t value = 0;

    void decode(ceph::buffer::list::const_iterator &p)
    {
        if constexpr (Wide == 4) {
            DECODE_START_LEGACY_COMPAT_LEN_32(3, 2, 3, p);
            DECODE_OLDEST(1);
            decode(value, p);
            DECODE_FINISH(p);
        } else if constexpr (Wide == 2) {
            DECODE_START_LEGACY_COMPAT_LEN_16(3, 2, 3, p);
            decode(value, p);
            DECODE_FINISH(p);
        } else {
            DECODE_START_LEGACY_COMPAT_LEN(3, 2, 3, p);
            decode(value, p);
            DECODE_FINISH(p);
        }
    }
};

static bufferlist bytes(std::string_view text)
{
    bufferlist bl;
    bl.append(text);
    return bl;
}

template <class Act> static std::string refusal(Act &&act)
{
    try {
        act();
    } catch (const ceph::buffer::error &e) {
        return e.what();
    }
    return "";
}

static point_t some_point()
{
    point_t point;
    point.x = 1;
    point.y = -1;
    point.snaps = {7};
    return point;
}

using namespace std::literals;

static void a_structure_has_its_versions_and_length_in_front()
{
    bufferlist bl;
    bl.append("before");
    encode(some_point(), bl);
    CHECK(bl.to_str() == "before\1\1\x14\0\0\0\1\0\0\0\xff\xff\xff\xff\1\0\0\0\7\0\0\0\0\0\0\0"sv);
    auto p = bl.cbegin(6);
    point_t same;
    decode(same, p);
    CHECK(p.end() && same.x == 1 && same.y == -1 && same.snaps == std::vector<snapid_t>{7});
}

static void what_a_later_version_adds_is_passed_over()
{
    later_point_t later;
    later.point = some_point();
    later.name = "unknown";
    bufferlist bl;
    encode(later, bl);
    ceph::encode(uint8_t(9), bl);
    auto p = bl.cbegin();
    point_t point;
    uint8_t after = 0;
    decode(point, p);
    ceph::decode(after, p);
    CHECK(point.y == -1 && after == 9 && p.end());

    bufferlist early;
    encode(some_point(), early);
    later.name.clear();
    ceph::decode(later, early);
    CHECK(later.point.x == 1 && later.name.empty());

    later.far = true;
    bl.clear();
    encode(later, bl);
    CHECK(refusal([&] { ceph::decode(point, bl); }) == "a structure is of a later version");
}

static void lengths_that_cannot_be_are_refused()
{
    bufferlist bl;
    encode(some_point(), bl);
    std::string text = bl.to_str();
    point_t point;
    text[2] = 0x15;
    CHECK(refusal([&] { ceph::decode(point, bytes(text)); }) == "a structure is longer than the bytes that there are");
    text[2] = 0x13;
    CHECK(refusal([&] { ceph::decode(point, bytes(text)); }) == "a structure was read past its end");
    text[2] = 0x14;
    CHECK(refusal([&] { ceph::decode(point, bytes(text + "x")); }) == "bytes are left behind what was decoded");
    for (size_t len = 0; len < text.size(); len++)
        CHECK(refusal([&] { ceph::decode(point, bytes(text.substr(0, len))); }) != "");
}

template <int Wide> static uint32_t old_value(std::string_view text)
{
    old_t<Wide> old;
    const bufferlist bl = bytes(text);
    auto p = bl.cbegin();
    old.decode(p);
    CHECK(p.end());
    return old.value;
}

static void structures_from_before_there_were_lengths_are_read()
{
    CHECK(old_value<1>("\1\5\0\0\0"sv) == 5 && old_value<1>("\2\1\5\0\0\0"sv) == 5);
    CHECK(old_value<1>("\3\1\5\0\0\0\5\0\0\0x"sv) == 5);
    CHECK(old_value<2>("\1\0\5\0\0\0"sv) == 5 && old_value<4>("\1\0\0\0\5\0\0\0"sv) == 5);
    CHECK(refusal([] { old_value<4>("\0\0\0\0\5\0\0\0"sv); }) == "a structure is of a version that is too old");
    CHECK(refusal([] { old_value<1>("\4\4\0\0\0\0"sv); }) == "a structure is of a later version");
}

static void features_reach_what_is_inside_of_containers()
{
    std::map<int, std::vector<elsewhere::modest_t>> modest;
    modest[1].push_back({"text"});
    for (const uint64_t features : {1, 2}) {
        bufferlist bl;
        ceph::encode(modest, bl, features);
        decltype(modest) same;
        ceph::decode(same, bl);
        CHECK(same[1].size() == 1 && same[1][0].text == (features == 1 ? "text" : "?"));
    }
    msgr::entity_addrvec_t addrs;
    CHECK(addrs.parse("[v2:127.0.0.1:1/2,v1:127.0.0.1:3/2]"));
    const std::map<entity_name_t, msgr::entity_addrvec_t> known{{entity_name_t::OSD(1), addrs}};
    for (const uint64_t features : {CEPH_FEATURES_ALL, CEPH_FEATURES_ALL & ~CEPH_FEATURE_MSG_ADDR2}) {
        bufferlist bl;
        ceph::encode(known, bl, features);
        std::map<entity_name_t, msgr::entity_addrvec_t> same;
        ceph::decode(same, bl);
        CHECK(same.size() == 1 && same.begin()->second.size() == (HAVE_FEATURE(features, MSG_ADDR2) ? 2 : 1));
    }
    /* Who does not ask gets along without. */
    bufferlist with, without;
    ceph::encode(std::vector<point_t>{some_point()}, with, 1);
    ceph::encode(std::vector<point_t>{some_point()}, without);
    CHECK(with == without);
    std::set<point_t> points;
    ceph::decode(points, with);
    CHECK(points.size() == 1 && points.begin()->snaps.size() == 1);
}

static void numbers_lie_in_memory_as_they_travel()
{
    const ceph_le32 number(0x01020304);
    CHECK(std::memcmp(&number, "\4\3\2\1", 4) == 0 && number == 0x01020304u);
    ceph_les16 negative;
    negative = -2;
    CHECK(std::memcmp(&negative, "\xfe\xff", 2) == 0 && negative == -2);
    bufferlist bl;
    encode(number, bl);
    ceph_le32 same;
    ceph::decode(same, bl);
    CHECK(same == number && init_le16(7) == 7);
}

static void heads_may_be_left_out()
{
    bufferlist bl;
    ceph::encode_nohead(std::string("text"), bl);
    ceph::encode_nohead(std::vector<uint16_t>{1, 2}, bl);
    CHECK(bl.to_str() == "text\1\0\2\0"sv);
    auto p = bl.cbegin();
    std::string text;
    std::vector<uint16_t> numbers;
    ceph::decode_nohead(4, text, p);
    ceph::decode_nohead(2, numbers, p);
    CHECK(p.end() && text == "text" && numbers.size() == 2 && numbers[1] == 2);
    p.seek(0);
    CHECK(refusal([&] { ceph::decode_nohead(SIZE_MAX, numbers, p); }) == "end of buffer");
}

template <class T> static void comes_back(const T &v)
{
    bufferlist bl;
    ceph::encode(v, bl);
    T same;
    ceph::decode(same, bl);
    CHECK(same == v);
    for (size_t len = 0; len < bl.length(); len++) {
        bufferlist part;
        part.substr_of(bl, 0, len);
        CHECK(refusal([&] { ceph::decode(same, part); }) != "");
    }
}

static void types_of_osds_come_back_and_parts_of_them_are_refused()
{
    const hobject_t object(object_t("name"), "key", 5, 0x12345678, 3, "space");
    comes_back(object);
    comes_back(hobject_t());
    comes_back(ghobject_t(object, 8, shard_id_t(2)));
    comes_back(ghobject_t::get_max());
    comes_back(spg_t(pg_t(1, 2), shard_id_t(3)));
    comes_back(pg_shard_t(4, shard_id_t(1)));
    comes_back(eversion_t(2, 3));
    comes_back(object_locator_t(1, "space", "key"));
    comes_back(object_locator_t(1, "space", 77));
    comes_back(sobject_t("name", CEPH_SNAPDIR));
    comes_back(osd_reqid_t(entity_name_t::CLIENT(4), 5, 6));
    /* A key as well as a hash. */
    bufferlist bl;
    ceph::encode(object_locator_t(1, "", "k"), bl);
    std::memset(bl.c_str() + bl.length() - 8, 0, 8);
    object_locator_t both;
    CHECK(refusal([&] { ceph::decode(both, bl); }) == "an object has both a key and a hash");
}

static void types_of_osds_are_printed_as_in_ceph()
{
    const auto said = [](const auto &v) {
        std::ostringstream out;
        out << v;
        return out.str();
    };
    CHECK(said(spg_t(pg_t(0x1f, 2), shard_id_t(3))) == "2.1fs3" && said(spg_t(pg_t(1, 2))) == "2.1");
    CHECK(said(eversion_t(2, 3)) == "2'3" && said(osd_reqid_t(entity_name_t::OSD(1), 5, 6)) == "osd.1.5:6");
    CHECK(said(object_locator_t(1, "space", "key")) == "@1;space:key");
    CHECK(said(sobject_t("name", CEPH_NOSNAP)) == "name/head" && said(snapid_t(0x1f)) == "1f");
    CHECK(ceph_osd_flag_string(0) == "-" && ceph_osd_flag_string(0x80000021) == "ack+write+???");
    CHECK(said(std::vector<OSDOp>{}) == "[]" && std::string(ceph_osd_op_name(0x2201)) == "write");
}

int main()
{
    a_structure_has_its_versions_and_length_in_front();
    what_a_later_version_adds_is_passed_over();
    lengths_that_cannot_be_are_refused();
    structures_from_before_there_were_lengths_are_read();
    features_reach_what_is_inside_of_containers();
    numbers_lie_in_memory_as_they_travel();
    heads_may_be_left_out();
    types_of_osds_come_back_and_parts_of_them_are_refused();
    types_of_osds_are_printed_as_in_ceph();
    return 0;
}
