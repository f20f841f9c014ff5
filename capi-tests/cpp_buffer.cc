/* msgr::bufferlist and the encoding: who shares bytes with whom, and what is read back. */
#include <msgr.hpp>

#include "check.h"

using namespace msgr;

static bool throws_end(void (*act)())
{
    try {
        act();
    } catch (const buffer::end_of_buffer &) {
        return true;
    }
    return false;
}

static void small_appends_go_to_one_piece()
{
    bufferlist bl;
    for (int i = 0; i < 100; i++)
        bl.append("abc");
    CHECK(bl.length() == 300);
    CHECK(bl.get_num_buffers() == 1);
    bl.append_zero(100000);
    bl.append('z');
    CHECK(bl.length() == 100301);
    CHECK(bl[299] == 'c' && bl[300] == 0 && bl[100300] == 'z');
}

static void a_copy_shares_bytes_and_is_not_changed_by_appends()
{
    bufferlist bl;
    bl.append("shared");
    const char *bytes = bl.c_str();
    bufferlist copy = bl;
    bl.append(" and more");
    copy.append(" and other");
    CHECK(bl.to_str() == "shared and more");
    CHECK(copy.to_str() == "shared and other");
    CHECK(bl.buffers().front().c_str() == bytes);
    CHECK(copy.buffers().front().c_str() == bytes);
}

static void room_behind_a_piece_belongs_to_one_list_wherever_it_goes()
{
    bufferlist first;
    first.append("one");
    bufferlist second = first, third;
    first.append(" first");
    second.append(" second");
    third = second;
    third.append(" third");
    second.append(" again");
    const bufferlist moved = [&first] {
        bufferlist there = std::move(first);
        there.append(" moved");
        return there;
    }();
    first.append("anew");
    CHECK(first.to_str() == "anew" && moved.to_str() == "one first moved" && moved.is_contiguous());
    CHECK(second.to_str() == "one second again" && third.to_str() == "one second third");
    first.push_back(bufferptr("piece", 5));
    first.append("end");
    first.swap(third);
    first.append("!");
    third.clear();
    third.append("empty");
    CHECK(first.to_str() == "one second third!" && third.to_str() == "empty");
}

static void a_list_appends_itself()
{
    bufferlist bl;
    bl.append("ab");
    bl.append(bl);
    bl.append(bl);
    CHECK(bl.to_str() == "abababab");
}

static void many_pieces_are_kept_in_order_and_joined_once()
{
    bufferlist bl;
    std::string all;
    for (int i = 0; i < 20; i++) {
        bl.append(bufferptr(std::to_string(i).data(), std::to_string(i).size()));
        all += std::to_string(i);
    }
    CHECK(bl.get_num_buffers() == 20 && bl.to_str() == all);
    bufferlist moved = std::move(bl);
    CHECK(bl.length() == 0 && moved.length() == all.size());
    bufferlist copy = moved;
    CHECK(std::string(moved.c_str(), moved.length()) == all && moved.is_contiguous());
    CHECK(copy == moved && copy.get_num_buffers() == 20);
    copy.append('x');
    CHECK(copy != moved);
}

static void parts_share_the_bytes_of_the_whole()
{
    bufferlist whole, part;
    whole.append(bufferptr("0123456789", 10));
    whole.append(bufferptr("abcdefghij", 10));
    part.substr_of(whole, 8, 5);
    CHECK(part.to_str() == "89abc");
    CHECK(part.buffers().front().c_str() == whole.buffers().front().c_str() + 8);
    part.substr_of(part, 1, 3);
    CHECK(part.to_str() == "9ab");
    CHECK(throws_end([] {
        bufferlist empty, none;
        none.substr_of(empty, 0, 1);
    }));
}

static int released;

static void foreign_memory_is_released_once_when_the_last_part_goes()
{
    char memory[] = "foreign";
    {
        bufferlist part;
        {
            bufferlist whole;
            whole.append(buffer::claim_buffer(7, memory, [] { released++; }));
            CHECK(whole.c_str() == memory);
            part.substr_of(whole, 3, 2);
        }
        CHECK(released == 0 && part.to_str() == "ei");
    }
    CHECK(released == 1);
}

static void memory_may_be_aligned()
{
    bufferptr page = buffer::create_page_aligned(5000);
    CHECK(page.is_page_aligned() && page.length() == 5000);
    page.zero();
    CHECK(page[4999] == 0);
    CHECK(throws_end([] { (void)bufferptr(3)[3]; }));
}

static void reading_past_the_end_throws_and_stays()
{
    bufferlist bl;
    encode(uint32_t(7), bl);
    auto p = bl.cbegin();
    uint64_t wide = 0;
    bool thrown = false;
    try {
        decode(wide, p);
    } catch (const buffer::error &) {
        thrown = true;
    }
    CHECK(thrown && p.get_off() == 0 && p.get_remaining() == 4);
    uint32_t seven = 0;
    decode(seven, p);
    CHECK(seven == 7 && p.end());
    CHECK(throws_end([] { (void)*bufferlist().cbegin(); }));
}

static void what_is_encoded_is_decoded()
{
    bufferlist bl, inner;
    inner.append("inner");
    encode(int8_t(-5), bl);
    encode(uint64_t(0x0123456789abcdef), bl);
    encode(true, bl);
    encode(1.5, bl);
    encode("text", bl);
    encode(inner, bl);
    encode(std::vector<std::string>{"a", "bc"}, bl);
    encode(std::map<uint32_t, std::vector<uint16_t>>{{1, {2, 3}}, {4, {}}}, bl);
    encode(std::set<int64_t>{-1, 1}, bl);
    encode(utime_t(12, 34), bl);
    encode(entity_name_t::OSD(3), bl);
    /* read across pieces of one byte each */
    bufferlist shredded;
    for (size_t i = 0; i < bl.length(); i++)
        shredded.append(bufferptr(bl.c_str() + i, 1));

    for (const bufferlist &from : {bl, shredded}) {
        auto p = from.cbegin();
        int8_t small;
        uint64_t wide;
        bool yes;
        double half;
        std::string text;
        bufferlist bytes;
        std::vector<std::string> texts;
        std::map<uint32_t, std::vector<uint16_t>> lists;
        std::set<int64_t> numbers;
        utime_t time;
        entity_name_t name;
        decode(small, p);
        decode(wide, p);
        decode(yes, p);
        decode(half, p);
        decode(text, p);
        decode(bytes, p);
        decode(texts, p);
        decode(lists, p);
        decode(numbers, p);
        decode(time, p);
        decode(name, p);
        CHECK(p.end());
        CHECK(small == -5 && wide == 0x0123456789abcdef && yes && half == 1.5 && text == "text");
        CHECK(bytes == inner && texts.size() == 2 && texts[1] == "bc");
        CHECK(lists.size() == 2 && lists[1][1] == 3 && lists[4].empty() && numbers.count(-1) == 1);
        CHECK(time == utime_t(12, 34) && name == entity_name_t::OSD(3));
    }
}

static void numbers_are_little_endian()
{
    bufferlist bl;
    encode(uint32_t(0x01020304), bl);
    CHECK(bl.to_str() == "\x04\x03\x02\x01");
}

static void a_claimed_count_takes_no_memory()
{
    bufferlist bl;
    encode(uint32_t(0xffffffff), bl);
    encode(uint32_t(1), bl);
    auto p = bl.cbegin();
    std::vector<uint32_t> numbers;
    bool thrown = false;
    try {
        decode(numbers, p);
    } catch (const buffer::end_of_buffer &) {
        thrown = true;
    }
    CHECK(thrown && numbers.capacity() < 100);
}

static void later_versions_of_a_structure_are_passed_over()
{
    bufferlist bl;
    encode_versioned(3, 1, bl, [](bufferlist &body) {
        encode(uint32_t(11), body);
        encode("unknown to the reader", body);
    });
    encode(uint8_t(99), bl);
    auto p = bl.cbegin();
    uint32_t number = 0;
    decode_versioned(2, p, [&number](uint8_t version, bufferlist::const_iterator &inside) {
        CHECK(version == 3);
        decode(number, inside);
    });
    uint8_t after;
    decode(after, p);
    CHECK(number == 11 && after == 99);

    bufferlist incompatible;
    encode_versioned(3, 3, incompatible, [](bufferlist &) {});
    auto q = incompatible.cbegin();
    bool thrown = false;
    try {
        decode_versioned(2, q, [](uint8_t, bufferlist::const_iterator &) {});
    } catch (const buffer::malformed_input &) {
        thrown = true;
    }
    CHECK(thrown);
}

template <class T> static void comes_back(const T &v)
{
    bufferlist bl;
    encode(v, bl);
    T same{};
    auto p = bl.cbegin();
    decode(same, p);
    CHECK(p.end() && same == v);
}

static void what_is_made_of_other_things_is_decoded()
{
    comes_back(1.25f);
    comes_back(std::list<std::pair<uint8_t, std::string>>{{1, "one"}, {2, "two"}});
    comes_back(std::deque<std::optional<int>>{1, std::nullopt, 3});
    comes_back(std::multimap<int, std::list<int>>{{1, {2}}, {1, {3, 4}}});
    comes_back(std::multiset<std::string>{"a", "a", "b"});
    comes_back(std::unordered_map<std::string, std::set<int>>{{"a", {1, 2}}, {"b", {}}});
    comes_back(std::unordered_set<int64_t>{5, 6});
    comes_back(std::tuple<int, std::vector<bool>, std::string>{7, {true, false}, "text"});
    comes_back(std::array<std::pair<int, uint16_t>, 2>{{{1, 2}, {3, 4}}});
    bufferlist bl, pieces;
    encode(bufferptr("abcd", 4), bl);
    encode(bufferptr(), bl);
    for (size_t i = 0; i < bl.length(); i++)
        pieces.append(bufferptr(bl.c_str() + i, 1));
    bufferptr full, empty("x", 1);
    auto p = pieces.cbegin();
    decode(full, p);
    decode(empty, p);
    CHECK(p.end() && full.length() == 4 && std::memcmp(full.c_str(), "abcd", 4) == 0 && empty.length() == 0);
}

/* "0123456789" in three pieces */
static bufferlist digits()
{
    bufferlist bl;
    bl.append(bufferptr("012", 3));
    bl.append(bufferptr("3456", 4));
    bl.append(bufferptr("789", 3));
    return bl;
}

static void bytes_are_overwritten_and_taken_out_across_pieces()
{
    bufferlist bl = digits(), taken;
    bl.copy_in(2, 6, "abcdef");
    CHECK(bl.to_str() == "01abcdef89" && bl.get_num_buffers() == 3);
    bl.splice(2, 6, &taken);
    CHECK(bl.to_str() == "0189" && taken.to_str() == "abcdef");
    bl.splice(0, 4);
    CHECK(bl.empty());
    bl.claim_append(taken);
    CHECK(bl.to_str() == "abcdef" && taken.empty());
    bl.append(digits());
    std::string part;
    bl.copy(4, 4, part);
    CHECK(part == "ef01" && bl.front()[0] == 'a' && bl.back()[2] == '9' && bl.cend() == bl.end());
    bl.zero();
    CHECK(bl.to_str() == std::string(16, '\0'));
    CHECK(throws_end([] { digits().copy_in(8, 3, "abc"); }));
    CHECK(throws_end([] { digits().splice(8, 3); }));
}

static void an_iterator_gives_pieces_without_copying_where_it_can()
{
    const bufferlist bl = digits();
    const char *second = (bl.buffers().begin() + 1)->c_str();
    auto p = bl.cbegin(3);
    CHECK(p.get_current_ptr().c_str() == second && p.get_current_ptr().length() == 4);
    bufferptr shared, copied;
    p.copy_shallow(4, shared);
    CHECK(shared.c_str() == second && shared.length() == 4 && p.get_off() == 7);
    p.seek(4);
    p.copy_shallow(5, copied);
    CHECK(std::string(copied.c_str(), 5) == "45678" && p.get_off() == 9);
    CHECK(throws_end([] {
        bufferptr whole;
        bufferlist().cbegin().copy_deep(1, whole);
    }));
}

static void pieces_may_be_joined_on_a_page()
{
    bufferlist bl = digits();
    bl.rebuild_page_aligned();
    CHECK(bl.is_page_aligned() && bl.get_num_buffers() == 1 && bl.to_str() == "0123456789");
    const char *bytes = bl.c_str();
    bl.rebuild_page_aligned();
    CHECK(bl.c_str() == bytes);
}

int main()
{
    small_appends_go_to_one_piece();
    a_copy_shares_bytes_and_is_not_changed_by_appends();
    room_behind_a_piece_belongs_to_one_list_wherever_it_goes();
    a_list_appends_itself();
    many_pieces_are_kept_in_order_and_joined_once();
    parts_share_the_bytes_of_the_whole();
    foreign_memory_is_released_once_when_the_last_part_goes();
    memory_may_be_aligned();
    reading_past_the_end_throws_and_stays();
    what_is_encoded_is_decoded();
    numbers_are_little_endian();
    a_claimed_count_takes_no_memory();
    later_versions_of_a_structure_are_passed_over();
    what_is_made_of_other_things_is_decoded();
    bytes_are_overwritten_and_taken_out_across_pieces();
    an_iterator_gives_pieces_without_copying_where_it_can();
    pieces_may_be_joined_on_a_page();
    return 0;
}
