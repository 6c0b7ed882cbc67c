//! Fills the cache of the tests with everything that needs a network: runtime packs and AWS
//! clients. Afterwards the tests run offline, and none of them is slow because it is the first.

use kiln_testkit::{clients, runtimes};

fn main() {
    let pythons = runtimes::pythons();
    let newest = runtimes::newest_python();
    let nodes = runtimes::nodes();
    runtimes::packs(std::slice::from_ref(&newest), &[]);
    runtimes::packs(&pythons, &[]);
    runtimes::packs(std::slice::from_ref(&newest), &nodes);
    clients::python_packages();
    clients::python_speaking_query();
    clients::awslambdaric_packages(&newest);
    clients::awslambdaric_packages(&runtimes::system_python());
    clients::node_folder();
    clients::mangum_packages(&newest);
    clients::express_folder();
    let names = pythons.iter().map(runtimes::Python::runtime);
    let names: Vec<String> = names
        .chain(nodes.iter().map(runtimes::Node::runtime))
        .collect();
    println!(
        "the tests have {}, boto3, the AWS CLI, the JavaScript SDK, Starlette and Express",
        names.join(", ")
    );
}
