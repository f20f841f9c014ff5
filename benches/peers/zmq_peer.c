/* libzmq: one I/O thread and one application thread in each process. DEALER on
 * both sides for one connection, which is libzmq's fastest pattern that goes
 * both ways; a ROUTER answers where there are several. */
#include "bench.h"

#include <errno.h>
#include <zmq.h>

static struct bench bench;
static void *sock;
static char *payload;
static uint64_t highest;

static void check(int rc, const char *what) {
  if (rc < 0)
    die(what, zmq_strerror(errno));
}

static void open_socket(int type) {
  void *ctx = zmq_ctx_new();
  int none = 0, backlog = 1024;
  check(zmq_ctx_set(ctx, ZMQ_IO_THREADS, 1), "io threads");
  sock = zmq_socket(ctx, type);
  if (!sock)
    die("zmq_socket", zmq_strerror(errno));
  /* Unlimited queues: the workloads bound what is in flight themselves. */
  check(zmq_setsockopt(sock, ZMQ_SNDHWM, &none, sizeof none), "sndhwm");
  check(zmq_setsockopt(sock, ZMQ_RCVHWM, &none, sizeof none), "rcvhwm");
  check(zmq_setsockopt(sock, ZMQ_LINGER, &none, sizeof none), "linger");
  check(zmq_setsockopt(sock, ZMQ_BACKLOG, &backlog, sizeof backlog), "backlog");
}

static void receive(zmq_msg_t *m) {
  int rc;
  do
    rc = zmq_msg_recv(m, sock, 0);
  while (rc < 0 && errno == EINTR);
  check(rc, "zmq_msg_recv");
}

/* ---- server ------------------------------------------------------------ */

static void serve_requests(int routed) {
  zmq_msg_t who, body;
  zmq_msg_init(&who);
  zmq_msg_init(&body);
  for (;;) {
    if (routed)
      receive(&who);
    receive(&body);
    if (routed)
      check(zmq_msg_send(&who, sock, ZMQ_SNDMORE), "zmq_msg_send");
    check(zmq_msg_send(&body, sock, 0), "zmq_msg_send");
  }
}

static void serve_one_way(void) {
  zmq_msg_t body;
  zmq_msg_init(&body);
  for (uint64_t received = 1;; received++) {
    receive(&body);
    if (should_ack(&bench, received, *(const char *)zmq_msg_data(&body)))
      check(zmq_send(sock, &received, sizeof received, 0), "zmq_send");
  }
}

static void serve(void) {
  char where[128];
  size_t len = sizeof where;
  int routed = bench.work->conns > 1;
  open_socket(routed ? ZMQ_ROUTER : ZMQ_DEALER);
  snprintf(where, sizeof where, "tcp://%s", bench.addr);
  check(zmq_bind(sock, where), "zmq_bind");
  check(zmq_getsockopt(sock, ZMQ_LAST_ENDPOINT, where, &len), "last endpoint");
  print_ready(where);
  if (bench.work->kind == REQUESTS)
    serve_requests(routed);
  else
    serve_one_way();
}

/* ---- client ------------------------------------------------------------ */

static void request(void) {
  zmq_msg_t m;
  check(zmq_msg_init_size(&m, bench.work->size), "zmq_msg_init_size");
  memcpy(zmq_msg_data(&m), payload, bench.work->size);
  check(zmq_msg_send(&m, sock, 0), "zmq_msg_send");
}

/* libzmq keeps one connection to an endpoint, so each further one comes from a
 * loopback address of its own, which makes it another endpoint. */
static void connect_more(unsigned conns) {
  char where[128];
  for (unsigned i = 1; i < conns; i++) {
    snprintf(where, sizeof where, "tcp://127.1.%u.%u:0;%s", i / 250, i % 250 + 1, bench.addr + strlen("tcp://"));
    check(zmq_connect(sock, where), "zmq_connect");
  }
}

static void run_requests(void) {
  const struct workload *w = bench.work;
  struct meter meter = {0};
  zmq_msg_t reply;
  zmq_msg_init(&reply);
  for (int i = 0; i < 200; i++) {
    request();
    receive(&reply);
  }
  double before = server_kib(&bench);
  connect_more(w->conns);
  /* A DEALER deals in turn: one request on each, so that all are connected
   * before the clock runs, and then as many as the workload wants. */
  for (unsigned i = 0; i < w->conns; i++)
    request();
  for (unsigned i = 0; i < w->conns; i++)
    receive(&reply);
  meter_begin(&meter, &bench);
  for (unsigned i = 0; i < w->conns * w->depth; i++)
    request();
  for (uint64_t sent_at = now_ns();;) {
    receive(&reply);
    if (!meter_reply(&meter, sent_at))
      break;
    if (meter.latencies)
      sent_at = now_ns();
    request();
  }
  meter.kib_per_conn = (server_kib(&bench) - before) / (w->conns > 1 ? w->conns - 1 : 1);
  meter_print(&meter, &bench);
}

static void keep(void *data, void *hint) {
  (void)data;
  (void)hint;
}

static void make(slot *message, char first) {
  zmq_msg_t *m = (zmq_msg_t *)message;
  /* Large ones are lent, not copied, as msgr's are. */
  if (bench.work->size >= 16384 && first == 'D') {
    check(zmq_msg_init_data(m, payload, bench.work->size, keep, NULL), "zmq_msg_init_data");
    return;
  }
  check(zmq_msg_init_size(m, bench.work->size), "zmq_msg_init_size");
  memcpy(zmq_msg_data(m), payload, bench.work->size);
  *(char *)zmq_msg_data(m) = first;
}

static void send_message(slot *message) {
  check(zmq_msg_send((zmq_msg_t *)message, sock, 0), "zmq_msg_send");
}

static uint64_t acked(uint64_t least) {
  for (;;) {
    int rc = zmq_recv(sock, &highest, sizeof highest, highest < least ? 0 : ZMQ_DONTWAIT);
    if (rc < 0 && errno == EAGAIN)
      return highest;
    if (rc < 0 && errno != EINTR)
      die("zmq_recv", zmq_strerror(errno));
  }
}

int main(int argc, char **argv) {
  char version[64];
  int major, minor, patch;
  _Static_assert(sizeof(zmq_msg_t) <= sizeof(slot), "a slot holds a message");
  zmq_version(&major, &minor, &patch);
  snprintf(version, sizeof version, "libzmq %d.%d.%d", major, minor, patch);
  bench = parse(argc, argv, version);
  if (bench.is_server)
    serve();
  payload = payload_of(bench.work->size);
  open_socket(ZMQ_DEALER);
  check(zmq_connect(sock, bench.addr), "zmq_connect");
  const struct sender sender = {make, send_message, acked};
  if (bench.work->kind == REQUESTS)
    run_requests();
  else if (bench.work->kind == ONE_WAY)
    one_way(&bench, sender);
  else
    send_cost(&bench, sender);
  _exit(0); /* the context is not torn down: nothing is left to measure */
}
