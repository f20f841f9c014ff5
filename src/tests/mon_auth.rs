//! Authentication by messages: whose word is taken for what.

use std::sync::Arc;

use crate::proto::{
    AuthConfig, AuthContext, AuthFault, AuthWant, METHOD_CEPHX, METHOD_NONE, MonAuth, Progress,
};
use crate::types::{AuthName, EntityType, WallTime};

use super::keys::Known;

const EACCES: i32 = -13;
const EOPNOTSUPP: i32 = -95;

/// One end of a connection between a client and a monitor.
struct End {
    auth: AuthConfig,
    name: AuthName,
    peer_type: EntityType,
    so_far: MonAuth,
}

impl End {
    fn new(name: &str, peer_type: EntityType, methods: &[u32]) -> Self {
        let known = Known {
            global_id: 4100,
            ..Known::default()
        };
        Self {
            auth: AuthConfig {
                cluster: methods.to_vec(),
                service: methods.to_vec(),
                client: methods.to_vec(),
                keys: Arc::new(known),
                ..AuthConfig::default()
            },
            name: name.parse().unwrap(),
            peer_type,
            so_far: MonAuth::default(),
        }
    }

    fn act<R>(&mut self, act: impl FnOnce(&mut MonAuth, AuthContext<'_>) -> R) -> R {
        let context = AuthContext {
            auth: &self.auth,
            name: &self.name,
            peer_type: self.peer_type,
            modes: &[],
            now: WallTime::default(),
        };
        act(&mut self.so_far, context)
    }

    fn hello(&mut self) -> Vec<u8> {
        self.act(|so_far, context| so_far.request(AuthWant::Login, context))
            .unwrap()
    }

    fn hear(&mut self, reply: &[u8]) -> Result<Progress, AuthFault> {
        self.act(|so_far, context| so_far.reply(reply, context))
    }
}

fn client(methods: &[u32]) -> End {
    End::new("client.alice", EntityType::MON, methods)
}

/// What a monitor says to a client that it believes, or not.
fn reply(method: u32, result: i32) -> Vec<u8> {
    let mut front = method.to_le_bytes().to_vec();
    front.extend(result.to_le_bytes());
    front.extend(4711_u64.to_le_bytes());
    front.extend([0; 8]);
    front
}

#[test]
fn a_client_takes_a_number_without_proof_only_where_that_will_do_and_it_has_asked() {
    for methods in [&[METHOD_NONE][..], &[METHOD_CEPHX, METHOD_NONE]] {
        let mut client = client(methods);
        client.hello();
        let got = client.hear(&reply(METHOD_NONE, 0));
        let Ok(Progress::LoggedIn(agreed)) = got else {
            panic!("{got:?}");
        };
        assert_eq!((agreed.global_id, agreed.is_proved), (4711, false));
        // It has not asked again.
        let again = client.hear(&reply(METHOD_NONE, 0));
        assert!(matches!(again, Err(AuthFault::NoMethod)), "{again:?}");
    }
    let mut strict = client(&[METHOD_CEPHX]);
    strict.hello();
    let got = strict.hear(&reply(METHOD_NONE, 0));
    assert!(matches!(got, Err(AuthFault::NoMethod)), "{got:?}");
    let declined = strict.hear(&reply(METHOD_NONE, EACCES));
    let why = AuthFault::Denied(METHOD_NONE, EACCES);
    assert_eq!(declined.unwrap_err(), why);
}

/// What a monitor that takes those methods makes of an entity on a connection of that
/// type: the number that it is told, or the errno and why.
fn greeted(
    monitor: &[u32],
    name: &str,
    peer_type: EntityType,
    methods: &[u32],
) -> Result<u64, (i32, AuthFault)> {
    let mut monitor = End::new("mon.a", peer_type, monitor);
    let hello = End::new(name, EntityType::MON, methods).hello();
    let served = monitor.act(|so_far, context| so_far.serve(&hello, context));
    let (front, verdict) = served.unwrap();
    let result = i32::from_le_bytes(front[4..8].try_into().unwrap());
    let told = u64::from_le_bytes(front[8..16].try_into().unwrap());
    match verdict {
        Ok(agreed) => {
            let agreed = agreed.expect("nobody is challenged here");
            assert_eq!((result, told), (0, agreed.global_id));
            assert!(!agreed.is_proved);
            Ok(told)
        }
        Err(why) => {
            assert_eq!(told, 0);
            Err((result, why))
        }
    }
}

#[test]
fn a_monitor_lets_in_by_method_none_only_whom_it_may_and_as_what_it_came() {
    let client = EntityType::CLIENT;
    let none = &[METHOD_NONE];
    // The number that it says it has is as good as its name.
    assert_eq!(greeted(none, "client.alice", client, none), Ok(4100));
    let both = &[METHOD_CEPHX, METHOD_NONE];
    assert_eq!(greeted(both, "client.alice", client, none), Ok(4100));
    let no_method = Err((EOPNOTSUPP, AuthFault::NoMethod));
    assert_eq!(
        greeted(&[METHOD_CEPHX], "client.alice", client, none),
        no_method
    );
    // By its type its policy, and the methods that will do, were chosen.
    for (name, is) in [
        ("osd.3", EntityType::OSD),
        ("mon.b", EntityType::MON),
        ("mgr.x", EntityType::MGR),
    ] {
        let other = Err((EACCES, AuthFault::OtherType(client, is)));
        assert_eq!(greeted(none, name, client, none), other);
        assert_eq!(greeted(none, name, is, none), Ok(4100));
    }
}
