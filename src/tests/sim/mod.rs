//! Clusters of messengers in a simulated world.

mod cluster;
mod echo;
