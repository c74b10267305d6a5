//! The pages through the router, as browsers and others ask for them.

mod access;
mod ask;
mod desk;
mod forms;
mod installing;
mod journeys;
mod markup;
mod origins;
mod people;
mod redirects;
mod shared_browser;
mod xss;
