//! Compressed messages over real sockets.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use msgr::{Context, EntityType, Message, Messenger, Payload, Policy};

use super::cephx::Keyring;
use super::support::{Reporter, Told, connect, counted, message, next_message};

const ALGORITHMS: [&str; 4] = ["snappy", "zlib", "zstd", "lz4"];
const KEY: &str = "AQBBt2tpAAAAABAAmcBfnfGkLkKWlJzTBqGKCg==";
const DATA_LEN: usize = 200_000;

fn context(options: &[(&str, &str)]) -> Arc<Context> {
    let context = Context::new();
    for (key, value) in options {
        context.conf_set(key, value).unwrap();
    }
    context
}

fn server(options: &[(&str, &str)]) -> (Arc<Messenger>, Receiver<Told>) {
    super::support::server(&context(options), "v2:127.0.0.1:0")
}

fn client(options: &[(&str, &str)], nonce: u64) -> (Arc<Messenger>, Receiver<Told>) {
    let name = "client.alice";
    let messenger = Messenger::create(&context(options), name, "client", nonce).unwrap();
    messenger
        .set_default_policy(Policy::lossy_client())
        .unwrap();
    let (reporter, told) = Reporter::new(true);
    messenger.add_dispatcher_head(reporter).unwrap();
    messenger.start().unwrap();
    (messenger, told)
}

/// A message with a text that another number makes another one.
fn letter(number: u64) -> Message {
    let mut text: Vec<u8> = (0..)
        .flat_map(|line| format!("{number}: object {} of a pool\n", line % 997).into_bytes())
        .take(DATA_LEN)
        .collect();
    text[0] = b'#';
    let mut letter = message(2, b"the front is short");
    letter.tid = number;
    letter.data = Payload::from(bytes::Bytes::from(text));
    letter
}

fn expect_letter(told: &Receiver<Told>, number: u64) {
    let (_, mut got) = next_message(told);
    let mut sent = letter(number);
    assert_eq!(got.tid, number);
    assert_eq!(got.front, sent.front);
    assert!(got.data.contiguous() == sent.data.contiguous(), "{number}");
}

/// Says one letter each way and returns what the server has read for it.
fn bytes_of_a_letter(server_options: &[(&str, &str)], client_options: &[(&str, &str)]) -> u64 {
    let (server, at_server) = server(server_options);
    let (client, at_client) = client(client_options, 1);
    let con = connect(&client, &server.myaddrs());
    con.send(message(2, b"hello")).unwrap();
    let (back, _) = next_message(&at_server);
    let before = counted(&server, "msgr_recv_bytes");
    con.send(letter(1)).unwrap();
    expect_letter(&at_server, 1);
    let read = counted(&server, "msgr_recv_bytes") - before;
    back.send(letter(2)).unwrap();
    expect_letter(&at_client, 2);
    read
}

#[test]
fn what_both_ends_want_compressed_takes_fewer_bytes_and_arrives_as_it_was() {
    for algorithm in ALGORITHMS {
        let wants = [
            ("ms_compress_mode", "force"),
            ("ms_compression_algorithm", algorithm),
        ];
        let read = bytes_of_a_letter(&wants, &wants);
        assert!(read < DATA_LEN as u64 / 2, "{algorithm}: {read}");
        for (server, client) in [(&wants[..], &[][..]), (&[], &wants)] {
            let read = bytes_of_a_letter(server, client);
            assert!(read >= DATA_LEN as u64, "{algorithm}: {read}");
        }
    }
}

#[test]
fn what_is_encrypted_is_compressed_only_where_that_is_allowed() {
    let keyring = Keyring::new("compressed", &format!("[osd.]\n\tkey = {KEY}\n"));
    let path = keyring.path();
    for (secure, fewer) in [("true", true), ("false", false)] {
        let options = [
            ("keyring", path),
            ("ms_secure_only", "true"),
            ("ms_compress_mode", "force"),
            ("ms_compress_secure", secure),
        ];
        let read = bytes_of_a_letter(&options, &options);
        assert_eq!(read < DATA_LEN as u64 / 2, fewer, "{read}");
    }
    let options = [("keyring", path), ("ms_compress_mode", "force")];
    let in_the_open = [options[0], options[1], ("ms_client_mode", "crc")];
    assert!(bytes_of_a_letter(&options, &in_the_open) < DATA_LEN as u64 / 2);
}

/// The budget is smaller than two letters, and each is charged as long as it gets:
/// if any of it were lost on the way, they would stop coming.
#[test]
fn letters_of_many_senders_get_through_a_budget_for_one() {
    const SENDERS: u64 = 4;
    const LETTERS: u64 = 15;
    let wants = [
        ("ms_compress_mode", "force"),
        ("ms_dispatch_throttle_bytes", "300K"),
    ];
    let (server, at_server) = server(&wants);
    server
        .set_policy_throttlers(EntityType::CLIENT, 300 << 10, 2)
        .unwrap();
    let senders: Vec<_> = (1..=SENDERS).map(|nonce| client(&wants, nonce)).collect();
    for (sender, _) in &senders {
        let con = connect(sender, &server.myaddrs());
        for number in 1..=LETTERS {
            con.send(letter(number)).unwrap();
        }
    }
    // Each is dropped, and what it takes comes back, when the next is looked for.
    for _ in 0..SENDERS * LETTERS {
        let (_, got) = next_message(&at_server);
        assert_eq!(got.data.len(), DATA_LEN);
    }
    let read = counted(&server, "msgr_recv_bytes");
    let sent = SENDERS * LETTERS * DATA_LEN as u64;
    assert!(read < sent / 2, "{read}");
}
