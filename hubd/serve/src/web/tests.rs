//! The pages through the router, as browsers and others ask for them.

mod access;
mod api;
mod apps;
mod ask;
mod desk;
mod forms;
mod health;
mod installing;
mod journeys;
mod markup;
mod news;
mod origins;
mod packages;
mod people;
mod redirects;
mod roster;
mod settings;
mod shared_browser;
mod xss;
