/* Messages as objects: who owns them, when they are encoded and decoded, what comes of exceptions. */
#include "check.hpp"

using namespace msgr;

static int reports;

static void count_report(const char *, const char *) { LOCKED(reports++); }

/* Throws when it is decoded, or when it is encoded if it was asked to. */
class Broken : public Message {
public:
    bool at_encoding = false;
    Broken() : Message(BROKEN) {}
    void encode_payload(uint64_t) override
    {
        if (at_encoding)
            throw std::runtime_error("as planned");
        payload.append("x");
    }
    void decode_payload() override
    {
        auto p = payload.cbegin();
        p += 2;
    }
    std::string_view get_type_name() const override { return "broken"; }
};

struct CountCompletion : CompletionHook {
    int &count;
    CountCompletion(Message *of, int &c) : CompletionHook(of), count(c) {}
    void finish(int) override { LOCKED(count++); }
};

static void a_message_goes_with_its_last_reference()
{
    int completed = 0;
    MessageRef first = make_message<Note>("text");
    first->set_completion_hook(new CountCompletion(first.get(), completed));
    MessageRef second = first;
    CHECK(first->get_nref() == 2 && first->get_type() == NOTE && first->get_priority() == 0);
    first.reset();
    CHECK_LOCKED(Note::alive == 1 && completed == 0);
    second.reset();
    CHECK_LOCKED(Note::alive == 0 && completed == 1);
}

static void what_cannot_be_sent_is_dropped()
{
    auto cct = check_context();
    Witness witness(cct.get());
    Pair pair(cct.get(), witness, witness);
    pair.con->mark_down();
    CHECK_IS(pair.con->send_message(new Note("nobody")), -ENOTCONN);
    CHECK_LOCKED(Note::alive == 0);
    witness.forget();
    pair.end();
}

static void to_itself_a_messenger_delivers_the_same_object()
{
    auto cct = check_context();
    Witness witness(cct.get());
    witness.keeps = true;
    MessengerPtr m = check_end_of(cct.get(), entity_name_t::OSD(1), Policy::stateless_server(0));
    CHECK_OK(m->add_dispatcher_head(&witness));
    CHECK_OK(m->start());
    const int encodes = Note::encodes, decodes = Note::decodes;
    ref_t<Note> note = make_message<Note>("to myself");
    CHECK_OK(m->get_loopback_connection()->send_message2(note));
    WAIT_UNTIL(witness.got == 1);
    CHECK(witness.kept[0] == note && Note::encodes == encodes && Note::decodes == decodes);
    CHECK(note->get_connection() == m->get_loopback_connection() && note->get_connection()->is_loopback());
    CHECK_OK(m->shutdown());
    CHECK_OK(m->wait());
    witness.forget();
    m.reset();
    CHECK_LOCKED(note->text == "to myself" && Note::alive == 1);
    note.reset();
    CHECK_LOCKED(Note::alive == 0);
}

static void a_message_comes_as_an_object_of_its_class(bool fast)
{
    auto cct = check_context();
    Witness at_server(cct.get()), at_client(cct.get());
    at_server.keeps = true;
    at_server.fast = fast;
    Pair pair(cct.get(), at_server, at_client);
    const std::string bulk(300000, 'b');
    bufferlist data, outlives;
    data.append(bulk);
    const int encodes = Note::encodes;
    int completed = 0;
    ref_t<Note> note = make_message<Note>("hello", 5);
    note->set_tid(77);
    note->set_priority(MSGR_PRIO_HIGH);
    note->set_data(data);
    note->set_completion_hook(new CountCompletion(note.get(), completed));
    CHECK_OK(pair.con->send_message2(note));
    note.reset();
    WAIT_UNTIL(at_server.got == 1 && completed == 1);
    {
        const Note &got = *static_cast<Note *>(at_server.kept[0].get());
        CHECK(Note::encodes == encodes + 1 && got.text == "hello" && got.number == 5);
        CHECK(got.get_tid() == 77 && got.get_seq() == 1 && got.get_priority() == MSGR_PRIO_HIGH);
        CHECK(got.get_header().version == 2 && got.get_header().compat_version == 1);
        CHECK(got.get_source() == entity_name_t::CLIENT(7) && got.get_data().length() == bulk.size());
        CHECK(got.get_source_inst().name == got.get_source());
        CHECK(!got.get_recv_stamp().is_zero() && got.get_recv_stamp() <= got.get_recv_complete_stamp());
        CHECK(got.get_recv_complete_stamp() <= got.get_dispatch_stamp());
        CHECK(got.get_connection()->get_peer_id() == 7 && got.get_cost() == int(bulk.size()));
        outlives = got.get_data();
    }
    at_server.forget();
    WAIT_UNTIL(Note::alive == 0);
    CHECK(outlives.to_str() == bulk);
    pair.end();
    CHECK(outlives.to_str() == bulk);
}

static void one_that_nobody_takes_goes_unless_it_was_kept()
{
    auto cct = check_context();
    Witness at_server(cct.get()), second(cct.get()), at_client(cct.get());
    at_server.takes = second.takes = false;
    second.keeps = true;
    Pair pair(cct.get(), at_server, at_client);
    CHECK_OK(pair.server->add_dispatcher_tail(&second));
    CHECK_OK(pair.con->send_message(new Note("kept by the second")));
    WAIT_UNTIL(second.got == 1);
    second.keeps = false;
    CHECK_OK(pair.con->send_message(new Note("kept by nobody")));
    WAIT_UNTIL(second.got == 2 && Note::alive == 1);
    CHECK_LOCKED(at_server.got == 2 && static_cast<Note *>(second.kept[0].get())->text == "kept by the second");
    CHECK(!second.kept[0]->get_recv_stamp().is_zero());
    at_server.forget();
    second.forget();
    WAIT_UNTIL(Note::alive == 0);
    pair.end();
}

/* Sends back what it gets, as it is. */
struct Echo : Witness {
    using Witness::Witness;
    bool ms_dispatch(Message *m) override
    {
        m->get_connection()->send_message(m);
        return true;
    }
};

static void what_came_can_be_sent_on()
{
    auto cct = check_context();
    Echo at_server(cct.get());
    Witness at_client(cct.get());
    at_client.keeps = true;
    Pair pair(cct.get(), at_server, at_client);
    const int encodes = Note::encodes;
    CHECK_OK(pair.con->send_message(new Note("there and back", 1)));
    auto raw = make_message<MRaw>(4242);
    bufferlist front, middle;
    front.append("front of a type that nobody knows");
    middle.append("middle");
    raw->set_payload(front);
    raw->set_middle(middle);
    CHECK_OK(pair.con->send_message2(raw));
    WAIT_UNTIL(at_client.got == 2);
    CHECK(static_cast<Note *>(at_client.kept[0].get())->text == "there and back");
    CHECK(Note::encodes == encodes + 1);
    Message &back = *at_client.kept[1];
    CHECK(back.get_type() == 4242 && back.get_type_name() == "raw");
    CHECK(back.get_payload().to_str() == "front of a type that nobody knows");
    CHECK(back.get_middle().to_str() == "middle");
    at_client.forget();
    WAIT_UNTIL(Note::alive == 0);
    pair.end();
}

static void one_message_may_be_sent_on_several_connections()
{
    auto cct = check_context();
    Witness at_server(cct.get()), at_client(cct.get());
    Pair pair(cct.get(), at_server, at_client);
    const int encodes = Note::encodes;
    ref_t<Note> note = make_message<Note>("to all of you");
    const int count = 20;
    std::vector<ConnectionRef> cons;
    for (int i = 0; i < count; i++) {
        cons.push_back(pair.client->connect_to_osd(pair.server->get_myaddrs(), true));
        CHECK_OK(cons.back()->send_message2(note));
    }
    note.reset();
    WAIT_UNTIL(at_server.got == count && Note::alive == 0);
    CHECK(Note::encodes == encodes + 1);
    at_server.forget();
    cons.clear();
    pair.end();
}

/* Finds its data when it is encoded. */
struct LateData : Message {
    LateData() : Message(78) {}
    void encode_payload(uint64_t) override
    {
        payload.append("x");
        data.append("found late");
    }
    void decode_payload() override {}
    std::string_view get_type_name() const override { return "late data"; }
};

static void data_that_encoding_adds_go_to_every_connection()
{
    auto cct = check_context();
    Witness at_server(cct.get()), at_late(cct.get()), at_client(cct.get());
    Pair pair(cct.get(), at_server, at_client);
    MessengerPtr late = check_end_of(cct.get(), entity_name_t::OSD(1), Policy::stateless_server(0));
    entity_addr_t any;
    CHECK(any.parse("v2:127.0.0.1:0"));
    CHECK_OK(late->bind(any));
    at_late.keeps = true;
    CHECK_OK(late->add_dispatcher_head(&at_late));
    ref_t<LateData> message = make_message<LateData>();
    CHECK_OK(pair.client->connect_to_osd(late->get_myaddrs())->send_message2(message));
    for (int sent = 1; sent <= 2; sent++) {
        CHECK_OK(pair.con->send_message2(message));
        WAIT_UNTIL(at_server.got == sent);
    }
    CHECK_OK(late->start());
    WAIT_UNTIL(at_late.got == 1);
    CHECK(at_late.kept[0]->get_data().to_str() == "found late");
    message.reset();
    for (Witness *witness : {&at_server, &at_late, &at_client})
        witness->forget();
    pair.end();
    CHECK_OK(late->shutdown());
    CHECK_OK(late->wait());
}

static void one_that_cannot_be_decoded_ends_the_link()
{
    auto cct = check_context();
    Witness at_server(cct.get()), at_client(cct.get());
    Pair pair(cct.get(), at_server, at_client);
    LOCKED(reports = 0);
    CHECK_OK(pair.con->send_message(new Broken));
    WAIT_UNTIL(reports == 1 && at_client.resets == 1);
    CHECK_LOCKED(at_server.got == 0);
    at_client.forget();
    at_server.forget();
    pair.end();
}

static void one_that_cannot_be_encoded_is_dropped_alone()
{
    auto cct = check_context();
    Witness at_server(cct.get()), at_client(cct.get());
    Pair pair(cct.get(), at_server, at_client);
    LOCKED(reports = 0);
    auto broken = make_message<Broken>();
    broken->at_encoding = true;
    CHECK_OK(pair.con->send_message2(broken));
    CHECK_OK(pair.con->send_message(new Note("after it")));
    WAIT_UNTIL(at_server.got == 1);
    CHECK_LOCKED(reports == 1 && at_client.resets == 0);
    WAIT_UNTIL(Note::alive == 0);
    at_server.forget();
    pair.end();
}

struct Thrower : Witness {
    using Witness::Witness;
    void see(Message *m) override
    {
        if (static_cast<Note *>(m)->number == 1) {
            LOCKED(got++);
            throw 5; /* and so the reference was not taken */
        }
    }
};

static void a_callback_that_throws_has_dispatched_its_message()
{
    auto cct = check_context();
    Thrower at_server(cct.get());
    Witness at_client(cct.get());
    Pair pair(cct.get(), at_server, at_client);
    LOCKED(reports = 0);
    CHECK_OK(pair.con->send_message(new Note("one", 0)));
    CHECK_OK(pair.con->send_message(new Note("two", 1)));
    CHECK_OK(pair.con->send_message(new Note("three", 2)));
    WAIT_UNTIL(at_server.got == 3);
    CHECK_LOCKED(reports == 1);
    at_server.forget();
    WAIT_UNTIL(Note::alive == 0);
    pair.end();
}

int main()
{
    register_message<Note>(NOTE);
    register_message<Broken>(BROKEN);
    exception_report = count_report;
    a_message_goes_with_its_last_reference();
    what_cannot_be_sent_is_dropped();
    to_itself_a_messenger_delivers_the_same_object();
    a_message_comes_as_an_object_of_its_class(false);
    a_message_comes_as_an_object_of_its_class(true);
    one_that_nobody_takes_goes_unless_it_was_kept();
    what_came_can_be_sent_on();
    one_message_may_be_sent_on_several_connections();
    data_that_encoding_adds_go_to_every_connection();
    one_that_cannot_be_decoded_ends_the_link();
    one_that_cannot_be_encoded_is_dropped_alone();
    a_callback_that_throws_has_dispatched_its_message();
    return 0;
}
