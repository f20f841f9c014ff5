//! The two messages that carry authentication on an open connection: all of it
//! on msgr1, and later requests on both.

use bytes::BufMut;

use crate::proto::codec::{DecodeError, Field, Reader};
use crate::types::AuthName;

use super::ticket::version;

/// The type of [`MAuth`] messages.
pub const MSG_AUTH: u16 = 17;
/// The type of [`MAuthReply`] messages.
pub const MSG_AUTH_REPLY: u16 = 18;

/// The front of Ceph's `MAuth`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MAuth {
    /// The method; 0 with a [`Hello`].
    pub protocol: u32,
    /// What the method says.
    pub payload: Vec<u8>,
    /// The monitor map that the sender has; 0 for none.
    pub monmap_epoch: u32,
}

/// The front of Ceph's `MAuthReply`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MAuthReply {
    /// The method that the monitor chose.
    pub protocol: u32,
    /// A negative errno if it declines.
    pub result: i32,
    /// The number that the entity has, or will have.
    pub global_id: u64,
    /// What the method says.
    pub payload: Vec<u8>,
    /// Words for people.
    pub message: Vec<u8>,
}

/// The payload of the first [`MAuth`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hello {
    /// Methods that will do, in rising order.
    pub methods: Vec<u32>,
    /// Who comes.
    pub name: AuthName,
    /// Its number; 0 for a new one.
    pub global_id: u64,
}

/// In front of every message to a monitor: a version, a monitor and a number,
/// none of which matters here.
fn put_monitor_header(out: &mut Vec<u8>) {
    out.put_u64_le(0);
    out.put_i16_le(-1);
    out.put_u64_le(0);
}

impl Field for MAuth {
    fn encode(&self, out: &mut Vec<u8>) {
        put_monitor_header(out);
        self.protocol.encode(out);
        self.payload.encode(out);
        self.monmap_epoch.encode(out);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        from.array::<18>()?;
        Ok(Self {
            protocol: from.field()?,
            payload: from.field()?,
            // Old senders leave it out.
            monmap_epoch: match from.rest() {
                [] => 0,
                _ => from.field()?,
            },
        })
    }
}

impl Field for MAuthReply {
    fn encode(&self, out: &mut Vec<u8>) {
        self.protocol.encode(out);
        self.result.encode(out);
        self.global_id.encode(out);
        self.payload.encode(out);
        self.message.encode(out);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            protocol: from.field()?,
            result: from.field()?,
            global_id: from.field()?,
            payload: from.field()?,
            message: from.field()?,
        })
    }
}

impl Field for Hello {
    fn encode(&self, out: &mut Vec<u8>) {
        out.put_u8(1);
        self.methods.encode(out);
        self.name.encode(out);
        self.global_id.encode(out);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        version(from, 1)?;
        Ok(Self {
            methods: from.field()?,
            name: from.field()?,
            global_id: from.field()?,
        })
    }
}
