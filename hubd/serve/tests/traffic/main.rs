//! What browsers and attackers send, through real sockets, to user servers that the tests play themselves.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends where something is wrong")]
#![expect(unreachable_pub, reason = "modules of a test are not seen from outside anyway")]

mod bodies;
mod bounds;
mod ending;
mod gate;
mod isolation;
mod links;
mod own_page;
mod paths;
mod responses;
mod smuggling;
mod support;
mod tls;
mod websockets;
