/* nng: pair1 for one connection; req/rep with contexts, its pattern for many
 * requests at once, for several. nng has no public limit for its threads in
 * this version: it starts its own number of them on the CPUs we are pinned to. */
#include "bench.h"

#include <arpa/inet.h>
#include <nng/nng.h>
#include <nng/protocol/pair1/pair.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <nng/supplemental/util/platform.h>
#include <semaphore.h>

enum { BUFFERED = 8192 }; /* messages; the most nng accepts */

static struct bench bench;
static nng_socket sock;
static char *payload;
static uint64_t highest;

static void check(int rc, const char *what) {
  if (rc != 0)
    die(what, nng_strerror(rc));
}

static void open_socket(int (*open)(nng_socket *), int buffered) {
  check(open(&sock), "nng open");
  check(nng_socket_set_size(sock, NNG_OPT_RECVMAXSZ, 0), "recvmaxsz");
  if (!buffered)
    return;
  check(nng_socket_set_int(sock, NNG_OPT_SENDBUF, BUFFERED), "sendbuf");
  check(nng_socket_set_int(sock, NNG_OPT_RECVBUF, BUFFERED), "recvbuf");
}

static nng_msg *receive(void) {
  nng_msg *m;
  check(nng_recvmsg(sock, &m, 0), "nng_recvmsg");
  return m;
}

static nng_msg *new_message(char first) {
  size_t size = bench.work->size;
  nng_msg *m;
  check(nng_msg_alloc(&m, size), "nng_msg_alloc");
  /* nng cannot lend memory, so a large body stays as it was allocated. */
  if (size < 16384)
    memcpy(nng_msg_body(m), payload, size);
  *(char *)nng_msg_body(m) = first;
  return m;
}

/* ---- many requests: a context and its callback for each ------------------ */

static struct meter meter;
static nng_mtx *meter_lock; /* callbacks run on several of nng's threads */
static sem_t over;

struct exchange {
  nng_ctx ctx;
  nng_aio *aio;
  int sending;
};

static void client_step(void *arg) {
  struct exchange *x = arg;
  int rc = nng_aio_result(x->aio);
  if (rc != 0)
    die("nng client", nng_strerror(rc));
  x->sending = !x->sending;
  if (!x->sending) {
    nng_ctx_recv(x->ctx, x->aio);
    return;
  }
  nng_msg_free(nng_aio_get_msg(x->aio));
  nng_mtx_lock(meter_lock);
  int more = meter_reply(&meter, 0);
  nng_mtx_unlock(meter_lock);
  if (!more) {
    sem_post(&over);
    return;
  }
  nng_aio_set_msg(x->aio, new_message('D'));
  nng_ctx_send(x->ctx, x->aio);
}

static void server_step(void *arg) {
  struct exchange *x = arg;
  int rc = nng_aio_result(x->aio);
  if (rc == NNG_ECLOSED)
    return;
  if (rc != 0)
    die("nng server", nng_strerror(rc));
  x->sending = !x->sending;
  if (x->sending) {
    nng_aio_set_msg(x->aio, nng_aio_get_msg(x->aio));
    nng_ctx_send(x->ctx, x->aio);
  } else {
    nng_ctx_recv(x->ctx, x->aio);
  }
}

static struct exchange *exchanges(unsigned n, void (*step)(void *)) {
  struct exchange *all = calloc(n, sizeof *all);
  for (unsigned i = 0; all && i < n; i++) {
    check(nng_ctx_open(&all[i].ctx, sock), "nng_ctx_open");
    check(nng_aio_alloc(&all[i].aio, step, &all[i]), "nng_aio_alloc");
  }
  return all;
}

/* ---- server ------------------------------------------------------------ */

static void serve(void) {
  char where[128];
  nng_listener listener;
  nng_sockaddr bound;
  int several = bench.work->conns > 1;
  if (several)
    open_socket(nng_rep0_open, 0);
  else
    open_socket(nng_pair1_open, 1);
  snprintf(where, sizeof where, "tcp://%s", bench.addr);
  check(nng_listen(sock, where, &listener, 0), "nng_listen");
  check(nng_listener_get_addr(listener, NNG_OPT_LOCADDR, &bound), "local address");
  snprintf(where, sizeof where, "tcp://127.0.0.1:%u", ntohs(bound.s_in.sa_port));
  if (several) {
    unsigned n = bench.work->depth * bench.work->conns;
    struct exchange *all = exchanges(n, server_step);
    for (unsigned i = 0; i < n; i++)
      nng_ctx_recv(all[i].ctx, all[i].aio);
    print_ready(where);
    for (;;)
      pause();
  }
  print_ready(where);
  for (uint64_t received = 1;; received++) {
    nng_msg *m = receive();
    if (bench.work->kind == REQUESTS) {
      check(nng_sendmsg(sock, m, 0), "nng_sendmsg");
      continue;
    }
    if (should_ack(&bench, received, *(const char *)nng_msg_body(m)))
      check(nng_send(sock, &received, sizeof received, 0), "nng_send");
    nng_msg_free(m);
  }
}

/* ---- client ------------------------------------------------------------ */

static void dial(unsigned conns) {
  for (unsigned i = 0; i < conns; i++)
    check(nng_dial(sock, bench.addr, NULL, 0), "nng_dial");
}

static void run_pair(void) {
  dial(1);
  for (unsigned i = 0; i < bench.work->depth; i++)
    check(nng_sendmsg(sock, new_message('D'), 0), "nng_sendmsg");
  meter_begin(&meter, &bench);
  for (uint64_t sent_at = now_ns();;) {
    nng_msg_free(receive());
    if (!meter_reply(&meter, sent_at))
      break;
    if (meter.latencies)
      sent_at = now_ns();
    check(nng_sendmsg(sock, new_message('D'), 0), "nng_sendmsg");
  }
}

static void run_contexts(void) {
  unsigned conns = bench.work->conns, n = conns * bench.work->depth;
  check(nng_mtx_alloc(&meter_lock), "nng_mtx_alloc");
  sem_init(&over, 0, 0);
  dial(1);
  for (int i = 0; i < 200; i++) {
    check(nng_sendmsg(sock, new_message('D'), 0), "nng_sendmsg");
    nng_msg_free(receive());
  }
  double before = server_kib(&bench);
  dial(conns - 1);
  struct exchange *all = exchanges(n, client_step);
  meter_begin(&meter, &bench);
  for (unsigned i = 0; i < n; i++) {
    all[i].sending = 1;
    nng_aio_set_msg(all[i].aio, new_message('D'));
    nng_ctx_send(all[i].ctx, all[i].aio);
  }
  while (sem_wait(&over) != 0) {
  }
  meter.kib_per_conn = (server_kib(&bench) - before) / (conns - 1);
}

static void make(slot *message, char first) {
  nng_msg *m = new_message(first);
  memcpy(message, &m, sizeof m);
}

static void send_message(slot *message) {
  nng_msg *m;
  memcpy(&m, message, sizeof m);
  check(nng_sendmsg(sock, m, 0), "nng_sendmsg");
}

static uint64_t acked(uint64_t least) {
  for (;;) {
    size_t len = sizeof highest;
    int rc = nng_recv(sock, &highest, &len, highest < least ? 0 : NNG_FLAG_NONBLOCK);
    if (rc == NNG_EAGAIN)
      return highest;
    check(rc, "nng_recv");
  }
}

int main(int argc, char **argv) {
  char version[64];
  snprintf(version, sizeof version, "nng %s", nng_version());
  bench = parse(argc, argv, version);
  if (bench.is_server)
    serve();
  const struct sender sender = {make, send_message, acked};
  int several = bench.work->conns > 1;
  payload = payload_of(bench.work->size);
  if (several)
    open_socket(nng_req0_open, 0);
  else
    open_socket(nng_pair1_open, 1);
  if (bench.work->kind == REQUESTS) {
    if (several)
      run_contexts();
    else
      run_pair();
    meter_print(&meter, &bench);
    _exit(0);
  }
  dial(1);
  if (bench.work->kind == ONE_WAY)
    one_way(&bench, sender);
  else
    send_cost(&bench, sender);
  _exit(0);
}
