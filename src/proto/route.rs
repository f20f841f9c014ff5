//! Which of a peer's addresses are dialled, and in which order.

use crate::types::{AddrType, EntityAddr, EntityAddrVec};

/// The addresses of `peer` at which an end that has the addresses `local` and
/// speaks `spoken` may look for it. Those of the preferred protocol come first,
/// in the peer's order, the others behind them. Whoever listens in the first
/// protocol alone keeps to it, or its peers could not dial back.
pub fn route<'a>(
    local: &EntityAddrVec,
    peer: &'a EntityAddrVec,
    spoken: &'a [AddrType],
) -> impl Iterator<Item = &'a EntityAddr> + use<'a> {
    let listens = |kind| local.0.iter().any(|addr| addr.kind == kind);
    let only_v1 = listens(AddrType::Legacy) && !listens(AddrType::Msgr2);
    let spoken = spoken.iter().copied();
    spoken
        .filter(move |kind| !only_v1 || *kind == AddrType::Legacy)
        .flat_map(move |kind| peer.0.iter().filter(move |addr| addr.kind == kind))
        .filter(|addr| !addr.is_blank_ip() && addr.port() != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [AddrType; 2] = [AddrType::Msgr2, AddrType::Legacy];

    fn routed(local: &str, peer: &str, spoken: &[AddrType]) -> Vec<String> {
        let (local, peer) = (local.parse().unwrap(), peer.parse().unwrap());
        let route = route(&local, &peer, spoken);
        route.map(ToString::to_string).collect()
    }

    #[test]
    fn msgr2_comes_first_wherever_it_stands_and_the_rest_keeps_its_order() {
        let peer = "[v1:10.0.0.1:6789/0,v2:[2001:db8::1]:3300/0,v2:10.0.0.1:3300/0]";
        let v2 = ["v2:[2001:db8::1]:3300/0", "v2:10.0.0.1:3300/0"];
        assert_eq!(routed("any:/1", peer, &BOTH[..1]), v2);
        let all = routed("any:/1", peer, &BOTH);
        assert_eq!(all[..2], v2);
        assert_eq!(all[2..], ["v1:10.0.0.1:6789/0"]);
        assert_eq!(
            routed("[v2:10.0.0.9:1/1,v1:10.0.0.9:2/1]", peer, &BOTH),
            all
        );
    }

    #[test]
    fn whoever_listens_in_v1_alone_keeps_to_it() {
        let peer = "[v2:10.0.0.1:3300/0,v1:10.0.0.1:6789/0]";
        let local = "v1:10.0.0.9:6800/1";
        assert_eq!(routed(local, peer, &BOTH), ["v1:10.0.0.1:6789/0"]);
        assert!(routed(local, "v2:10.0.0.1:3300/0", &BOTH).is_empty());
    }

    #[test]
    fn addresses_at_which_nobody_can_be_are_passed_over() {
        let peer = "[v2:0.0.0.0:3300/0,v2:10.0.0.1:0/0,any:10.0.0.1:3300/0,v2:10.0.0.1:3300/0]";
        assert_eq!(routed("any:/1", peer, &BOTH), ["v2:10.0.0.1:3300/0"]);
    }
}
