//! What a dump tells of connections in all their states, in a simulated world.

use std::sync::Arc;
use std::time::Duration;

use super::cluster::Cluster;
use crate::event::sim::Weather;
use crate::messenger::Json;
use crate::types::EntityType;
use crate::{ConnectionRef, Dispatcher, Message, Messenger, Policy};

/// Takes everything.
struct Sink;

impl Dispatcher for Sink {
    fn dispatch(&self, _: &ConnectionRef, _: Box<Message>) -> Result<(), Box<Message>> {
        Ok(())
    }
}

fn node(cluster: &mut Cluster, host: u8, name: &str, policy: Policy) -> Arc<Messenger> {
    let nonce = u64::from(host);
    let options = vec![("ms_async_op_threads", "2".to_owned())];
    let node = cluster.add(host, name, nonce, &options);
    let messenger = Arc::clone(&cluster.node(node).messenger);
    messenger.set_default_policy(policy).unwrap();
    messenger
}

/// A member of a dump, by names and places.
fn at<'a>(dump: &'a Json, path: &str) -> &'a Json {
    path.split('/')
        .fold(dump, |value, step| match (value, step.parse::<usize>()) {
            (Json::List(items), Ok(index)) => &items[index],
            (value, _) => value
                .get(step)
                .unwrap_or_else(|| panic!("{step} of {path} in {value}")),
        })
}

fn len(dump: &Json, path: &str) -> usize {
    match at(dump, path) {
        Json::List(items) => items.len(),
        other => panic!("{path} is {other}"),
    }
}

fn dump(messenger: &Messenger) -> Json {
    Json::parse(&messenger.dump().unwrap()).unwrap()
}

#[test]
fn a_dump_tells_of_queues_sessions_and_states_whatever_becomes_of_the_link() {
    let mut cluster = Cluster::new(1, Weather::FAIR);
    let server = node(&mut cluster, 1, "osd.0", Policy::stateful_server());
    server.bind(&"v2:10.0.0.1:6800".parse().unwrap()).unwrap();
    server.add_dispatcher_head(Arc::new(Sink)).unwrap();
    server.start().unwrap();
    let client = node(&mut cluster, 2, "client.admin", Policy::lossless_client());
    client.start().unwrap();
    let peer = "v2:10.0.0.1:6800/1".parse().unwrap();
    let con = client.connect(EntityType::OSD, &peer).unwrap();
    for _ in 0..3 {
        con.send(Message::new(1)).unwrap();
    }
    cluster.run_for(Duration::from_secs(5));

    let told = dump(&client);
    let link = at(&told, "messenger/connections/0/async_connection");
    assert_eq!(at(&told, "messenger/connections_count"), &Json::Number(1));
    assert_eq!(at(link, "protocol/v2/state").as_text(), Some("READY"));
    assert_eq!(at(link, "last_active_ago").as_text(), Some("4s"));
    assert_eq!(at(link, "session/out_seq"), &Json::Number(3));
    assert_eq!(at(link, "session/acked_seq"), &Json::Number(3));
    assert_ne!(at(link, "session/client_cookie"), &Json::Number(0));
    let told = dump(&server);
    let link = at(&told, "messenger/connections/0/async_connection");
    assert_eq!(at(link, "session/in_seq"), &Json::Number(3));
    assert_eq!(
        at(link, "socket_addr/addr").as_text(),
        Some("10.0.0.1:6800")
    );
    assert_eq!(at(link, "port"), &Json::Number(6800));
    assert_eq!(len(&told, "messenger/accepting_conns"), 0);

    // A session without a link keeps what it has to send.
    server.shutdown().unwrap();
    cluster.run_for(Duration::from_secs(5));
    con.send(Message::new(1)).unwrap();
    cluster.run_for(Duration::from_secs(1));
    let told = dump(&client);
    let link = at(&told, "messenger/connections/0/async_connection");
    assert_eq!(at(link, "status/connected"), &Json::Bool(false));
    assert_eq!(at(link, "protocol/v2/con_mode"), &Json::Null);
    assert_eq!(at(link, "session/queued_messages"), &Json::Number(1));
    assert!(at(link, "last_fault").as_text().is_some(), "{link}");
    assert_eq!(len(&dump(&server), "messenger/connections"), 0);
}
