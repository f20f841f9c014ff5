//! A peer that comes back under its old address and nonce.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::cluster::Cluster;
use crate::event::sim::{Death, Weather};
use crate::{ConnectionRef, Dispatcher, EntityType, Message, Policy};

/// Notes what comes.
#[derive(Default)]
struct Inbox(Mutex<Vec<u64>>);

impl Dispatcher for Inbox {
    fn dispatch(&self, _: &ConnectionRef, message: Box<Message>) -> Result<(), Box<Message>> {
        self.0.lock().unwrap().push(message.tid);
        Ok(())
    }
}

/// Starts a peer on that host; its number and what comes to it.
fn peer(cluster: &mut Cluster, host: u8) -> (usize, Arc<Inbox>) {
    let options = vec![
        ("ms_initial_backoff", "0.001".to_owned()),
        ("ms_max_backoff", "0.01".to_owned()),
    ];
    let number = cluster.add(host, &format!("osd.{host}"), u64::from(host), &options);
    let inbox = Arc::<Inbox>::default();
    let messenger = &cluster.node(number).messenger;
    messenger
        .set_default_policy(Policy::lossless_peer())
        .unwrap();
    let addr = format!("v2:10.0.0.{host}:6800").parse().unwrap();
    messenger.bind(&addr).unwrap();
    messenger.add_dispatcher_head(inbox.clone()).unwrap();
    messenger.start().unwrap();
    (number, inbox)
}

fn send(cluster: &Cluster, from: usize, to: u8, tid: u64) {
    let addrs = format!("v2:10.0.0.{to}:6800/{to}").parse().unwrap();
    let messenger = &cluster.node(from).messenger;
    let con = messenger.connect(EntityType::OSD, &addrs).unwrap();
    let mut message = Message::new(1);
    message.tid = tid;
    con.send(message).unwrap();
}

#[test]
fn a_peer_is_heard_at_once_though_its_former_life_has_dialled_often() {
    for (busy, quiet) in [(1, 2), (2, 1)] {
        let mut cluster = Cluster::new(1, Weather::FAIR);
        let (dialler, _) = peer(&mut cluster, busy);
        let (other, inbox) = peer(&mut cluster, quiet);
        for tid in 0..50 {
            send(&cluster, dialler, quiet, tid);
            cluster.run_for(Duration::from_millis(15));
            let mut network = cluster.simulation.network();
            for end in network.connected() {
                network.reset(end);
            }
        }
        assert!(inbox.0.lock().unwrap().contains(&40));
        let process = cluster.node(dialler).process.clone();
        cluster.simulation.network().kill(&process, Death::Vanished);
        drop(cluster.nodes[dialler].take());
        let (dialler, back) = peer(&mut cluster, busy);
        send(&cluster, dialler, quiet, 100);
        send(&cluster, other, busy, 101);
        cluster.run_for(Duration::from_millis(100));
        assert_eq!(inbox.0.lock().unwrap().last(), Some(&100));
        assert_eq!(back.0.lock().unwrap().last(), Some(&101));
    }
}
