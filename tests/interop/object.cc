/* Writes, reads and removes objects of a real OSD, by nothing but Ceph's own messages.
 *
 *     object OSD POOL EPOCH put NAME TEXT
 *     object OSD POOL EPOCH get NAME       prints the text
 *     object OSD POOL EPOCH remove NAME
 *
 * The pool has one placement group. What the OSD answers with less than 0 is told on stderr, and 1 returned. */
#include <condition_variable>
#include <iostream>
#include <unistd.h>

#include <msgr.hpp>
#include <msgr/compat/messages/MOSDOpReply.h>

using namespace msgr;

/* Waits for one answer. */
class Waiter : public Dispatcher {
    std::mutex lock;
    std::condition_variable came;
    ref_t<MOSDOpReply> answer;

public:
    using Dispatcher::Dispatcher;

    bool ms_dispatch2(const MessageRef &m) override
    {
        /* An OSD also tells of its map. */
        if (auto *reply = dynamic_cast<MOSDOpReply *>(m.get())) {
            const std::lock_guard<std::mutex> guard(lock);
            answer = ref_t<MOSDOpReply>(reply);
            came.notify_one();
        }
        return true;
    }
    bool ms_handle_reset(Connection *con) override
    {
        std::cerr << "lost the OSD: " << con->get_last_fault() << '\n';
        return true;
    }
    void ms_handle_remote_reset(Connection *) override {}
    bool ms_handle_refused(Connection *) override { return false; }

    ref_t<MOSDOpReply> wait()
    {
        std::unique_lock<std::mutex> guard(lock);
        came.wait_for(guard, std::chrono::seconds(60), [this] { return bool(answer); });
        return std::move(answer);
    }
};

static ref_t<MOSDOp> request(int64_t pool, epoch_t epoch, const std::string &name, int flags)
{
    const uint32_t hash = ceph_str_hash_rjenkins(name.data(), unsigned(name.size()));
    const hobject_t object(name, "", CEPH_NOSNAP, hash, pool, "");
    auto m = make_message<MOSDOp>(0, 1, object, spg_t(pg_t(0, uint64_t(pool))), epoch,
                                  flags | CEPH_OSD_FLAG_KNOWN_REDIR | CEPH_OSD_FLAG_ONDISK, 0);
    m->set_mtime(utime_t::now());
    return m;
}

/* The request that the words ask for, or nothing. */
static ref_t<MOSDOp> request_of(const std::vector<std::string> &words)
{
    const int64_t pool = std::atoll(words[1].c_str());
    const auto epoch = epoch_t(std::atoll(words[2].c_str()));
    const std::string &what = words[3], &name = words[4];
    const bool writes = what != "get";
    auto m = request(pool, epoch, name, writes ? CEPH_OSD_FLAG_WRITE : CEPH_OSD_FLAG_READ);
    if (what == "put" && words.size() == 6) {
        m->add_simple_op(CEPH_OSD_OP_WRITEFULL, 0, words[5].size());
        m->ops[0].indata.append(words[5]);
    } else if (what == "get" && words.size() == 5) {
        m->stat();
        m->read(0, 0);
    } else if (what == "remove" && words.size() == 5) {
        m->remove();
    } else {
        return nullptr;
    }
    return m;
}

/* What an answer to `get` says, whose stat and read have to agree. */
static std::string content(MOSDOpReply &reply)
{
    std::vector<OSDOp> results;
    reply.claim_ops(results);
    if (results.size() != 2)
        throw std::runtime_error("not the two results that were asked for");
    uint64_t size;
    auto p = results[0].outdata.cbegin();
    ceph::decode(size, p);
    std::string bytes = results[1].outdata.to_str();
    if (size != bytes.size())
        throw std::runtime_error("the object has another length than it says");
    return bytes;
}

int main(int argc, char **argv)
{
    const std::vector<std::string> words(argv + 1, argv + argc);
    entity_addrvec_t osd;
    ref_t<MOSDOp> asked = words.size() < 5 ? nullptr : request_of(words);
    if (!asked || !osd.parse(words[0])) {
        std::cerr << "usage: object OSD POOL EPOCH put|get|remove NAME [TEXT]\n";
        return 2;
    }
    ref_t<CephContext> cct(new CephContext, false);
    cct->set_val("auth_client_required", "none");
    /* An OSD does nothing for a request that it has had already, by the name of who asks and its number. */
    const auto me = entity_name_t::CLIENT(getpid());
    std::unique_ptr<Messenger> m(Messenger::create(cct.get(), "async+posix", me, "object", uint64_t(getpid())));
    m->set_default_policy(Policy::lossy_client(0));
    Waiter waiter(cct.get());
    m->add_dispatcher_head(&waiter);
    m->start();
    m->connect_to_osd(osd)->send_message2(std::move(asked));
    const ref_t<MOSDOpReply> reply = waiter.wait();
    int failed = 1;
    if (!reply)
        std::cerr << "no answer\n";
    else if ((failed = reply->get_result() < 0))
        std::cerr << *reply << '\n';
    else if (words[3] == "get")
        std::cout << content(*reply);
    m->shutdown();
    m->wait();
    return failed;
}
