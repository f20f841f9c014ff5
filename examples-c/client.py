#!/usr/bin/env python3
"""A client in Python, by ctypes and nothing else.

    client.py ADDR [COUNT]

Asks the server of the benchmark pair (perf_server) COUNT times, one after the
other, and prints how long an answer takes. The library is looked for as every
shared library is; LD_LIBRARY_PATH helps while it is not installed.
"""

import ctypes
import queue
import statistics
import sys
import time
from ctypes import CFUNCTYPE, POINTER, Structure, byref, c_char_p, c_int, c_size_t
from ctypes import c_uint16, c_uint32, c_uint64, c_void_p

# What the header says in macros.
ENTITY_OSD = 4
POLICY_LOSSY_CLIENT = 1
FRONT = 0

# The messages of the benchmark pair.
REQUEST, REPLY, REQUEST_FRONT = 42, 43, 220

ON_MESSAGE = CFUNCTYPE(c_int, c_void_p, c_void_p)
ON_CONNECTION = CFUNCTYPE(None, c_void_p, c_void_p)
ON_FAULT = CFUNCTYPE(c_int, c_void_p, c_void_p)
ON_RELEASE = CFUNCTYPE(None, c_void_p)


class Dispatcher(Structure):
    """msgr_dispatcher. Slots that are not set are NULL."""

    _fields_ = [
        ("struct_size", c_uint32),
        ("flags", c_uint32),
        ("can_fast_dispatch", ON_MESSAGE),
        ("fast_dispatch", ON_MESSAGE),
        ("dispatch", ON_MESSAGE),
        ("handle_connect", ON_CONNECTION),
        ("handle_accept", ON_CONNECTION),
        ("handle_fast_connect", ON_CONNECTION),
        ("handle_fast_accept", ON_CONNECTION),
        ("handle_reset", ON_FAULT),
        ("handle_remote_reset", ON_CONNECTION),
        ("handle_refused", ON_FAULT),
        ("release", ON_RELEASE),
    ]


class Policy(Structure):
    """msgr_policy, filled in by the library alone."""

    _fields_ = [("struct_size", c_uint32), ("rest", c_uint32 * 15)]


msgr = ctypes.CDLL("libmsgr.so.0")


class Failure(Exception):
    """What the library said of a call that has failed."""


def must(result, function, _arguments):
    """Every function that returns an int returns a negative errno for a failure."""
    if result >= 0:
        return result
    why = ctypes.create_string_buffer(512)
    msgr.msgr_last_error(why, len(why))
    raise Failure(f"{function.__name__}: {why.value.decode() or msgr.msgr_strerror(result).decode()}")


def declare(name, *arguments, result=c_int):
    function = getattr(msgr, name)
    function.argtypes = arguments
    function.restype = result
    if result is c_int:
        function.errcheck = must


handle = c_void_p
msgr.msgr_strerror.restype = c_char_p
msgr.msgr_last_error.argtypes = [c_char_p, c_size_t]
declare("msgr_ctx_create", POINTER(handle))
declare("msgr_ctx_unref", handle, result=None)
declare("msgr_create", handle, c_char_p, c_char_p, c_uint64, POINTER(handle))
declare("msgr_unref", handle, result=None)
declare("msgr_policy_init", POINTER(Policy), c_int)
declare("msgr_set_default_policy", handle, POINTER(Policy))
declare("msgr_add_dispatcher_head", handle, POINTER(Dispatcher), c_void_p)
declare("msgr_start", handle)
declare("msgr_connect", handle, c_int, c_char_p, POINTER(handle))
declare("msgr_conn_unref", handle, result=None)
declare("msgr_conn_last_fault", handle, c_char_p, c_size_t)
declare("msgr_send", handle, handle)
declare("msgr_msg_create", c_uint16, POINTER(handle))
declare("msgr_msg_unref", handle, result=None)
declare("msgr_msg_append_copy", handle, c_int, c_char_p, c_size_t)
declare("msgr_msg_set_tid", handle, c_uint64, result=None)
declare("msgr_msg_tid", handle, result=c_uint64)
declare("msgr_msg_type", handle, result=c_uint16)


class Client:
    """One connection, and the answers that have come on it."""

    def __init__(self):
        self.answers = queue.SimpleQueue()
        self.ctx, self.messenger, self.conn = handle(), handle(), handle()
        # What C calls must not be collected: the structure keeps the callbacks, and
        # this object keeps the structure.
        self.dispatcher = Dispatcher(
            struct_size=ctypes.sizeof(Dispatcher),
            dispatch=ON_MESSAGE(self.dispatch),
            handle_reset=ON_FAULT(self.handle_reset),
            handle_refused=ON_FAULT(self.handle_reset),
        )
        policy = Policy(struct_size=ctypes.sizeof(Policy))
        msgr.msgr_ctx_create(byref(self.ctx))
        msgr.msgr_create(self.ctx, b"client.admin", b"python", time.time_ns(), byref(self.messenger))
        msgr.msgr_policy_init(byref(policy), POLICY_LOSSY_CLIENT)
        msgr.msgr_set_default_policy(self.messenger, byref(policy))
        msgr.msgr_add_dispatcher_head(self.messenger, byref(self.dispatcher), None)
        msgr.msgr_start(self.messenger)

    def connect(self, addr):
        """Begins to dial. It does not wait."""
        msgr.msgr_connect(self.messenger, ENTITY_OSD, addr.encode(), byref(self.conn))

    def dispatch(self, _user, msg):
        """On the dispatch thread. What is taken has to be given back."""
        if msgr.msgr_msg_type(msg) != REPLY:
            return 0
        self.answers.put(msgr.msgr_msg_tid(msg))
        msgr.msgr_msg_unref(msg)
        return 1

    def handle_reset(self, _user, conn):
        """On the dispatch thread: the connection is over, or nobody is there."""
        why = ctypes.create_string_buffer(256)
        msgr.msgr_conn_last_fault(conn, why, len(why))
        self.answers.put(Failure(why.value.decode() or "the connection is over"))
        return 1

    def ask(self, tid):
        """One request, and its answer. Takes seconds, returns them."""
        msg = handle()
        msgr.msgr_msg_create(REQUEST, byref(msg))
        msgr.msgr_msg_append_copy(msg, FRONT, bytes(REQUEST_FRONT), REQUEST_FRONT)
        msgr.msgr_msg_set_tid(msg, tid)
        begun = time.perf_counter()
        msgr.msgr_send(self.conn, msg)  # takes the reference to the message
        answer = self.answers.get()
        if isinstance(answer, Failure):
            raise answer
        if answer != tid:
            raise Failure(f"asked {tid}, was answered {answer}")
        return time.perf_counter() - begun

    def close(self):
        msgr.msgr_conn_unref(self.conn)
        msgr.msgr_unref(self.messenger)  # shuts down and waits
        msgr.msgr_ctx_unref(self.ctx)


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__.split("\n\n")[1].strip())
    count = int(sys.argv[2]) if len(sys.argv) == 3 else 1000
    client = Client()
    try:
        client.connect(sys.argv[1])
        took = [client.ask(tid) for tid in range(1, count + 1)]
    except Failure as why:
        sys.exit(f"client.py: {why}")
    finally:
        client.close()
    print(f"{count} answers, half of them within {statistics.median(took) * 1e6:.0f} us")


if __name__ == "__main__":
    main()
