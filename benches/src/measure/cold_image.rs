//! Cold starts of a container image with the same native program as `cold native`.

use anyhow::Context as _;
use kiln_testkit::image::{Image, Layer};
use kiln_testkit::{Server, programs};

use super::cold_native::{FLOOR, PAUSE, rows};
use crate::report::{Report, Section, Target};
use crate::subject::{ONE_CORE, Scale, Subject};

/// Layers beside the program's, as a real image has.
const LAYERS: usize = 8;

pub(super) fn measure(scale: &Scale, report: &mut Report) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let dir = folder.path().canonicalize()?;
    let mut image = Image::default();
    for number in 0..LAYERS {
        image = image.layer(Layer::default().file(&format!("srv/{number}"), b"content"));
    }
    let program = programs::example("rust_function");
    let image = image
        .layer(Layer::default().program_as("app", &program))
        .entry_point(&["/app"]);
    image.write_layout(&dir, "1");
    let dir = dir.to_str().context("the temporary folder's name")?;
    let uri = format!("oci:{dir}:1");
    let subject = Subject::start(&["--image-dir", dir]);
    let create = |server: &Server, name: &str| {
        let function = server.function(name, "").image(&uri);
        function.memory(ONE_CORE).create()
    };
    let answers = subject.first_invocations(scale.dry, PAUSE, create)?;
    let targets = [
        ("image_cold_start_p50", 0.5, Target::AtMost(3.5)),
        ("image_cold_start_p99", 0.99, Target::AtMost(20.0)),
    ];
    report.add(Section {
        title: "Cold start of a container image",
        method: format!(
            "{} functions of {ONE_CORE} MB with an image of {} layers, whose entry point is the Rust \
             program on AWS's `lambda_runtime`, each invoked once, {} ms apart. {FLOOR}",
            scale.dry,
            LAYERS + 1,
            PAUSE.as_millis()
        ),
        rows: rows(scale, &answers, targets)?,
        detail: vec![],
    });
    Ok(())
}
