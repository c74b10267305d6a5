//! *My files*: what is in somebody's home, as a web page behind the hub. Runs as that account and may do no more than it may.

mod pack;
mod pages;
mod survey;

pub use pages::router;
