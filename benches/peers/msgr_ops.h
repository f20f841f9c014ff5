/* Operations in the manner of Ceph's perf_msgr pair: each of several jobs, with a
 * messenger and a thread of its own, keeps so many write requests under way; the
 * server fast dispatches them to a pool of two threads, which reply. Included by
 * msgr_peer.c, whose messengers these are. */
#ifndef MSGR_BENCH_OPS_H
#define MSGR_BENCH_OPS_H

enum { OP_TYPE = 42, OP_REPLY_TYPE = 43, POOL_THREADS = 2, MOST_JOBS = 16, MOST_OPS = 4096 };

static const char op_front[OP_FRONT];

static msgr_msg *new_op(uint16_t type, size_t front) {
  msgr_msg *m;
  check(msgr_msg_create(type, &m), "msgr_msg_create");
  check(msgr_msg_append_copy(m, MSGR_FRONT, op_front, front), "msgr_msg_append_copy");
  return m;
}

/* ---- server ------------------------------------------------------------ */

/* Requests wait here for a thread of the pool, oldest first. */
static struct {
  pthread_mutex_t lock;
  pthread_cond_t filled;
  msgr_msg *ops[MOST_OPS];
  unsigned first, n, idle;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER};

static int server_ops(void *user, msgr_msg *m) {
  (void)user;
  pthread_mutex_lock(&pool.lock);
  if (pool.n == MOST_OPS)
    die("pool", "full");
  pool.ops[(pool.first + pool.n++) % MOST_OPS] = m;
  int wake = pool.idle > 0;
  pool.idle -= (unsigned)wake;
  pthread_mutex_unlock(&pool.lock);
  if (wake)
    pthread_cond_signal(&pool.filled);
  return 1;
}

static void *answer_ops(void *arg) {
  (void)arg;
  for (;;) {
    pthread_mutex_lock(&pool.lock);
    while (pool.n == 0) {
      pool.idle++; /* who wakes us takes it back */
      pthread_cond_wait(&pool.filled, &pool.lock);
    }
    msgr_msg *op = pool.ops[pool.first];
    pool.first = (pool.first + 1) % MOST_OPS;
    pool.n--;
    pthread_mutex_unlock(&pool.lock);
    check(msgr_send(msgr_msg_conn(op), new_op(OP_REPLY_TYPE, OP_REPLY_FRONT)), "msgr_send");
    msgr_msg_unref(op);
  }
  return NULL;
}

static void start_pool(void) {
  pthread_t thread;
  for (int i = 0; i < POOL_THREADS; i++)
    if (pthread_create(&thread, NULL, answer_ops, NULL) != 0)
      die("pool", "no thread");
}

/* ---- client ------------------------------------------------------------ */

static struct job {
  pthread_mutex_t lock;
  pthread_cond_t risen;
  unsigned in_flight;
  int waiting;
  atomic_ulong done;
  msgr_conn *conn;
} jobs[MOST_JOBS];

static int client_ops(void *user, msgr_msg *m) {
  struct job *job = user;
  (void)m;
  pthread_mutex_lock(&job->lock);
  job->in_flight--;
  int wake = job->waiting;
  job->waiting = 0;
  pthread_mutex_unlock(&job->lock);
  if (wake)
    pthread_cond_signal(&job->risen);
  atomic_fetch_add_explicit(&job->done, 1, memory_order_relaxed);
  return 0;
}

static void *send_ops(void *arg) {
  struct job *job = arg;
  size_t size = bench.work->size;
  for (;;) {
    pthread_mutex_lock(&job->lock);
    while (job->in_flight >= bench.work->depth) {
      job->waiting = 1;
      pthread_cond_wait(&job->risen, &job->lock);
    }
    job->in_flight++;
    pthread_mutex_unlock(&job->lock);
    msgr_msg *op = new_op(OP_TYPE, OP_FRONT);
    if (size)
      check(msgr_msg_append(op, MSGR_DATA, payload, size, keep, NULL), "msgr_msg_append");
    check(msgr_send(job->conn, op), "msgr_send");
  }
  return NULL;
}

struct reading {
  uint64_t at, done, client, server;
};

static struct reading read_ops(void) {
  struct reading now = {now_ns(), 0, own_cpu_ns(), server_cpu_ns(&bench)};
  for (unsigned i = 0; i < bench.work->threads; i++)
    now.done += atomic_load_explicit(&jobs[i].done, memory_order_relaxed);
  return now;
}

static msgr_conn *dial_as(msgr_ctx *ctx, unsigned number, int (*fast)(void *, msgr_msg *), void *user);

static void run_ops(msgr_ctx *ctx) {
  pthread_t thread;
  for (unsigned i = 0; i < bench.work->threads; i++) {
    pthread_mutex_init(&jobs[i].lock, NULL);
    pthread_cond_init(&jobs[i].risen, NULL);
    jobs[i].conn = dial_as(ctx, i, client_ops, &jobs[i]);
    if (pthread_create(&thread, NULL, send_ops, &jobs[i]) != 0)
      die("job", "no thread");
  }
  while (read_ops().done < bench.work->threads)
    pass_ns(1000000);
  pass_ns(bench.ms * 200000);
  struct reading from = read_ops();
  pass_ns(bench.ms * 1000000);
  struct reading to = read_ops();
  double ops = (double)(to.done - from.done) * 1e3;
  double client = (double)(to.client - from.client) / ops, server = (double)(to.server - from.server) / ops;
  printf("result us_per_op=%.4f cpu_us=%.4f client_us=%.4f server_us=%.4f\n", (double)(to.at - from.at) / ops,
         client + server, client, server);
  fflush(stdout);
}

#endif
