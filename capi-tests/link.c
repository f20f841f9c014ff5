/* Every function of the header exists in the library, and the structures have
 * the layout that is part of the ABI. */
#include <assert.h>

#include "check.h"

static_assert(sizeof(msgr_policy) == 40, "size of msgr_policy");
static_assert(offsetof(msgr_policy, struct_size) == 0, "struct_size comes first");
static_assert(offsetof(msgr_policy, lossy) == 4, "lossy");
static_assert(offsetof(msgr_policy, server) == 8, "server");
static_assert(offsetof(msgr_policy, standby) == 12, "standby");
static_assert(offsetof(msgr_policy, resetcheck) == 16, "resetcheck");
static_assert(offsetof(msgr_policy, register_lossy_clients) == 20, "register_lossy_clients");
static_assert(offsetof(msgr_policy, features_supported) == 24, "features_supported");
static_assert(offsetof(msgr_policy, features_required) == 32, "features_required");

#define SLOT(number) (8 + (number) * sizeof(void *))
static_assert(sizeof(msgr_dispatcher) == SLOT(14), "size of msgr_dispatcher");
static_assert(offsetof(msgr_dispatcher, struct_size) == 0, "struct_size comes first");
static_assert(offsetof(msgr_dispatcher, flags) == 4, "flags");
static_assert(offsetof(msgr_dispatcher, can_fast_dispatch) == SLOT(0), "can_fast_dispatch");
static_assert(offsetof(msgr_dispatcher, fast_dispatch) == SLOT(1), "fast_dispatch");
static_assert(offsetof(msgr_dispatcher, dispatch) == SLOT(2), "dispatch");
static_assert(offsetof(msgr_dispatcher, handle_connect) == SLOT(3), "handle_connect");
static_assert(offsetof(msgr_dispatcher, handle_accept) == SLOT(4), "handle_accept");
static_assert(offsetof(msgr_dispatcher, handle_fast_connect) == SLOT(5), "handle_fast_connect");
static_assert(offsetof(msgr_dispatcher, handle_fast_accept) == SLOT(6), "handle_fast_accept");
static_assert(offsetof(msgr_dispatcher, handle_reset) == SLOT(7), "handle_reset");
static_assert(offsetof(msgr_dispatcher, handle_remote_reset) == SLOT(8), "handle_remote_reset");
static_assert(offsetof(msgr_dispatcher, handle_refused) == SLOT(9), "handle_refused");
static_assert(offsetof(msgr_dispatcher, release) == SLOT(10), "release");
static_assert(offsetof(msgr_dispatcher, fast_preprocess) == SLOT(11), "fast_preprocess");
static_assert(offsetof(msgr_dispatcher, fast_types) == SLOT(12), "fast_types");
static_assert(offsetof(msgr_dispatcher, fast_type_count) == SLOT(13), "fast_type_count");

static_assert(sizeof(msgr_auth_handler) == SLOT(6), "size of msgr_auth_handler");
static_assert(offsetof(msgr_auth_handler, flags) == 4, "flags");
static_assert(offsetof(msgr_auth_handler, get_auth_request) == SLOT(0), "get_auth_request");
static_assert(offsetof(msgr_auth_handler, handle_auth_reply_more) == SLOT(1), "reply_more");
static_assert(offsetof(msgr_auth_handler, handle_auth_done) == SLOT(2), "done");
static_assert(offsetof(msgr_auth_handler, handle_auth_bad_method) == SLOT(3), "bad_method");
static_assert(offsetof(msgr_auth_handler, handle_auth_request) == SLOT(4), "auth_request");
static_assert(offsetof(msgr_auth_handler, release) == SLOT(5), "release");

#define FIELD(number) (16 + (number) * sizeof(void *))
static_assert(sizeof(msgr_auth_result) == FIELD(8), "size of msgr_auth_result");
static_assert(offsetof(msgr_auth_result, global_id) == 8, "global_id");
static_assert(offsetof(msgr_auth_result, entity) == FIELD(0), "entity");
static_assert(offsetof(msgr_auth_result, caps) == FIELD(1), "caps");
static_assert(offsetof(msgr_auth_result, session_key) == FIELD(2), "session_key");
static_assert(offsetof(msgr_auth_result, connection_secret) == FIELD(4), "connection_secret");
static_assert(offsetof(msgr_auth_result, payload) == FIELD(6), "payload");

static_assert(sizeof(msgr_addr) == 40, "size of msgr_addr");
static_assert(offsetof(msgr_addr, type) == 0, "type");
static_assert(offsetof(msgr_addr, nonce) == 4, "nonce");
static_assert(offsetof(msgr_addr, sa) == 8, "sa");
static_assert(offsetof(msgr_addr, reserved) == 36, "reserved");
static_assert(MSGR_ADDR_NONE == 0 && MSGR_ADDR_LEGACY == 1 && MSGR_ADDR_MSGR2 == 2 &&
                  MSGR_ADDR_ANY == 3,
              "address types are what the wire has");

static_assert(MSGR_FRONT == 0 && MSGR_MIDDLE == 1 && MSGR_DATA == 2, "segments");
static_assert(MSGR_ENTITY_MON == 1 && MSGR_ENTITY_MDS == 2 && MSGR_ENTITY_OSD == 4 &&
                  MSGR_ENTITY_CLIENT == 8 && MSGR_ENTITY_MGR == 16,
              "entity types are what the wire has");
static_assert(MSGR_DISPATCH_FAST == 1 && MSGR_DISPATCH_STAMPS == 2, "flags");
static_assert(sizeof(msgr_header) == 72, "size of msgr_header");
static_assert(offsetof(msgr_header, seq) == 8, "seq");
static_assert(offsetof(msgr_header, source_type) == 32, "source_type");
static_assert(offsetof(msgr_header, data_off) == 44, "data_off");
static_assert(offsetof(msgr_header, data_crc) == 68, "data_crc");

typedef void (*function)(void);
#define ADDRESS(name) (function)(name)

static const function functions[] = {
    ADDRESS(msgr_version),
    ADDRESS(msgr_version_string),
    ADDRESS(msgr_strerror),
    ADDRESS(msgr_last_error),
    ADDRESS(msgr_addr_parse),
    ADDRESS(msgr_addr_format),
    ADDRESS(msgr_addrvec_parse),
    ADDRESS(msgr_addrvec_format),
    ADDRESS(msgr_addr_port),
    ADDRESS(msgr_addr_set_port),
    ADDRESS(msgr_addr_set_sockaddr),
    ADDRESS(msgr_addr_sockaddr),
    ADDRESS(msgr_addr_same_host),
    ADDRESS(msgr_addr_equal),
    ADDRESS(msgr_name_parse),
    ADDRESS(msgr_name_format),
    ADDRESS(msgr_ctx_create),
    ADDRESS(msgr_ctx_ref),
    ADDRESS(msgr_ctx_unref),
    ADDRESS(msgr_conf_set),
    ADDRESS(msgr_conf_get),
    ADDRESS(msgr_conf_parse_argv),
    ADDRESS(msgr_conf_parse_env),
    ADDRESS(msgr_conf_read_file),
    ADDRESS(msgr_conf_foreach),
    ADDRESS(msgr_conf_observe),
    ADDRESS(msgr_conf_unobserve),
    ADDRESS(msgr_create),
    ADDRESS(msgr_ref),
    ADDRESS(msgr_unref),
    ADDRESS(msgr_bind),
    ADDRESS(msgr_bind_avoiding),
    ADDRESS(msgr_set_addrs),
    ADDRESS(msgr_start),
    ADDRESS(msgr_shutdown),
    ADDRESS(msgr_wait),
    ADDRESS(msgr_get_myaddrs),
    ADDRESS(msgr_connect),
    ADDRESS(msgr_connect_with),
    ADDRESS(msgr_mark_down_all),
    ADDRESS(msgr_mark_down_addrs),
    ADDRESS(msgr_rebind),
    ADDRESS(msgr_client_reset),
    ADDRESS(msgr_get_loopback_connection),
    ADDRESS(msgr_dispatch_queue_len),
    ADDRESS(msgr_dispatch_queue_max_age),
    ADDRESS(msgr_dump),
    ADDRESS(msgr_admin_socket),
    ADDRESS(msgr_perf_dump),
    ADDRESS(msgr_perf_get),
    ADDRESS(msgr_perf_reset),
    ADDRESS(msgr_ctx_perf_dump),
    ADDRESS(msgr_get_ctx),
    ADDRESS(msgr_myname),
    ADDRESS(msgr_mytype),
    ADDRESS(msgr_mynum),
    ADDRESS(msgr_set_myname),
    ADDRESS(msgr_set_default_send_priority),
    ADDRESS(msgr_set_socket_priority),
    ADDRESS(msgr_set_cluster_protocol),
    ADDRESS(msgr_set_require_authorizer),
    ADDRESS(msgr_client_bind),
    ADDRESS(msgr_set_addr_unknowns),
    ADDRESS(msgr_should_use_msgr2),
    ADDRESS(msgr_send_to),
    ADDRESS(msgr_get_policy),
    ADDRESS(msgr_get_default_policy),
    ADDRESS(msgr_policy_init),
    ADDRESS(msgr_set_default_policy),
    ADDRESS(msgr_set_policy),
    ADDRESS(msgr_set_policy_throttlers),
    ADDRESS(msgr_throttle_create),
    ADDRESS(msgr_throttle_ref),
    ADDRESS(msgr_throttle_unref),
    ADDRESS(msgr_throttle_get),
    ADDRESS(msgr_throttle_get_or_fail),
    ADDRESS(msgr_throttle_take),
    ADDRESS(msgr_throttle_put),
    ADDRESS(msgr_throttle_set_max),
    ADDRESS(msgr_throttle_current),
    ADDRESS(msgr_throttle_max),
    ADDRESS(msgr_set_policy_throttles),
    ADDRESS(msgr_add_keyring),
    ADDRESS(msgr_auth_request),
    ADDRESS(msgr_auth_handle_reply),
    ADDRESS(msgr_auth_serve),
    ADDRESS(msgr_auth_ticket_left),
    ADDRESS(msgr_auth_keys_left),
    ADDRESS(msgr_set_auth_handler),
    ADDRESS(msgr_auth_reply_request),
    ADDRESS(msgr_auth_reply_more),
    ADDRESS(msgr_auth_reply_done),
    ADDRESS(msgr_auth_reply_fail),
    ADDRESS(msgr_conn_messenger),
    ADDRESS(msgr_conn_peer_socket_addr),
    ADDRESS(msgr_conn_is_msgr2),
    ADDRESS(msgr_conn_is_blackhole),
    ADDRESS(msgr_conn_set_features),
    ADDRESS(msgr_conn_last_keepalive),
    ADDRESS(msgr_conn_auth_name),
    ADDRESS(msgr_conn_auth_caps),
    ADDRESS(msgr_conn_is_authenticated),
    ADDRESS(msgr_conn_mode),
    ADDRESS(msgr_add_dispatcher_head),
    ADDRESS(msgr_add_dispatcher_tail),
    ADDRESS(msgr_remove_dispatcher),
    ADDRESS(msgr_conn_ref),
    ADDRESS(msgr_conn_unref),
    ADDRESS(msgr_send),
    ADDRESS(msgr_conn_mark_down),
    ADDRESS(msgr_conn_mark_disposable),
    ADDRESS(msgr_conn_queued_bytes),
    ADDRESS(msgr_conn_keepalive),
    ADDRESS(msgr_conn_last_keepalive_ack),
    ADDRESS(msgr_conn_is_connected),
    ADDRESS(msgr_conn_is_loopback),
    ADDRESS(msgr_conn_is_anon),
    ADDRESS(msgr_conn_peer_type),
    ADDRESS(msgr_conn_peer_id),
    ADDRESS(msgr_conn_peer_global_id),
    ADDRESS(msgr_conn_peer_name),
    ADDRESS(msgr_conn_peer_addrs),
    ADDRESS(msgr_conn_last_fault),
    ADDRESS(msgr_conn_features),
    ADDRESS(msgr_conn_set_priv),
    ADDRESS(msgr_conn_get_priv),
    ADDRESS(msgr_conn_set_object),
    ADDRESS(msgr_conn_object),
    ADDRESS(msgr_msg_create),
    ADDRESS(msgr_msg_ref),
    ADDRESS(msgr_msg_unref),
    ADDRESS(msgr_msg_append_copy),
    ADDRESS(msgr_msg_append),
    ADDRESS(msgr_msg_len),
    ADDRESS(msgr_msg_data),
    ADDRESS(msgr_msg_type),
    ADDRESS(msgr_msg_tid),
    ADDRESS(msgr_msg_set_tid),
    ADDRESS(msgr_msg_priority),
    ADDRESS(msgr_msg_set_priority),
    ADDRESS(msgr_msg_version),
    ADDRESS(msgr_msg_set_version),
    ADDRESS(msgr_msg_seq),
    ADDRESS(msgr_msg_conn),
    ADDRESS(msgr_msg_append_iov),
    ADDRESS(msgr_msg_iov),
    ADDRESS(msgr_msg_clear),
    ADDRESS(msgr_buf_create),
    ADDRESS(msgr_buf_ref),
    ADDRESS(msgr_buf_unref),
    ADDRESS(msgr_buf_data),
    ADDRESS(msgr_buf_len),
    ADDRESS(msgr_msg_buf),
    ADDRESS(msgr_msg_append_buf),
    ADDRESS(msgr_msg_source),
    ADDRESS(msgr_msg_source_type),
    ADDRESS(msgr_msg_source_num),
    ADDRESS(msgr_msg_stamp),
    ADDRESS(msgr_msg_cost),
    ADDRESS(msgr_msg_data_off),
    ADDRESS(msgr_msg_set_data_off),
    ADDRESS(msgr_msg_set_conn),
    ADDRESS(msgr_msg_header),
    ADDRESS(msgr_msg_view),
    ADDRESS(msgr_send_object),
    ADDRESS(msgr_msg_set_user),
    ADDRESS(msgr_msg_user),
    ADDRESS(msgr_set_decoder),
    ADDRESS(msgr_set_rx_alloc),
    ADDRESS(msgr_set_log_callback),
    ADDRESS(msgr_set_log_level),
};

int main(void)
{
    size_t i;
    for (i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
        CHECK(functions[i] != NULL);
    return 0;
}
