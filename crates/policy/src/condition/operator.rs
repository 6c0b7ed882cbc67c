//! The names of condition operators.

/// An operator, taken apart: `ForAnyValue:StringNotLikeIfExists`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Operator {
    pub(super) qualifier: Qualifier,
    pub(super) test: Test,
    pub(super) is_negated: bool,
    pub(super) if_exists: bool,
}

/// How the values of a multivalued key are gone over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Qualifier {
    None,
    /// `ForAllValues:`. True of none.
    AllValues,
    /// `ForAnyValue:`. False of none.
    AnyValue,
}

/// What is compared, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Test {
    Equals,
    EqualsIgnoreCase,
    Like,
    Number(Comparison),
    Date(Comparison),
    Bool,
    Binary,
    Address,
    Arn,
    Null,
}

/// How two values with an order are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equals,
    Less,
    LessOrEquals,
    Greater,
    GreaterOrEquals,
}

impl Operator {
    /// Reads a name, in the case in which AWS writes it.
    pub(super) fn read(name: &str) -> Option<Self> {
        let (qualifier, name) = if let Some(name) = name.strip_prefix("ForAllValues:") {
            (Qualifier::AllValues, name)
        } else if let Some(name) = name.strip_prefix("ForAnyValue:") {
            (Qualifier::AnyValue, name)
        } else {
            (Qualifier::None, name)
        };
        let (name, if_exists) = match name.strip_suffix("IfExists") {
            Some(name) => (name, true),
            None => (name, false),
        };
        let (test, is_negated) = read_test(name)?;
        // "You can add IfExists to the end of any condition operator name except the Null condition."
        (test != Test::Null || !if_exists).then_some(Self {
            qualifier,
            test,
            is_negated,
            if_exists,
        })
    }
}

fn read_test(name: &str) -> Option<(Test, bool)> {
    let ordered = |of: fn(Comparison) -> Test, comparison: &str| {
        let (comparison, is_negated) = match comparison {
            "Equals" => (Comparison::Equals, false),
            "NotEquals" => (Comparison::Equals, true),
            "LessThan" => (Comparison::Less, false),
            "LessThanEquals" => (Comparison::LessOrEquals, false),
            "GreaterThan" => (Comparison::Greater, false),
            "GreaterThanEquals" => (Comparison::GreaterOrEquals, false),
            _ => return None,
        };
        Some((of(comparison), is_negated))
    };
    if let Some(comparison) = name.strip_prefix("Numeric") {
        return ordered(Test::Number, comparison);
    }
    if let Some(comparison) = name.strip_prefix("Date") {
        return ordered(Test::Date, comparison);
    }
    Some(match name {
        "StringEquals" => (Test::Equals, false),
        "StringNotEquals" => (Test::Equals, true),
        "StringEqualsIgnoreCase" => (Test::EqualsIgnoreCase, false),
        "StringNotEqualsIgnoreCase" => (Test::EqualsIgnoreCase, true),
        "StringLike" => (Test::Like, false),
        "StringNotLike" => (Test::Like, true),
        "Bool" => (Test::Bool, false),
        "BinaryEquals" => (Test::Binary, false),
        "IpAddress" => (Test::Address, false),
        "NotIpAddress" => (Test::Address, true),
        // "The ArnEquals and ArnLike condition operators behave identically."
        "ArnEquals" | "ArnLike" => (Test::Arn, false),
        "ArnNotEquals" | "ArnNotLike" => (Test::Arn, true),
        "Null" => (Test::Null, false),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        let operator = Operator::read("ForAnyValue:StringNotLikeIfExists").unwrap();
        let expected = Operator {
            qualifier: Qualifier::AnyValue,
            test: Test::Like,
            is_negated: true,
            if_exists: true,
        };
        assert_eq!(operator, expected);
        let operator = Operator::read("DateLessThanEquals").unwrap();
        assert_eq!(operator.test, Test::Date(Comparison::LessOrEquals));
    }

    #[test]
    fn other_names_are_no_operators() {
        for name in [
            "",
            "stringequals",
            "StringEqual",
            "NullIfExists",
            "ForAnyValue::StringEquals",
            "ForSome:Bool",
            "NumericLike",
            "IfExists",
            "BoolIfExistsIfExists",
            "Date",
        ] {
            assert_eq!(Operator::read(name), None, "{name}");
        }
    }
}
