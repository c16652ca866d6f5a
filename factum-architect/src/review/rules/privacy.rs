//! What must not lie about: personal data and secrets.

use factum_contract::Severity::{Error, Warning};

use crate::review::payload::FieldView;
use crate::review::rule::Profile::Recommended;
use crate::review::rule::{Check, Found, Rule};
use crate::review::view::{ContractView, View, texts_of};
use crate::review::words;

/// The family's table.
pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "sec/pii",
        severity: Warning,
        profile: Recommended,
        title: "A field looks like personal data, and says not whose it is.",
        why: "Events are copied, kept and replayed: what is not sealed with a subject's key can never be forgotten. On events for outsiders it is an error.",
        bad: "# a.v1.yaml\nevent: order.placed\nversion: 1\npayload: { type: object, properties: { email: { type: string } } }",
        good: "# a.v1.yaml\nevent: order.placed\nversion: 1\npayload: { type: object, properties: { customerId: { type: string, personal: self }, email: { type: string, personal: customerId } } }",
        fix: "mark it `personal: <field of the subject>`, or leave it out where the pseudonym is enough",
        check: Check::Catalog(pii),
    },
    Rule {
        id: "sec/pii-in-metadata",
        severity: Error,
        profile: Recommended,
        title: "Personal data or a secret is a key, an attribute or part of a topic.",
        why: "Keys and attributes are logged by every broker, proxy and dashboard on the way, and are never encrypted.",
        bad: "# a.v1.yaml\nevent: order.placed\nversion: 1\nkey: email\npayload: { type: object, required: [email], properties: { email: { type: string } } }",
        good: "# a.v1.yaml\nevent: order.placed\nversion: 1\nkey: orderId\npayload: { type: object, required: [orderId], properties: { orderId: { type: string } } }",
        fix: "key it by an id that says nothing about a person",
        check: Check::Catalog(metadata),
    },
    Rule {
        id: "sec/secret",
        severity: Error,
        profile: Recommended,
        title: "A field holds a password, a token or a key.",
        why: "Everybody who can read the log for as long as it is kept can then use it.",
        bad: "# a.v1.yaml\nevent: user.registered\nversion: 1\npayload: { type: object, properties: { password: { type: string } } }",
        good: "# a.v1.yaml\nevent: user.registered\nversion: 1\npayload: { type: object, properties: { userId: { type: string } } }",
        fix: "leave it out; hand secrets over by a vault and send its reference",
        check: Check::Catalog(secret),
    },
    Rule {
        id: "sec/erasure-conflict",
        severity: Warning,
        profile: Recommended,
        title: "Personal data that is not sealed stays for ever.",
        why: "The right to be forgotten meets a topic that forgets nothing: compacted, or kept for more than ten years.",
        bad: "# a.v1.yaml\nevent: guest.registered\nversion: 1\ntopic: guests\npayload: { type: object, properties: { email: { type: string } } }\n# system.yaml\nsystem: shop\ntopics: { guests: { cleanup: compact } }",
        good: "# a.v1.yaml\nevent: guest.registered\nversion: 1\ntopic: guests\npayload: { type: object, properties: { guestId: { type: string, personal: self }, email: { type: string, personal: guestId } } }\n# system.yaml\nsystem: shop\ntopics: { guests: { cleanup: compact } }",
        fix: "seal it by `personal:`, so that destroying a key erases it; or let the topic forget",
        check: Check::Catalog(erasure),
    },
];

/// Why a field looks personal: by its name, never by guessing from others.
fn personal(field: &FieldView<'_>, contract: &ContractView<'_>) -> Option<&'static str> {
    let words = field.words();
    let name = words.join("");
    let has = |word: &str| words.iter().any(|one| one == word);
    // `emailTemplate`, `phoneCount`, `addressBook`: not a person's.
    let last = words.last().map_or("", String::as_str);
    if [
        "template", "count", "type", "id", "status", "verified", "book", "enabled", "domain", "sent", "at",
        "version",
    ]
    .contains(&last)
        || field.kind() == Some("boolean")
    {
        return None;
    }
    if has("email") || name == "emailaddress" || (has("mail") && has("address")) {
        return Some("an e-mail address");
    }
    if has("phone")
        || name.ends_with("phonenumber")
        || matches!(last, "mobile" | "msisdn") && words.len() <= 2
    {
        return Some("a telephone number");
    }
    if ["ssn", "iban", "passport", "birthdate", "dob"].iter().any(|word| has(word))
        || ["dateofbirth", "birthdate", "birthday", "passportnumber", "socialsecuritynumber", "taxid"]
            .contains(&name.as_str())
    {
        return Some("a mark of a person");
    }
    const OF_PEOPLE: [&str; 10] = [
        "firstname",
        "lastname",
        "surname",
        "fullname",
        "givenname",
        "familyname",
        "maidenname",
        "customername",
        "guestname",
        "patientname",
    ];
    if OF_PEOPLE.contains(&name.as_str()) {
        return Some("a person's name");
    }
    const STREETS: [&str; 8] = [
        "street",
        "streetaddress",
        "homeaddress",
        "shippingaddress",
        "billingaddress",
        "deliveryaddress",
        "postaladdress",
        "streetname",
    ];
    let is_place = contract
        .words
        .iter()
        .any(|word| matches!(word.as_str(), "store" | "warehouse" | "branch" | "office" | "company"));
    if STREETS.contains(&name.as_str()) && !is_place {
        return Some("an address");
    }
    ["ipaddress", "clientip", "remoteip"].contains(&name.as_str()).then_some("a network address")
}

/// Whether a field, or what it lies in, says whose it is.
fn is_marked(field: &FieldView<'_>, contract: &ContractView<'_>) -> bool {
    let above = |other: &&FieldView<'_>| {
        field.path.starts_with(&other.path) && field.path[other.path.len()..].starts_with(['.', '[', '{'])
    };
    field.schema.get("personal").is_some()
        || contract.fields.iter().filter(above).any(|other| other.schema.get("personal").is_some())
}

/// Fields that look personal, are not marked, and carry the value themselves.
fn unmarked<'v, 'd>(
    contract: &'v ContractView<'d>,
) -> impl Iterator<Item = (&'v FieldView<'d>, &'static str)> {
    contract.fields.iter().filter_map(move |field| {
        let is_leaf = field.kind() != Some("array")
            && !(field.kind() == Some("object") && field.schema.get("properties").is_some());
        let what = personal(field, contract).filter(|_| is_leaf)?;
        (!is_marked(field, contract)).then_some((field, what))
    })
}

fn pii(view: &View<'_>, found: &mut Found) {
    for contract in view.latest() {
        for (field, what) in unmarked(contract) {
            let severity = if contract.is_public() { Error } else { Warning };
            found.as_bad_as(
                severity,
                field.span(),
                format!("`{}` of {} looks like {what}, and says not whose", field.path, contract.label()),
            );
        }
    }
}

fn metadata(view: &View<'_>, found: &mut Found) {
    for contract in view.latest() {
        let key = contract.text("key");
        let field = key.and_then(|key| contract.field(key.text));
        let what = field.and_then(|field| personal(field, contract).or_else(|| secret_in(field)));
        if let (Some(key), Some(what)) = (key, what) {
            found.at(key.span, format!("{} is keyed by {what}: `{}`", contract.label(), key.text));
        }
        for word in contract.node.get("attributes").map(texts_of).unwrap_or_default() {
            const NEVER: [&str; 9] =
                ["email", "useremail", "phone", "ssn", "iban", "password", "apikey", "secret", "accesstoken"];
            if NEVER.contains(&word.text.to_lowercase().replace(['_', '-'], "").as_str()) {
                found.at(
                    word.span,
                    format!("the attribute `{}` of {} travels in the open", word.text, contract.label()),
                );
            }
        }
    }
}

/// Why a field looks like a secret.
fn secret_in(field: &FieldView<'_>) -> Option<&'static str> {
    let words = words::split(field.name.text);
    let name = words.join("");
    let last = words.last().map_or("", String::as_str);
    // `passwordChangedAt`, `tokenCount`, `secretSanta`: what comes last decides.
    match last {
        "hash" | "digest" | "salt" if words.iter().any(|word| word == "password") => {
            Some("what a password can be guessed from")
        }
        "password" | "passwd" | "pwd" | "passphrase" => Some("a password"),
        "secret" => Some("a secret"),
        "pin" if name == "pin" || name == "cardpin" => Some("a password"),
        "cvv" | "cvc" => Some("the code of a card"),
        "token"
            if [
                "accesstoken",
                "refreshtoken",
                "authtoken",
                "apitoken",
                "bearertoken",
                "sessiontoken",
                "resettoken",
                "idtoken",
            ]
            .contains(&name.as_str()) =>
        {
            Some("a token")
        }
        "key"
            if ["apikey", "secretkey", "privatekey", "encryptionkey", "accesskey"]
                .contains(&name.as_str()) =>
        {
            Some("a key")
        }
        "number" if ["cardnumber", "creditcardnumber"].contains(&name.as_str()) => {
            Some("the number of a card")
        }
        _ => None,
    }
}

fn secret(view: &View<'_>, found: &mut Found) {
    for contract in view.latest() {
        for field in contract.fields.iter().filter(|field| field.kind() != Some("boolean")) {
            if let Some(what) = secret_in(field) {
                found.at(field.span(), format!("`{}` of {} holds {what}", field.path, contract.label()));
            }
        }
    }
}

fn erasure(view: &View<'_>, found: &mut Found) {
    const LONG: std::time::Duration = std::time::Duration::from_secs(10 * 366 * 86_400);
    for contract in view.latest() {
        let topic = view.topic(contract.topic());
        let is_compacted =
            topic.and_then(|topic| topic.text("cleanup")).is_some_and(|word| word.text.contains("compact"));
        let is_for_ever = topic
            .and_then(|topic| topic.text("retention"))
            .is_some_and(|word| matches!(word.text, "forever" | "infinite" | "unlimited"))
            || view.retention(contract.topic()).is_some_and(|kept| kept > LONG);
        if !is_compacted && !is_for_ever {
            continue;
        }
        if let Some((field, what)) = unmarked(contract).next() {
            let how = if is_compacted { "is compacted" } else { "forgets nothing" };
            found.at(
                field.span(),
                format!("`{}` is {what}, not sealed, and `{}` {how}", field.path, contract.topic()),
            );
        }
    }
}
