//! Node.js functions: every kind of handler and module, as the runtimes of AWS take them.

mod errors;
mod handlers;
mod logs;
mod processes;

use kiln_testkit::{FunctionBuilder, Invoked, Response, Server, archive, runtimes};
use serde_json::json;

use crate::function_urls;

/// A server that runs Node.js.
fn server() -> Server {
    builder().start()
}

fn builder() -> kiln_testkit::Builder {
    Server::builder().nodes(vec![runtimes::newest_node()])
}

/// A function of these files; its handler is `index.handler`.
fn function<'a>(server: &'a Server, name: &str, files: &[(&str, &str)]) -> FunctionBuilder<'a> {
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(name, text)| (*name, text.as_bytes()))
        .collect();
    server
        .function(name, "")
        .zip(archive::zip(&files))
        .set("Runtime", json!(runtimes::newest_node().runtime()))
}

/// Creates a function of one file `index.js` and invokes it once with `{}`.
fn invoke_once(server: &Server, name: &str, source: &str) -> Invoked {
    function(server, name, &[("index.js", source)]).create();
    server.invoke(name, &json!({}))
}

/// Asks for the root of a function's URL, which it gets for this.
fn open_url(server: &Server, name: &str) -> Response {
    let host = function_urls::give_url(server, name, json!({"AuthType": "NONE"}));
    function_urls::open_to_everybody(server, name);
    server.request("GET", "/").host(&host).send()
}
