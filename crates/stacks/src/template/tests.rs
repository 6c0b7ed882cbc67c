//! Sections of templates, and what is refused of them.

use super::*;

fn refusal(text: &str) -> String {
    let template = Template::read(text).and_then(|template| template.check());
    template.unwrap_err().to_string()
}

fn with(section: &str) -> String {
    format!("Resources:\n  Q: {{Type: 'AWS::SQS::Queue'}}\n{section}")
}

#[test]
fn every_section_is_read() {
    let text = "
AWSTemplateFormatVersion: 2010-09-09
Description: all of it
Metadata: {By: me}
Parameters:
  Stage: {Type: String, Default: dev, AllowedValues: [dev, prod], NoEcho: true}
Mappings:
  Sizes: {dev: {memory: 128}, prod: {memory: 1024}}
Conditions:
  IsProd: !Equals [!Ref Stage, prod]
Rules:
  R: {RuleCondition: !Equals [a, a], Assertions: [{Assert: !Equals [a, a], AssertDescription: x}]}
Transform: AWS::LanguageExtensions
Resources:
  Q:
    Type: AWS::SQS::Queue
    Condition: IsProd
    DependsOn: R
    DeletionPolicy: Retain
    UpdateReplacePolicy: Delete
    Metadata: {a: b}
    Properties: {QueueName: !Ref Stage}
  R: {Type: AWS::SNS::Topic}
Outputs:
  Url: {Value: !Ref Q, Description: where, Condition: IsProd, Export: {Name: !Sub '${AWS::StackName}-url'}}
";
    let template = Template::read(text).unwrap();
    template.check().unwrap();
    assert_eq!(template.description.as_deref(), Some("all of it"));
    assert_eq!(template.transforms, [LANGUAGE_EXTENSIONS]);
    assert!(template.parameters["Stage"].no_echo);
    let queue = &template.resources["Q"];
    assert_eq!(
        (queue.kind.as_str(), queue.depends_on.as_slice()),
        ("AWS::SQS::Queue", &["R".to_owned()][..])
    );
    assert_eq!(queue.condition.as_deref(), Some("IsProd"));
    assert!(queue.deletion_policy.keeps() && !queue.update_replace_policy.keeps());
    assert!(template.outputs["Url"].export.is_some());
    assert_eq!(template.rules["R"].assertions.len(), 1);
}

#[test]
fn what_is_malformed_is_refused_in_cloudformations_words() {
    let cases = [
        (
            "a: 1".to_owned(),
            "Invalid template property or properties [a]",
        ),
        (
            "- a".to_owned(),
            "Template format error: unsupported structure.",
        ),
        (
            "Description: x".to_owned(),
            "Template format error: At least one Resources member must be defined.",
        ),
        (
            "Resources: {}".to_owned(),
            "Template format error: At least one Resources member must be defined.",
        ),
        (
            with("AWSTemplateFormatVersion: 2011-01-01"),
            "Template format error: [2011-01-01] is not a supported value for AWSTemplateFormatVersion.",
        ),
        (
            "Resources: {Q: x}".to_owned(),
            "Template format error: [/Resources/Q] resource definition is malformed",
        ),
        (
            "Resources: {Q: {Properties: {}}}".to_owned(),
            "Template format error: [/Resources/Q] Every Resources object must contain a Type member.",
        ),
        (
            "Resources: {Q: {Type: T, Foo: 1}}".to_owned(),
            "Invalid template resource property 'Foo'",
        ),
        (
            "Resources: {Q-1: {Type: T}}".to_owned(),
            "Template format error: Resource name Q-1 is non alphanumeric.",
        ),
        (
            with("Parameters: {P: {Default: x}}"),
            "Template format error: Every Parameters object must contain a Type member.",
        ),
        (
            with("Parameters: {P: {Type: Text}}"),
            "Template format error: Unrecognized parameter type: Text",
        ),
        (
            with("Outputs: {O: {Description: x}}"),
            "Template format error: Output O is malformed. Every Outputs member must contain a Value object",
        ),
        (
            with("Conditions: {C: yes}"),
            "Template format error: Conditions can only be boolean operations on parameters and other conditions",
        ),
        (
            with("Transform: Other"),
            "The transform Other is not supported by Kiln.",
        ),
        (
            "Resources: {Q: {Type: T, Properties: {a: !Ref X, b: !Sub '${Y}-${Q}'}, DependsOn: Z}}"
                .to_owned(),
            "Template format error: Unresolved resource dependencies [X, Y, Z] in the Resources block of the template",
        ),
        (
            with("Outputs: {O: {Value: !Ref X}}"),
            "Template format error: Unresolved resource dependencies [X] in the Outputs block of the template",
        ),
        (
            with("Outputs: {O: {Value: !GetAtt X.Arn}}"),
            "Template error: instance of Fn::GetAtt references undefined resource X",
        ),
        (
            with("Outputs: {O: {Value: !FindInMap [M, a, b]}}"),
            "Template error: Mapping named 'M' is not present in the 'Mappings' section of template.",
        ),
        (
            with("Conditions: {C: !Equals [!Ref Q, a]}"),
            "Template format error: Unresolved dependencies [Q]. Cannot reference resources in the Conditions block of the template",
        ),
        (
            with("Conditions: {C: !Not [!Condition D]}"),
            "Template format error: Unresolved condition dependency D in the Conditions block of the template",
        ),
        (
            with("Outputs: {O: {Value: !If [C, a, b]}}"),
            "Template format error: Unresolved condition dependency C in the Outputs block of the template",
        ),
        (
            "Resources: {Q: {Type: T, Condition: C}}".to_owned(),
            "Template format error: Unresolved condition dependency C in the Resources block of the template",
        ),
    ];
    for (text, message) in cases {
        assert_eq!(refusal(&text), message, "{text}");
    }
}

#[test]
fn more_than_500_resources_are_refused() {
    let resources: String = (0..501)
        .map(|at| format!("  Q{at}: {{Type: T}}\n"))
        .collect();
    let message = refusal(&format!("Resources:\n{resources}"));
    assert_eq!(
        message,
        "Template format error: Number of resources, 501, is greater than maximum allowed, 500"
    );
}

#[test]
fn an_error_knows_its_place() {
    let error = Template::read("Resources:\n  Q:\n    Typo: x\n").unwrap_err();
    assert_eq!(error.place().unwrap().line, 3);
}

#[test]
fn what_gives_rights_takes_a_capability() {
    let capabilities = |resources: &str| {
        Template::read(&format!("Resources: {resources}"))
            .unwrap()
            .capabilities()
    };
    assert_eq!(
        capabilities("{Q: {Type: AWS::SQS::Queue}}"),
        Capabilities::default()
    );
    let role = capabilities("{R: {Type: AWS::IAM::Role}, P: {Type: AWS::IAM::Policy}}");
    assert_eq!(role.names, ["CAPABILITY_IAM"]);
    assert_eq!(
        role.reason.unwrap(),
        "The following resource(s) require capabilities: [AWS::IAM::Role, AWS::IAM::Policy]"
    );
    assert_eq!(
        capabilities("{R: {Type: AWS::IAM::Role, Properties: {RoleName: x}}}").names,
        ["CAPABILITY_NAMED_IAM"]
    );
}
