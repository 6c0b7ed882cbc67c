//! Cold starts of a container image with the same native program as `cold native`.

use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use kiln_testkit::image::{Image, Layer};
use kiln_testkit::{Server, programs};

use crate::floor::program;
use crate::report::{Report, Row, Section, Target};
use crate::statistics::{millis, percentile};
use crate::subject::{ONE_CORE, Scale, Subject};

/// Between two samples: the pool makes a new sandbox meanwhile.
const PAUSE: Duration = Duration::from_millis(30);
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
    let floor = program::measure(&mut Command::new("/bin/true"), scale.dry)?;
    let floor = millis(percentile(&floor, 0.5));
    let row = |name, part, target| Row {
        name,
        value: millis(percentile(&answers.latencies, part)),
        unit: "ms",
        floor: Some(floor),
        target,
    };
    report.add(Section {
        title: "Cold start of a container image",
        method: format!(
            "{} functions of {ONE_CORE} MB with an image of {} layers, whose entry point is the Rust \
             program on AWS's `lambda_runtime`, each invoked once, {} ms apart. Floor: starting \
             `/bin/true` and waiting for its end, without sandbox, runtime or handler.",
            scale.dry,
            LAYERS + 1,
            PAUSE.as_millis()
        ),
        rows: vec![
            row("image_cold_start_p50", 0.5, Target::AtMost(3.5)),
            row("image_cold_start_p99", 0.99, Target::AtMost(20.0)),
        ],
        detail: vec![],
    });
    Ok(())
}
