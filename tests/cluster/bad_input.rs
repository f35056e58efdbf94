//! What is asked wrongly, sent wrongly or lies wrongly on disk: refused with a word and a code, and nothing half done.

mod asked;
mod configuration;
mod damage;
mod directory;
mod full_disk;
mod said;
mod snapshot;
mod stranger;
mod strangers;
