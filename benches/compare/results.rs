//! The figures of all rounds, and what is made of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::peer::{Peer, RATIOS};
use crate::run::Figures;
use crate::workload::{Metric, Workload};

/// One line of the table: a metric, and for each peer one value per round,
/// `None` where the run failed or the peer takes no part.
pub(crate) struct Row {
    pub(crate) workload: &'static str,
    pub(crate) metric: &'static Metric,
    pub(crate) rounds: Vec<Vec<Option<f64>>>,
}

/// Every figure measured so far.
pub(crate) struct Results {
    names: Vec<&'static str>,
    rows: Vec<Row>,
    failed: BTreeSet<(usize, &'static str)>,
}

impl Results {
    pub(crate) fn new(peers: &[Peer], workloads: &[Workload]) -> Self {
        let mut rows = Vec::new();
        for workload in workloads {
            for metric in workload.metrics {
                rows.push(Row {
                    workload: workload.name,
                    metric,
                    rounds: vec![Vec::new(); peers.len()],
                });
            }
        }
        Self {
            names: peers.iter().map(|peer| peer.name).collect(),
            rows,
            failed: BTreeSet::new(),
        }
    }

    /// Notes the figures of one run; a peer's rounds stay paired with the others'.
    pub(crate) fn add(
        &mut self,
        peer: usize,
        workload: &Workload,
        round: usize,
        figures: &Figures,
    ) {
        for row in self
            .rows
            .iter_mut()
            .filter(|row| row.workload == workload.name)
        {
            row.rounds[peer].resize(round, None);
            row.rounds[peer].push(figures.get(row.metric.key).copied());
        }
    }

    /// The peer does this workload no more.
    pub(crate) fn fail(&mut self, peer: usize, workload: &Workload) {
        self.failed.insert((peer, workload.name));
    }

    pub(crate) fn has_failed(&self, peer: usize, workload: &Workload) -> bool {
        self.failed.contains(&(peer, workload.name))
    }

    pub(crate) fn failures(&self) -> usize {
        self.failed.len()
    }

    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    pub(crate) fn row(&self, workload: &str, key: &str) -> Option<&Row> {
        let is_it = |row: &&Row| row.workload == workload && row.metric.key == key;
        self.rows.iter().find(is_it)
    }

    /// Where the peer of that name stands in every row.
    pub(crate) fn place(&self, peer: &str) -> Option<usize> {
        self.names.iter().position(|name| *name == peer)
    }

    /// The columns of ratios that have both their peers.
    pub(crate) fn ratio_columns(&self) -> Vec<(usize, usize)> {
        RATIOS
            .iter()
            .filter_map(|(over, under)| Some((self.place(over)?, self.place(under)?)))
            .collect()
    }

    /// The ratios of one row by name, as `msgr/zmq`.
    pub(crate) fn ratios(&self, row: &Row) -> BTreeMap<String, f64> {
        let mut ratios = BTreeMap::new();
        for (over, under) in self.ratio_columns() {
            if let Some(ratio) = row.ratio(over, under) {
                ratios.insert(format!("{}/{}", self.names[over], self.names[under]), ratio);
            }
        }
        ratios
    }
}

impl Row {
    /// A peer's median over the rounds.
    pub(crate) fn median(&self, peer: usize) -> Option<f64> {
        median(self.rounds[peer].iter().flatten().copied().collect())
    }

    /// The median of the rounds' ratios, which the machine's slow drift does
    /// not touch, since both were measured in the same round.
    pub(crate) fn ratio(&self, over: usize, under: usize) -> Option<f64> {
        paired(&self.rounds[over], &self.rounds[under])
    }

    /// The same for one peer's figures here and in another row.
    pub(crate) fn growth(&self, peer: usize, from: &Self) -> Option<f64> {
        paired(&self.rounds[peer], &from.rounds[peer])
    }
}

fn paired(over: &[Option<f64>], under: &[Option<f64>]) -> Option<f64> {
    let ratios = over.iter().zip(under).filter_map(|pair| match pair {
        (Some(over), Some(under)) if *under > 0.0 => Some(over / under),
        _ => None,
    });
    median(ratios.collect())
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    Some((values[middle - 1] + upper) / 2.0)
}

/// About three significant digits.
pub(crate) fn figure(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 99.95 => 0,
        size if size >= 9.995 => 1,
        size if size >= 0.9995 => 2,
        _ => 3,
    };
    format!("{value:.decimals$}")
}
