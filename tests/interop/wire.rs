//! The few messages of Ceph's that the tests exchange with its daemons.

use std::fmt;

use msgr::Message;

pub(crate) const MON_MAP: u16 = 4;
pub(crate) const MON_GET_MAP: u16 = 5;
pub(crate) const MON_SUBSCRIBE: u16 = 15;
pub(crate) const AUTH: u16 = 17;
pub(crate) const AUTH_REPLY: u16 = 18;
pub(crate) const MON_COMMAND: u16 = 50;
pub(crate) const MON_COMMAND_ACK: u16 = 51;
pub(crate) const CONFIG: u16 = 62;
pub(crate) const COMMAND: u16 = 97;
pub(crate) const COMMAND_REPLY: u16 = 98;

/// What begins the front of messages to monitors, of which nothing is used any
/// more: u64 0, s16 -1, u64 0.
const MONITOR_HEADER: [u8; 18] = [0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0];

pub(crate) fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    out.extend(u32::try_from(text.len()).unwrap().to_le_bytes());
    out.extend(text);
}

/// An fsid as it travels.
pub(crate) fn fsid_bytes(fsid: &str) -> Vec<u8> {
    let digits: Vec<_> = fsid.chars().filter_map(|c| c.to_digit(16)).collect();
    digits
        .chunks(2)
        .map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap())
        .collect()
}

pub(crate) fn message(kind: u16, front: Vec<u8>) -> Message {
    let mut message = Message::new(kind);
    message.front.append(front.into());
    message
}

/// Asks a monitor for maps, from now on.
pub(crate) fn mon_subscribe(what: &[&str]) -> Message {
    let mut front = u32::try_from(what.len()).unwrap().to_le_bytes().to_vec();
    for what in what {
        put_text(&mut front, what.as_bytes());
        // From the first epoch on, and again whenever it changes.
        front.extend([0; 9]);
    }
    put_text(&mut front, b"testhost");
    let mut message = message(MON_SUBSCRIBE, front);
    message.version = 3;
    message
}

pub(crate) fn mon_command(fsid: &str, json: &str) -> Message {
    let mut front = MONITOR_HEADER.to_vec();
    put_command(&mut front, fsid, json);
    message(MON_COMMAND, front)
}

/// A command to a daemon that is no monitor.
pub(crate) fn command(fsid: &str, json: &str) -> Message {
    let mut front = Vec::new();
    put_command(&mut front, fsid, json);
    message(COMMAND, front)
}

fn put_command(front: &mut Vec<u8>, fsid: &str, json: &str) {
    front.extend(fsid_bytes(fsid));
    front.extend(1_u32.to_le_bytes());
    put_text(front, json.as_bytes());
}

/// A monitor's answer to a command that went well.
pub(crate) fn mon_command_ack(tid: u64, output: &str) -> Message {
    let mut front = MONITOR_HEADER.to_vec();
    // The result, what there is to say of it, and the command: no words.
    front.extend([0; 12]);
    let mut ack = message(MON_COMMAND_ACK, front);
    ack.tid = tid;
    ack.data.append_copy(output.as_bytes());
    ack
}

/// What a command came to.
pub(crate) struct Outcome {
    pub(crate) result: i32,
    pub(crate) said: String,
    pub(crate) output: String,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.result, self.said, self.output)
    }
}

impl Outcome {
    /// Of a MON_COMMAND_ACK or a COMMAND_REPLY.
    pub(crate) fn read(mut message: Message) -> Option<Self> {
        let header = match message.kind {
            MON_COMMAND_ACK => MONITOR_HEADER.len(),
            COMMAND_REPLY => 0,
            _ => return None,
        };
        let front = message.front.contiguous().get(header..)?;
        let (result, rest) = front.split_at_checked(4)?;
        let said = rest.get(4..4 + number(rest)?)?;
        Some(Self {
            result: i32::from_le_bytes(result.try_into().ok()?),
            said: String::from_utf8_lossy(said).into_owned(),
            output: String::from_utf8_lossy(message.data.contiguous()).into_owned(),
        })
    }
}

/// The u32 at the beginning.
pub(crate) fn number(bytes: &[u8]) -> Option<usize> {
    let bytes = bytes.get(..4)?.try_into().ok()?;
    usize::try_from(u32::from_le_bytes(bytes)).ok()
}
