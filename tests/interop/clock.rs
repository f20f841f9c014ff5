//! Cells: tickets of a peer whose clock is wrong, shown to a daemon of msgr's.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockDecryptMut, BlockEncryptMut, KeyIvInit};
use msgr::{
    Agreed, AuthAnswer, AuthHandler, AuthQuestion, AuthReply, ConMode, ConnectionRef, Context,
    EntityType, METHOD_CEPHX, Messenger, Policy, Secret, SessionKey,
};

use super::client::{Got, why_ended};
use super::matrix::Cell;
use super::support::{DEADLINE, Reporter, Told};
use super::wire::put_text;

/// The key that all OSDs share here, in base64 and bare, and a session's.
const KEY: &str = "AQAA8VNlFc1bBxAAAAECAwQFBgcICQoLDA0ODw==";
const SERVICE_KEY: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
const SESSION_KEY: [u8; 16] = *b"a session's key.";
const NONCE: u64 = 0x1111_2222_3333_4444;
const GLOBAL_ID: u64 = 4107;

const HOUR: i64 = 3600;
const MINUTE: i64 = 60;

/// Ceph's encryption: a constant IV.
const IV: &[u8; 16] = b"cephsageyudagreg";
/// What tells that something was sealed with the key that opens it.
const MAGIC: u64 = 0xff00_9cad_8826_aa55;

fn seal(key: &[u8; 16], plain: &[u8]) -> Vec<u8> {
    let mut all = vec![1];
    all.extend(MAGIC.to_le_bytes());
    all.extend(plain);
    let cipher = cbc::Encryptor::<aes::Aes128>::new(key.into(), IV.into());
    cipher.encrypt_padded_vec_mut::<Pkcs7>(&all)
}

fn open(key: &[u8; 16], sealed: &[u8]) -> Option<Vec<u8>> {
    let cipher = cbc::Decryptor::<aes::Aes128>::new(key.into(), IV.into());
    let all = cipher.decrypt_padded_vec_mut::<Pkcs7>(sealed).ok()?;
    all.get(9..).map(<[u8]>::to_vec)
}

/// Shows a ticket that is good from and until those seconds, seen from now.
struct Shower {
    ticket: Vec<u8>,
    /// What the daemon said in the end.
    declined: Mutex<Option<i32>>,
}

impl Shower {
    fn new(from: i64, until: i64) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let moment = |offset: i64| {
            let seconds = now.as_secs().saturating_add_signed(offset);
            // Seconds, and no nanoseconds.
            u64::from(u32::try_from(seconds).unwrap()).to_le_bytes()
        };
        // The ticket: who, until when, what he may do; and the session's key.
        let mut info = vec![1, 2];
        info.extend(u32::from(EntityType::CLIENT.0).to_le_bytes());
        put_text(&mut info, b"admin");
        info.extend(GLOBAL_ID.to_le_bytes());
        info.extend(u64::MAX.to_le_bytes());
        info.extend(moment(from));
        info.extend(moment(until));
        info.extend([1, 1]);
        info.extend([0; 4]);
        info.extend([0; 4]);
        info.extend([1, 0]);
        info.extend([0; 8]);
        info.extend([16, 0]);
        info.extend(SESSION_KEY);
        let mut ticket = vec![1];
        // Sealed with the key that does not rotate.
        ticket.extend(u64::MAX.to_le_bytes());
        put_text(&mut ticket, &seal(&SERVICE_KEY, &info));
        Self {
            ticket,
            declined: Mutex::default(),
        }
    }

    fn authorizer(&self, challenge: Option<u64>) -> Vec<u8> {
        let mut authorize = vec![2];
        authorize.extend(NONCE.to_le_bytes());
        authorize.push(challenge.is_some().into());
        let answer = challenge.map_or(0, |challenge| challenge.wrapping_add(1));
        authorize.extend(answer.to_le_bytes());
        let mut authorizer = vec![1];
        authorizer.extend(GLOBAL_ID.to_le_bytes());
        authorizer.extend(u32::from(EntityType::OSD.0).to_le_bytes());
        authorizer.extend(&self.ticket);
        put_text(&mut authorizer, &seal(&SESSION_KEY, &authorize));
        authorizer
    }

    fn say(&self, question: AuthQuestion) -> Option<AuthAnswer> {
        Some(match question {
            AuthQuestion::Begin { .. } => AuthAnswer::Request {
                method: METHOD_CEPHX,
                modes: vec![ConMode::Crc.code()],
                payload: self.authorizer(None),
            },
            AuthQuestion::ReplyMore { payload } => {
                let plain = open(&SESSION_KEY, &payload)?;
                let challenge = plain.get(1..9)?.try_into().ok()?;
                AuthAnswer::More(self.authorizer(Some(u64::from_le_bytes(challenge))))
            }
            AuthQuestion::Done { global_id, .. } => {
                let key = Secret::new(SESSION_KEY.to_vec());
                let agreed = Agreed {
                    session_key: Some(SessionKey::Host(key)),
                    ..Agreed::unproved(global_id, None)
                };
                AuthAnswer::Done(Box::new(agreed), Vec::new())
            }
            AuthQuestion::BadMethod { result, .. } => {
                *self.declined.lock().unwrap() = Some(result);
                AuthAnswer::No(result.abs())
            }
            AuthQuestion::Request { .. } => return None,
        })
    }
}

impl AuthHandler for Shower {
    fn handle_auth(&self, _: &ConnectionRef, question: AuthQuestion, reply: AuthReply) {
        if let Some(answer) = self.say(question) {
            reply.answer(answer);
        }
    }
}

pub(crate) fn cells() -> Vec<Cell> {
    let cell = |name: &str, (from, until), gets_in| {
        Cell::new(format!("clock: {name}"), move || show(from, until, gets_in))
    };
    vec![
        cell("ticket by a clock that is right", (0, HOUR), true),
        cell("4 minutes ahead", (4 * MINUTE, HOUR + 4 * MINUTE), true),
        cell("4 minutes behind", (-HOUR - 4 * MINUTE, -4 * MINUTE), true),
        cell("refused: an hour ahead", (HOUR, 2 * HOUR), false),
        cell("refused: an hour behind", (-2 * HOUR, -HOUR), false),
    ]
}

/// Shows such a ticket to an OSD of msgr's.
fn show(from: i64, until: i64, gets_in: bool) -> Got<String> {
    let failed = |why: msgr::Error| why.to_string();
    let one_worker = || {
        let context = Context::new();
        context
            .conf_set("ms_async_op_threads", "1")
            .map(|()| context)
    };
    let osd = Messenger::create(&one_worker().map_err(failed)?, "osd.0", "server", 0);
    let osd = osd.map_err(failed)?;
    osd.add_keyring(&format!("[osd.]\n\tkey = {KEY}\n"))
        .map_err(failed)?;
    osd.set_default_policy(Policy::stateless_server())
        .map_err(failed)?;
    osd.bind(&"v2:127.0.0.1:0".parse().map_err(|_| "an address")?)
        .map_err(failed)?;
    let (reporter, _at_osd) = Reporter::new(false);
    osd.add_dispatcher_head(reporter).map_err(failed)?;
    osd.start().map_err(failed)?;

    let shower = Arc::new(Shower::new(from, until));
    let client = Messenger::create(&one_worker().map_err(failed)?, "client.admin", "client", 7);
    let client = client.map_err(failed)?;
    client.set_auth_handler(shower.clone()).map_err(failed)?;
    let (reporter, told) = Reporter::new(false);
    client.add_dispatcher_head(reporter).map_err(failed)?;
    client.start().map_err(failed)?;
    let con = client
        .connect(EntityType::OSD, &osd.myaddrs())
        .map_err(failed)?;

    let deadline = Instant::now() + DEADLINE;
    let got_in = loop {
        match told.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Told::Connect) => break true,
            Ok(Told::Reset(_)) => break false,
            Ok(_) => {}
            Err(_) => return Err("neither in nor refused".to_owned()),
        }
    };
    let declined = *shower.declined.lock().unwrap();
    match (gets_in, got_in, declined) {
        (true, true, None) => Ok("let in".to_owned()),
        (false, false, Some(result)) => {
            let again = told.recv_timeout(Duration::from_secs(1)).is_ok();
            let why = why_ended(&con);
            match again {
                false => Ok(format!("declined with {result}; {why}; 1 reset")),
                true => Err(format!("{why}; and something is told later")),
            }
        }
        _ => Err(format!(
            "in: {got_in}, declined: {declined:?}; {}",
            why_ended(&con)
        )),
    }
}
