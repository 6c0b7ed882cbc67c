//! Arrays as PostgreSQL writes them: `{1,2,NULL}`, `{{a,b},{"c d","e\"f"}}`, `[0:1]={1,2}`.

/// An element of an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Element {
    Null,
    Text(String),
    Array(Vec<Element>),
}

/// Nested arrays, at most: PostgreSQL has six dimensions.
const DEPTH_MAX: usize = 6;

/// Reads an array; none when it is not one.
pub(super) fn read(text: &str) -> Option<Vec<Element>> {
    // Bounds other than from 1 are written in front.
    let text = match text.strip_prefix('[') {
        Some(rest) => rest.split_once("]=")?.1,
        None => text,
    };
    let mut letters = text.chars().peekable();
    let array = array(&mut letters, 0)?;
    letters.next().is_none().then_some(array)
}

type Letters<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn array(letters: &mut Letters<'_>, depth: usize) -> Option<Vec<Element>> {
    if depth >= DEPTH_MAX || letters.next() != Some('{') {
        return None;
    }
    let mut elements = Vec::new();
    if letters.next_if_eq(&'}').is_some() {
        return Some(elements);
    }
    loop {
        elements.push(match letters.peek()? {
            '{' => Element::Array(array(letters, depth + 1)?),
            '"' => Element::Text(quoted(letters)?),
            _ => plain(letters),
        });
        match letters.next()? {
            ',' => {}
            '}' => return Some(elements),
            _ => return None,
        }
    }
}

fn quoted(letters: &mut Letters<'_>) -> Option<String> {
    letters.next();
    let mut text = String::new();
    loop {
        match letters.next()? {
            '"' => return Some(text),
            '\\' => text.push(letters.next()?),
            letter => text.push(letter),
        }
    }
}

fn plain(letters: &mut Letters<'_>) -> Element {
    let mut text = String::new();
    while let Some(letter) = letters.next_if(|letter| !matches!(letter, ',' | '}')) {
        match letter {
            '\\' => text.extend(letters.next()),
            letter => text.push(letter),
        }
    }
    match text.as_str() {
        "NULL" => Element::Null,
        _ => Element::Text(text),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(text: &str) -> Element {
        Element::Text(text.to_owned())
    }

    #[test]
    fn every_form_is_read() {
        assert_eq!(read("{}"), Some(vec![]));
        assert_eq!(
            read("{1,NULL,\"NULL\"}"),
            Some(vec![text("1"), Element::Null, text("NULL")])
        );
        assert_eq!(
            read(r#"{"a,b","c\"d","e\\f","",x y}"#),
            Some(vec![
                text("a,b"),
                text("c\"d"),
                text("e\\f"),
                text(""),
                text("x y"),
            ])
        );
        let inner = Element::Array(vec![text("1"), text("2")]);
        assert_eq!(read("{{1,2},{1,2}}"), Some(vec![inner.clone(), inner]));
        assert_eq!(read("[0:1]={1,2}"), Some(vec![text("1"), text("2")]));
    }

    #[test]
    fn what_is_no_array_is_none() {
        for wrong in [
            "",
            "1",
            "{",
            "{1",
            "{1}x",
            "{\"a}",
            "{{{{{{{1}}}}}}}",
            "[0:1]",
            "{\"a\"b}",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "[\\[\\]{}\",\\\\a1=:]{0,40}") {
            let _ = read(&text);
        }

        #[test]
        fn quoted_texts_read_back(texts in prop::collection::vec(".{0,20}", 1..5)) {
            let quote = |text: &String| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
            let written = format!("{{{}}}", texts.iter().map(quote).collect::<Vec<_>>().join(","));
            let expected: Vec<_> = texts.iter().map(|text| Element::Text(text.clone())).collect();
            prop_assert_eq!(read(&written), Some(expected));
        }
    }
}
