use super::*;

fn read(text: &str) -> Result<(), JsonRefusal> {
    Members::read(text.as_bytes()).map(drop)
}

#[test]
fn an_object_of_integers_texts_and_lists_is_read() {
    let text = r#" {"a":-9007199254740991, "b":["x",true,null,{"c":{}}],"\u0064":"\ud83d\ude00\n"} "#;
    let members = Members::read(text.as_bytes()).unwrap();
    assert_eq!(members.text("d").unwrap(), "😀\n");
    assert_eq!(members.maybe_count("nothing").unwrap(), None);
    assert_eq!(members.value("a"), Some(Value::from(-9_007_199_254_740_991_i64)));
    assert!(matches!(members.count("a"), Err(Refusal::Field { field: "a", .. })));
}

#[test]
fn numbers_that_some_libraries_would_round_are_refused() {
    for bad in ["1.0", "1e3", "-0", "01", "9007199254740992", "-9007199254740992", "-", "1-", "99999999999999999999"] {
        assert_eq!(read(&format!(r#"{{"a":{bad}}}"#)), Err(JsonRefusal::Number { at: 5 }), "{bad}");
    }
}

#[test]
fn a_key_twice_is_refused_even_when_spelt_differently() {
    let twice = |key: &str| Err(JsonRefusal::DuplicateKey { key: key.into() });
    assert_eq!(read(r#"{"a":1,"b":2,"a":1}"#), twice("a"));
    assert_eq!(read(r#"{"o":{"x":1,"\u0078":2}}"#), twice("x"));
    assert_eq!(read(r#"{"o":{"x":1},"x":2}"#), Ok(()));
}

#[test]
fn the_fifth_level_is_refused() {
    assert_eq!(read(r#"{"a":[[[1]]]}"#), Ok(()));
    assert_eq!(read(r#"{"a":[[[[]]]]}"#), Err(JsonRefusal::TooDeep { at: 8 }));
    assert_eq!(read(&"{\"a\":".repeat(1500)), Err(JsonRefusal::TooDeep { at: 20 }));
}

#[test]
fn the_limit_of_size_is_8192_bytes() {
    let of = |bytes: usize| format!(r#"{{"a":"{}"}}"#, "x".repeat(bytes - 8));
    assert_eq!(read(&of(8192)), Ok(()));
    assert_eq!(read(&of(8193)), Err(JsonRefusal::TooLarge { bytes: 8193 }));
}

#[test]
fn what_is_not_one_object_is_refused() {
    for bad in [
        "",
        "1",
        "[]",
        "{",
        "{}{}",
        r#"{"a"}"#,
        r#"{"a":}"#,
        r#"{"a":1,}"#,
        r#"{,"a":1}"#,
        r#"{a:1}"#,
        r#"{"a":tru}"#,
        r#"{"a":'x'}"#,
        "{\"a\":\"\n\"}",
        r#"{"a":"\x"}"#,
        r#"{"a":"\ud83d"}"#,
        r#"{"a":"\ude00"}"#,
        r#"{"a":"\ud83d\u0041"}"#,
        r#"{"a":[1,]}"#,
        r#"{"a":"x}"#,
        r#"{"a":"\u00g0"}"#,
    ] {
        assert!(matches!(read(bad), Err(JsonRefusal::Syntax { .. })), "{bad}");
    }
    assert_eq!(Members::read(b"{\"a\":\"\xff\"}").unwrap_err(), JsonRefusal::NotUtf8 { at: 6 });
}
