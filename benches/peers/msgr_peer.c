/* msgr: one worker in each process (three for operations). The server answers, counts and acknowledges
 * in fast_dispatch. The client answers there too with `--loop`; otherwise it
 * hands each reply to an application thread, as libzmq and nng do. */
#include "bench.h"

#include <msgr.h>
#include <semaphore.h>

enum { DATA_TYPE = 1000, END_TYPE = 1001, ACK_TYPE = 1002, LARGE = 4096, LENT = 16384 };

static struct bench bench;
static char *payload;
static struct meter meter;
static uint64_t sent_at, received;
static sem_t done;

static void check(int rc, const char *what) {
  if (rc < 0)
    die(what, msgr_strerror(rc));
}

static void keep(void *arg) { (void)arg; }

static msgr_msg *new_message(uint16_t type) {
  size_t size = bench.work->size;
  int segment = size < LARGE ? MSGR_FRONT : MSGR_DATA;
  msgr_msg *m;
  check(msgr_msg_create(type, &m), "msgr_msg_create");
  if (size < LENT)
    check(msgr_msg_append_copy(m, segment, payload, size), "msgr_msg_append_copy");
  else
    check(msgr_msg_append(m, segment, payload, size, keep, NULL), "msgr_msg_append");
  return m;
}

#include "msgr_ops.h"

static void request(msgr_conn *conn) { check(msgr_send(conn, new_message(DATA_TYPE)), "msgr_send"); }

/* ---- server ------------------------------------------------------------ */

static int server_requests(void *user, msgr_msg *m) {
  (void)user;
  check(msgr_send(msgr_msg_conn(m), m), "msgr_send"); /* sent back as it is */
  return 1;
}

static int server_one_way(void *user, msgr_msg *m) {
  (void)user;
  received++;
  if (should_ack(&bench, received, msgr_msg_type(m) == END_TYPE ? 'E' : 'D')) {
    msgr_msg *ack;
    check(msgr_msg_create(ACK_TYPE, &ack), "msgr_msg_create");
    check(msgr_msg_append_copy(ack, MSGR_FRONT, &received, sizeof received), "msgr_msg_append_copy");
    check(msgr_send(msgr_msg_conn(m), ack), "msgr_send");
  }
  return 0;
}

/* ---- client: replies answered on the worker ------------------------------ */

/* While this is not 0, each connection's first reply is awaited. */
static unsigned settling;

/* 1: the connection may have its next request. */
static int handle_reply(void) {
  if (settling) {
    if (--settling == 0)
      sem_post(&done);
    return 0;
  }
  if (meter.ended)
    return 0;
  if (!meter_reply(&meter, sent_at)) {
    sem_post(&done);
    return 0;
  }
  if (meter.latencies)
    sent_at = now_ns();
  return 1;
}

static int client_loop(void *user, msgr_msg *m) {
  (void)user;
  if (handle_reply())
    request(msgr_msg_conn(m));
  return 0;
}

/* ---- client: replies handed to the application's thread ------------------- */

enum { INBOX = 16384 };

static struct {
  pthread_mutex_t lock;
  sem_t filled; /* a condition variable would cost a system call more */
  msgr_msg *messages[INBOX];
  unsigned n;
  int waiting;
} inbox = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int client_app(void *user, msgr_msg *m) {
  (void)user;
  pthread_mutex_lock(&inbox.lock);
  if (inbox.n == INBOX)
    die("inbox", "full");
  inbox.messages[inbox.n++] = m;
  int wake = inbox.waiting;
  inbox.waiting = 0;
  pthread_mutex_unlock(&inbox.lock);
  if (wake)
    sem_post(&inbox.filled);
  return 1;
}

static unsigned take_inbox(msgr_msg **into) {
  pthread_mutex_lock(&inbox.lock);
  while (inbox.n == 0) {
    inbox.waiting = 1;
    pthread_mutex_unlock(&inbox.lock);
    sem_wait(&inbox.filled);
    pthread_mutex_lock(&inbox.lock);
  }
  unsigned n = inbox.n;
  memcpy(into, inbox.messages, n * sizeof *into);
  inbox.n = 0;
  pthread_mutex_unlock(&inbox.lock);
  return n;
}

/* Until `done` is posted, by the callback or by ourselves. */
static void wait_done(void) {
  static msgr_msg *messages[INBOX];
  if (bench.loop) {
    while (sem_wait(&done) != 0) {
    }
    return;
  }
  while (sem_trywait(&done) != 0) {
    unsigned n = take_inbox(messages);
    for (unsigned i = 0; i < n; i++) {
      if (handle_reply())
        request(msgr_msg_conn(messages[i]));
      msgr_msg_unref(messages[i]);
    }
  }
}

/* ---- client: acknowledgements --------------------------------------------- */

/* Of many threads each waits at the step that it waits for: those whose turn has not come sleep on. */
enum { STEP = 256, STEPS = 64 };

static struct {
  pthread_mutex_t lock;
  pthread_cond_t risen[STEPS];
  int waiting[STEPS];
  uint64_t highest;
} acks = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int client_acks(void *user, msgr_msg *m) {
  (void)user;
  pthread_mutex_lock(&acks.lock);
  uint64_t step = acks.highest / STEP + 1;
  memcpy(&acks.highest, msgr_msg_data(m, MSGR_FRONT), sizeof acks.highest);
  uint64_t last = (acks.highest + STEP - 1) / STEP, wake = 0;
  for (int n = 0; n < STEPS && step <= last; n++, step++)
    wake |= (uint64_t)(acks.waiting[step % STEPS] > 0) << step % STEPS;
  pthread_mutex_unlock(&acks.lock);
  for (int at = 0; wake; at++, wake >>= 1)
    if (wake & 1)
      pthread_cond_broadcast(&acks.risen[at]);
  return 0;
}

static uint64_t acked(uint64_t least) {
  uint64_t step = (least + STEP - 1) / STEP % STEPS;
  pthread_mutex_lock(&acks.lock);
  while (acks.highest < least) {
    acks.waiting[step]++;
    pthread_cond_wait(&acks.risen[step], &acks.lock);
    acks.waiting[step]--;
  }
  uint64_t highest = acks.highest;
  pthread_mutex_unlock(&acks.lock);
  return highest;
}

static msgr_conn *only;

static void make(slot *message, char first) {
  msgr_msg *m = new_message(first == 'E' ? END_TYPE : DATA_TYPE);
  memcpy(message, &m, sizeof m);
}

static void send_message(slot *message) {
  msgr_msg *m;
  memcpy(&m, message, sizeof m);
  check(msgr_send(only, m), "msgr_send");
}

/* ---- messengers ---------------------------------------------------------- */

static int is_fast(void *user, const msgr_msg *m) {
  (void)user;
  (void)m;
  return 1;
}

static int refuse(void *user, msgr_msg *m) {
  (void)user;
  (void)m;
  die("dispatch", "a message missed fast dispatch");
  return 0;
}

static int server_reset(void *user, msgr_conn *conn) {
  (void)user;
  (void)conn;
  return 1;
}

static int client_reset(void *user, msgr_conn *conn) {
  (void)user;
  (void)conn;
  die("handle_reset", "the connection broke");
  return 1;
}

static msgr_messenger *new_messenger(msgr_ctx *ctx, unsigned number, int (*fast)(void *, msgr_msg *), void *user) {
  char name[32];
  msgr_messenger *m;
  msgr_policy policy;
  msgr_dispatcher dispatcher = {
      .struct_size = sizeof dispatcher,
      .flags = MSGR_DISPATCH_FAST,
      .can_fast_dispatch = is_fast,
      .fast_dispatch = fast,
      .dispatch = refuse,
      .handle_reset = bench.is_server ? server_reset : client_reset,
  };
  snprintf(name, sizeof name, "%s.%u", bench.is_server ? "osd" : "client", number);
  check(msgr_create(ctx, name, "bench", (uint64_t)getpid() * 1024 + number, &m), "msgr_create");
  memset(&policy, 0, sizeof policy);
  policy.struct_size = sizeof policy;
  check(msgr_policy_init(&policy, bench.is_server ? MSGR_POLICY_STATELESS_SERVER : MSGR_POLICY_LOSSY_CLIENT),
        "msgr_policy_init");
  check(msgr_set_default_policy(m, &policy), "msgr_set_default_policy");
  if (bench.is_server) {
    char where[128];
    snprintf(where, sizeof where, "v2:%s", bench.addr);
    check(msgr_bind(m, where), "msgr_bind");
  }
  check(msgr_add_dispatcher_head(m, &dispatcher, user), "msgr_add_dispatcher_head");
  check(msgr_start(m), "msgr_start");
  return m;
}

/* A job of its own has a messenger of its own; they share the context's workers. */
static msgr_conn *dial_as(msgr_ctx *ctx, unsigned number, int (*fast)(void *, msgr_msg *), void *user) {
  msgr_conn *conn;
  check(msgr_connect(new_messenger(ctx, number, fast, user), MSGR_ENTITY_OSD, bench.addr, &conn), "msgr_connect");
  return conn;
}

static msgr_conn *dial(msgr_ctx *ctx) {
  int (*fast)(void *, msgr_msg *) = bench.work->kind != REQUESTS ? client_acks : bench.loop ? client_loop : client_app;
  return dial_as(ctx, 0, fast, NULL);
}

/* Otherwise a messenger has one connection to a peer. */
static msgr_conn *dial_another(msgr_conn *first) {
  msgr_messenger *m = msgr_conn_messenger(first);
  msgr_conn *conn;
  check(msgr_connect_with(m, MSGR_ENTITY_OSD, bench.addr, MSGR_CONNECT_ANONYMOUS, &conn), "msgr_connect_with");
  return conn;
}

/* All `n` have been used once when it begins; behind the first `busy` the others
 * are idle. */
static void measure(const struct bench *b, msgr_conn **conns, unsigned n, unsigned busy) {
  settling = n;
  for (unsigned i = 0; i < n; i++)
    request(conns[i]);
  wait_done();
  memset(&meter, 0, sizeof meter);
  meter_begin(&meter, b);
  sent_at = now_ns();
  for (unsigned i = 0; i < busy * b->work->depth; i++)
    request(conns[i % busy]);
  wait_done();
}

static void run_requests(msgr_ctx *ctx) {
  unsigned busy = bench.work->conns, n = busy + bench.work->idle;
  msgr_conn **conns = calloc(n, sizeof *conns);
  struct bench warm_up = bench;
  if (!conns)
    die("conns", "out of memory");
  sem_init(&done, 0, 0);
  sem_init(&inbox.filled, 0, 0);
  conns[0] = dial(ctx);
  double before = 0;
  if (n > 1 && bench.work->depth == 1) {
    /* Nothing is in flight when this ends, so the others begin afresh. */
    warm_up.ms = 20;
    measure(&warm_up, conns, 1, 1);
    before = server_kib(&bench);
  }
  for (unsigned i = 1; i < n; i++)
    conns[i] = dial_another(conns[0]);
  measure(&bench, conns, n, busy);
  meter.kib_per_conn = (server_kib(&bench) - before) / (n > 1 ? n - 1 : 1);
  meter_print(&meter, &bench);
}

static void serve(msgr_ctx *ctx) {
  char where[256];
  /* The client leaves without a farewell, which is worth a warning for each
   * of its connections, but not here. */
  check(msgr_set_log_level(MSGR_LOG_ERROR), "msgr_set_log_level");
  int ops = bench.work->kind == OPS;
  int (*fast)(void *, msgr_msg *) = bench.work->kind == REQUESTS ? server_requests : ops ? server_ops : server_one_way;
  if (ops)
    start_pool();
  msgr_messenger *m = new_messenger(ctx, 0, fast, NULL);
  check(msgr_get_myaddrs(m, where, sizeof where), "msgr_get_myaddrs");
  print_ready(where);
  for (;;)
    pause();
}

int main(int argc, char **argv) {
  char version[64];
  msgr_ctx *ctx;
  snprintf(version, sizeof version, "libmsgr %s", msgr_version_string());
  bench = parse(argc, argv, version);
  check(msgr_ctx_create(&ctx), "msgr_ctx_create");
  /* As many as Ceph's pair was measured with. */
  check(msgr_conf_set(ctx, "ms_async_op_threads", bench.work->kind == OPS ? "3" : "1"), "ms_async_op_threads");
  check(msgr_conf_set(ctx, "ms_max_half_open_per_source", "16384"), "ms_max_half_open_per_source");
  check(msgr_conf_set(ctx, "ms_max_half_open", "16384"), "ms_max_half_open");
  for (unsigned i = 0; i < bench.settings; i++) {
    char name[64];
    const char *equals = strchr(bench.set[i], '=');
    if (!equals || (size_t)(equals - bench.set[i]) >= sizeof name)
      die("--set", bench.set[i]);
    snprintf(name, sizeof name, "%.*s", (int)(equals - bench.set[i]), bench.set[i]);
    check(msgr_conf_set(ctx, name, equals + 1), name);
  }
  for (int i = 0; i < STEPS; i++)
    pthread_cond_init(&acks.risen[i], NULL);
  payload = payload_of(bench.work->size);
  if (bench.is_server)
    serve(ctx);
  if (bench.work->kind == REQUESTS || bench.work->kind == OPS) {
    (bench.work->kind == OPS ? run_ops : run_requests)(ctx);
    _exit(0);
  }
  const struct sender sender = {make, send_message, acked};
  only = dial(ctx);
  if (bench.work->kind == CROWD)
    one_way_of_many(&bench, sender);
  else if (bench.work->kind == ONE_WAY)
    one_way(&bench, sender);
  else
    send_cost(&bench, sender);
  _exit(0); /* no shutdown: leaving with live workers is legal */
}
