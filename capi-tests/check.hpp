/* What the C++ tests share, besides check.h: a message with a text, and the two ends of a conversation. */
#ifndef MSGR_CHECK_HPP
#define MSGR_CHECK_HPP

#include <memory>
#include <msgr.hpp>
#include <vector>

#include "check.h"

constexpr int NOTE = 1000, BROKEN = 1001;

/* A text, a number, and what happens to it. */
class Note : public msgr::Message {
public:
    static inline std::atomic<int> alive{0}, encodes{0}, decodes{0};
    std::string text;
    uint32_t number = 0;

    Note() : Message(NOTE, 2, 1) { alive++; }
    explicit Note(std::string t, uint32_t n = 0) : Note()
    {
        text = std::move(t);
        number = n;
    }
    ~Note() override
    {
        LOCKED(alive--);
    }
    void encode_payload(uint64_t features) override
    {
        encodes++;
        CHECK(features != 0);
        msgr::encode(text, payload);
        msgr::encode(number, payload);
    }
    void decode_payload() override
    {
        auto p = payload.cbegin();
        msgr::decode(text, p);
        msgr::decode(number, p);
        decodes++;
    }
    std::string_view get_type_name() const override { return "note"; }
    void print(std::ostream &out) const override { out << "note(" << text << ")"; }
};

/* Counts what it is told, and keeps what it gets if it is asked to. Nothing is given up under the tests' lock: what goes
 * may take it. */
class Witness : public msgr::Dispatcher {
public:
    bool fast = false, takes = true, keeps = false;
    int got = 0, connects = 0, accepts = 0, fast_connects = 0, fast_accepts = 0, resets = 0, remote_resets = 0, refusals = 0;
    std::vector<msgr::MessageRef> kept;
    msgr::ConnectionRef last;

    explicit Witness(msgr::CephContext *context) : Dispatcher(context) {}
    virtual void see(msgr::Message *) {}

    bool ms_can_fast_dispatch_any() const override { return fast; }
    bool ms_can_fast_dispatch(const msgr::Message *) const override { return fast; }
    void ms_fast_dispatch(msgr::Message *m) override { CHECK(ms_dispatch(m)); }
    bool ms_dispatch(msgr::Message *m) override
    {
        see(m);
        msgr::MessageRef mine(m, !takes);
        msgr::ConnectionRef con = m->get_connection();
        LOCKED(got++; last.swap(con); if (keeps) kept.push_back(mine));
        return takes;
    }
    void ms_handle_connect(msgr::Connection *c) override
    {
        msgr::ConnectionRef con(c);
        LOCKED(connects++; last.swap(con));
    }
    void ms_handle_accept(msgr::Connection *c) override
    {
        msgr::ConnectionRef con(c);
        LOCKED(accepts++; last.swap(con));
    }
    void ms_handle_fast_connect(msgr::Connection *) override { LOCKED(fast_connects++); }
    void ms_handle_fast_accept(msgr::Connection *) override { LOCKED(fast_accepts++); }
    bool ms_handle_reset(msgr::Connection *) override
    {
        LOCKED(resets++);
        return true;
    }
    void ms_handle_remote_reset(msgr::Connection *) override { LOCKED(remote_resets++); }
    bool ms_handle_refused(msgr::Connection *) override
    {
        LOCKED(refusals++);
        return false;
    }
    void forget()
    {
        msgr::ConnectionRef con;
        std::vector<msgr::MessageRef> messages;
        LOCKED(last.swap(con); kept.swap(messages));
    }
};

static inline msgr::ref_t<msgr::CephContext> check_context()
{
    msgr::ref_t<msgr::CephContext> cct(new msgr::CephContext, false);
    if (const char *workers = getenv("MSGR_TEST_WORKERS"))
        CHECK_OK(cct->set_val("ms_async_op_threads", workers));
    return cct;
}

using MessengerPtr = std::unique_ptr<msgr::Messenger>;

static inline MessengerPtr check_end_of(msgr::CephContext *cct, msgr::entity_name_t name, const msgr::Policy &policy)
{
    static uint64_t nonce = 1;
    MessengerPtr m(msgr::Messenger::create(cct, "async+posix", name, "test", nonce++));
    CHECK(m != nullptr);
    CHECK_OK(m->set_default_policy(policy));
    return m;
}

/* A server "osd.0" on a free port of loopback, and a client of it. */
struct Pair {
    MessengerPtr server, client;
    msgr::ConnectionRef con;

    Pair(msgr::CephContext *cct, Witness &at_server, Witness &at_client,
         const msgr::Policy &serving = msgr::Policy::stateless_server(0),
         const msgr::Policy &asking = msgr::Policy::lossy_client(0))
        : server(check_end_of(cct, msgr::entity_name_t::OSD(0), serving)),
          client(check_end_of(cct, msgr::entity_name_t::CLIENT(7), asking))
    {
        msgr::entity_addr_t any;
        CHECK(any.parse("v2:127.0.0.1:0"));
        CHECK_OK(server->bind(any));
        CHECK_OK(server->add_dispatcher_head(&at_server));
        CHECK_OK(server->start());
        CHECK_OK(client->add_dispatcher_head(&at_client));
        CHECK_OK(client->start());
        con = client->connect_to_osd(server->get_myaddrs());
        CHECK(con);
    }
    void end()
    {
        con.reset();
        for (msgr::Messenger *m : {client.get(), server.get()}) {
            CHECK_OK(m->shutdown());
            CHECK_OK(m->wait());
        }
        client.reset();
        server.reset();
    }
};

#endif
