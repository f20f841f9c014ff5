//! All clients of a place come at once, as after a restart.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::cluster::Cluster;
use crate::event::sim::Weather;
use crate::types::EntityType;
use crate::{ConnectOptions, ConnectionRef, Dispatcher, Message, Policy};

/// Counts who is through.
#[derive(Default)]
struct Door(AtomicUsize);

impl Dispatcher for Door {
    fn dispatch(&self, _: &ConnectionRef, message: Box<Message>) -> Result<(), Box<Message>> {
        Err(message)
    }

    fn handle_fast_connect(&self, _: &ConnectionRef) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_storm_of_clients_behind_one_address_gets_in_without_a_second_try() {
    const CLIENTS: usize = 200;
    let mut cluster = Cluster::new(1, Weather::FAIR);
    let few = vec![("ms_max_half_open_per_source", "4".to_owned())];
    let server = cluster.add(1, "osd.0", 7, &few);
    let server = Arc::clone(&cluster.node(server).messenger);
    server
        .set_default_policy(Policy::stateless_server())
        .unwrap();
    let at = "v2:10.0.0.1:6800".parse().unwrap();
    server.bind(&at).unwrap();
    server
        .add_dispatcher_head(Arc::new(Door::default()))
        .unwrap();
    server.start().unwrap();

    let client = cluster.add(2, "client.admin", 9, &Vec::new());
    let client = Arc::clone(&cluster.node(client).messenger);
    client.set_default_policy(Policy::lossy_client()).unwrap();
    let door = Arc::new(Door::default());
    client.add_dispatcher_head(door.clone()).unwrap();
    client.start().unwrap();
    let anonymous = ConnectOptions {
        anonymous: true,
        ..ConnectOptions::default()
    };
    for _ in 0..CLIENTS {
        client
            .connect_with(EntityType::OSD, &server.myaddrs(), anonymous)
            .unwrap();
    }
    cluster.run_for(Duration::from_secs(1));
    assert_eq!(door.0.load(Ordering::Relaxed), CLIENTS);
    let accepted = server.perf_get("AsyncMessenger::osd.0", "msgr_accepted");
    assert_eq!(accepted.unwrap(), CLIENTS as u64);
}
