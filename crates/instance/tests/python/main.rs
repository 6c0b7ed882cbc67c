//! Real Python functions in real sandboxes. Needs root, and makes runtime packs on its first run.

mod functions;
mod setting;
