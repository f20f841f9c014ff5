/* How a program written for Ceph begins: arguments, options and their observers, the log; and what it says of throttles
 * and authentication, under Ceph's names. */
#include <msgr/compat/auth/DummyAuth.h>
#include <msgr/compat/common/debug.h>
#include <msgr/compat/global/global_init.h>
#include <msgr/compat/msg/Messenger.h>

#include <fstream>
#include <sys/wait.h>
#include <unistd.h>

#include "check.hpp"

#define dout_context g_ceph_context
#define dout_subsys ceph_subsys_test
#undef dout_prefix
#define dout_prefix *_dout << "global: "

using Args = std::vector<const char *>;

static bool is(const Args &args, std::initializer_list<const char *> wanted)
{
    return std::equal(args.begin(), args.end(), wanted.begin(), wanted.end(),
                      [](const char *a, const char *b) { return strcmp(a, b) == 0; });
}

struct TemporaryFile {
    std::string path = "/tmp/msgr-test-XXXXXX";
    explicit TemporaryFile(const char *text)
    {
        const int fd = mkstemp(path.data());
        CHECK(fd >= 0 && write(fd, text, strlen(text)) == ssize_t(strlen(text)) && close(fd) == 0);
    }
    ~TemporaryFile() { unlink(path.c_str()); }
    std::string text() const
    {
        std::ostringstream all;
        all << std::ifstream(path).rdbuf();
        return all.str();
    }
};

static void arguments_are_taken_one_after_the_other()
{
    const char *argv[] = {"program", "--flag-one", "a", "--name=value", "-n", "7", "--size", "x", "--", "--flag_one"};
    Args args;
    argv_to_vec(10, argv, args);
    CHECK(args.size() == 9 && argv_to_vec(10, argv) == args && argv_to_vec(0, argv).empty());
    auto i = args.begin();
    std::string value;
    std::ostringstream err;
    int number = 0;
    CHECK(!ceph_argparse_flag(args, i, "--other", (char *)nullptr));
    CHECK(ceph_argparse_flag(args, i, "--other", "--flag_one", (char *)nullptr));
    CHECK(!ceph_argparse_witharg(args, i, &value, "--name", NULL));
    ++i;
    CHECK(ceph_argparse_witharg(args, i, &value, "--name", NULL) && value == "value");
    CHECK(ceph_argparse_witharg(args, i, &number, err, "--number", "-n", (char *)nullptr) && number == 7);
    CHECK(err.str().empty());
    CHECK(ceph_argparse_witharg(args, i, &number, err, "--size", (char *)nullptr));
    CHECK(err.str() == "The option --size wants a whole number, not 'x'");
    CHECK(ceph_argparse_double_dash(args, i) && is(args, {"a", "--flag_one"}));
    Args last = {"--name"};
    i = last.begin();
    err.str("");
    CHECK(ceph_argparse_witharg(last, i, &value, err, "--name", (char *)nullptr) && value.empty());
    CHECK(err.str() == "Option --name requires an argument.\n" && last.empty());
    CHECK(!ceph_argparse_need_usage(args) && ceph_argparse_need_usage({"a", "--help"}));
    int argc = 0;
    const char **copy = nullptr;
    vec_to_argv("me", args, &argc, &copy);
    CHECK(argc == 3 && strcmp(copy[0], "me") == 0 && copy[2] == args[1] && copy[3] == nullptr);
    free(copy);
    setenv("SOME_ARGS", " one two", 1);
    env_to_vec(args, "SOME_ARGS");
    CHECK(is(args, {"one", "two", "a", "--flag_one"}));
}

static void a_program_begins_with_what_it_was_told()
{
    const TemporaryFile conf("[global]\nms_max_backoff = 1\nms_initial_backoff = 0.5\ndebug ms = 3\n"
                             "[osd]\nms tcp rcvbuf = 64K\n[osd.7]\nms_dispatch_throttle_bytes = 2M\n");
    const TemporaryFile log("");
    setenv("CEPH_ARGS", "--ms-bind-port-min 7000 --ms-max-backoff 2", 1);
    const std::string named = "--conf=" + conf.path, log_file = "--log-file=" + log.path;
    Args args = {named.c_str(), "address", "--id",       "7", "--ms_max_backoff=3", log_file.c_str(), "--log_to_stderr",
                 "false",       "--debug-test", "5/20", "--no-ms-crc-data", "--", "--ms_max_backoff=9"};
    const std::map<std::string, std::string> defaults = {{"ms_initial_backoff", "9"}, {"ms_bind_port_max", "7777"}};
    const auto cct = global_init(&defaults, args, CEPH_ENTITY_TYPE_OSD, CODE_ENVIRONMENT_UTILITY,
                                 CINIT_FLAG_NO_DEFAULT_CONFIG_FILE);
    unsetenv("CEPH_ARGS");
    common_init_finish(g_ceph_context);
    CHECK(cct.get() == g_ceph_context && cct->get_module_type() == CEPH_ENTITY_TYPE_OSD);
    CHECK(is(args, {"address", "--", "--ms_max_backoff=9"}));
    CHECK(g_conf()->ms_initial_backoff == 0.5 && g_conf()->ms_max_backoff == 3 && !g_conf()->ms_crc_data);
    CHECK(g_conf()->ms_bind_port_min == 7000 && g_conf()->ms_bind_port_max == 7777);
    CHECK(g_conf()->ms_tcp_rcvbuf == 65536 && g_conf()->ms_dispatch_throttle_bytes == 2 << 20);
    CHECK(g_conf()->ms_type == "async+posix" && g_conf()->ms_public_type.empty());
    CHECK(g_conf().get_val<std::string>("ms_type") == "async+posix");
    CHECK(g_conf().get_val<uint64_t>("ms_dispatch_throttle_bytes") == 2 << 20);
    CHECK(g_conf().get_val<std::chrono::milliseconds>("ms_initial_backoff").count() == 500);

    dout(5) << "five " << 5 << dendl;
    dout(6) << "six" << dendl;
    derr << "broken" << dendl;
    generic_dout(0) << "bare" << dendl;
    lsubdout(g_ceph_context, ms, 3) << "from the file" << dendl;
    lsubdout(g_ceph_context, ms, 4) << "not wanted" << dendl;
    const DoutPrefix prefix(g_ceph_context, ceph_subsys_test, "prefix: ");
    ldpp_dout(&prefix, 1) << "provided" << dendl;
    CHECK(dlog_p1(ceph_subsys_test, 5) && !dlog_p1(ceph_subsys_test, 6));
    std::istringstream lines(log.text());
    std::vector<std::string> texts;
    for (std::string line; std::getline(lines, line);) {
        /* When, who, the level, and the text. */
        CHECK(line.size() > 30 && line[4] == '-' && line[10] == 'T' && line[19] == '.');
        texts.push_back(line.substr(line.find(' ', 30)));
    }
    CHECK((texts == std::vector<std::string>{"  5 global: five 5", " -1 global: broken", "  0 bare",
                                             "  3 global: from the file", "  1 prefix: provided"}));

    /* The library's own words go the same way. */
    MessengerPtr dialler = check_end_of(cct.get(), entity_name_t::CLIENT(1), Messenger::Policy::lossy_client(0));
    Witness witness(cct.get());
    CHECK_OK(g_conf().injectargs("--debug_ms 20", nullptr));
    CHECK_OK(dialler->add_dispatcher_head(&witness));
    CHECK_OK(dialler->start());
    entity_addrvec_t nobody;
    CHECK(nobody.parse("v2:127.0.0.1:1/0"));
    const ConnectionRef con = dialler->connect_to_osd(nobody);
    WAIT_UNTIL(witness.refusals > 0);
    CHECK_OK(dialler->shutdown());
    CHECK_OK(dialler->wait());
    CHECK(log.text().find("127.0.0.1:1/0") != std::string::npos);
    CHECK_OK(g_conf().set_val("log_file", ""));
    CHECK_OK(g_conf().set_val("log_to_stderr", "true"));
    g_conf().apply_changes(nullptr);
    CHECK_OK(msgr_set_log_callback(nullptr, nullptr));
}

static int status_of(const Args &given, uint32_t type = CEPH_ENTITY_TYPE_CLIENT)
{
    const pid_t child = fork();
    if (child == 0) {
        Args args = given;
        CHECK(freopen("/dev/null", "w", stderr) != nullptr);
        global_init(nullptr, args, type, CODE_ENVIRONMENT_UTILITY_NODOUT, 0);
        _exit(0);
    }
    int status = 0;
    CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void what_is_wrong_ends_the_program()
{
    CHECK(status_of({"file"}) == 0);
    CHECK(status_of({"-c", "/nowhere/ceph.conf"}) == 1);
    CHECK(status_of({"--ms_max_backoff=soon"}) == 1);
    CHECK(status_of({"--ms_max_backoff"}) == 1);
}

static void a_program_of_any_type_is_told_what_all_are_told()
{
    const TemporaryFile right("[global]\nms_max_backoff = 3\n"), wrong("[global]\nms_max_backoff = soon\n");
    CHECK(status_of({"file"}, CEPH_ENTITY_TYPE_ANY) == 0);
    CHECK(status_of({"-c", right.path.c_str(), "--id", "3"}, CEPH_ENTITY_TYPE_ANY) == 0);
    CHECK(status_of({"-c", wrong.path.c_str()}, CEPH_ENTITY_TYPE_ANY) == 1);
}

static void observers_hear_of_what_they_look_at()
{
    const msgr::ref_t<CephContext> cct(new CephContext, false);
    struct Observer : md_config_obs_t {
        std::set<std::string> changed;
        std::string backoff;
        int calls = 0;
        const char **get_tracked_conf_keys() const override
        {
            static const char *keys[] = {"ms_max_backoff", "mine", nullptr};
            return keys;
        }
        void handle_conf_change(const ConfigProxy &conf, const std::set<std::string> &keys) override
        {
            calls++;
            changed = keys;
            backoff = conf.get_val<std::string>("ms_max_backoff");
        }
    } observer;
    ConfigProxy &conf = cct->_conf;
    conf.declare("mine", "1");
    conf.declare("ms_max_backoff", "is known already");
    conf.add_observer(&observer);
    CHECK(conf->ms_max_backoff == 15);
    CHECK_OK(conf.set_val("ms-max-backoff", "4"));
    CHECK_OK(conf.set_val("mine", "2"));
    CHECK_OK(conf.set_val("ms_tcp_nodelay", "false"));
    CHECK(observer.calls == 0 && conf->ms_max_backoff == 15);
    std::ostringstream out;
    conf.apply_changes(&out);
    CHECK(observer.calls == 1 && observer.backoff == "4" && conf->ms_max_backoff == 4);
    CHECK((observer.changed == std::set<std::string>{"mine", "ms_max_backoff"}));
    CHECK(out.str() == "mine = '2' ms_max_backoff = '4' ms_tcp_nodelay = 'false' ");
    conf.apply_changes(nullptr);
    conf.remove_observer(&observer);
    CHECK(conf.get_val<int>("mine") == 2);
    CHECK_OK(conf.injectargs("--mine=3", nullptr));
    CHECK(observer.calls == 1);
    CHECK_IS(conf.injectargs("mine 3", nullptr), -EINVAL);
    std::stringstream err;
    CHECK_IS(conf.set_val("nobodys", "1", &err), -ENOENT);
    CHECK(err.str().find("nobodys") == 0);
    CHECK_IS(conf.set_val("ms_max_backoff", "soon"), -EINVAL);
    bool thrown = false;
    try {
        conf.get_val<int>("nobodys");
    } catch (const std::invalid_argument &) {
        thrown = true;
    }
    CHECK(thrown);
    out.str("");
    conf.show_config(out);
    CHECK(out.str().find("ms_max_backoff = 4\n") != std::string::npos);
    CHECK(out.str().find("mine = 3\n") != std::string::npos);
}

static void a_throttle_holds_what_peers_send_until_it_is_put_back()
{
    auto cct = check_context();
    Throttle bytes(cct.get(), "bytes", 1000), messages(cct.get(), "messages", 2);
    CHECK(bytes.get_max() == 1000 && bytes.take(600) == 600 && bytes.past_midpoint());
    CHECK(bytes.should_wait(401) && !bytes.should_wait(400) && !bytes.get_or_fail(401) && bytes.get_or_fail(400));
    CHECK(bytes.put(1000) == 0 && !bytes.get(1, 500) && bytes.get_max() == 500 && bytes.put() == 0);
    bytes.reset_max(0);
    CHECK(!bytes.should_wait(1 << 30));

    msgr::register_message<Note>(NOTE);
    Witness at_server(cct.get()), at_client(cct.get());
    at_server.keeps = true;
    Messenger::Policy policy = Messenger::Policy::stateless_server(0);
    Pair pair(cct.get(), at_server, at_client);
    CHECK_OK(pair.server->set_policy_throttlers(CEPH_ENTITY_TYPE_CLIENT, &bytes, &messages));
    policy = pair.server->get_policy(CEPH_ENTITY_TYPE_CLIENT);
    CHECK(policy.throttler_bytes == &bytes && policy.throttler_messages == &messages);
    for (int i = 0; i < 3; i++)
        CHECK_OK(pair.con->send_message2(ceph::make_message<Note>("note")));
    WAIT_UNTIL(at_server.got == 2);
    CHECK(messages.get_current() == 2 && bytes.get_current() > 0);
    at_server.forget();
    WAIT_UNTIL(at_server.got == 3);
    at_server.forget();
    pair.end();
    CHECK(messages.get_current() == 0 && bytes.get_current() == 0);
}

static void a_registry_knows_what_the_options_allow()
{
    const msgr::ref_t<CephContext> cct(new CephContext(CEPH_ENTITY_TYPE_OSD), false);
    AuthRegistry registry(cct.get());
    std::vector<uint32_t> methods, modes;
    registry.get_supported_methods(CEPH_ENTITY_TYPE_CLIENT, &methods, &modes);
    CHECK((methods == std::vector<uint32_t>{CEPH_AUTH_CEPHX, CEPH_AUTH_NONE}));
    CHECK((modes == std::vector<uint32_t>{CEPH_CON_MODE_CRC, CEPH_CON_MODE_SECURE}));
    registry.get_supported_methods(CEPH_ENTITY_TYPE_MON, nullptr, &modes);
    CHECK((modes == std::vector<uint32_t>{CEPH_CON_MODE_SECURE, CEPH_CON_MODE_CRC}));
    CHECK_OK(cct->_conf.set_val("auth_service_required", "cephx"));
    CHECK_OK(cct->_conf.set_val("ms_service_mode", "secure"));
    CHECK(registry.is_supported_method(CEPH_ENTITY_TYPE_CLIENT, CEPH_AUTH_NONE));
    registry.refresh_config();
    CHECK(!registry.is_supported_method(CEPH_ENTITY_TYPE_CLIENT, CEPH_AUTH_NONE));
    CHECK(registry.is_supported_method(CEPH_ENTITY_TYPE_OSD, CEPH_AUTH_NONE));
    const std::vector<uint32_t> both = {CEPH_CON_MODE_CRC, CEPH_CON_MODE_SECURE};
    CHECK(registry.pick_mode(CEPH_ENTITY_TYPE_CLIENT, CEPH_AUTH_CEPHX, both) == CEPH_CON_MODE_SECURE);
    CHECK(registry.pick_mode(CEPH_ENTITY_TYPE_CLIENT, CEPH_AUTH_NONE, both) == 0);
    CHECK(registry.pick_mode(CEPH_ENTITY_TYPE_OSD, CEPH_AUTH_NONE, both) == CEPH_CON_MODE_CRC);

    /* To a monitor an OSD is a client like others. */
    const msgr::ref_t<CephContext> of_mon(new CephContext(CEPH_ENTITY_TYPE_MON), false);
    CHECK_OK(of_mon->_conf.set_val("auth_service_required", "none"));
    CHECK_OK(of_mon->_conf.set_val("auth_cluster_required", "cephx"));
    AuthRegistry mon(of_mon.get());
    CHECK(!mon.is_supported_method(CEPH_ENTITY_TYPE_OSD, CEPH_AUTH_CEPHX));
    CHECK(mon.is_supported_method(CEPH_ENTITY_TYPE_MGR, CEPH_AUTH_CEPHX));
    mon.get_supported_methods(CEPH_ENTITY_TYPE_OSD, nullptr, &modes);
    CHECK((modes == std::vector<uint32_t>{CEPH_CON_MODE_SECURE, CEPH_CON_MODE_CRC}));
}

/* Nobody's method but its own two. */
struct Picky : AuthServer {
    std::atomic<int> asked{0};
    using AuthServer::AuthServer;
    int handle_auth_request(Connection *, AuthConnectionMeta *, bool, uint32_t, const bufferlist &,
                            bufferlist *) override
    {
        asked++;
        return 1;
    }
};

static void a_method_that_is_not_supported_is_declined_before_anybody_is_asked()
{
    for (const char *required : {"none", "cephx"}) {
        auto cct = check_context();
        CHECK_OK(cct->_conf.set_val("auth_client_required", required));
        Picky picky(cct.get());
        DummyAuthClientServer dummy(cct.get());
        dummy.auth_registry.refresh_config();
        Witness at_server(cct.get()), at_client(cct.get());
        MessengerPtr server = check_end_of(cct.get(), entity_name_t::OSD(0), Messenger::Policy::stateless_server(0));
        MessengerPtr client = check_end_of(cct.get(), entity_name_t::CLIENT(1), Messenger::Policy::lossy_client(0));
        server->set_auth_server(&picky);
        client->set_auth_client(&dummy);
        entity_addr_t any;
        CHECK(any.parse("v2:127.0.0.1:0"));
        CHECK_OK(server->bind(any));
        CHECK_OK(server->add_dispatcher_head(&at_server));
        CHECK_OK(server->start());
        CHECK_OK(client->add_dispatcher_head(&at_client));
        CHECK_OK(client->start());
        const ConnectionRef con = client->connect_to_osd(server->get_myaddrs());
        WAIT_UNTIL(at_client.fast_connects + at_client.resets == 1);
        CHECK_LOCKED(at_client.fast_connects == (required[0] == 'n') && picky.asked == at_client.fast_connects);
        for (Messenger *m : {client.get(), server.get()}) {
            CHECK_OK(m->shutdown());
            CHECK_OK(m->wait());
        }
        at_server.forget();
        at_client.forget();
    }
}

int main()
{
    what_is_wrong_ends_the_program();
    a_program_of_any_type_is_told_what_all_are_told();
    arguments_are_taken_one_after_the_other();
    a_program_begins_with_what_it_was_told();
    observers_hear_of_what_they_look_at();
    a_throttle_holds_what_peers_send_until_it_is_put_back();
    a_registry_knows_what_the_options_allow();
    a_method_that_is_not_supported_is_declined_before_anybody_is_asked();
    return 0;
}
