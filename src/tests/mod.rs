//! Tests over several modules.
mod layering;
