//! Contracts that are hard to carry: names, words and bounds at the edges of Rust, of serde and of JSON.
//!
//! Each line is a contract's payload (fields beside the key `id`), or a whole contract.

use serde_json::{Map, Value, json};

/// Fields of a payload beside its key, one contract for each.
const FIELDS: &[(&str, &str)] = &[
    // Names.
    (
        "keywords",
        r###"{"type":{"type":"string"},"self":{"type":"string"},"Self1":{"enum":["self","Self2"]},"async":{"type":"integer"},"crate":{"type":"boolean"},"super":{"type":"string","minLength":1},"gen":{"type":"number"}}"###,
    ),
    (
        "own-functions",
        r###"{"new":{"type":"string"},"builder":{"type":"string"},"build":{"type":"string"},"example":{"type":"string"},"fromJson":{"type":"string"},"invalid":{"type":"string"},"arbitraryValid":{"type":"string"},"invalidJson":{"type":"string"},"toBuilder":{"type":"string"},"upcastV1":{"type":"string"}}"###,
    ),
    (
        "methods",
        r###"{"clone":{"type":"string"},"default":{"type":"string","default":"x"},"into":{"type":"string"},"tryInto":{"type":"string","minLength":1},"asStr":{"type":"string"},"get":{"type":"integer","minimum":1},"fmt":{"type":"string"},"eq":{"type":"string"},"len":{"type":"integer"},"next":{"type":"string"},"add":{"type":"string"},"not":{"type":"boolean"},"key":{"type":"string"},"tags":{"type":"array","items":{"type":"string"}},"fromDate":{"type":"string","format":"date"},"toDate":{"type":"string","format":"date"},"isOpen":{"type":"boolean"},"serialize":{"type":"string"},"deserialize":{"type":"string"},"intoAccount":{"type":"string"}}"###,
    ),
    (
        "nested-methods",
        r###"{"part":{"type":"object","required":["clone"],"properties":{"clone":{"type":"string"},"default":{"type":"integer"},"iter":{"type":"string"},"toOwned":{"type":"string"}}},"parts":{"type":"array","items":{"type":"object","properties":{"clone":{"type":"string","role":"identifier"},"iter":{"type":"boolean"},"len":{"type":"integer"},"into":{"type":"string"},"asRef":{"type":"string"}}}}}"###,
    ),
    (
        "std-titles",
        r###"{"a":{"title":"Option","type":"string","minLength":1},"b":{"title":"Vec","enum":["x"]},"c":{"title":"String","type":"integer","minimum":0},"d":{"title":"Result","type":"object","properties":{"e":{"type":"boolean"}}},"f":{"title":"Box","type":"number","maximum":1},"g":{"title":"Default","type":"string","maxLength":3},"h":{"title":"Some","enum":["None","Ok","Err"]}}"###,
    ),
    (
        "rt-titles",
        r###"{"a":{"title":"Event","type":"string","minLength":1},"b":{"title":"Decimal","enum":["x"]},"c":{"title":"Timestamp","type":"integer","minimum":0},"d":{"title":"EventType","type":"object","properties":{"e":{"type":"boolean"}}},"f":{"title":"Contracts","type":"number","maximum":1},"g":{"title":"Invalid","type":"string","maxLength":3}}"###,
    ),
    (
        "builders",
        r###"{"part":{"title":"Part","type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"},"c":{"type":"string"},"d":{"type":"string"},"e":{"type":"string"}}},"other":{"title":"PartBuilder","type":"string","minLength":2}}"###,
    ),
    (
        "scripts",
        r###"{"größe":{"type":"number"},"日本":{"type":"string"},"é":{"type":"string"},"ue9":{"type":"string"},"naïve-name":{"type":"string","minLength":1},"😀":{"type":"boolean"}}"###,
    ),
    (
        "digits",
        r###"{"3d":{"type":"boolean"},"2":{"type":"string"},"a1b2":{"type":"string","maxLength":3},"_x":{"type":"string"},"x__y":{"type":"string"}}"###,
    ),
    (
        "hyphens",
        r###"{"content-type":{"type":"string"},"x-y-z":{"type":"integer"},"a b":{"type":"string"},"c$d":{"type":"string"},"e#f":{"type":"string"}}"###,
    ),
    (
        "same-titles",
        r###"{"a":{"title":"Thing","type":"string","minLength":1},"b":{"title":"Thing","type":"string","minLength":2},"c":{"title":"Thing","enum":["x","y"]},"d":{"title":"Thing","type":"object","properties":{"thing":{"title":"Thing","type":"integer","minimum":3}}}}"###,
    ),
    ("title-as-event", r###"{"a":{"title":"TrapTitleAsEvent","type":"string","minLength":1}}"###),
    // Words.
    (
        "words-alike",
        r###"{"a":{"enum":["in-transit","in_transit","inTransit","IN TRANSIT","In-Transit"]}}"###,
    ),
    (
        "words-odd",
        r###"{"a":{"enum":["","\"","\\","`","\n","€","self","3d","a.b","a/b","ÄÖ","#\"##","{}","*/"]}}"###,
    ),
    ("words-unknown", r###"{"a":{"enum":["Unknown","unknown","UNKNOWN"],"extensible":true}}"###),
    (
        "words-null",
        r###"{"a":{"enum":["x",null]},"b":{"enum":["x",null],"extensible":true},"c":{"const":"only"}}"###,
    ),
    (
        "words-many",
        r###"{"a":{"enum":["a0","a1","a2","a3","a4","a5","a6","a7","a8","a9","b0","b1","b2","b3","b4","b5","b6","b7","b8","b9"]}}"###,
    ),
    // Whole numbers.
    (
        "integer-ends",
        r###"{"a":{"type":"integer","minimum":-9223372036854775808,"maximum":9223372036854775807},"b":{"type":"integer","minimum":9223372036854775807},"c":{"type":"integer","maximum":-9223372036854775808}}"###,
    ),
    (
        "integer-exclusive",
        r###"{"a":{"type":"integer","exclusiveMinimum":0,"exclusiveMaximum":2},"b":{"type":"integer","minimum":5,"exclusiveMinimum":5},"c":{"type":"integer","exclusiveMaximum":0}}"###,
    ),
    (
        "integer-multiples",
        r###"{"a":{"type":"integer","multipleOf":7,"minimum":-20,"maximum":20},"b":{"type":"integer","multipleOf":1},"c":{"type":"integer","multipleOf":9223372036854775807},"d":{"type":"integer","minimum":7,"maximum":7,"multipleOf":7}}"###,
    ),
    (
        "integer-nullable",
        r###"{"a":{"type":["integer","null"],"minimum":1},"b":{"type":["integer","null"]},"c":{"type":"array","items":{"type":["integer","null"],"maximum":3}}}"###,
    ),
    // Numbers.
    (
        "number-ends",
        r###"{"a":{"type":"number","minimum":-1.7976931348623157e308,"maximum":1.7976931348623157e308},"b":{"type":"number","minimum":5e-324},"c":{"type":"number","exclusiveMinimum":0,"maximum":1e-300}}"###,
    ),
    (
        "number-bounds",
        r###"{"a":{"type":"number","minimum":0,"exclusiveMaximum":1},"b":{"type":"number","minimum":1,"exclusiveMinimum":1},"c":{"type":"number","minimum":2.5,"maximum":2.5},"d":{"type":"number","exclusiveMinimum":-0.1,"exclusiveMaximum":0.1}}"###,
    ),
    (
        "number-nullable",
        r###"{"a":{"type":["number","null"],"maximum":0.5},"b":{"type":"array","items":{"type":"number"}},"c":{"type":"object","additionalProperties":{"type":["number","null"]}}}"###,
    ),
    // Texts.
    (
        "pattern-quotes",
        r###"{"a":{"type":"string","pattern":"^\"#\\\\$"},"b":{"type":"string","pattern":"\"##"},"c":{"type":"string","pattern":"^`{2}$"}}"###,
    ),
    (
        "pattern-classes",
        r###"{"a":{"type":"string","pattern":"^\\d{3}\\w\\s\\S$"},"b":{"type":"string","pattern":"^[^\\d\\s]+$"},"c":{"type":"string","pattern":"^[[a]+$"},"d":{"type":"string","pattern":"^[a&&b~~c-]+$"},"e":{"type":"string","pattern":"^[\\w.-]+$"}}"###,
    ),
    (
        "pattern-dot",
        r###"{"a":{"type":"string","pattern":"^.$"},"b":{"type":"string","pattern":"^a.*z$"},"c":{"type":"string","pattern":"\\bword\\b"}}"###,
    ),
    (
        "pattern-lengths",
        r###"{"a":{"type":"string","pattern":"^[a-z]+$","minLength":2,"maxLength":5},"b":{"type":"string","pattern":"x","minLength":10},"c":{"type":"string","pattern":"^(ab)*$","maxLength":4},"d":{"type":"string","pattern":"^[A-Z]{3}$","minLength":3,"maxLength":3}}"###,
    ),
    (
        "pattern-alternatives",
        r###"{"a":{"type":"string","pattern":"^(?:red|green|blue)$"},"b":{"type":"string","pattern":"^(a|b){2,3}(c|)$"},"c":{"type":"string","pattern":"^[0-9]{1,3}(\\.[0-9]{1,3}){3}$"}}"###,
    ),
    (
        "lengths",
        r###"{"a":{"type":"string","maxLength":0},"b":{"type":"string","minLength":3,"maxLength":3},"c":{"type":"string","minLength":1},"d":{"type":"string","maxLength":2000000000},"e":{"type":["string","null"],"maxLength":2}}"###,
    ),
    ("length-long", r###"{"a":{"type":"string","minLength":5000}}"###),
    (
        "formats",
        r###"{"a":{"type":"string","format":"uuid"},"b":{"type":"string","format":"date-time"},"c":{"type":"string","format":"date"},"d":{"type":"string","format":"email"},"e":{"type":"string","format":"uri"},"f":{"type":"string","format":"decimal"}}"###,
    ),
    (
        "formats-nullable",
        r###"{"a":{"type":["string","null"],"format":"uuid"},"b":{"type":["string","null"],"format":"date-time"},"c":{"type":["string","null"],"format":"date"},"d":{"type":["string","null"],"format":"email"},"e":{"type":["string","null"],"format":"uri"},"f":{"type":["string","null"],"format":"decimal"}}"###,
    ),
    (
        "formats-bounded",
        r###"{"a":{"type":"string","format":"email","maxLength":20},"b":{"type":"string","format":"uri","pattern":"^https://"},"c":{"type":"string","format":"decimal","pattern":"^[0-9]+\\.[0-9]{2}$"},"d":{"type":"string","format":"decimal","maxLength":6,"minLength":2},"e":{"type":"string","format":"email","minLength":30}}"###,
    ),
    (
        "formats-listed",
        r###"{"a":{"type":"array","items":{"type":"string","format":"uuid"}},"b":{"type":"array","items":{"type":["string","null"],"format":"decimal"}},"c":{"type":"array","minItems":1,"maxItems":2,"items":{"type":"string","format":"date-time"}},"d":{"type":"object","additionalProperties":{"type":"string","format":"decimal"}},"e":{"type":"object","additionalProperties":{"type":"array","items":{"type":"string","format":"uuid"}}}}"###,
    ),
    // Lists and maps.
    (
        "lists",
        r###"{"a":{"type":"array","items":{"type":"array","items":{"type":"array","maxItems":2,"items":{"type":"string","maxLength":2}}}},"b":{"type":"array","maxItems":0,"items":{"type":"string"}},"c":{"type":"array","minItems":2,"maxItems":2,"items":{"enum":["x","y"]}},"d":{"type":"array","minItems":12,"items":{"type":"boolean"}}}"###,
    ),
    (
        "lists-of-objects",
        r###"{"a":{"type":"array","items":{"type":"array","items":{"type":"object","additionalProperties":false,"required":["n"],"properties":{"n":{"type":"integer","minimum":1}}}}}}"###,
    ),
    (
        "maps",
        r###"{"a":{"type":"object","additionalProperties":{"type":"object","additionalProperties":{"type":"integer"}}},"b":{"type":"object","additionalProperties":{"type":["string","null"],"minLength":1}},"c":{"type":"object","additionalProperties":{"type":"object","required":["x"],"properties":{"x":{"enum":["y"]}}}},"d":{"type":["object","null"],"additionalProperties":{"type":"boolean"}}}"###,
    ),
    (
        "objects-nullable",
        r###"{"a":{"type":["object","null"],"properties":{"b":{"type":["object","null"],"required":["c"],"properties":{"c":{"type":["array","null"],"items":{"type":["boolean","null"]}}}}}}}"###,
    ),
    (
        "objects-closed",
        r###"{"a":{"type":"object","additionalProperties":false,"properties":{"b":{"type":"object","additionalProperties":false,"required":["c"],"properties":{"c":{"type":"integer"}}}}}}"###,
    ),
    (
        "objects-deep",
        r###"{"a":{"type":"object","properties":{"a":{"type":"object","properties":{"a":{"type":"object","properties":{"a":{"type":"object","properties":{"a":{"type":"object","required":["end"],"properties":{"end":{"type":"string","format":"uuid"}}}}}}}}}}}}"###,
    ),
    // Identifiers.
    (
        "identifiers",
        r###"{"a":{"type":"string","role":"identifier"},"b":{"type":"string","format":"email","role":"identifier"},"c":{"type":"integer","role":"identifier"},"d":{"enum":["x","y"],"role":"identifier"},"e":{"type":["string","null"],"role":"identifier","maxLength":9},"f":{"type":"string","format":"date","role":"identifier"}}"###,
    ),
    (
        "identifiers-nested",
        r###"{"a":{"type":"array","items":{"type":["object","null"],"properties":{"sku":{"type":"string","role":"identifier"},"self":{"type":["object","null"],"properties":{"type":{"type":"string","format":"uuid","role":"identifier"}}}}}},"b":{"type":"array","maxItems":3,"items":{"type":"array","items":{"type":"object","required":["no"],"properties":{"no":{"type":"integer","role":"identifier","default":3}}}}}}"###,
    ),
    (
        "personal",
        r###"{"who":{"type":"string","role":"identifier","personal":"self"},"mail":{"type":"string","format":"email","personal":"who"},"age":{"type":["integer","null"],"minimum":0,"personal":"who"},"name":{"type":"object","properties":{"first":{"type":"string","minLength":1}},"personal":"who"}}"###,
    ),
    // Defaults.
    (
        "defaults",
        r###"{"a":{"type":"string","default":"\"#"},"b":{"type":"integer","minimum":1,"default":3},"c":{"type":"number","default":0.5},"d":{"type":"boolean","default":true},"e":{"enum":["x","y"],"default":"y"},"f":{"type":"string","format":"decimal","default":"1.50"},"g":{"type":"string","format":"uuid","default":"0192f3c4-7e2a-7c3b-9d55-0d4e8f6a1b2c"},"h":{"type":"array","items":{"type":"string","maxLength":2},"default":["a","b"]},"i":{"type":"string","format":"date-time","default":"2026-01-05T10:00:00Z"},"j":{"type":"string","format":"email","default":"a@example.org"}}"###,
    ),
    (
        "defaults-odd",
        r###"{"a":{"type":["string","null"],"default":"x"},"b":{"type":["string","null"],"default":null},"c":{"type":"object","properties":{"d":{"type":"string","default":"in"}},"default":{"d":"out"}},"default_a":{"type":"string","default":"taken?"},"e":{"enum":["x"],"extensible":true,"default":"new"},"f":{"type":"string","role":"identifier","default":"tagged"}}"###,
    ),
    // Documentation.
    (
        "documents",
        r###"{"a":{"type":"string","description":"Ends */ it, or \"quotes\" it.\n\n    let code = 1;\n\n```\nfn main() {}\n```\n[link] <b>"},"b":{"type":"integer","minimum":1,"description":"  \n","unit":"`tick`","deprecated":true},"c":{"enum":["x"],"description":"~~~rust\nopen"}}"###,
    ),
];

/// Payload fields that are required, beside the key.
const REQUIRED: &[(&str, &str)] = &[
    (
        "required-nullable",
        r###"{"a":{"type":["string","null"]},"b":{"type":["string","null"],"format":"uuid"},"c":{"enum":["x",null]},"d":{"type":["object","null"],"properties":{"e":{"type":"boolean"}}},"f":{"type":["array","null"],"items":{"type":"string","format":"decimal"}}}"###,
    ),
    (
        "required-formats",
        r###"{"a":{"type":"string","format":"decimal"},"b":{"type":"string","format":"uuid"},"c":{"type":"array","minItems":1,"items":{"type":"string","format":"decimal"}},"d":{"type":"string","format":"date-time"},"e":{"type":"object","additionalProperties":{"type":"string","format":"uuid"}}}"###,
    ),
    ("required-default", r###"{"a":{"type":"string","default":"x"},"b":{"enum":["x","y"],"default":"y"}}"###),
    ("one", r###"{"a":{"type":"boolean"}}"###),
    (
        "three",
        r###"{"a":{"type":"string"},"b":{"type":"string","minLength":1},"c":{"type":"array","minItems":1,"items":{"type":"string"}}}"###,
    ),
    (
        "four",
        r###"{"a":{"type":"string"},"b":{"type":"number"},"c":{"type":"object","properties":{"a":{"type":"number"}}},"d":{"type":"string","format":"email"}}"###,
    ),
];

/// Keys.
const KEYS: &[(&str, &str)] = &[
    ("key-uuid", r###"{"type":"string","format":"uuid"}"###),
    ("key-uuid-identifier", r###"{"type":"string","format":"uuid","role":"identifier"}"###),
    ("key-integer", r###"{"type":"integer"}"###),
    ("key-bounded", r###"{"type":"integer","minimum":1,"multipleOf":3}"###),
    ("key-date", r###"{"type":"string","format":"date"}"###),
    ("key-email", r###"{"type":"string","format":"email"}"###),
    ("key-uri", r###"{"type":"string","format":"uri","role":"identifier"}"###),
    ("key-words", r###"{"enum":["north","south"]}"###),
    ("key-text", r###"{"type":"string"}"###),
    ("key-identifier", r###"{"type":"string","role":"identifier"}"###),
    ("key-pattern", r###"{"type":"string","pattern":"^[A-Z]{2}-[0-9]+$","role":"identifier"}"###),
    ("key-short", r###"{"type":"string","minLength":1,"maxLength":40,"role":"identifier"}"###),
];

/// Whole contracts: names of events, streams and versions.
const CONTRACTS: &[(&str, &str)] = &[
    (
        "name-builder",
        r###"{"event":"trap.one-builder","version":1,"payload":{"type":"object","required":["id"],"properties":{"id":{"type":"string"},"a":{"type":"string"},"b":{"type":"string"},"c":{"type":"string"},"d":{"type":"string"}}}}"###,
    ),
    (
        "name-keyword",
        r###"{"event":"type.self","version":1,"payload":{"type":"object","required":["id"],"properties":{"id":{"type":"string"}}}}"###,
    ),
    (
        "name-rt",
        r###"{"event":"rt.happened","version":1,"stream":"rt","payload":{"type":"object","required":["id"],"properties":{"id":{"type":"string"},"at":{"type":"string","format":"date-time"}}}}"###,
    ),
    (
        "name-std",
        r###"{"event":"std.happened","version":1,"stream":"std","payload":{"type":"object","required":["id"],"properties":{"id":{"type":"string"},"at":{"type":"string","minLength":1}}}}"###,
    ),
    (
        "name-v1",
        r###"{"event":"v1.happened","version":1,"stream":"v1","payload":{"type":"object","required":["id"],"properties":{"id":{"type":"string"}}}}"###,
    ),
    (
        "name-digits",
        r###"{"event":"login.fa2-on","version":1,"payload":{"type":"object","required":["id"],"properties":{"id":{"type":"string"}}}}"###,
    ),
    (
        "name-command",
        r###"{"command":"option","version":1,"payload":{"type":"object","required":["id"],"properties":{"id":{"type":"string"}}}}"###,
    ),
    (
        "versions-1",
        r###"{"event":"trap.versions","version":1,"payload":{"type":"object","required":["id","size"],"properties":{"id":{"type":"string"},"size":{"title":"Size","type":"integer","minimum":1},"box":{"title":"Part","type":"object","required":["kind"],"properties":{"kind":{"enum":["a","b"]}}}}}}"###,
    ),
    (
        "versions-2",
        r###"{"event":"trap.versions","version":2,"payload":{"type":"object","required":["id","size"],"properties":{"id":{"type":"string"},"size":{"title":"Size","type":"integer","minimum":0},"box":{"title":"Part","type":"object","required":["kind"],"properties":{"kind":{"enum":["a","b"]}}},"old":{"title":"Part2","type":"string","maxLength":3}}}}"###,
    ),
    (
        "versions-3",
        r###"{"event":"trap.versions","version":3,"payload":{"type":"object","required":["id","size","grade"],"properties":{"id":{"type":"string"},"size":{"title":"Size","type":"integer","minimum":0},"grade":{"type":"string","default":"plain"},"box":{"title":"Part","type":"object","required":["kind"],"properties":{"kind":{"enum":["a","b","c"]}}}}},"upcast":[{"drop":["old"]}]}"###,
    ),
    (
        "versions-code-1",
        r###"{"event":"trap.coded","version":1,"payload":{"type":"object","required":["id"],"properties":{"id":{"type":"string"},"from":{"title":"TrapVersions","type":"string","minLength":1}}}}"###,
    ),
    (
        "versions-code-2",
        r###"{"event":"trap.coded","version":2,"payload":{"type":"object","required":["id"],"properties":{"id":{"type":"string"},"from":{"type":"string","minLength":1}}},"upcast":[{"code":"trap"}]}"###,
    ),
];

/// Payload fields that are refused, each with the word that the refusal names.
const REFUSED: &[(&str, &str)] = &[
    ("oneOf", r###"{"a":{"oneOf":[{"type":"string"},{"type":"integer"}]}}"###),
    ("anyOf", r###"{"a":{"anyOf":[{"type":"string"}]}}"###),
    ("allOf", r###"{"a":{"allOf":[{"type":"string"},{"minLength":1}]}}"###),
    ("not", r###"{"a":{"type":"string","not":{"const":"x"}}}"###),
    ("if", r###"{"a":{"type":"string","if":{"minLength":1}}}"###),
    ("patternProperties", r###"{"a":{"type":"object","patternProperties":{"^x":{"type":"string"}}}}"###),
    (
        "propertyNames",
        r###"{"a":{"type":"object","additionalProperties":{"type":"string"},"propertyNames":{"pattern":"^x"}}}"###,
    ),
    (
        "minProperties",
        r###"{"a":{"type":"object","additionalProperties":{"type":"string"},"minProperties":1}}"###,
    ),
    (
        "maxProperties",
        r###"{"a":{"type":"object","additionalProperties":{"type":"string"},"maxProperties":1}}"###,
    ),
    (
        "dependentRequired",
        r###"{"a":{"type":"object","properties":{"b":{"type":"string"}},"dependentRequired":{"b":["c"]}}}"###,
    ),
    (
        "unevaluatedProperties",
        r###"{"a":{"type":"object","properties":{"b":{"type":"string"}},"unevaluatedProperties":false}}"###,
    ),
    (
        "prefixItems",
        r###"{"a":{"type":"array","prefixItems":[{"type":"string"}],"items":{"type":"string"}}}"###,
    ),
    ("contains", r###"{"a":{"type":"array","items":{"type":"string"},"contains":{"const":"x"}}}"###),
    ("uniqueItems", r###"{"a":{"type":"array","items":{"type":"string"},"uniqueItems":true}}"###),
    ("contentEncoding", r###"{"a":{"type":"string","contentEncoding":"base64"}}"###),
    ("nullable", r###"{"a":{"type":"string","nullable":true}}"###),
    ("multipleOf", r###"{"a":{"type":"number","multipleOf":0.01}}"###),
    (
        "additionalProperties",
        r###"{"a":{"type":"object","properties":{"b":{"type":"string"}},"additionalProperties":{"type":"string"}}}"###,
    ),
    ("enum", r###"{"a":{"type":"integer","enum":[1,2]}}"###),
    ("integer", r###"{"a":{"type":["string","integer"]}}"###),
    ("items", r###"{"a":{"type":"array"}}"###),
    ("properties", r###"{"a":{"type":"object"}}"###),
    ("type", r###"{"a":{}}"###),
    ("true", r###"{"a":true}"###),
    ("pattern", r###"{"a":{"type":"string","pattern":"(?=x)x"}}"###),
    ("whole number of 64 bits", r###"{"a":{"type":"integer","minimum":0.5}}"###),
    ("whole number lies", r###"{"a":{"type":"integer","minimum":2,"maximum":1}}"###),
    ("maxLength", r###"{"a":{"type":"string","minLength":2,"maxLength":1}}"###),
    ("minLenght", r###"{"a":{"type":"string","minLenght":2}}"###),
    ("time", r###"{"a":{"type":"string","format":"time"}}"###),
    ("a_b", r###"{"aB":{"type":"string"},"a_b":{"type":"string"}}"###),
    ("256", r###"MANY"###),
];

/// All contracts that must be carried, as documents without owner and key.
pub(crate) fn carried() -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for (name, fields) in FIELDS {
        let required = if *name == "personal" { json!(["id", "who"]) } else { json!(["id"]) };
        all.push(((*name).to_owned(), contract(name, payload(&parse(fields), required))));
    }
    for (name, fields) in REQUIRED {
        let fields = parse(fields);
        let names: Vec<&str> = std::iter::once("id").chain(fields.keys().map(String::as_str)).collect();
        all.push(((*name).to_owned(), contract(name, payload(&fields, json!(names)))));
    }
    for (name, key) in KEYS {
        let key: Value = serde_json::from_str(key).unwrap();
        let payload = json!({ "type": "object", "required": ["id"], "properties": { "id": key } });
        all.push(((*name).to_owned(), contract(name, payload)));
    }
    let whole = |(name, text): &(&str, &str)| ((*name).to_owned(), serde_json::from_str(text).unwrap());
    all.extend(CONTRACTS.iter().map(whole));
    all
}

/// All contracts that must be refused, by the word that the refusal names.
pub(crate) fn refused() -> Vec<(String, Value)> {
    let of = |(index, (word, fields)): (usize, &(&str, &str))| {
        let fields = if *fields == "MANY" { many() } else { parse(fields) };
        let payload = payload(&fields, json!(["id"]));
        ((*word).to_owned(), contract(&format!("refused-{index}"), payload))
    };
    REFUSED.iter().enumerate().map(of).collect()
}

fn many() -> Map<String, Value> {
    (0..260).map(|n| (format!("field{n}"), json!({ "type": "string" }))).collect()
}

fn parse(fields: &str) -> Map<String, Value> {
    serde_json::from_str(fields).unwrap()
}

fn payload(fields: &Map<String, Value>, required: Value) -> Value {
    let mut properties = fields.clone();
    properties.insert("id".to_owned(), json!({ "type": "string" }));
    json!({ "type": "object", "required": required, "properties": properties })
}

fn contract(name: &str, payload: Value) -> Value {
    json!({ "event": format!("trap.{name}"), "version": 1, "payload": payload })
}
