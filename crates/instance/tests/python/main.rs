//! Real Python functions in real sandboxes. Needs root, and makes runtime packs on its first run.

mod extensions;
mod functions;
mod setting;
