//! The AWS SDK for JavaScript, version 3, unmodified, with only endpoint and keys set.

use kiln_testkit::Server;

use crate::client;

#[test]
fn the_missions_example_runs_unchanged() {
    let server = Server::start();
    client::javascript(&server, "mission.mjs");
}
