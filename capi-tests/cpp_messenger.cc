/* Messengers and connections of the C++ interface, among themselves and with ends in C. */
#include "check.hpp"

using namespace msgr;

static void only_known_types_of_messengers_are_made()
{
    auto cct = check_context();
    CHECK(Messenger::create(cct.get(), "simple", entity_name_t::OSD(0), "test", 1) == nullptr);
    MessengerPtr m(Messenger::create_client_messenger(cct.get(), "test"));
    CHECK(m && m->get_context() == cct.get());
    CHECK(Messenger::get_random_nonce() != Messenger::get_random_nonce());
}

static void a_messenger_that_was_never_started_waits_for_nothing()
{
    auto cct = check_context();
    MessengerPtr m = check_end_of(cct.get(), entity_name_t::OSD(0), Policy::stateless_server(0));
    CHECK_OK(m->wait());
    CHECK(m->get_dispatch_queue_len() == 0);
    CHECK(!m->connect_to_osd(entity_addrvec_t()));
    CHECK_IS(m->send_to_mon(new Note("nobody"), entity_addrvec_t()), -ENOTCONN);
    CHECK_LOCKED(Note::alive == 0);
}

static void what_is_set_before_the_start_can_be_asked_for()
{
    auto cct = check_context();
    MessengerPtr m = check_end_of(cct.get(), entity_name_t::CLIENT(), Policy::lossy_client(4));
    CHECK_OK(m->set_policy(MSGR_ENTITY_OSD, Policy::lossless_client(8)));
    CHECK(m->get_default_policy().lossy && m->get_default_policy().features_required == 4);
    CHECK(!m->get_policy(MSGR_ENTITY_OSD).lossy && m->get_policy(MSGR_ENTITY_OSD).features_required == 8);
    CHECK(m->get_policy(MSGR_ENTITY_MON).features_required == 4);
    CHECK(m->get_myname().is_new() && m->get_mytype() == MSGR_ENTITY_CLIENT);
    CHECK_OK(m->set_myname(entity_name_t::CLIENT(12)));
    CHECK(m->get_myname() == entity_name_t::CLIENT(12));
    CHECK_OK(m->set_default_send_priority(MSGR_PRIO_HIGH));
    CHECK(m->get_dispatch_queue_max_age() == 0);
}

static void presets_of_policies_are_ceph_s()
{
    const struct {
        Policy policy;
        bool lossy, server, standby, resetcheck, registers;
    } presets[] = {
        {Policy::stateful_server(1), false, true, true, true, true},
        {Policy::stateless_registered_server(1), true, true, false, false, true},
        {Policy::stateless_server(1), true, true, false, false, false},
        {Policy::lossless_peer(1), false, false, true, false, true},
        {Policy::lossless_peer_reuse(1), false, false, true, true, true},
        {Policy::lossy_client(1), true, false, false, false, true},
        {Policy::lossless_client(1), false, false, false, true, true},
    };
    for (const auto &p : presets) {
        CHECK(p.policy.lossy == p.lossy && p.policy.server == p.server && p.policy.standby == p.standby);
        CHECK(p.policy.resetcheck == p.resetcheck && p.policy.register_lossy_clients == p.registers);
        CHECK(p.policy.features_required == 1);
        const Policy same(p.policy.c_policy());
        CHECK(same.lossy == p.lossy && same.features_required == 1);
    }
}

static void a_connection_is_one_object_wherever_it_is_met()
{
    auto cct = check_context();
    Witness at_server(cct.get()), at_client(cct.get());
    Pair pair(cct.get(), at_server, at_client);
    WAIT_UNTIL(at_client.connects == 1 && at_server.accepts == 1);
    CHECK_LOCKED(at_client.last == pair.con && at_client.fast_connects == 1 && at_server.fast_accepts == 1);
    CHECK(pair.con->is_connected() && !pair.con->is_anon() && !pair.con->is_loopback());
    CHECK(pair.con->get_messenger() == pair.client.get());
    CHECK(pair.client->connect_to_osd(pair.server->get_myaddrs()) == pair.con);
    CHECK(pair.con->peer_is_osd() && pair.con->get_peer_id() == 0 && pair.con->get_features() != 0);
    CHECK(pair.con->get_peer_addrs() == pair.server->get_myaddrs());
    CHECK(pair.con->get_peer_name() == entity_name_t::OSD(0) && pair.con->get_con_mode() == MSGR_CON_MODE_CRC);
    CHECK(pair.con->has_features(pair.con->get_features()));
    CHECK(pair.con->is_msgr2() && !pair.con->is_blackhole());
    CHECK(pair.con->get_peer_socket_addr().get_port() == pair.server->get_myaddrs().front().get_port());
    ConnectionRef accepted = at_server.last;
    CHECK(accepted->get_messenger() == pair.server.get() && accepted->peer_is_client());
    CHECK_OK(accepted->send_message(new Note("from the server")));
    WAIT_UNTIL(at_client.got == 1 && at_client.last == pair.con);
    pair.con->mark_down();
    WAIT_UNTIL(at_server.resets == 1);
    CHECK_LOCKED(!accepted->is_connected() && at_client.resets == 0);
    accepted.reset();
    at_server.forget();
    at_client.forget();
    pair.end();
}

static void an_anonymous_connection_is_another_each_time()
{
    auto cct = check_context();
    Witness at_server(cct.get()), at_client(cct.get());
    Pair pair(cct.get(), at_server, at_client);
    ConnectionRef anon = pair.client->connect_to_osd(pair.server->get_myaddrs(), true);
    CHECK(anon != pair.con && anon->is_anon() && !pair.con->is_anon());
    CHECK(pair.client->connect_to_osd(pair.server->get_myaddrs()) == pair.con);
    WAIT_UNTIL(at_client.connects == 2 && at_server.accepts == 2);
    anon->mark_down();
    WAIT_UNTIL(at_server.resets == 1);
    CHECK_LOCKED(pair.con->is_connected() && at_client.resets == 0);
    anon.reset();
    at_server.forget();
    at_client.forget();
    pair.end();
}

struct Session : RefCountedObject {
    int &ended;
    explicit Session(int &count) : ended(count) {}
    ~Session() override { LOCKED(ended++); }
};

static void a_session_goes_when_it_is_cleared_or_with_its_connection()
{
    auto cct = check_context();
    int ended = 0;
    {
        Witness at_server(cct.get()), at_client(cct.get());
        Pair pair(cct.get(), at_server, at_client);
        CHECK(pair.con->get_priv() == nullptr);
        ref_t<Session> session(new Session(ended), false);
        pair.con->set_priv(session);
        CHECK(pair.con->get_priv() == session);
        CHECK(session->get_nref() == 2);
        session.reset();
        CHECK(ended == 0);
        pair.con->set_priv(RefCountedPtr(new Session(ended), false));
        CHECK(ended == 1);
        pair.con->clear_priv();
        CHECK(ended == 2);
        pair.con->set_priv(RefCountedPtr(new Session(ended), false));
        at_server.forget();
        at_client.forget();
        pair.end();
    }
    cct.reset();
    WAIT_UNTIL(ended == 3);
}

struct InOrder : Witness {
    uint32_t next = 0;
    using Witness::Witness;
    void see(Message *m) override
    {
        const uint32_t number = static_cast<Note *>(m)->number;
        CHECK(number == next);
        next++;
    }
};

static void a_lossless_session_outlives_its_links()
{
    auto cct = check_context();
    /* A row of attempts that fail must not make pauses longer than patience. */
    CHECK_OK(cct->set_val("ms_initial_backoff", "0.001"));
    CHECK_OK(cct->set_val("ms_max_backoff", "0.01"));
    InOrder at_server(cct.get());
    Witness at_client(cct.get());
    Pair pair(cct.get(), at_server, at_client, Policy::stateful_server(0), Policy::lossless_client(0));
    CHECK_OK(cct->set_val("ms_inject_socket_failures", "60"));
    /* Until there was a second link, and some more. */
    int count = 0;
    for (bool again = true; again; count++) {
        CHECK(count < 100000);
        CHECK_OK(pair.con->send_message(new Note("number", uint32_t(count))));
        if (count % 10 == 0)
            WAIT_UNTIL(at_server.got >= count - 20);
        LOCKED(again = count < 300 || at_client.connects < 2);
    }
    WAIT_UNTIL(at_server.got == count);
    CHECK_OK(cct->set_val("ms_inject_socket_failures", "0"));
    WAIT_UNTIL(Note::alive == 0);
    at_server.forget();
    at_client.forget();
    pair.end();
}

static void dispatchers_may_come_after_the_start()
{
    auto cct = check_context();
    Witness at_server(cct.get()), at_client(cct.get());
    MessengerPtr server = check_end_of(cct.get(), entity_name_t::OSD(0), Policy::stateless_server(0));
    MessengerPtr client = check_end_of(cct.get(), entity_name_t::CLIENT(7), Policy::lossy_client(0));
    entity_addr_t any;
    CHECK(any.parse("v2:127.0.0.1:0"));
    CHECK_OK(server->bind(any));
    CHECK_OK(server->start());
    CHECK_OK(client->start());
    ConnectionRef con = client->connect_to_osd(server->get_myaddrs());
    CHECK_OK(client->add_dispatcher_head(&at_client));
    CHECK_OK(con->send_message(new Note("early")));
    CHECK_OK(server->add_dispatcher_tail(&at_server));
    WAIT_UNTIL(at_server.got == 1);
    CHECK_IS(server->bind(any), -EALREADY);
    at_server.forget();
    at_client.forget();
    con.reset();
    /* the destructors shut down and wait */
}

/* Looks at everything on the workers and takes only one type there. */
struct Preprocessor : Witness {
    int seen = 0;
    using Witness::Witness;
    bool ms_can_fast_preprocess_any() const override { return true; }
    void ms_fast_preprocess(Message *m) override
    {
        MessageRef mine(m);
        LOCKED(seen++; if (keeps) kept.push_back(mine));
    }
    std::vector<uint16_t> ms_fast_dispatch_types() const override { return {NOTE}; }
    void ms_fast_dispatch(Message *m) override
    {
        CHECK(m->get_type() == NOTE);
        Witness::ms_fast_dispatch(m);
    }
};

static void a_dispatcher_may_name_its_fast_types_and_see_the_others_first()
{
    auto cct = check_context();
    Preprocessor at_server(cct.get());
    Witness at_client(cct.get()), tail(cct.get());
    at_server.fast = true;
    Pair pair(cct.get(), at_server, at_client);
    CHECK_OK(pair.server->add_dispatcher_tail(&tail));
    for (int round : {1, 2}) {
        LOCKED(at_server.keeps = round == 2);
        CHECK_OK(pair.con->send_message(new Note("fast")));
        CHECK_OK(pair.con->send_message(new MRaw(77)));
        WAIT_UNTIL(at_server.got == 2 * round && at_server.seen == 2 * round);
    }
    CHECK(static_cast<Note *>(at_server.kept[0].get())->text == "fast");
    CHECK_OK(pair.server->remove_dispatcher(&at_server));
    CHECK_IS(pair.server->remove_dispatcher(&at_server), -ENOENT);
    CHECK_OK(pair.con->send_message(new Note("to who is left")));
    WAIT_UNTIL(tail.got == 1);
    CHECK_LOCKED(at_server.got == 4 && at_server.seen == 4);
    for (Witness *witness : {static_cast<Witness *>(&at_server), &at_client, &tail})
        witness->forget();
    WAIT_UNTIL(Note::alive == 0);
    pair.end();
}

static void a_messenger_tells_what_it_counts_and_does()
{
    auto cct = check_context();
    Witness at_server(cct.get()), at_client(cct.get());
    Pair pair(cct.get(), at_server, at_client);
    CHECK_OK(pair.con->send_message(new Note("counted")));
    WAIT_UNTIL(at_server.got == 1);
    const std::string counters = pair.server->perf_dump(), dump = pair.client->dump();
    CHECK(counters.front() == '{' && counters.back() == '}');
    CHECK(counters.find("\"msgr_accepted\":1,") != std::string::npos);
    CHECK(dump.front() == '{' && dump.back() == '}');
    CHECK(dump.find("\"out_seq\":1,") != std::string::npos);
    at_server.forget();
    at_client.forget();
    pair.end();
}

/* A secret that is asked for in two rounds. */
struct Password : AuthClient, AuthServer {
    static constexpr uint32_t METHOD = 99;
    std::string word;
    int refusals = 0, done = 0;

    explicit Password(std::string w) : word(std::move(w)) {}
    int get_auth_request(Connection *, AuthConnectionMeta *, uint32_t *method, std::vector<uint32_t> *modes,
                         bufferlist *out) override
    {
        *method = METHOD;
        *modes = {MSGR_CON_MODE_CRC};
        out->append("let me in");
        return 0;
    }
    int handle_auth_reply_more(Connection *, AuthConnectionMeta *meta, const bufferlist &bl,
                               bufferlist *reply) override
    {
        CHECK(bl.to_str() == "the word?" && meta->auth_method == METHOD);
        reply->append(word);
        return 0;
    }
    int handle_auth_done(Connection *, AuthConnectionMeta *, uint64_t global_id, uint32_t con_mode,
                         const bufferlist &bl, std::string *, std::string *) override
    {
        CHECK(global_id == 4242 && con_mode == MSGR_CON_MODE_CRC && bl.to_str() == "welcome");
        LOCKED(done++);
        return 0;
    }
    int handle_auth_bad_method(Connection *, AuthConnectionMeta *, uint32_t method, int result,
                               const std::vector<uint32_t> &, const std::vector<uint32_t> &) override
    {
        CHECK(method == METHOD && result == -EACCES);
        LOCKED(refusals++);
        return -EACCES;
    }
    int handle_auth_request(Connection *, AuthConnectionMeta *meta, bool more, uint32_t method, const bufferlist &bl,
                            bufferlist *reply) override
    {
        CHECK(method == METHOD);
        if (!more) {
            CHECK(bl.to_str() == "let me in");
            reply->append("the word?");
            return 0;
        }
        if (bl.to_str() != word)
            return -EACCES;
        reply->append("welcome");
        meta->global_id = 4242;
        meta->entity_name = "client.alice";
        meta->caps = "allow r";
        return 1;
    }
};

static void a_program_authenticates_by_its_own_method()
{
    auto cct = check_context();
    Witness at_server(cct.get()), at_client(cct.get());
    Password right("sesame"), wrong("please");
    MessengerPtr server = check_end_of(cct.get(), entity_name_t::OSD(0), Policy::stateless_server(0));
    server->set_auth_server(&right);
    entity_addr_t any;
    CHECK(any.parse("v2:127.0.0.1:0"));
    CHECK_OK(server->bind(any));
    CHECK_OK(server->add_dispatcher_head(&at_server));
    CHECK_OK(server->start());
    for (Password *word : {&wrong, &right}) {
        MessengerPtr client = check_end_of(cct.get(), entity_name_t::CLIENT(7), Policy::lossy_client(0));
        client->set_auth_client(word);
        CHECK(client->get_auth_client() == word && client->get_auth_server() == nullptr);
        CHECK_OK(client->add_dispatcher_head(&at_client));
        CHECK_OK(client->start());
        ConnectionRef con = client->connect_to_osd(server->get_myaddrs());
        if (word == &wrong) {
            /* it may be over already */
            con->send_message(new Note("never delivered"));
            WAIT_UNTIL(wrong.refusals > 0);
        } else {
            CHECK_OK(con->send_message(new Note("with a word")));
            WAIT_UNTIL(at_server.got == 1 && right.done == 1);
        }
        con->mark_down();
        at_client.forget();
    }
    CHECK(at_server.last->get_peer_entity_name() == "client.alice" && at_server.last->get_peer_caps() == "allow r");
    at_server.forget();
}

static void a_dummy_lets_everybody_in()
{
    auto cct = check_context();
    DummyAuthClientServer dummy(cct.get());
    Witness at_server(cct.get()), at_client(cct.get());
    MessengerPtr server = check_end_of(cct.get(), entity_name_t::OSD(0), Policy::stateless_server(0));
    server->set_auth_server(&dummy);
    entity_addr_t any;
    CHECK(any.parse("v2:127.0.0.1:0"));
    CHECK_OK(server->bind(any));
    CHECK_OK(server->add_dispatcher_head(&at_server));
    CHECK_OK(server->start());
    /* one with the dummy, one with the library's own method none */
    for (bool with_dummy : {true, false}) {
        MessengerPtr client = check_end_of(cct.get(), entity_name_t::CLIENT(7), Policy::lossy_client(0));
        if (with_dummy)
            client->set_auth_client(&dummy);
        CHECK_OK(client->start());
        CHECK_OK(client->send_to(new Note("hello"), MSGR_ENTITY_OSD, server->get_myaddrs()));
        WAIT_UNTIL(at_server.got == (with_dummy ? 1 : 2));
    }
    at_server.forget();
}

/* Ends in C ------------------------------------------------------------------------- */

static int c_got;

static int c_dispatch(void *user, msgr_msg *msg)
{
    /* Answers a note with the same bytes, if it is asked to. */
    if (user != nullptr) {
        msgr_msg *answer = nullptr;
        CHECK_OK(msgr_msg_create(NOTE, &answer));
        CHECK_OK(msgr_msg_append_copy(answer, MSGR_FRONT, msgr_msg_data(msg, MSGR_FRONT),
                                      msgr_msg_len(msg, MSGR_FRONT)));
        msgr_msg_set_version(answer, 2, 1);
        CHECK_OK(msgr_send(msgr_msg_conn(msg), answer));
    } else {
        CHECK(check_holds(msg, MSGR_FRONT, "\x05" "reply"));
    }
    LOCKED(c_got++);
    return 0;
}

static void a_server_in_c_answers_a_client_in_cpp()
{
    auto cct = check_context();
    Witness at_client(cct.get());
    at_client.keeps = true;
    msgr_dispatcher callbacks = {};
    callbacks.struct_size = sizeof(callbacks);
    callbacks.dispatch = c_dispatch;
    char addrs[256];
    int answers = 1;
    msgr_messenger *server = check_server(cct->handle(), &callbacks, &answers, addrs, sizeof(addrs));
    MessengerPtr client = check_end_of(cct.get(), entity_name_t::CLIENT(7), Policy::lossy_client(0));
    CHECK_OK(client->add_dispatcher_head(&at_client));
    CHECK_OK(client->start());
    entity_addrvec_t to;
    CHECK(to.parse(addrs));
    CHECK_OK(client->connect_to_osd(to)->send_message(new Note("in C", 9)));
    WAIT_UNTIL(at_client.got == 1);
    CHECK(static_cast<Note *>(at_client.kept[0].get())->text == "in C");
    CHECK(static_cast<Note *>(at_client.kept[0].get())->number == 9);
    at_client.forget();
    client.reset();
    check_end(server);
}

/* Answers with bytes. */
struct Answers : Witness {
    using Witness::Witness;
    void see(Message *m) override
    {
        CHECK(static_cast<Note *>(m)->text == "from C");
        auto answer = make_message<MRaw>(NOTE);
        answer->get_payload().append("\x05reply");
        CHECK_OK(m->get_connection()->send_message2(answer));
    }
};

static void a_server_in_cpp_answers_a_client_in_c()
{
    auto cct = check_context();
    Answers at_server(cct.get());
    at_server.fast = true;
    MessengerPtr server = check_end_of(cct.get(), entity_name_t::OSD(0), Policy::stateless_server(0));
    entity_addr_t any;
    CHECK(any.parse("v2:127.0.0.1:0"));
    CHECK_OK(server->bind(any));
    CHECK_OK(server->add_dispatcher_head(&at_server));
    CHECK_OK(server->start());

    msgr_dispatcher callbacks = {};
    callbacks.struct_size = sizeof(callbacks);
    callbacks.dispatch = c_dispatch;
    c_got = 0;
    msgr_messenger *client = check_client(cct->handle(), &callbacks, nullptr);
    msgr_conn *conn = nullptr;
    CHECK_OK(msgr_connect(client, MSGR_ENTITY_OSD, server->get_myaddrs().get_str().c_str(), &conn));
    msgr_msg *note = nullptr;
    CHECK_OK(msgr_msg_create(NOTE, &note));
    CHECK_OK(msgr_msg_append_copy(note, MSGR_FRONT, "\x06\0\0\0from C\x01\0\0\0", 14));
    CHECK_OK(msgr_send(conn, note));
    WAIT_UNTIL(c_got == 1 && at_server.got == 1);
    msgr_conn_unref(conn);
    check_end(client);
    at_server.forget();
}

int main()
{
    register_message<Note>(NOTE);
    only_known_types_of_messengers_are_made();
    a_messenger_that_was_never_started_waits_for_nothing();
    what_is_set_before_the_start_can_be_asked_for();
    presets_of_policies_are_ceph_s();
    a_connection_is_one_object_wherever_it_is_met();
    an_anonymous_connection_is_another_each_time();
    a_session_goes_when_it_is_cleared_or_with_its_connection();
    a_lossless_session_outlives_its_links();
    dispatchers_may_come_after_the_start();
    a_dispatcher_may_name_its_fast_types_and_see_the_others_first();
    a_messenger_tells_what_it_counts_and_does();
    a_program_authenticates_by_its_own_method();
    a_dummy_lets_everybody_in();
    a_server_in_c_answers_a_client_in_cpp();
    a_server_in_cpp_answers_a_client_in_c();
    CHECK_LOCKED(Note::alive == 0);
    return 0;
}
