//! Entities and a monitor, from the first login to tickets at work.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::proto::codec::{Field, Reader};
use crate::types::{AuthName, EntityType, Entropy, WallTime};

use super::authenticate::Authenticate;
use super::authorizer::Authorizer;
use super::error::CephxError;
use super::key::{CryptoKey, KeyType};
use super::keyring::{Entry, Keyring};
use super::login::{LoggedIn, Login};
use super::op::Op;
use super::rotating::RotatingSecrets;
use super::service_tickets;
use super::ticket::{AUTH_SERVICE, Ticket, Tickets};
use super::ticket_server::{Realm, TicketServer};
use super::vectors::{counting, sec};
use super::verifier::{Verdict, Verified, Verifier};

const NOW: WallTime = sec(1_700_000_000);
const DAY: Duration = Duration::from_secs(86_400);
const HOUR: Duration = Duration::from_secs(3600);
const FRESH: u64 = 4100;
const ALL: u32 = 0x37;

/// The monitors of a cluster and its entities' keys.
struct Cluster {
    keyring: Keyring,
    secrets: BTreeMap<EntityType, RotatingSecrets>,
    entropy: Entropy,
}

impl Cluster {
    fn new(kind: KeyType) -> Self {
        let entropy = counting();
        let mut keyring = Keyring::default();
        for (name, caps) in [
            (
                "client.admin",
                &[("mon", "allow *"), ("osd", "allow rw")][..],
            ),
            ("client.stranger", &[("osd", "allow *")]),
            ("osd.0", &[("mon", "allow profile osd"), ("osd", "allow *")]),
        ] {
            let caps = caps
                .iter()
                .map(|(service, caps)| (service.to_string(), caps.to_string()));
            let entry = Entry {
                key: CryptoKey::generate(kind, &entropy).unwrap(),
                caps: caps.collect(),
            };
            keyring.insert(name.parse().unwrap(), entry);
        }
        let mut secrets = BTreeMap::new();
        for service in [
            AUTH_SERVICE,
            EntityType::MON,
            EntityType::OSD,
            EntityType::MGR,
        ] {
            let rotating: &mut RotatingSecrets = secrets.entry(service).or_default();
            rotating.rotate(kind, HOUR, NOW, &entropy).unwrap();
        }
        Self {
            keyring,
            secrets,
            entropy,
        }
    }

    fn with_realm<T>(&self, with: impl FnOnce(Realm<'_>) -> T) -> T {
        with(Realm {
            entities: &|name| self.keyring.get(name).cloned(),
            secrets: &|service| self.secrets.get(&service).cloned(),
            auth_validity: DAY,
            service_validity: HOUR,
        })
    }

    fn key_of(&self, name: &str) -> CryptoKey {
        self.keyring.get(&self::name(name)).unwrap().key.clone()
    }

    fn login(&self, name: &str, known: Option<(u64, Option<Ticket>)>) -> Login {
        Login::new(self::name(name), self.key_of(name), known, ALL)
    }

    fn hear(
        &self,
        server: &mut TicketServer,
        payload: &[u8],
        secret_len: usize,
    ) -> Result<Verdict, CephxError> {
        self.with_realm(|realm| {
            server.request(payload, FRESH, secret_len, realm, NOW, &self.entropy)
        })
    }

    /// The monitor's last word to a login, its challenge being answered by
    /// `answer`.
    fn talk(
        &self,
        server: &mut TicketServer,
        login: &mut Login,
        secret_len: usize,
        answer: impl FnOnce(Vec<u8>) -> Vec<u8>,
    ) -> Result<Box<Verified>, CephxError> {
        let Verdict::More(challenge) = self.hear(server, &login.request(), secret_len)? else {
            panic!("let in without a challenge");
        };
        let said = answer(login.respond(&challenge, &self.entropy)?);
        match self.hear(server, &said, secret_len)? {
            Verdict::Done(verified) => Ok(verified),
            Verdict::More(_) => panic!("challenged twice"),
        }
    }

    /// A login as it should be.
    fn log_in(&self, login: &mut Login, secret_len: usize) -> (TicketServer, LoggedIn) {
        let mut server = TicketServer::new();
        let verified = self
            .talk(&mut server, login, secret_len, |said| said)
            .unwrap();
        let logged_in = login
            .finish(verified.global_id, &verified.payload, NOW)
            .unwrap();
        assert_eq!(verified.session_key, logged_in.session_key);
        (server, logged_in)
    }

    fn refusal(&self, login: &mut Login) -> CephxError {
        let refused = self.talk(&mut TicketServer::new(), login, 0, |said| said);
        refused.unwrap_err()
    }

    fn serve(&self, server: &mut TicketServer, payload: &[u8]) -> Result<Vec<u8>, CephxError> {
        self.with_realm(|realm| server.serve(payload, realm, NOW, &self.entropy))
    }

    /// Shows a ticket to an OSD.
    fn at_osd(&self, tickets: &Tickets) -> Result<Box<Verified>, CephxError> {
        let ticket = &tickets.by_service[&EntityType::OSD];
        let mut authorizer =
            Authorizer::new(ticket, EntityType::OSD, tickets.global_id, &self.entropy)?;
        let mut verifier = Verifier::new(EntityType::OSD);
        let keys = |service, id| self.secrets.get(&service)?.get(id).cloned();
        let mut say = |payload: &[u8]| verifier.request(payload, 64, &keys, NOW, &self.entropy);
        let Verdict::More(challenge) = say(&authorizer.request())? else {
            panic!("let in without a challenge");
        };
        let Verdict::Done(verified) = say(&authorizer.respond(&challenge, &self.entropy)?)? else {
            panic!("challenged twice");
        };
        authorizer.finish(&verified.payload)?;
        Ok(verified)
    }
}

fn name(text: &str) -> AuthName {
    text.parse().unwrap()
}

const BOTH: [KeyType; 2] = [KeyType::Aes, KeyType::Aes256Krb5];

#[test]
fn a_login_brings_tickets_that_services_take() {
    for kind in BOTH {
        let cluster = Cluster::new(kind);
        for secret_len in [0, 64] {
            let (_, logged_in) =
                cluster.log_in(&mut cluster.login("client.admin", None), secret_len);
            let secret = logged_in.connection_secret;
            assert_eq!(secret.map_or(0, |secret| secret.expose().len()), secret_len);
            let tickets = logged_in.tickets;
            assert_eq!(tickets.global_id, FRESH);
            let services: Vec<u8> = tickets.by_service.keys().map(|service| service.0).collect();
            assert_eq!(services, [1, 4, 16, 32], "there is no mds");
            assert_eq!(logged_in.session_key.kind(), kind);
            let verified = cluster.at_osd(&tickets).unwrap();
            assert_eq!(verified.name, name("client.admin"));
            assert_eq!(verified.caps.caps, b"\x08\0\0\0allow rw");
        }
    }
}

#[test]
fn a_key_of_the_first_type_gets_session_keys_of_the_first_type() {
    let mut cluster = Cluster::new(KeyType::Aes256Krb5);
    let old = CryptoKey::generate(KeyType::Aes, &cluster.entropy).unwrap();
    let mut entry = cluster.keyring.get(&name("client.admin")).unwrap().clone();
    entry.key = old;
    cluster.keyring.insert(name("client.admin"), entry);
    let (_, logged_in) = cluster.log_in(&mut cluster.login("client.admin", None), 64);
    assert_eq!(logged_in.session_key.kind(), KeyType::Aes);
    assert!(cluster.at_osd(&logged_in.tickets).is_ok());
}

#[test]
fn wrong_keys_and_strangers_are_refused_alike() {
    for kind in BOTH {
        let cluster = Cluster::new(kind);
        let key = cluster.key_of("osd.0");
        let mut wrong = Login::new(name("client.admin"), key.clone(), None, ALL);
        let mut unknown = Login::new(name("client.nobody"), key, None, ALL);
        let mut without_caps = cluster.login("client.stranger", None);
        for (login, why) in [
            (&mut wrong, CephxError::WrongKey),
            (&mut unknown, CephxError::UnknownEntity),
            (&mut without_caps, CephxError::NoMonCaps),
        ] {
            assert_eq!(cluster.refusal(login), why);
            assert_eq!(why.errno(), 13);
        }
    }
}

#[test]
fn there_is_one_try_per_challenge() {
    let cluster = Cluster::new(KeyType::Aes);
    let mut server = TicketServer::new();
    let mut login = cluster.login("client.admin", None);
    let mut good = Vec::new();
    let refused = cluster.talk(&mut server, &mut login, 0, |mut said| {
        good.clone_from(&said);
        said[11] ^= 1;
        said
    });
    assert_eq!(refused.unwrap_err(), CephxError::WrongKey);
    assert!(cluster.hear(&mut server, &good, 0).is_err());
    assert!(
        cluster
            .talk(&mut server, &mut login, 0, |said| said)
            .is_ok()
    );
}

#[test]
fn a_global_id_is_kept_by_its_ticket_and_by_nothing_else() {
    for kind in BOTH {
        let cluster = Cluster::new(kind);
        let (_, first) = cluster.log_in(&mut cluster.login("client.admin", None), 0);
        let auth = first.tickets.by_service[&AUTH_SERVICE].clone();
        let known = Some((FRESH, Some(auth.clone())));
        let (_, second) = cluster.log_in(&mut cluster.login("client.admin", known), 64);
        assert_eq!(second.tickets.global_id, FRESH);
        assert_ne!(second.session_key, first.session_key);
        assert!(cluster.at_osd(&second.tickets).is_ok());

        let refusal = |who, known| cluster.refusal(&mut cluster.login(who, Some(known)));
        assert_eq!(
            refusal("client.admin", (FRESH, None)),
            CephxError::IdWithoutTicket
        );
        let with_ticket = |id| (id, Some(auth.clone()));
        assert_eq!(
            refusal("client.admin", with_ticket(FRESH + 1)),
            CephxError::ForeignTicket
        );
        assert_eq!(
            refusal("osd.0", with_ticket(FRESH)),
            CephxError::ForeignTicket
        );
        let mut old = auth.clone();
        old.blob.secret_id = 77;
        let unknown = CephxError::UnknownSecretId(AUTH_SERVICE, 77);
        assert_eq!(refusal("client.admin", (FRESH, Some(old))), unknown);
        let mut damaged = auth.clone();
        damaged.blob.blob[20] ^= 1;
        let refused = refusal("client.admin", (FRESH, Some(damaged)));
        assert!(refused.errno() != 0, "{refused:?}");
    }
}

#[test]
fn a_ticket_without_a_global_id_is_refused() {
    let cluster = Cluster::new(KeyType::Aes);
    let (_, first) = cluster.log_in(&mut cluster.login("client.admin", None), 0);
    let auth = first.tickets.by_service[&AUTH_SERVICE].clone();
    let mut login = cluster.login("client.admin", None);
    // Our own dialler does not do this: its answer is written anew.
    let refused = cluster.talk(&mut TicketServer::new(), &mut login, 0, |said| {
        let mut shown: Authenticate = Reader::new(&said[2..]).field().unwrap();
        shown.old_ticket = auth.blob;
        let mut again = Op::AuthTicket.request();
        shown.encode(&mut again);
        again
    });
    assert_eq!(refused.unwrap_err(), CephxError::TicketWithoutId);
    assert_eq!(CephxError::TicketWithoutId.errno(), 22);
}

#[test]
fn tickets_are_renewed_on_the_same_connection() {
    for kind in BOTH {
        let cluster = Cluster::new(kind);
        let mut login = cluster.login("client.admin", None);
        let (mut server, first) = cluster.log_in(&mut login, 64);
        let auth = &first.tickets.by_service[&AUTH_SERVICE];

        let ask = service_tickets::request(auth, FRESH, 4 | 2, &cluster.entropy).unwrap();
        let answer = cluster.serve(&mut server, &ask).unwrap();
        let got = service_tickets::answered(&answer, &auth.session_key, NOW).unwrap();
        assert_eq!(got.keys().collect::<Vec<_>>(), [&EntityType::OSD]);
        let mut tickets = first.tickets.clone();
        tickets.by_service.extend(got);
        assert!(cluster.at_osd(&tickets).is_ok());

        let ask = login.renew(auth.clone(), &cluster.entropy).unwrap();
        let answer = cluster.serve(&mut server, &ask).unwrap();
        let renewed = login.finish(FRESH, &answer, NOW).unwrap();
        assert!(renewed.connection_secret.is_none());
        assert_ne!(renewed.session_key, first.session_key);

        let mut without = cluster.login("client.admin", None);
        let refused = without.renew(auth.clone(), &cluster.entropy);
        assert_eq!(refused, Err(CephxError::OutOfTurn), "no challenge yet");
    }
}

#[test]
fn tickets_of_another_entity_bring_no_tickets() {
    let cluster = Cluster::new(KeyType::Aes256Krb5);
    let (_, admin) = cluster.log_in(&mut cluster.login("client.admin", None), 0);
    let (mut server, _) = cluster.log_in(&mut cluster.login("osd.0", None), 0);
    let stolen = &admin.tickets.by_service[&AUTH_SERVICE];
    let ask = service_tickets::request(stolen, FRESH, 4, &cluster.entropy).unwrap();
    assert_eq!(
        cluster.serve(&mut server, &ask),
        Err(CephxError::ForeignTicket)
    );
    assert_eq!(
        cluster.serve(&mut TicketServer::new(), &ask),
        Err(CephxError::OutOfTurn)
    );
}

#[test]
fn daemons_get_the_keys_of_their_kind_and_clients_none() {
    for kind in BOTH {
        let cluster = Cluster::new(kind);
        let (mut server, _) = cluster.log_in(&mut cluster.login("osd.0", None), 0);
        let answer = cluster
            .serve(&mut server, &RotatingSecrets::request())
            .unwrap();
        let secrets = RotatingSecrets::answered(&answer, &cluster.key_of("osd.0")).unwrap();
        assert_eq!(secrets, cluster.secrets[&EntityType::OSD]);
        assert!(RotatingSecrets::answered(&answer, &cluster.key_of("client.admin")).is_err());

        let (mut server, _) = cluster.log_in(&mut cluster.login("client.admin", None), 0);
        let refused = cluster.serve(&mut server, &RotatingSecrets::request());
        assert_eq!(refused.unwrap_err().errno(), 13);
    }
}

#[test]
fn a_ticket_is_good_for_its_time_and_to_be_renewed_in_the_last_quarter_of_it() {
    let cluster = Cluster::new(KeyType::Aes);
    let (_, logged_in) = cluster.log_in(&mut cluster.login("client.admin", None), 0);
    let ticket = &logged_in.tickets.by_service[&EntityType::OSD];
    assert_eq!(ticket.renew_after, sec(NOW.sec + 2700));
    assert!(ticket.is_good(sec(NOW.sec + 3599)));
    assert!(!ticket.is_good(sec(NOW.sec + 3600)));
    assert!(!logged_in.tickets.by_service.contains_key(&EntityType::MDS));
}

#[test]
fn cut_and_altered_payloads_do_no_harm() {
    for kind in BOTH {
        let cluster = Cluster::new(kind);
        let mut login = cluster.login("client.admin", None);
        let hello = login.request();
        for end in 0..hello.len() {
            let cut = cluster.hear(&mut TicketServer::new(), &hello[..end], 0);
            assert!(cut.is_err(), "cut at {end}");
        }
        let (mut server, logged_in) = cluster.log_in(&mut login, 64);
        let auth = &logged_in.tickets.by_service[&AUTH_SERVICE];
        let ask = service_tickets::request(auth, FRESH, 4, &cluster.entropy).unwrap();
        let answer = cluster.serve(&mut server, &ask).unwrap();
        for end in 0..ask.len() {
            assert!(
                cluster.serve(&mut server, &ask[..end]).is_err(),
                "cut at {end}"
            );
        }
        for end in 0..answer.len() {
            let cut = service_tickets::answered(&answer[..end], &auth.session_key, NOW);
            assert!(cut.is_err(), "cut at {end}");
        }
        // Lengths and counts that claim more than there is: refused or, where
        // they are somebody's key or time, of no consequence, but never a panic.
        for at in 0..answer.len() - 4 {
            let mut altered = answer.clone();
            altered[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
            let _ = service_tickets::answered(&altered, &auth.session_key, NOW);
        }
        for at in 0..ask.len() - 4 {
            let mut altered = ask.clone();
            altered[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
            let _ = cluster.serve(&mut server, &altered);
        }
    }
}
