//! Every Python of this machine runs the mission's function, as the runtime it says it is.

use kiln_testkit::{Server, archive, runtimes};
use serde_json::json;

use crate::MISSION;

#[test]
fn every_python_of_this_machine_runs_functions() {
    let pythons = runtimes::pythons();
    assert!(!pythons.is_empty());
    let server = Server::builder().pythons(pythons.clone()).start();
    for python in pythons {
        let runtime = python.runtime();
        let name = runtime.replace('.', "-");
        let more = "\ndef version(event, context):\n    import sys, os\n    return [list(sys.version_info[:2]), \
                    os.environ['AWS_EXECUTION_ENV']]\n";
        let source = format!("{MISSION}{more}");
        let zip = archive::zip(&[("lambda_function.py", source.as_bytes())]);
        for handler in ["lambda_handler", "version"] {
            server
                .function(&format!("{name}-{handler}"), "")
                .zip(zip.clone())
                .set("Runtime", json!(runtime))
                .set("Handler", json!(format!("lambda_function.{handler}")))
                .create();
        }
        let sum = server.invoke(
            &format!("{name}-lambda_handler"),
            &json!({"num1": 20, "num2": 22}),
        );
        assert_eq!(sum.success(), json!({"result": 42}), "{runtime}");
        let version = server
            .invoke(&format!("{name}-version"), &json!({}))
            .success();
        assert_eq!(
            version,
            json!([[3, python.minor], format!("AWS_Lambda_{runtime}")])
        );
    }
}
