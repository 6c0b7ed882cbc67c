//! The text of `Fn::Sub`, taken apart.

/// A part of such a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    /// It stays as it is.
    Text(&'a str),
    /// `${…}`: the name of a variable.
    Variable(&'a str),
}

/// Takes a text apart. `${!x}` is the text `${x}`; a brace that is never closed is text.
pub(crate) fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let inside = &rest[start + 2..];
        let Some(end) = inside.find('}') else {
            break;
        };
        if start > 0 {
            parts.push(Part::Text(&rest[..start]));
        }
        match inside[..end].strip_prefix('!') {
            Some(literal) => parts.extend([Part::Text("${"), Part::Text(literal), Part::Text("}")]),
            None => parts.push(Part::Variable(inside[..end].trim())),
        }
        rest = &inside[end + 1..];
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    parts
}

/// Whether a variable may have such a name.
pub(crate) fn is_name(name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':');
    !name.is_empty() && name.chars().all(is_part)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn variables_and_literals_are_told_apart() {
        use Part::{Text, Variable};
        assert_eq!(parts("a${B}c"), [Text("a"), Variable("B"), Text("c")]);
        assert_eq!(
            parts("${A.Arn}${AWS::Region}"),
            [Variable("A.Arn"), Variable("AWS::Region")]
        );
        assert_eq!(parts("${!x}"), [Text("${"), Text("x"), Text("}")]);
        assert_eq!(parts("$x ${y"), [Text("$x ${y")]);
        assert_eq!(parts(""), []);
    }

    proptest! {
        #[test]
        fn text_without_variables_is_unchanged(text in "[a-z${} é]{0,40}") {
            let parts = parts(&text);
            if !parts.iter().any(|part| matches!(part, Part::Variable(_))) {
                let joined: String = parts.iter().map(|part| match part { Part::Text(text) | Part::Variable(text) => *text }).collect();
                prop_assert_eq!(joined, text);
            }
        }
    }
}
