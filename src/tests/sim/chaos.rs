//! `Chaos`: what is done to a cluster while it works.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::apps::host;
use super::cluster::Cluster;
use super::plan::Plan;
use crate::event::sim::{Death, Rng, Silence, Weather};
use crate::types::Time;

/// Faults, and when they are taken back.
pub struct Chaos {
    rng: Rng,
    /// Paths that are cut, each until its time. Paths overlap, so the last word
    /// on a path counts.
    cuts: BTreeMap<(IpAddr, IpAddr), Time>,
    /// Resets to come, close upon each other.
    storm: Vec<Time>,
    /// Faults so far.
    pub injected: u64,
}

/// A fault that chaos leaves to whoever knows the nodes.
#[derive(Clone, Copy, Debug)]
pub enum Wanted {
    Nothing,
    /// End this node's process.
    Kill(usize, Death),
    /// Shut this node's messenger down.
    Stop(usize),
}

/// Bytes that a banner has.
const BANNER: u64 = 26;

impl Chaos {
    pub fn new(rng: Rng) -> Self {
        Self {
            rng,
            cuts: BTreeMap::new(),
            storm: Vec::new(),
            injected: 0,
        }
    }

    /// When it wants to act next by itself.
    pub fn next(&self) -> Option<Time> {
        let cuts = self.cuts.values();
        cuts.chain(&self.storm).min().copied()
    }

    /// Does what is due.
    pub fn catch_up(&mut self, cluster: &Cluster) {
        let now = cluster.simulation.now();
        let mut network = cluster.simulation.network();
        self.cuts.retain(|(from, to), until| {
            let stays = *until > now;
            if !stays {
                network.mend(*from, *to);
            }
            stays
        });
        drop(network);
        let before = self.storm.len();
        self.storm.retain(|at| *at > now);
        for _ in self.storm.len()..before {
            self.reset(cluster);
        }
    }

    /// Something bad.
    pub fn strike(&mut self, plan: &Plan, cluster: &mut Cluster) -> Wanted {
        match self.rng.below(100) {
            0..20 => self.reset(cluster),
            20..35 => self.begin_storm(cluster),
            35..45 => self.half_open(plan, cluster),
            45..50 => self.half_close(cluster),
            50..58 => self.stall(cluster),
            58..64 => self.flip(plan, cluster),
            64..78 => self.cut(plan, cluster),
            78..83 => self.pause(cluster),
            83..87 => self.distract(cluster),
            87..90 => self.starve(cluster),
            _ if plan.amnesia => {
                self.injected += 1;
                let node = self.rng.index(plan.nodes());
                return match self.rng.below(3) {
                    0 => Wanted::Stop(node),
                    1 => Wanted::Kill(node, Death::Killed),
                    _ => Wanted::Kill(node, Death::Vanished),
                };
            }
            _ => self.reset(cluster),
        }
        Wanted::Nothing
    }

    /// Takes everything back.
    pub fn end(&mut self, cluster: &mut Cluster) {
        for node in cluster.nodes.iter_mut().flatten() {
            node.distracted_until = Time::ZERO;
        }
        self.cuts.clear();
        self.storm.clear();
        cluster.simulation.resume();
        let mut network = cluster.simulation.network();
        network.heal();
        network.set_weather(Weather::FAIR);
    }

    fn reset(&mut self, cluster: &Cluster) {
        let mut network = cluster.simulation.network();
        let open = network.connected();
        if !open.is_empty() {
            self.injected += 1;
            network.reset(*self.rng.pick(&open));
        }
    }

    /// Resets in so quick succession that they meet handshakes.
    fn begin_storm(&mut self, cluster: &Cluster) {
        let mut at = cluster.simulation.now();
        let longest = self.rng.between(10, 3000);
        for _ in 0..self.rng.between(2, 12) {
            at = at + Duration::from_micros(self.rng.below(longest));
            self.storm.push(at);
        }
    }

    fn half_open(&mut self, plan: &Plan, cluster: &Cluster) {
        let mut network = cluster.simulation.network();
        let open = network.connected();
        if !open.is_empty() {
            self.injected += 1;
            let silence = match plan.voids && self.rng.permille(500) {
                true => Silence::Void,
                false => Silence::Answered,
            };
            network.half_open(*self.rng.pick(&open), silence);
        }
    }

    fn half_close(&mut self, cluster: &Cluster) {
        let mut network = cluster.simulation.network();
        let open = network.connected();
        if !open.is_empty() {
            self.injected += 1;
            network.half_close(*self.rng.pick(&open));
        }
    }

    /// Flips a bit, if that can be noticed: banners have no checksum.
    fn flip(&mut self, plan: &Plan, cluster: &Cluster) {
        let mut network = cluster.simulation.network();
        let mut open = network.connected();
        self.rng.shuffle(&mut open);
        if plan.has_crcs() && open.iter().any(|end| network.flip(*end, BANNER)) {
            self.injected += 1;
        }
    }

    fn stall(&mut self, cluster: &Cluster) {
        let mut network = cluster.simulation.network();
        let open = network.connected();
        if !open.is_empty() {
            self.injected += 1;
            let pause = Duration::from_micros(self.rng.between(100, 2_500_000));
            network.stall(*self.rng.pick(&open), pause);
        }
    }

    /// Cuts the path between two hosts in one direction or both, or one host off
    /// from all.
    fn cut(&mut self, plan: &Plan, cluster: &Cluster) {
        let until = cluster.simulation.now() + self.some_time();
        let one = self.rng.index(plan.nodes());
        let alone = self.rng.permille(300);
        let other = self.rng.index(plan.nodes());
        let both_ways = alone || self.rng.permille(500);
        let mut network = cluster.simulation.network();
        self.injected += 1;
        for far in 0..plan.nodes() {
            if far == one || (!alone && far != other) {
                continue;
            }
            let (near, far) = (host(one), host(far));
            network.cut(near, far);
            self.cuts.insert((near, far), until);
            if both_ways {
                network.cut(far, near);
                self.cuts.insert((far, near), until);
            }
        }
    }

    /// Keeps a worker from the processor.
    fn pause(&mut self, cluster: &Cluster) {
        let living: Vec<_> = cluster.living().collect();
        if living.is_empty() {
            return;
        }
        let workers = cluster
            .simulation
            .workers_of(&self.rng.pick(&living).process);
        if !workers.is_empty() {
            self.injected += 1;
            let until = cluster.simulation.now() + self.some_time();
            cluster.simulation.pause(*self.rng.pick(&workers), until);
        }
    }

    /// Lets a dispatch thread be slow.
    fn distract(&mut self, cluster: &mut Cluster) {
        let until = cluster.simulation.now() + self.some_time();
        let mut living: Vec<_> = cluster.nodes.iter_mut().flatten().collect();
        if !living.is_empty() {
            self.injected += 1;
            let chosen = self.rng.index(living.len());
            living[chosen].distracted_until = until;
        }
    }

    /// Lets a process run out of descriptors.
    fn starve(&mut self, cluster: &Cluster) {
        let living: Vec<_> = cluster.living().collect();
        if !living.is_empty() {
            self.injected += 1;
            let until = cluster.simulation.now() + self.some_time();
            let process = &self.rng.pick(&living).process;
            cluster.simulation.network().starve(process, until);
        }
    }

    /// Mostly short, sometimes longer than anybody waits.
    fn some_time(&mut self) -> Duration {
        let longest = *self.rng.pick(&[1_000, 20_000, 300_000, 3_000_000]);
        Duration::from_micros(self.rng.between(100, longest))
    }
}
