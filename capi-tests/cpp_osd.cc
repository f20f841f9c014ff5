/* Requests to OSDs under Ceph's names: byte for byte what Ceph's own client and OSD have sent each other, and what is
 * done about bytes that nobody has sent. */
#include <msgr/compat/include/ceph_features.h>
#include <msgr/compat/messages/MCommandReply.h>
#include <msgr/compat/messages/MDataPing.h>
#include <msgr/compat/messages/MOSDOpReply.h>
#include <msgr/compat/messages/MPing.h>

#include "check.hpp"
#include "hex.hpp"

using msgr::make_message;
using msgr::ref_t;

/* What Ceph 16.2.15 had on the wire: `rados` with its requests, an OSD with its answers. */
#define BLANK_REQID "020215000000" "000000000000000000" "0000000000000000" "00000000"
#define BLANK_TRACE "000000000000000000000000000000000000000000000000"
#define BLANK_VERSION "000000000000000000000000"
#define PG_1_0 "01" "0100000000000000" "00000000" "ffffffff"
#define SPG_1_0 "010112000000" PG_1_0 "ff"
#define HEAD "feffffffffffffff"
#define NO_SNAPS "0000000000000000" "00000000"
#define FEATURES "fffffdffbdcf013f"

/* rados put first FILE */
static const char *const PUT =
    SPG_1_0 "b00ce40a" "08000000" "24004000" BLANK_REQID BLANK_TRACE "00000000" "bc40046b280d6b35"
    "06031c000000" "0100000000000000" "ffffffff" "00000000" "00000000" "ffffffffffffffff" "050000006669727374"
    "0100" "0222" "00000000" "0000000000000000" "1000000000000000" "0000000000000000" "00000000" "10000000"
    HEAD NO_SNAPS "00000000" FEATURES;
/* rados -N space --object-locator key1 put second FILE */
static const char *const PUT_BY_KEY =
    SPG_1_0 "97566eae" "08000000" "24004000" BLANK_REQID BLANK_TRACE "00000000" "bd40046ba839c101"
    "060325000000" "0100000000000000" "ffffffff" "040000006b657931" "050000007370616365" "ffffffffffffffff"
    "060000007365636f6e64"
    "0100" "0222" "00000000" "0000000000000000" "1000000000000000" "0000000000000000" "00000000" "10000000"
    HEAD NO_SNAPS "00000000" FEATURES;
/* rados get first FILE */
static const char *const GET =
    SPG_1_0 "b00ce40a" "08000000" "14004000" BLANK_REQID BLANK_TRACE "00000000" "0000000000000000"
    "06031c000000" "0100000000000000" "ffffffff" "00000000" "00000000" "ffffffffffffffff" "050000006669727374"
    "0100" "0112" "00000000" "0000000000000000" "0000400000000000" "0000000000000000" "00000000" "00000000"
    HEAD NO_SNAPS "00000000" FEATURES;
/* rados setxattr first colour blue */
static const char *const SETXATTR =
    SPG_1_0 "b00ce40a" "08000000" "24004000" BLANK_REQID BLANK_TRACE "00000000" "bd40046bcbe1080b"
    "06031c000000" "0100000000000000" "ffffffff" "00000000" "00000000" "ffffffffffffffff" "050000006669727374"
    "0100" "0123" "00000000" "06000000" "04000000" "0000" "000000000000000000000000000000000000" "0a000000"
    HEAD NO_SNAPS "00000000" FEATURES;
/* rados --all ls */
static const char *const LIST =
    SPG_1_0 "00000000" "08000000" "14004200" BLANK_REQID BLANK_TRACE "00000000" "0000000000000000"
    "06061d000000" "0100000000000000" "ffffffff" "00000000" "01000000" "00" "0000000000000000" "00000000"
    "0100" "0515" "00000000" "0004000000000000" "08000000" "00000000000000000000000000000000" "27000000"
    HEAD NO_SNAPS "00000000" FEATURES;
static const char *const LEAST_OBJECT =
    "040321000000" "00000000" "00000000" "0000000000000000" "00000000" "00" "00000000" "0000000000000080";
static const char *const GREATEST_OBJECT =
    "040321000000" "00000000" "00000000" "0000000000000000" "00000000" "01" "00000000" "0000000000000080";

static const char *const PUT_REPLY =
    "050000006669727374" PG_1_0 "2500400000000000" "00000000" "030000000000000008000000" "08000000" "01000000"
    "0222" "00000000" "0000000000000000" "1000000000000000" "0000000000000000" "00000000" "00000000"
    "00000000" "00000000" "030000000000000008000000" "0300000000000000" "00" BLANK_TRACE;
static const char *const GET_REPLY =
    "050000006669727374" PG_1_0 "1500400000000000" "00000000" "030000000000000000000000" "08000000" "01000000"
    "0112" "00000000" "0000000000000000" "1000000000000000" "0000000000000000" "00000000" "10000000"
    "00000000" "00000000" BLANK_VERSION "0300000000000000" "00" BLANK_TRACE;
/* Of an object that is not there. */
static const char *const MISSING_REPLY =
    "070000006e6f7468696e67" PG_1_0 "1400400000000000" "feffffff" BLANK_VERSION "08000000" "01000000"
    "0112" "00000000" "0000000000000000" "0000400000000000" "0000000000000000" "00000000" "00000000"
    "00000000" "00000000" BLANK_VERSION "0000000000000000" "00" BLANK_TRACE;

/* A message as it comes. */
template <class T> static ref_t<T> received(const bufferlist &front, const bufferlist &data, int version = 8)
{
    auto m = make_message<T>();
    bufferlist payload = front;
    m->set_payload(payload);
    m->set_data(data);
    m->get_header().version = uint16_t(version);
    m->decode_payload();
    return m;
}

static bufferlist text(const char *bytes)
{
    bufferlist bl;
    bl.append(bytes);
    return bl;
}

/* The front of a message for such a peer. */
template <class T> static bufferlist encoded(T &m, uint64_t features = CEPH_FEATURES_ALL)
{
    m.clear_payload();
    m.encode_payload(features);
    return m.get_payload();
}

static unsigned hash_of(const std::string &name)
{
    return ceph_str_hash(CEPH_STR_HASH_RJENKINS, name.c_str(), unsigned(name.size()));
}

static void objects_are_hashed_as_in_ceph()
{
    CHECK(hash_of("first") == 0x0ae40cb0);
    CHECK(hash_of("nothing") == 0xe0b1cd15);
    CHECK(hash_of("space\037key1") == 0xae6e5697);
    CHECK(ceph_str_hash(77, "first", 5) == UINT32_MAX);
    std::set<unsigned> all;
    for (size_t len = 0; len < 40; len++)
        all.insert(hash_of(std::string(len, 'x')));
    CHECK(all.size() == 40);
}

static ref_t<MOSDOp> request_for(const char *name, const char *key, const char *nspace, int flags)
{
    const std::string hashed = *nspace == '\0' ? name : std::string(nspace) + '\037' + key;
    const hobject_t object(object_t(name), key, CEPH_NOSNAP, hash_of(hashed), 1, nspace);
    auto m = make_message<MOSDOp>(0, 1, object, spg_t(pg_t(0, 1)), 8, flags, CEPH_FEATURES_ALL);
    m->set_retry_attempt(0);
    return m;
}

static utime_t at(uint32_t sec, uint32_t nsec) { return utime_t(sec, nsec); }

static void a_request_is_written_as_ceph_writes_it()
{
    const int write = CEPH_OSD_FLAG_ONDISK | CEPH_OSD_FLAG_WRITE | CEPH_OSD_FLAG_KNOWN_REDIR;
    const int read = CEPH_OSD_FLAG_ONDISK | CEPH_OSD_FLAG_READ | CEPH_OSD_FLAG_KNOWN_REDIR;
    auto put = request_for("first", "", "", write);
    put->add_simple_op(CEPH_OSD_OP_WRITEFULL, 0, 16);
    put->ops[0].indata = text("hello from rados");
    put->set_mtime(at(0x6b0440bc, 0x356b0d28));
    CHECK(to_hex(encoded(*put)) == PUT && put->get_data().to_str() == "hello from rados");
    /* Again for another link: the data are there already. */
    CHECK(to_hex(encoded(*put)) == PUT && put->get_data().to_str() == "hello from rados");

    auto put_by_key = request_for("second", "key1", "space", write);
    put_by_key->add_simple_op(CEPH_OSD_OP_WRITEFULL, 0, 16);
    put_by_key->ops[0].indata = text("hello from rados");
    put_by_key->set_mtime(at(0x6b0440bd, 0x01c139a8));
    CHECK(to_hex(encoded(*put_by_key)) == PUT_BY_KEY);

    auto get = request_for("first", "", "", read);
    get->read(0, 4 << 20);
    CHECK(to_hex(encoded(*get)) == GET && get->get_data().empty());
    auto attribute = request_for("first", "", "", write);
    OSDOp &op = attribute->ops.emplace_back();
    op.op.op = CEPH_OSD_OP_SETXATTR;
    op.op.xattr.name_len = 6;
    op.op.xattr.value_len = 4;
    op.indata = text("colourblue");
    attribute->set_mtime(at(0x6b0440bd, 0x0b08e1cb));
    CHECK(to_hex(encoded(*attribute)) == SETXATTR && attribute->get_data().to_str() == "colourblue");
}

static void a_request_is_read_in_two_steps()
{
    auto put = received<MOSDOp>(from_hex(PUT_BY_KEY), text("hello from rados"));
    put->set_tid(1);
    put->set_src(msgr::entity_name_t::CLIENT(4105));
    CHECK(put->get_spg() == spg_t(pg_t(0, 1)) && put->get_raw_pg() == pg_t(0xae6e5697, 1));
    CHECK(put->get_map_epoch() == 8 && put->get_min_epoch() == 8 && put->has_flag(CEPH_OSD_FLAG_WRITE));
    CHECK(put->get_reqid() == osd_reqid_t(msgr::entity_name_t::CLIENT(4105), 0, 1));
    CHECK(put->ops.empty());
    std::ostringstream before, after;
    put->print(before);
    CHECK(before.str() == "osd_op(client.4105.0:1 1.0 1.ae6e5697 (undecoded) ondisk+write+known_if_redirected e8)");

    CHECK(put->finish_decode() && !put->finish_decode());
    CHECK(put->get_oid() == object_t("second") && put->get_object_locator() == object_locator_t(1, "space", "key1"));
    CHECK(put->get_hobj() == hobject_t(object_t("second"), "key1", CEPH_NOSNAP, 0xae6e5697, 1, "space"));
    CHECK(put->get_mtime() == at(0x6b0440bd, 0x01c139a8) && put->get_snapid() == CEPH_NOSNAP);
    CHECK(put->get_snap_seq() == 0 && put->get_snaps().empty() && put->get_client_inc() == 0);
    CHECK(put->get_retry_attempt() == 0 && !put->is_retry_attempt() && put->get_features() == CEPH_FEATURES_ALL);
    CHECK(put->ops.size() == 1 && put->ops[0].op.op == CEPH_OSD_OP_WRITEFULL);
    CHECK(put->ops[0].op.extent.length == 16 && put->ops[0].indata.to_str() == "hello from rados");
    put->print(after);
    CHECK(after.str() == "osd_op(client.4105.0:1 1.0 1:e96a7675:space:key1:second:head [writefull 0~16 in=16b] "
                         "snapc 0=[] ondisk+write+known_if_redirected e8)");
}

static void every_captured_request_is_written_as_it_was_read()
{
    const struct {
        const char *front;
        bufferlist data;
        int op;
    } captured[] = {{PUT, text("hello from rados"), CEPH_OSD_OP_WRITEFULL},
                    {PUT_BY_KEY, text("hello from rados"), CEPH_OSD_OP_WRITEFULL},
                    {GET, bufferlist(), CEPH_OSD_OP_READ},
                    {SETXATTR, text("colourblue"), CEPH_OSD_OP_SETXATTR},
                    {LIST, from_hex(LEAST_OBJECT), CEPH_OSD_OP_PGNLS}};
    for (const auto &one : captured) {
        auto m = received<MOSDOp>(from_hex(one.front), one.data);
        CHECK(m->finish_decode() && m->ops.size() == 1 && m->ops[0].op.op == one.op);
        CHECK(m->ops[0].indata == one.data);
        m->clear_data();
        OSDOp::split_osd_op_vector_in_data(m->ops, one.data);
        CHECK(to_hex(encoded(*m)) == one.front && m->get_data() == one.data);
    }
}

static void least_and_greatest_object_are_ceph_s()
{
    hobject_t object;
    ceph::decode(object, from_hex(LEAST_OBJECT));
    CHECK(object == hobject_t() && object.is_min() && object.to_str() == "MIN");
    ceph::decode(object, from_hex(GREATEST_OBJECT));
    CHECK(object == hobject_t::get_max() && object.is_max() && object.to_str() == "MAX");
    bufferlist least, greatest;
    encode(hobject_t(), least);
    encode(hobject_t::get_max(), greatest);
    CHECK(to_hex(least) == LEAST_OBJECT && to_hex(greatest) == GREATEST_OBJECT);
    const hobject_t one(object_t("a%b"), "", CEPH_NOSNAP, 1, 2, "n:"), other(object_t("b"), "", 7, 2, 2, "");
    CHECK(hobject_t() < other && other < one && one < hobject_t::get_max() && one.get_head() == one);
    CHECK(one.to_str() == "2:80000000:n%3a::a%25b:head" && other.to_str() == "2:40000000:::b:7");
}

static void an_answer_is_written_as_ceph_writes_it()
{
    auto put = received<MOSDOp>(from_hex(PUT), text("hello from rados"));
    put->finish_decode();
    put->set_tid(4);
    auto reply = make_message<MOSDOpReply>(put.get(), 0, 8, CEPH_OSD_FLAG_ACK | CEPH_OSD_FLAG_ONDISK, true);
    reply->set_reply_versions(eversion_t(8, 3), 3);
    CHECK(to_hex(encoded(*reply)) == PUT_REPLY && reply->get_data().empty() && reply->get_tid() == 4);

    auto get = received<MOSDOp>(from_hex(GET), bufferlist());
    get->finish_decode();
    std::vector<OSDOp> results = get->ops;
    results[0].op.extent.length = 16;
    results[0].outdata = text("hello from rados");
    reply = make_message<MOSDOpReply>(get.get(), 0, 8, CEPH_OSD_FLAG_ONDISK, false);
    reply->claim_ops(results);
    reply->set_enoent_reply_versions(eversion_t(0, 3), 3);
    reply->add_flags(CEPH_OSD_FLAG_ACK);
    CHECK(to_hex(encoded(*reply)) == GET_REPLY && reply->get_data().to_str() == "hello from rados");
}

static void an_answer_is_read()
{
    auto put = received<MOSDOpReply>(from_hex(PUT_REPLY), bufferlist());
    CHECK(put->get_oid() == object_t("first") && put->get_pg() == pg_t(0, 1) && put->get_result() == 0);
    CHECK(put->is_ondisk() && !put->is_onnvram() && put->get_map_epoch() == 8 && put->get_retry_attempt() == 0);
    CHECK(put->get_replay_version() == eversion_t(8, 3) && put->get_user_version() == 3 && !put->is_redirect_reply());
    auto get = received<MOSDOpReply>(from_hex(GET_REPLY), text("hello from rados"));
    std::vector<OSDOp> results;
    get->claim_ops(results);
    CHECK(results.size() == 1 && results[0].outdata.to_str() == "hello from rados" && results[0].rval == 0);
    auto missing = received<MOSDOpReply>(from_hex(MISSING_REPLY), bufferlist());
    CHECK(missing->get_result() == -ENOENT && missing->get_user_version() == 0);
    std::ostringstream said;
    missing->print(said);
    CHECK(said.str() == "osd_op_reply(0 nothing [read 0~4194304] v0'0 uv0 ondisk = -2 ((2) No such file or directory))");
    for (const char *front : {PUT_REPLY, GET_REPLY, MISSING_REPLY}) {
        auto m = received<MOSDOpReply>(from_hex(front), text("hello from rados"));
        CHECK(to_hex(encoded(*m)) == front);
    }
}

static void an_answer_may_send_one_elsewhere()
{
    for (const uint64_t features : {CEPH_FEATURES_ALL, CEPH_FEATURES_ALL & ~CEPH_FEATURE_NEW_OSDOPREPLY_ENCODING}) {
        auto get = received<MOSDOp>(from_hex(GET), bufferlist());
        get->finish_decode();
        auto reply = make_message<MOSDOpReply>(get.get(), 0, 8, 0, true);
        reply->set_redirect(request_redirect_t(object_locator_t(1, "space"), 5));
        const bufferlist front = encoded(*reply, features);
        auto got = received<MOSDOpReply>(front, bufferlist(), reply->get_header().version);
        CHECK(got->is_redirect_reply());
        object_locator_t where;
        std::string name = "same";
        got->get_redirect().combine_with_locator(where, name);
        CHECK(where == object_locator_t(5, "space") && name == "same");
    }
}

static void a_peer_that_knows_less_gets_an_older_version()
{
    const struct {
        uint64_t features;
        int version;
    } peers[] = {{CEPH_FEATURES_ALL, 8},
                 {CEPH_FEATURES_ALL & ~CEPH_FEATURE_RESEND_ON_SPLIT, 7},
                 {CEPH_FEATURES_ALL & ~CEPH_FEATURE_NEW_OSDOP_ENCODING, 6}};
    for (const auto &peer : peers) {
        auto m = make_message<MOSDOp>(3, 9, hobject_t(object_t("name"), "key", CEPH_NOSNAP, 77, 4, "space"),
                                      spg_t(pg_t(77, 4)), 12, CEPH_OSD_FLAG_WRITE, 0);
        m->set_snap_seq(5);
        m->set_snaps({5, 3});
        m->set_retry_attempt(2);
        m->set_mtime(std::chrono::system_clock::time_point(std::chrono::seconds(1234)));
        m->add_simple_op(CEPH_OSD_OP_APPEND, 0, 3);
        m->ops[0].indata = text("abc");
        m->truncate(100);
        const bufferlist front = encoded(*m, peer.features);
        CHECK(m->get_header().version == peer.version);
        auto got = received<MOSDOp>(front, m->get_data(), peer.version);
        got->set_tid(9);
        CHECK(got->finish_decode() == (peer.version > 6));
        CHECK(got->get_hobj() == m->get_hobj() && got->get_raw_pg() == pg_t(77, 4) && got->get_map_epoch() == 12);
        CHECK(got->get_snap_seq() == 5 && got->get_snaps() == std::vector<snapid_t>({5, 3}));
        CHECK(got->get_retry_attempt() == 2 && got->is_retry_attempt() && got->get_mtime() == at(1234, 0));
        CHECK(got->get_client_inc() == 3 && got->get_reqid() == m->get_reqid());
        CHECK(got->ops.size() == 2 && got->ops[0].indata.to_str() == "abc" && got->ops[1].indata.empty());
        CHECK(got->get_features() == peer.features);
    }
}

/* What is thrown for these bytes, in words; "" if nothing is. */
template <class Act> static std::string refusal(Act &&act)
{
    try {
        act();
    } catch (const ceph::buffer::error &e) {
        return e.what();
    }
    return "";
}

static void versions_from_before_are_refused()
{
    CHECK(refusal([] { received<MOSDOp>(from_hex(PUT), text("hello from rados"), 2); }) ==
          "an osd_op of a version that is too old");
    CHECK(refusal([] { received<MOSDOpReply>(from_hex(PUT_REPLY), bufferlist(), 1); }) ==
          "an osd_op_reply of a version that is too old");
}

static void a_claimed_number_of_operations_costs_nothing()
{
    bufferlist front;
    std::string bytes = from_hex(PUT).to_str();
    const size_t count_at = bytes.find(std::string("\1\0\2\42", 4));
    CHECK(count_at != std::string::npos);
    bytes[count_at] = bytes[count_at + 1] = '\xff';
    front.append(bytes);
    auto put = received<MOSDOp>(front, text("hello from rados"));
    CHECK(refusal([&] { put->finish_decode(); }) == "end of buffer" && put->ops.empty());

    bytes = from_hex(PUT_REPLY).to_str();
    const size_t reply_count_at = bytes.find(std::string("\1\0\0\0\2\42", 6));
    CHECK(reply_count_at != std::string::npos);
    std::memset(bytes.data() + reply_count_at, 0xff, 4);
    front.clear();
    front.append(bytes);
    CHECK(refusal([&] { received<MOSDOpReply>(front, bufferlist()); }) == "end of buffer");
}

static void data_that_are_shorter_than_the_operations_say_are_refused()
{
    auto put = received<MOSDOp>(from_hex(PUT), text("hello from rado"));
    CHECK(refusal([&] { put->finish_decode(); }) == "end of buffer");
    CHECK(refusal([] { received<MOSDOpReply>(from_hex(GET_REPLY), text("hello")); }) == "end of buffer");
}

/* Numbers that look random and are the same every time. */
static uint32_t next_random()
{
    static uint64_t state = 88172645463325252;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return uint32_t(state >> 16);
}

static std::string harmed(std::string bytes)
{
    static const unsigned char EXTREMES[] = {0, 1, 0x7f, 0x80, 0xff};
    for (uint32_t left = 1 + next_random() % 3; left > 0 && !bytes.empty(); left--) {
        const size_t where = next_random() % bytes.size();
        switch (next_random() % 5) {
        case 0:
            bytes[where] = char(bytes[where] ^ (1 << next_random() % 8));
            break;
        case 1:
            bytes[where] = char(EXTREMES[next_random() % 5]);
            break;
        case 2:
            std::memset(bytes.data() + where, int(EXTREMES[next_random() % 5]), std::min<size_t>(4, bytes.size() - where));
            break;
        case 3:
            bytes.resize(where);
            break;
        default:
            bytes.insert(where, bytes, next_random() % bytes.size(), next_random() % 16);
        }
    }
    return bytes;
}

/* The bytes in pieces, as they may come from a socket. */
static bufferlist in_pieces(const std::string &bytes)
{
    bufferlist bl;
    for (size_t off = 0; off < bytes.size();) {
        const size_t len = std::min<size_t>(1 + next_random() % 100, bytes.size() - off);
        bl.append(bufferptr(bytes.data() + off, len));
        off += len;
    }
    return bl;
}

static void harmed_bytes_are_read_or_refused()
{
    const std::string requests[] = {from_hex(PUT).to_str(), from_hex(PUT_BY_KEY).to_str(), from_hex(LIST).to_str()};
    const std::string answers[] = {from_hex(GET_REPLY).to_str(), from_hex(MISSING_REPLY).to_str()};
    const bufferlist data = text("hello from rados");
    int read = 0, refused = 0;
    for (int i = 0; i < 6000; i++) {
        const int version = next_random() % 4 == 0 ? int(next_random() % 10) : 8;
        const std::string why = refusal([&] {
            std::ostringstream said;
            if (i % 2 == 0) {
                auto m = received<MOSDOp>(in_pieces(harmed(requests[i % 3])), data, version);
                m->finish_decode();
                m->print(said);
                encoded(*m);
            } else {
                auto m = received<MOSDOpReply>(in_pieces(harmed(answers[i % 2])), data, version);
                m->print(said);
                encoded(*m);
            }
        });
        (why.empty() ? read : refused)++;
    }
    CHECK(read > 500 && refused > 500);
}

static void commands_and_pings_come_back_as_they_went()
{
    uuid_d fsid;
    CHECK(fsid.parse("6d736772-0000-4000-8000-0000000000Ff"));
    CHECK(fsid.to_string() == "6d736772-0000-4000-8000-0000000000ff" && !fsid.is_zero());
    for (const char *wrong : {"", "6d736772", "6d736772-0000-4000-8000-0000000000f", "6d736772-0000-4000-8000-0000000000ffa",
                              "6d736772+0000-4000-8000-0000000000ff", "6d73677g-0000-4000-8000-0000000000ff"})
        CHECK(!fsid.parse(wrong));
    auto command = make_message<MCommand>(fsid);
    command->set_tid(6);
    command->cmd = {R"({"prefix":)", R"("version"})"};
    CHECK(to_hex(encoded(*command)) == "6d736772000040008000" "0000000000ff" "02000000" "0a000000" "7b22707265666978223a"
                                       "0a000000" "2276657273696f6e227d");
    auto same = received<MCommand>(command->get_payload(), bufferlist(), 1);
    CHECK(same->fsid == fsid && same->cmd == command->cmd);

    auto reply = make_message<MCommandReply>(command.get(), -EINVAL);
    reply->rs = "no";
    CHECK(reply->get_tid() == 6 && to_hex(encoded(*reply)) == "eaffffff" "02000000" "6e6f");
    auto same_reply = received<MCommandReply>(reply->get_payload(), bufferlist(), 1);
    CHECK(same_reply->r == -EINVAL && same_reply->rs == "no");

    auto ping = make_message<MDataPing>();
    ping->tag = "tag";
    ping->counter = 3;
    auto same_ping = received<MDataPing>(encoded(*ping), bufferlist(), 1);
    CHECK(same_ping->tag == "tag" && same_ping->counter == 3);
    CHECK(encoded(*make_message<MPing>()).empty());
}

/* An OSD of one object. */
struct OneObject : Witness {
    std::string content;
    using Witness::Witness;

    void see(msgr::Message *m) override
    {
        auto *request = dynamic_cast<MOSDOp *>(m);
        CHECK(request != nullptr && request->finish_decode());
        /* What `write` takes is the message's, and no operation's. */
        if (request->ops[0].indata.empty())
            content += request->get_data().to_str();
        for (OSDOp &op : request->ops) {
            content += op.indata.to_str();
            if (op.op.op == CEPH_OSD_OP_READ)
                op.outdata.append(content);
        }
        auto reply = make_message<MOSDOpReply>(request, 0, request->get_map_epoch(), CEPH_OSD_FLAG_ONDISK, false);
        CHECK_OK(m->get_connection()->send_message2(reply));
    }
};

static void requests_are_answered_between_messengers()
{
    auto cct = check_context();
    OneObject osd(cct.get());
    Witness client(cct.get());
    client.keeps = true;
    Pair pair(cct.get(), osd, client);
    const std::string bulk(100000, 'b');
    bufferlist bl;
    bl.append(bulk);
    auto write = request_for("first", "", "", CEPH_OSD_FLAG_WRITE);
    write->write(0, bulk.size(), bl);
    CHECK_OK(pair.con->send_message2(write));
    auto append = request_for("first", "", "", CEPH_OSD_FLAG_WRITE);
    append->add_simple_op(CEPH_OSD_OP_APPEND, 0, 3);
    append->ops[0].indata = text("end");
    CHECK_OK(pair.con->send_message2(append));
    auto read = request_for("first", "", "", CEPH_OSD_FLAG_READ);
    read->read(0, 0);
    CHECK_OK(pair.con->send_message2(read));
    WAIT_UNTIL(client.got == 3);
    CHECK(osd.content == bulk + "end");
    auto *reply = dynamic_cast<MOSDOpReply *>(client.kept[2].get());
    CHECK(reply != nullptr && reply->get_result() == 0 && reply->is_ondisk() && reply->get_oid() == object_t("first"));
    std::vector<OSDOp> results;
    reply->claim_ops(results);
    CHECK(results.size() == 1 && results[0].outdata.to_str() == bulk + "end");
    client.forget();
    osd.forget();
    pair.end();
}

/* In Ceph, too, the operations' come behind what the message has already. */
static void data_of_a_message_and_of_its_operations_arrive()
{
    auto cct = check_context();
    Witness osd(cct.get()), client(cct.get());
    osd.keeps = true;
    Pair pair(cct.get(), osd, client);
    auto both = request_for("first", "", "", CEPH_OSD_FLAG_WRITE);
    bufferlist bl = text("message's ");
    both->write(0, bl.length(), bl);
    both->add_simple_op(CEPH_OSD_OP_APPEND, 0, 11);
    both->ops[1].indata = text("operation's");
    CHECK_OK(pair.con->send_message2(both));
    WAIT_UNTIL(osd.got == 1);
    CHECK(osd.kept[0]->get_data().to_str() == "message's operation's");
    client.forget();
    osd.forget();
    pair.end();
}

static int reports;
static void count_report(const char *, const char *) { LOCKED(reports++); }

/* Bytes under a type that is somebody else's. */
struct Impostor : msgr::Message {
    Impostor() : Message(CEPH_MSG_OSD_OP, 8, 3) {}
    void encode_payload(uint64_t) override { payload.append("no request"); }
    void decode_payload() override {}
    std::string_view get_type_name() const override { return "impostor"; }
};

static void what_is_no_request_ends_the_link()
{
    auto cct = check_context();
    Witness osd(cct.get()), client(cct.get());
    msgr::exception_report = count_report;
    Pair pair(cct.get(), osd, client);
    CHECK_OK(pair.con->send_message(new Impostor));
    WAIT_UNTIL(reports == 1 && client.resets == 1);
    CHECK_LOCKED(osd.got == 0);
    client.forget();
    osd.forget();
    pair.end();
}

int main()
{
    objects_are_hashed_as_in_ceph();
    a_request_is_written_as_ceph_writes_it();
    a_request_is_read_in_two_steps();
    every_captured_request_is_written_as_it_was_read();
    least_and_greatest_object_are_ceph_s();
    an_answer_is_written_as_ceph_writes_it();
    an_answer_is_read();
    an_answer_may_send_one_elsewhere();
    a_peer_that_knows_less_gets_an_older_version();
    versions_from_before_are_refused();
    a_claimed_number_of_operations_costs_nothing();
    data_that_are_shorter_than_the_operations_say_are_refused();
    harmed_bytes_are_read_or_refused();
    commands_and_pings_come_back_as_they_went();
    requests_are_answered_between_messengers();
    data_of_a_message_and_of_its_operations_arrive();
    what_is_no_request_ends_the_link();
    return 0;
}
