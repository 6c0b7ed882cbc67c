//! Fills the cache of the tests with everything that needs a network: runtime packs and AWS
//! clients. Afterwards the tests run offline, and none of them is slow because it is the first.

use kiln_testkit::{clients, runtimes};

fn main() {
    let pythons = runtimes::pythons();
    let newest = runtimes::newest_python();
    runtimes::packs(std::slice::from_ref(&newest));
    runtimes::packs(&pythons);
    clients::python_packages();
    clients::awslambdaric_packages(&newest);
    clients::awslambdaric_packages(&runtimes::system_python());
    clients::node_folder();
    let names: Vec<String> = pythons.iter().map(runtimes::Python::runtime).collect();
    println!(
        "the tests have {}, boto3, the AWS CLI and the JavaScript SDK",
        names.join(", ")
    );
}
