//! What the programs of the hub share.
