//! How two ends agree on an algorithm: pure functions of what each is set to.

use crate::proto::fault::Fault;
use crate::proto::frame::control::{CompressionDone, CompressionRequest};
use crate::types::EntityType;

use super::Algorithm;

/// What one link does with the frames it sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Compression {
    /// Compresses with that, and understands nothing else.
    pub algorithm: Algorithm,
    /// Leaves frames alone whose segments have fewer bytes than that in all.
    pub min_size: u64,
}

/// What links to peers of one kind are set to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkCompression {
    /// Frames are compressed if the peer agrees.
    pub force: bool,
    /// The smallest frame for which that is tried.
    pub min_size: u64,
    /// The preferred one first. [`Algorithm::None`] in it is an algorithm like
    /// the others, and both ends may well agree on it.
    pub algorithms: Vec<Algorithm>,
}

/// What a messenger's links are set to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CompressionSettings {
    /// Towards OSDs: Ceph compresses nothing else.
    pub osd: LinkCompression,
    /// Towards anybody, unless `osd` holds.
    pub any: LinkCompression,
    /// In mode secure as well: what is encrypted gives away by its length how
    /// well it could be compressed.
    pub secure: bool,
}

impl Default for LinkCompression {
    fn default() -> Self {
        Self {
            force: false,
            min_size: 1 << 10,
            algorithms: vec![Algorithm::Snappy],
        }
    }
}

impl CompressionSettings {
    /// The dialler's proposal, which it makes even if it wants none.
    pub fn request(&self, peer: EntityType, is_secure: bool) -> CompressionRequest {
        let algorithms = match self.link(peer) {
            Some(link) => link.available().map(Algorithm::code).collect(),
            None => Vec::new(),
        };
        CompressionRequest {
            is_compress: self.wants(peer, is_secure),
            preferred_algorithms: algorithms,
        }
    }

    /// The acceptor's answer: the dialler's first choice that it allows.
    pub fn answer(
        &self,
        peer: EntityType,
        is_secure: bool,
        request: &CompressionRequest,
    ) -> CompressionDone {
        let common = self.link(peer).and_then(|link| {
            let codes: Vec<u32> = link.available().map(Algorithm::code).collect();
            let mut theirs = request.preferred_algorithms.iter();
            theirs.find(|code| codes.contains(code)).copied()
        });
        let wanted = request.is_compress && self.wants(peer, is_secure);
        let algorithm = common.filter(|_| wanted).unwrap_or(Algorithm::None.code());
        CompressionDone {
            is_compress: algorithm != Algorithm::None.code(),
            algorithm,
        }
    }

    /// What holds at both ends after that answer. An acceptor that says yes to
    /// what was not asked gets none; one that chooses what was not proposed
    /// would send what nobody here can read.
    pub fn agreed(
        &self,
        peer: EntityType,
        is_secure: bool,
        answer: &CompressionDone,
    ) -> Result<Option<Compression>, Fault> {
        let none = Algorithm::None.code();
        if !answer.is_compress || answer.algorithm == none || !self.wants(peer, is_secure) {
            return Ok(None);
        }
        let found = self.link(peer).and_then(|link| {
            let algorithm = Algorithm::from_code(answer.algorithm)?;
            let mut ours = link.available();
            let min_size = link.min_size;
            ours.find(|ours| *ours == algorithm)
                .map(|algorithm| Compression {
                    algorithm,
                    min_size,
                })
        });
        found
            .map(Some)
            .ok_or(Fault::WrongCompression(answer.algorithm))
    }

    fn wants(&self, peer: EntityType, is_secure: bool) -> bool {
        self.link(peer).is_some_and(|link| link.force) && (self.secure || !is_secure)
    }

    /// What holds towards such a peer. Nothing at all is proposed to one to
    /// which nothing applies; to an OSD Ceph always names its list.
    fn link(&self, peer: EntityType) -> Option<&LinkCompression> {
        match peer {
            EntityType::OSD if self.osd.force || !self.any.force => Some(&self.osd),
            _ if self.any.force => Some(&self.any),
            _ => None,
        }
    }
}

impl LinkCompression {
    fn available(&self) -> impl Iterator<Item = Algorithm> + '_ {
        let known = self.algorithms.iter().copied();
        known.filter(|algorithm| algorithm.is_available())
    }
}

/// In a build with all algorithms.
#[cfg(all(
    test,
    feature = "snappy",
    feature = "zlib",
    feature = "zstd",
    feature = "lz4"
))]
mod tests {
    use super::*;
    use crate::proto::frame::control::Control;

    fn link(force: bool, algorithms: &[Algorithm]) -> LinkCompression {
        LinkCompression {
            force,
            min_size: 7,
            algorithms: algorithms.to_vec(),
        }
    }

    fn towards_osds(force: bool, algorithms: &[Algorithm]) -> CompressionSettings {
        CompressionSettings {
            osd: link(force, algorithms),
            ..CompressionSettings::default()
        }
    }

    /// What both ends have after the two frames; both are OSDs.
    fn settle(
        dialler: &CompressionSettings,
        acceptor: &CompressionSettings,
        is_secure: bool,
    ) -> [Result<Option<Algorithm>, Fault>; 2] {
        let osd = EntityType::OSD;
        let answer = acceptor.answer(osd, is_secure, &dialler.request(osd, is_secure));
        [dialler, acceptor].map(|end| {
            let agreed = end.agreed(osd, is_secure, &answer)?;
            Ok(agreed.map(|agreed| agreed.algorithm))
        })
    }

    const BOTH: [Algorithm; 2] = [Algorithm::Zstd, Algorithm::Snappy];

    #[test]
    fn by_default_an_osd_is_told_of_snappy_and_others_of_nothing_and_none_is_wanted() {
        let settings = CompressionSettings::default();
        let towards_osd = settings.request(EntityType::OSD, false);
        assert!(!towards_osd.is_compress);
        assert_eq!(towards_osd.preferred_algorithms, [1]);
        let towards_mon = settings.request(EntityType::MON, false);
        assert!(!towards_mon.is_compress);
        assert!(towards_mon.preferred_algorithms.is_empty());
        assert_eq!(settle(&settings, &settings, false), [Ok(None), Ok(None)]);
    }

    #[test]
    fn the_diallers_first_choice_that_the_acceptor_allows_is_taken() {
        let rows: [(&[Algorithm], &[Algorithm], Option<Algorithm>); 6] = [
            (&BOTH, &BOTH, Some(Algorithm::Zstd)),
            (
                &BOTH,
                &[Algorithm::Snappy, Algorithm::Zstd],
                Some(Algorithm::Zstd),
            ),
            (&BOTH, &[Algorithm::Snappy], Some(Algorithm::Snappy)),
            (&BOTH, &[Algorithm::Lz4], None),
            (&[], &BOTH, None),
            (
                &[Algorithm::None, Algorithm::Zstd],
                &[Algorithm::None],
                None,
            ),
        ];
        for (theirs, ours, agreed) in rows {
            let (dialler, acceptor) = (towards_osds(true, theirs), towards_osds(true, ours));
            assert_eq!(
                settle(&dialler, &acceptor, false),
                [Ok(agreed), Ok(agreed)],
                "{theirs:?} {ours:?}"
            );
        }
    }

    #[test]
    fn both_ends_have_to_want_it() {
        for (dialler, acceptor) in [(true, false), (false, true), (false, false)] {
            let (dialler, acceptor) = (towards_osds(dialler, &BOTH), towards_osds(acceptor, &BOTH));
            assert_eq!(settle(&dialler, &acceptor, false), [Ok(None), Ok(None)]);
        }
    }

    #[test]
    fn what_is_encrypted_is_compressed_only_if_both_allow_that() {
        let plain = towards_osds(true, &BOTH);
        let secure = CompressionSettings {
            secure: true,
            ..plain.clone()
        };
        let yes = [Ok(Some(Algorithm::Zstd)), Ok(Some(Algorithm::Zstd))];
        let no = [Ok(None), Ok(None)];
        assert_eq!(settle(&plain, &plain, true), no);
        assert_eq!(settle(&plain, &secure, true), no);
        assert_eq!(settle(&secure, &plain, true), no);
        assert_eq!(settle(&secure, &secure, true), yes);
        assert_eq!(settle(&secure, &plain, false), yes);
    }

    #[test]
    fn the_setting_for_osds_goes_before_the_one_for_all() {
        let settings = CompressionSettings {
            osd: link(true, &[Algorithm::Snappy]),
            any: link(true, &[Algorithm::Lz4]),
            secure: false,
        };
        let first = |peer, settings: &CompressionSettings| {
            settings.request(peer, false).preferred_algorithms[0]
        };
        assert_eq!(first(EntityType::OSD, &settings), 1);
        assert_eq!(first(EntityType::CLIENT, &settings), 4);
        let only_any = CompressionSettings {
            osd: link(false, &[Algorithm::Snappy]),
            ..settings
        };
        assert_eq!(first(EntityType::OSD, &only_any), 4);
    }

    #[test]
    fn an_answer_is_not_followed_further_than_was_asked() {
        let done = |is_compress, algorithm| CompressionDone {
            is_compress,
            algorithm,
        };
        let wants = towards_osds(true, &BOTH);
        let agreed = |settings: &CompressionSettings, answer| {
            settings.agreed(EntityType::OSD, false, &answer)
        };
        assert_eq!(
            agreed(&wants, done(true, 1)),
            Ok(Some(Compression {
                algorithm: Algorithm::Snappy,
                min_size: 7
            }))
        );
        assert_eq!(agreed(&wants, done(false, 1)), Ok(None));
        assert_eq!(agreed(&wants, done(true, 0)), Ok(None));
        // Neither one that is known here, but was not proposed, nor any other.
        for code in [4, 5, u32::MAX] {
            let fault = Err(Fault::WrongCompression(code));
            assert_eq!(agreed(&wants, done(true, code)), fault);
        }
        assert_eq!(
            agreed(&CompressionSettings::default(), done(true, 1)),
            Ok(None)
        );
    }

    #[test]
    fn the_two_frames_are_a_flag_and_numbers_and_nothing_shorter() {
        let request = [1, 2, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0];
        let decoded = CompressionRequest::decode(&request).unwrap();
        assert!(decoded.is_compress);
        assert_eq!(decoded.preferred_algorithms, [3, 1]);
        let done = [0, 4, 0, 0, 0];
        let answer = CompressionDone::decode(&done).unwrap();
        assert_eq!((answer.is_compress, answer.algorithm), (false, 4));
        let mut bytes = Vec::new();
        decoded.encode(&mut bytes);
        answer.encode(&mut bytes);
        assert_eq!(bytes, [&request[..], &done].concat());
        for end in 0..request.len() {
            assert!(CompressionRequest::decode(&request[..end]).is_err());
        }
        for end in 0..done.len() {
            assert!(CompressionDone::decode(&done[..end]).is_err());
        }
        // A list that claims more than there is.
        for claimed in [3, 0x4000_0000, u32::MAX] {
            let mut hostile = request;
            hostile[1..5].copy_from_slice(&claimed.to_le_bytes());
            assert!(CompressionRequest::decode(&hostile).is_err());
        }
    }

    #[test]
    fn unknown_algorithms_of_a_dialler_are_passed_over() {
        let acceptor = towards_osds(true, &[Algorithm::Snappy]);
        let request = CompressionRequest {
            is_compress: true,
            preferred_algorithms: vec![5, 99, u32::MAX, 1],
        };
        let answer = acceptor.answer(EntityType::OSD, false, &request);
        assert_eq!((answer.is_compress, answer.algorithm), (true, 1));
    }
}
