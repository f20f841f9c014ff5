//! Data in memory that the program lends, on their way through a reader.

use crate::proto::fault::Fault;
use crate::types::{RxBuffer, RxRequest};

use super::super::body::{Body, Frame, Layout};
use super::super::lent::{Parts, Progress};
use super::super::plain;
use super::super::preamble::{Preamble, Revision, Tag};
use super::FrameReader;

impl FrameReader {
    /// Whether the program lends memory for data: see [`Self::wanted`].
    #[inline]
    pub fn set_lending(&mut self, on: bool) {
        self.lending.set(on);
    }

    /// Memory that has to be lent, or denied, before [`Self::next`] goes on.
    #[inline]
    pub fn wanted(&self) -> Option<RxRequest> {
        self.lending.wanted()
    }

    /// Answers that.
    pub fn lend(&mut self, buffer: Option<Box<dyn RxBuffer>>) {
        if let Some(head) = self.lending.lend(buffer) {
            self.bulk.begin(head);
        }
    }

    /// True if the program was asked for the data of the message that has come.
    pub fn take_asked(&mut self) -> bool {
        self.lending.take_asked()
    }

    /// Where the next bytes belong, while data are read into what was lent.
    #[inline]
    pub fn lent(&mut self) -> Option<&mut [u8]> {
        self.lending.room()
    }

    /// So many were read there.
    pub fn handle_lent(&mut self, n: usize) {
        self.lending.handle_read(n);
    }

    /// Collects a body whose data belong into memory that the program lends.
    #[inline]
    pub(super) fn collect_lent(
        &mut self,
        plain: Option<Revision>,
        preamble: &Preamble,
        len: usize,
        input: &mut &[u8],
    ) -> Result<Progress, Fault> {
        match plain {
            Some(revision) if self.lending.is_on() && preamble.tag == Tag::Message => {
                if preamble.is_compressed || self.bulk.is_begun() {
                    return Ok(Progress::Ordinary);
                }
                let head = plain::head_len(revision, preamble);
                self.lending.collect(preamble, head, len, input)
            }
            _ => Ok(Progress::Ordinary),
        }
    }

    /// Checks a body with data in lent memory.
    pub(super) fn open_parts(
        &mut self,
        plain: Option<Revision>,
        preamble: &Preamble,
        Parts { head, data, tail }: Parts,
    ) -> Result<Option<Frame<'static>>, Fault> {
        let revision = plain.unwrap_or_default();
        let parts = [&head[..], &data[..], &tail[..]];
        let (second, aborted) = plain::check_parts(revision, self.crcs, preamble, parts)?;
        let frame = Frame::new(preamble, Layout::plain(second), Body::Lent(head, data));
        Ok((!aborted).then_some(frame))
    }
}
