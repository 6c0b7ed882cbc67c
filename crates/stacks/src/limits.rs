//! What a template may cost to read, transform, evaluate and plan. AWS's quotas where AWS has one (CloudFormation
//! user guide, "Understand CloudFormation quotas"); the others keep work and memory in proportion to the text.

/// Bytes of a template.
pub const TEMPLATE_BYTES_MAX: usize = 1_000_000;
/// Resources of a template, before and after its transform.
pub const RESOURCES_MAX: usize = 500;
/// Parameters of a template.
pub const PARAMETERS_MAX: usize = 200;
/// Outputs of a template.
pub const OUTPUTS_MAX: usize = 200;
/// Mappings of a template.
pub const MAPPINGS_MAX: usize = 200;
/// Conditions of a template. AWS has no quota; each costs a walk over what it names.
pub const CONDITIONS_MAX: usize = 1_000;
/// Bytes of a parameter's value.
pub const PARAMETER_BYTES_MAX: usize = 4_096;
/// Characters of a description.
pub const DESCRIPTION_BYTES_MAX: usize = 1_024;
/// Characters of a logical id, a parameter's or an output's name.
pub const NAME_CHARS_MAX: usize = 255;
/// Lists and maps inside each other: what recursion over a document may cost of the stack.
pub const DEPTH_MAX: usize = 100;
/// Values of a document and bytes of their texts, once aliases are written out.
pub(crate) const DOCUMENT_COST_MAX: usize = 4_000_000;
/// The same of what one resource's properties, or all outputs, are evaluated to.
pub(crate) const EVALUATION_COST_MAX: usize = 2_000_000;
/// Networks that one `Fn::Cidr` makes (AWS: 256).
pub(crate) const CIDRS_MAX: u32 = 256;
/// The same of what the SAM transform makes: `Globals` and filters are written out for each that has them.
pub(crate) const TRANSFORM_COST_MAX: usize = 12_000_000;
