//! Functions, conditions, rules, orders and outputs.

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// Resources that are there have their names as references and `name.attribute` as attributes.
struct There(&'static [&'static str]);

impl Lookup for There {
    fn reference(&self, logical_id: &str) -> Answer {
        if self.0.contains(&logical_id) {
            return Answer::Known(json!(logical_id.to_lowercase()));
        }
        Answer::Open
    }

    fn attribute(&self, logical_id: &str, name: &str) -> Answer {
        match name {
            "Never" => Answer::Never,
            _ if self.0.contains(&logical_id) => {
                Answer::Known(json!(format!("{logical_id}.{name}")))
            }
            _ => Answer::Open,
        }
    }

    fn import(&self, export: &str) -> Option<String> {
        (export == "shared-topic").then(|| "arn:shared".to_owned())
    }
}

fn pseudo() -> Pseudo {
    Pseudo {
        account: "000000000000".to_owned(),
        region: "us-east-1".to_owned(),
        partition: "aws".to_owned(),
        stack_id: "arn:stack".to_owned(),
        stack_name: "shop".to_owned(),
        url_suffix: "amazonaws.com".to_owned(),
        notification_arns: vec!["arn:n".to_owned()],
        zones: vec!["us-east-1a".to_owned(), "us-east-1b".to_owned()],
    }
}

fn evaluate(template: &str, given: &[(&str, &str)], lookup: &There) -> Result<Properties, Error> {
    let template = Template::read(template)?;
    let given = given
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let values = Values::check(&template.parameters, &given)?;
    let pseudo = pseudo();
    Evaluator::new(&template, &values, &pseudo)?.properties("X", lookup)
}

/// One property of a resource in a template that has something of everything.
fn property(node: &str) -> Result<Json, String> {
    let text = format!(
        "
Parameters:
  Stage: {{Type: String, Default: dev}}
  Names: {{Type: CommaDelimitedList, Default: 'a,b,c'}}
  Size: {{Type: Number, Default: 128}}
Mappings:
  Sizes: {{dev: {{memory: 128, list: [x, y]}}, prod: {{memory: 1024}}}}
Conditions:
  IsDev: !Equals [!Ref Stage, dev]
  IsProd: !Not [!Condition IsDev]
  Both: !And [!Condition IsDev, !Condition IsProd]
  Any: !Or [!Condition IsDev, !Condition IsProd]
  Deep: !Not [!Or [!Condition Both, !Equals ['1', 2]]]
Resources:
  Q: {{Type: T}}
  New: {{Type: T}}
  Prod: {{Type: T, Condition: IsProd}}
  X:
    Type: T
    Properties:
      P: {node}
"
    );
    let properties = evaluate(&text, &[], &There(&["Q"])).map_err(|error| error.to_string())?;
    match properties.open.get("P") {
        Some(open) => Err(format!("open: {open:?}")),
        None => Ok(properties
            .known
            .get("P")
            .cloned()
            .unwrap_or(json!("(none)"))),
    }
}

#[test]
fn functions_are_evaluated() {
    let cases = [
        ("!Ref Stage", json!("dev")),
        ("!Ref Size", json!("128")),
        ("!Ref Names", json!(["a", "b", "c"])),
        ("!Ref Q", json!("q")),
        ("!Ref AWS::NotificationARNs", json!(["arn:n"])),
        ("!Ref AWS::NoValue", json!("(none)")),
        (
            "{a: !Ref AWS::NoValue, b: [!Ref AWS::NoValue, 1]}",
            json!({"b": [1]}),
        ),
        ("!GetAtt Q.Arn", json!("Q.Arn")),
        ("{'Fn::GetAtt': [Q, !Ref Stage]}", json!("Q.dev")),
        (
            "!Sub '${AWS::Region}:${Stage}:${Q}:${Q.Arn}:${!Stage}:${Size}'",
            json!("us-east-1:dev:q:Q.Arn:${Stage}:128"),
        ),
        (
            "!Sub ['${a}-${Stage}', {a: !Join ['', [x, 1, true]]}]",
            json!("x1true-dev"),
        ),
        ("!Join ['-', [a, !Ref Stage, 5]]", json!("a-dev-5")),
        ("!Join [',', !Ref Names]", json!("a,b,c")),
        ("!Select [1, !Ref Names]", json!("b")),
        ("!Select ['0', !Split ['/', 'x/y']]", json!("x")),
        ("!Split [',', 'a,b']", json!(["a", "b"])),
        ("!FindInMap [Sizes, !Ref Stage, memory]", json!(128)),
        ("!FindInMap [Sizes, dev, list]", json!(["x", "y"])),
        (
            "!FindInMap [Sizes, test, memory, {DefaultValue: 1}]",
            json!(1),
        ),
        ("!ImportValue shared-topic", json!("arn:shared")),
        ("!Base64 hello", json!("aGVsbG8=")),
        (
            "!Select [1, !Cidr [10.0.0.0/16, 2, 8]]",
            json!("10.0.1.0/24"),
        ),
        ("!Select [0, !GetAZs '']", json!("us-east-1a")),
        (
            "!If [IsDev, yes it is, !GetAtt Prod.Arn]",
            json!("yes it is"),
        ),
        ("!If [IsProd, a, !If [Any, b, c]]", json!("b")),
        ("!If [Both, a, b]", json!("b")),
        ("!If [Deep, a, b]", json!("a")),
        ("!If [IsProd, a, !Ref AWS::NoValue]", json!("(none)")),
        (
            "!ToJsonString {a: [1, !Ref Stage]}",
            json!("{\"a\":[1,\"dev\"]}"),
        ),
        ("!Length [1, 2, 3]", json!(3)),
        (
            "{Statement: [{Condition: {StringEquals: {a: !Ref Stage}}}]}",
            json!({"Statement": [{"Condition": {"StringEquals": {"a": "dev"}}}]}),
        ),
        ("{Version: 2012-10-17}", json!({"Version": "2012-10-17"})),
    ];
    for (node, value) in cases {
        assert_eq!(property(node), Ok(value), "{node}");
    }
}

#[test]
fn what_cannot_be_evaluated_is_refused_in_cloudformations_words() {
    let cases = [
        (
            "!Select [3, !Ref Names]",
            "Template error: Fn::Select cannot select nonexistent value at index 3",
        ),
        (
            "!FindInMap [Sizes, test, memory]",
            "Template error: Unable to get mapping for Sizes::test::memory",
        ),
        (
            "!GetAtt Q.Never",
            "Template error: resource Q does not support attribute type Never in Fn::GetAtt",
        ),
        ("!ImportValue other", "No export named other found."),
        (
            "!Ref Prod",
            "Template format error: Unresolved resource dependencies [Prod] in the Resources block of the template",
        ),
        (
            "!Sub '${Names}'",
            "Template error: variable Names in Fn::Sub expression does not resolve to a string",
        ),
        (
            "{'Fn::Nothing': x}",
            "Template validation error: Encountered unsupported function: Fn::Nothing Supported functions are: [Ref, Fn::Base64, Fn::Cidr, Fn::FindInMap, Fn::GetAZs, Fn::GetAtt, Fn::If, Fn::ImportValue, Fn::Join, Fn::Length, Fn::Select, Fn::Split, Fn::Sub, Fn::ToJsonString]",
        ),
        (
            "!Transform {Name: 'AWS::Include'}",
            "Fn::Transform is not supported by Kiln.",
        ),
        (
            "~",
            "Template format error: 'null' values are not allowed in templates",
        ),
        (
            "!Sub '${a b}'",
            "Template error: variable names in Fn::Sub syntax must contain only alphanumeric characters, underscores, periods, and colons",
        ),
    ];
    for (node, message) in cases {
        let is_unresolved = node.contains("a b");
        let result = property(node);
        if is_unresolved {
            assert!(result.is_err());
        } else {
            assert_eq!(result, Err(message.to_owned()), "{node}");
        }
    }
    for node in [
        "!Join [a]",
        "!Join [1, [a]]",
        "!Split ['', a]",
        "!Select [x, [a]]",
        "!If [IsDev, a]",
        "!Sub [a, b]",
        "!Sub []",
        "!GetAtt Q",
        "!Base64 [a]",
        "!Length x",
        "!Cidr [x, 1, 1]",
        "!FindInMap [Sizes, a]",
    ] {
        assert!(
            property(node).unwrap_err().starts_with("Template"),
            "{node}"
        );
    }
}

#[test]
fn what_is_not_known_yet_says_for_whom_it_waits() {
    assert_eq!(
        property("!Join ['', [!Ref New, !GetAtt Q.Arn]]"),
        Err("open: {\"New\"}".to_owned())
    );
    assert_eq!(
        property("{a: !Sub '${New.Arn}'}"),
        Err("open: {\"New\"}".to_owned())
    );
    assert_eq!(property("!If [IsProd, !Ref New, x]"), Ok(json!("x")));
}

fn order(template: &str) -> Result<Vec<String>, String> {
    let template = Template::read(template).map_err(|error| error.to_string())?;
    let (values, pseudo) = (Values::default(), pseudo());
    let evaluator =
        Evaluator::new(&template, &values, &pseudo).map_err(|error| error.to_string())?;
    let order = evaluator.order().map_err(|error| error.to_string())?;
    Ok(order.into_iter().map(str::to_owned).collect())
}

#[test]
fn resources_come_after_what_they_wait_for() {
    let text = "
Conditions: {Never: !Equals [a, b]}
Resources:
  A: {Type: T, Properties: {x: !GetAtt B.Arn}}
  B: {Type: T, DependsOn: [C, Gone]}
  C: {Type: T, Properties: {x: !Sub '${D}', y: !If [Never, !Ref A, z]}}
  D: {Type: T}
  Gone: {Type: T, Condition: Never}
";
    assert_eq!(order(text).unwrap(), ["D", "C", "B", "A"]);
}

#[test]
fn circles_are_refused_by_name() {
    let text = "Resources:\n  A: {Type: T, Properties: {x: !Ref B}}\n  B: {Type: T, DependsOn: A}\n  C: {Type: T, DependsOn: A}";
    assert_eq!(
        order(text).unwrap_err(),
        "Circular dependency between resources: [A, B]"
    );
    let text =
        "Conditions: {A: !Not [!Condition B], B: !Not [!Condition A]}\nResources: {Q: {Type: T}}";
    assert_eq!(
        order(text).unwrap_err(),
        "Template format error: Found circular condition dependency between A and B"
    );
}

#[test]
fn a_long_chain_of_conditions_costs_no_stack() {
    let mut text = String::from(
        "Resources: {Q: {Type: T, Condition: C998}}\nConditions:\n  C0: !Equals [a, a]\n",
    );
    for at in 1..999 {
        text.push_str(&format!("  C{at}: !Not [!Condition C{}]\n", at - 1));
    }
    assert_eq!(order(&text).unwrap(), ["Q"]);
}

#[test]
fn outputs_are_texts_of_what_is_there() {
    let text = "
Conditions: {Never: !Equals [a, b]}
Resources: {Q: {Type: T}}
Outputs:
  Url: {Value: !Ref Q, Description: where, Export: {Name: !Sub '${AWS::StackName}-url'}}
  Number: {Value: 5}
  Gone: {Value: x, Condition: Never}
";
    let template = Template::read(text).unwrap();
    let (values, pseudo) = (Values::default(), pseudo());
    let evaluator = Evaluator::new(&template, &values, &pseudo).unwrap();
    let outputs = evaluator.outputs(&There(&["Q"])).unwrap();
    let told: Vec<_> = outputs
        .iter()
        .map(|told| {
            (
                told.name.as_str(),
                told.value.as_str(),
                told.export.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [("Url", "q", Some("shop-url")), ("Number", "5", None)]
    );
    assert!(evaluator.outputs(&There(&[])).is_err());
}

#[test]
fn rules_are_asked() {
    let text = "
Parameters: {Stage: {Type: String}, Size: {Type: String, Default: small}}
Rules:
  Prod: {RuleCondition: !Equals [!Ref Stage, prod], Assertions: [{Assert: {'Fn::Contains': [[large, huge], !Ref Size]}, AssertDescription: prod is large}]}
Resources: {Q: {Type: T}}
";
    let template = Template::read(text).unwrap();
    let check = |stage: &str| {
        let given = BTreeMap::from([("Stage".to_owned(), stage.to_owned())]);
        let values = Values::check(&template.parameters, &given).unwrap();
        crate::check_rules(&template, &values, &pseudo())
    };
    assert!(check("dev").is_ok());
    assert!(
        check("prod")
            .unwrap_err()
            .to_string()
            .ends_with("prod is large")
    );
}

#[test]
fn what_functions_make_is_bounded() {
    let long = "x".repeat(4_000);
    let text = format!(
        "Parameters: {{P: {{Type: String}}}}\nResources:\n  X: {{Type: T, Properties: {{p: !Sub '{}'}}}}",
        "${P}".repeat(100_000)
    );
    let error = evaluate(&text, &[("P", &long)], &There(&[])).unwrap_err();
    assert!(error.to_string().contains("too large"), "{error}");
}

proptest! {
    #[test]
    fn evaluation_never_panics(node in "[-a-zA-Z !'{}$,:\\[\\]0-9]{0,60}", function in "(Ref|Sub|Join|Select|Split|If|GetAtt|FindInMap|Cidr|Length|Base64)") {
        let _ = property(&format!("!{function} {node}"));
        let _ = property(&format!("!{function} [{node}]"));
    }
}
