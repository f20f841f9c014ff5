//! What `docs/from-ceph.md` names exists: functions of `msgr.h`, and classes and methods
//! of `msgr/*.hpp`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// All of the C++ headers.
fn cpp() -> String {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("include/msgr");
    let files = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let headers = files.filter(|path| path.extension().is_some_and(|it| it == "hpp"));
    let mut text = String::new();
    for header in headers {
        text += &fs::read_to_string(header).unwrap();
    }
    text
}

/// The words in backticks.
fn names(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// The tables' rows, as cells without the bars.
fn rows(guide: &str) -> Vec<Vec<&str>> {
    let rows = guide.lines().filter_map(|line| line.strip_prefix("| "));
    let cells = rows.map(|row| row.trim_end_matches('|').split(" | ").collect::<Vec<_>>());
    cells
        .filter(|cells| cells[0].starts_with('`') || cells[0] == "none")
        .collect()
}

/// Is that a word of the text, followed by one of these?
fn has(text: &str, name: &str, behind: &[&str]) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let rest = &text[at + name.len()..];
        !before.is_some_and(is_part) && behind.iter().any(|end| rest.starts_with(end))
    })
}

/// What stands between the braces of a class, a structure or a typedef of one.
fn body<'a>(text: &'a str, head: &str) -> Option<&'a str> {
    let (at, _) = text.match_indices(head).find(|(at, _)| {
        let rest = text[at + head.len()..].trim_start();
        rest.starts_with('{') || rest.starts_with(": ") || rest.starts_with("final")
    })?;
    let rest = &text[at..];
    Some(&rest[..rest.find("\n}")?])
}

fn is_in_c(header: &str, name: &str) -> bool {
    if let Some((structure, slot)) = name.split_once('.') {
        let fields = body(header, &format!("typedef struct {structure}"));
        let ends = [";", ")("];
        return fields.is_some_and(|fields| has(fields, slot, &ends));
    }
    match name.starts_with("MSGR_") {
        true => has(header, name, &[" "]),
        false => has(header, name, &["("]) || has(header, name, &[";"]),
    }
}

fn is_in_cpp(headers: &str, name: &str) -> bool {
    match name.split_once("::") {
        Some(("msgr", function)) => has(headers, function, &["("]),
        Some((class, method)) => {
            let kinds = ["class", "struct"].map(|kind| format!("{kind} {class}"));
            let mut bodies = kinds.iter().filter_map(|head| body(headers, head));
            bodies.any(|body| has(body, method, &["("]))
        }
        None => ["class", "struct", "using"].iter().any(|kind| {
            let declared = format!("{kind} {name}");
            has(headers, &declared, &[" ", ";"])
        }),
    }
}

#[test]
fn every_name_in_the_guide_from_ceph_exists() {
    let (guide, header, headers) = (read("docs/from-ceph.md"), read("include/msgr.h"), cpp());
    let mut missing = Vec::new();
    let mut seen = 0;
    for row in rows(&guide) {
        assert_eq!(row.len(), 4, "four columns: {row:?}");
        let wrong_cpp = names(row[1]).filter(|name| !is_in_cpp(&headers, name));
        missing.extend(wrong_cpp.map(|name| format!("C++ {name}")));
        let wrong_c = names(row[2]).filter(|name| !is_in_c(&header, name));
        missing.extend(wrong_c.map(|name| format!("C {name}")));
        // Remarks name functions as well.
        let remarked = names(row[3]).filter(|name| name.starts_with("msgr_"));
        let wrong = remarked.filter(|name| !is_in_c(&header, name));
        missing.extend(wrong.map(|name| format!("C {name}, in a remark")));
        seen += names(row[1]).count() + names(row[2]).count();
    }
    assert!(seen > 250, "only {seen} names");
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn a_name_that_does_not_exist_would_be_noticed() {
    let (header, headers) = (read("include/msgr.h"), cpp());
    for name in [
        "msgr_conn_peer",
        "msgr_binds",
        "MSGR_DISPATCH_SLOW",
        "msgr_dispatcher.handle_rese",
        "msgr_dispatcher.handle_auth_request",
        "conn_send",
    ] {
        assert!(!is_in_c(&header, name), "{name}");
    }
    for name in [
        "Messenger::bindvv",
        "Messenger::ms_dispatch",
        "Connection::get_ticket",
        "Letter::get",
        "msgr::register_messages",
        "Messengers",
    ] {
        assert!(!is_in_cpp(&headers, name), "{name}");
    }
}

/// What a program that uses the messenger finds in Ceph's headers, as far as programs
/// do: each must have its row, whatever stands in it.
#[test]
fn the_guide_has_a_row_for_what_programs_use_of_ceph() {
    let guide = read("docs/from-ceph.md");
    let rows = rows(&guide);
    let known: BTreeSet<&str> = rows.iter().flat_map(|row| names(row[0])).collect();
    let used = "
        create_client_messenger get_pid_nonce get_random_nonce bind bindv rebind client_bind client_reset
        set_addr_unknowns set_addrs get_myaddrs get_myname get_mytype set_myname get_myaddr_legacy
        set_default_policy set_policy get_policy get_default_policy set_policy_throttlers
        set_default_send_priority set_socket_priority set_cluster_protocol set_auth_client set_auth_server
        set_require_authorizer add_dispatcher_head add_dispatcher_tail start shutdown wait send_to
        send_to_mon send_to_mds connect_to connect_to_mon connect_to_osd connect_to_mds connect_to_mgr
        get_loopback_connection mark_down_addrs mark_down_all get_dispatch_queue_len
        get_dispatch_queue_max_age should_use_msgr2 set_magic get_magic get_trace_endpoint Interceptor
        send_message send_message2 get_priv set_priv clear_priv get_peer_type peer_is_osd peer_is_mon
        peer_is_mgr peer_is_mds peer_is_client get_features has_feature has_features set_features
        get_peer_addr get_peer_addrs get_peer_socket_addr mark_down is_connected mark_disposable
        send_keepalive get_last_keepalive get_last_keepalive_ack is_anon is_msgr2 get_messenger
        get_peer_caps_info get_peer_entity_name get_peer_global_id get_peer_id set_peer_type set_peer_id
        set_peer_addrs get_con_mode post_rx_buffer revoke_rx_buffer is_blackhole failed is_loopback
        get_type get_source get_connection get_tid set_tid get_data set_data claim_data get_source_inst
        get_orig_source get_orig_source_inst get_seq get_priority set_priority get_recv_stamp
        get_recv_complete_stamp get_throttle_stamp get_dispatch_stamp get_cost get_type_name get_header
        get_payload clear_payload clear_data get_data_len set_connection set_completion_hook get_footer
        print decode_payload encode_payload clear_buffers set_byte_throttler set_message_throttler
        ms_can_fast_dispatch_any ms_can_fast_dispatch ms_can_fast_dispatch2 ms_fast_preprocess
        ms_fast_preprocess2 ms_fast_dispatch ms_fast_dispatch2 ms_dispatch ms_dispatch2
        ms_handle_connect ms_handle_fast_connect ms_handle_fast_accept ms_handle_accept ms_handle_reset
        ms_handle_remote_reset ms_handle_refused ms_handle_authentication get_auth_request
        handle_auth_reply_more handle_auth_done handle_auth_bad_method handle_auth_request
        get_supported_auth_methods get_supported_con_modes pick_con_mode DummyAuthClientServer";
    let missing: Vec<_> = used
        .split_whitespace()
        .filter(|name| !known.contains(name))
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}
