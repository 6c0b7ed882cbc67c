//! boto3, unmodified, with only endpoint and keys set.

use kiln_testkit::Server;

use crate::client;

#[test]
fn the_missions_example_runs_unchanged() {
    let server = Server::start();
    client::python(&server, "mission.py", &[]);
}

#[test]
fn functions_live_their_whole_life() {
    let server = Server::start();
    client::python(&server, "boto3_functions.py", &[]);
}

#[test]
fn errors_are_the_exceptions_of_the_sdk() {
    let server = Server::start();
    client::python(&server, "boto3_errors.py", &[]);
}

#[test]
fn lists_come_in_pages() {
    let server = Server::start();
    client::python(&server, "boto3_paging.py", &[]);
}

#[test]
fn permissions_tags_concurrency_and_identity_are_kept() {
    let server = Server::start();
    client::python(&server, "boto3_settings.py", &[]);
}

#[test]
fn no_instance_serves_two_tenants_of_a_function() {
    let server = Server::start();
    client::python(&server, "boto3_tenancy.py", &[]);
}

#[test]
fn logs_are_read_as_from_cloudwatch() {
    let server = Server::start();
    client::python(&server, "boto3_logs.py", &[]);
}
