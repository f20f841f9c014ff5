/*
 * msgr for C++17: Ceph's classes over msgr.h, in namespace msgr.
 *
 * Everything is in these headers; a program links to libmsgr as one in C does, and no C++ name is part of the
 * library's ABI. Classes and methods have Ceph's names and mean what they mean there; what differs is said at each.
 *
 *     class Greeting : public msgr::Message { ... encode_payload, decode_payload, get_type_name ... };
 *     msgr::register_message<Greeting>(GREETING);
 *     auto cct = msgr::ref_t<msgr::CephContext>(new msgr::CephContext, false);
 *     std::unique_ptr<msgr::Messenger> m(msgr::Messenger::create(cct.get(), "async+posix", ...));
 *     m->add_dispatcher_head(&dispatcher);
 *     m->start();
 *     m->connect_to_osd(addrs)->send_message(new Greeting);
 *
 * Errors are negative errnos, as Ceph returns them; only reading past the end of a bufferlist throws. A connection that
 * a C++ messenger has made has the C++ object in the slot of msgr_conn_set_object; msgr_conn_set_priv is free.
 */
#ifndef MSGR_HPP
#define MSGR_HPP

#include "msgr/messenger.hpp"

#endif
