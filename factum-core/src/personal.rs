//! A value that belongs to a person, and may be gone: known while its subject's key exists, forgotten after.
//!
//! Handlers, replays and rebuilds go on after a subject was forgotten, because the type says that the value may be
//! gone. Never shown: `Debug` and `Display` mask what is known, and so do errors met while reading one.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use crate::pointer;

/// The one field of the object that stands where a value was forgotten: `{"$forgotten":true}`.
pub const FORGOTTEN_FIELD: &str = "$forgotten";

/// What stands in a payload where a value was forgotten.
pub const FORGOTTEN_JSON: &str = r#"{"$forgotten":true}"#;

/// The one field of the object that stands where a value is sealed: `{"$sealed":"…"}`.
pub const SEALED_FIELD: &str = "$sealed";

/// The one field of the object around a known value while [`places`] looks for it.
const MARKED_FIELD: &str = "$personal";

thread_local! {
    /// Whether known values are written with a mark around them.
    static MARKS: Cell<bool> = const { Cell::new(false) };
}

/// What serde_json makes of a value, and JSON pointers to every known [`Personal`] in it that is not `null`.
///
/// For what is kept beside the log and has no contract that says what of it is personal: its types say so.
///
/// ```
/// # use factum_core::{Personal, personal::places};
/// #[derive(serde::Serialize)]
/// struct Order { id: u32, email: Personal<String> }
///
/// let (json, found) = places(&Order { id: 7, email: "ada@example.org".into() })?;
/// assert_eq!(json, serde_json::json!({ "id": 7, "email": "ada@example.org" }));
/// assert_eq!(found, ["/email"]);
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// # Errors
/// When the value has no JSON form.
pub fn places<T: Serialize>(value: &T) -> Result<(serde_json::Value, Vec<String>), serde_json::Error> {
    struct Marking;
    impl Drop for Marking {
        fn drop(&mut self) {
            MARKS.set(false);
        }
    }
    MARKS.set(true);
    let marking = Marking;
    let json = serde_json::to_value(value);
    drop(marking);
    let (mut json, mut found) = (json?, Vec::new());
    unmark(&mut json, &mut String::new(), &mut Some(&mut found));
    Ok((json, found))
}

/// Takes the marks away; within a personal value nothing is noted.
fn unmark(value: &mut serde_json::Value, path: &mut String, found: &mut Option<&mut Vec<String>>) {
    use serde_json::Value;
    let length = path.len();
    match value {
        Value::Object(fields) if fields.len() == 1 && fields.contains_key(MARKED_FIELD) => {
            let mut inner = fields.remove(MARKED_FIELD).unwrap_or_default();
            if let (Some(found), false) = (found, inner.is_null()) {
                found.push(path.clone());
            }
            unmark(&mut inner, path, &mut None);
            *value = inner;
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                path.push('/');
                path.push_str(&pointer::escaped(name));
                unmark(field, path, found);
                path.truncate(length);
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter_mut().enumerate() {
                path.push_str(&format!("/{at}"));
                unmark(item, path, found);
                path.truncate(length);
            }
        }
        _ => {}
    }
}

/// A value of a field that the contract marks as personal data.
///
/// On the wire a known value is the value itself, and a forgotten one is the fixed object `{"$forgotten":true}`.
///
/// ```
/// use factum_core::Personal;
///
/// let email = Personal::from("ada@example.org".to_owned());
/// assert_eq!(email.known().map(String::as_str), Some("ada@example.org"));
/// assert_eq!(format!("{email} {email:?}"), "*** Known(***)");
/// assert_eq!(serde_json::to_string(&email)?, r#""ada@example.org""#);
///
/// let gone: Personal<String> = serde_json::from_str(r#"{"$forgotten":true}"#)?;
/// assert!(gone.is_forgotten());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Personal<T> {
    /// The value, while its subject's key exists.
    Known(T),
    /// Gone: the subject was forgotten, or its key is not within reach here.
    Forgotten,
}

impl<T> Personal<T> {
    /// The value, when it is known.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Forgotten => None,
        }
    }

    /// The value itself, when it is known.
    pub fn into_known(self) -> Option<T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Forgotten => None,
        }
    }

    /// Whether it is gone.
    pub const fn is_forgotten(&self) -> bool {
        matches!(self, Self::Forgotten)
    }

    /// The same around a reference.
    pub const fn as_ref(&self) -> Personal<&T> {
        match self {
            Self::Known(value) => Personal::Known(value),
            Self::Forgotten => Personal::Forgotten,
        }
    }

    /// Another value made from a known one.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Personal<U> {
        match self {
            Self::Known(value) => Personal::Known(change(value)),
            Self::Forgotten => Personal::Forgotten,
        }
    }
}

impl<T> From<T> for Personal<T> {
    fn from(value: T) -> Self {
        Self::Known(value)
    }
}

impl From<&str> for Personal<String> {
    fn from(value: &str) -> Self {
        Self::Known(value.to_owned())
    }
}

impl<T> fmt::Debug for Personal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Known(_) => "Known(***)",
            Self::Forgotten => "Forgotten",
        })
    }
}

impl<T> fmt::Display for Personal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Known(_) => "***",
            Self::Forgotten => "forgotten",
        })
    }
}

impl<T: Serialize> Serialize for Personal<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap as _;
        match self {
            Self::Known(value) if MARKS.get() => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry(MARKED_FIELD, value)?;
                map.end()
            }
            Self::Known(value) => value.serialize(serializer),
            Self::Forgotten => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry(FORGOTTEN_FIELD, &true)?;
                map.end()
            }
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Personal<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Either(PhantomData))
    }
}

/// How serde_json hands out a number where another crate of the program asks it for numbers of any precision.
const NUMBER_FIELD: &str = "$serde_json::private::Number";

/// Reads the marker, or hands what it meets on to the value's own type.
struct Either<T>(PhantomData<T>);

/// What is said of a value that does not fit: nothing that quotes it.
fn unfit<E: serde::de::Error>(_: E) -> E {
    E::custom("a personal value does not fit its type")
}

macro_rules! hand_on {
    ($($visit:ident: $ty:ty),+ $(,)?) => {
        $(fn $visit<E: serde::de::Error>(self, value: $ty) -> Result<Self::Value, E> {
            T::deserialize(Plain(value.into_deserializer())).map(Personal::Known).map_err(unfit)
        })+
    };
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
    type Value = Personal<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a value, or {FORGOTTEN_JSON}")
    }

    hand_on! {
        visit_bool: bool,
        visit_i64: i64,
        visit_u64: u64,
        visit_i128: i128,
        visit_u128: u128,
        visit_f64: f64,
        visit_str: &str,
        visit_string: String,
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, value: &'de str) -> Result<Self::Value, E> {
        let value = serde::de::value::BorrowedStrDeserializer::new(value);
        T::deserialize(Plain(value)).map(Personal::Known).map_err(unfit)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        T::deserialize(Plain(().into_deserializer())).map(Personal::Known).map_err(unfit)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        T::deserialize(Plain(SeqAccessDeserializer::new(seq))).map(Personal::Known).map_err(unfit)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let first: Option<String> = map.next_key()?;
        if first.as_deref() == Some(NUMBER_FIELD) {
            let number: serde_json::Number =
                map.next_value::<String>()?.parse().map_err(|error| unfit(A::Error::custom(error)))?;
            return T::deserialize(number)
                .map(Personal::Known)
                .map_err(|error| unfit(A::Error::custom(error)));
        }
        if first.as_deref() != Some(FORGOTTEN_FIELD) {
            let rest = WithFirst { first, is_given: false, rest: map };
            return T::deserialize(Plain(MapAccessDeserializer::new(rest)))
                .map(Personal::Known)
                .map_err(unfit);
        }
        let is_whole = map.next_value::<bool>()? && map.next_key::<serde::de::IgnoredAny>()?.is_none();
        if is_whole {
            Ok(Personal::Forgotten)
        } else {
            Err(A::Error::custom(format!("expected {FORGOTTEN_JSON}")))
        }
    }
}

/// A map whose first name has been looked at already.
struct WithFirst<A> {
    first: Option<String>,
    /// Whether the first name has been handed out, so that the map goes on by itself.
    is_given: bool,
    rest: A,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for WithFirst<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        if self.is_given {
            return self.rest.next_key_seed(seed);
        }
        self.is_given = true;
        self.first.take().map(|name| seed.deserialize(name.into_deserializer())).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.rest.next_value_seed(seed)
    }
}

/// A plain value's deserializer that knows newtypes and options, as those of formats do.
struct Plain<D>(D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Plain<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        visitor.visit_some(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_enum(name, variants, visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Name(String);

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Address {
        street: Name,
        number: Option<u8>,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Size {
        Small,
    }

    fn round_trips<T>(value: T, json: Value)
    where
        T: Serialize + for<'de> Deserialize<'de> + PartialEq + fmt::Debug,
    {
        let value = Personal::Known(value);
        assert_eq!(serde_json::to_value(&value).unwrap(), json);
        assert!(serde_json::from_value::<Personal<T>>(json.clone()).unwrap() == value, "{json}");
        assert!(serde_json::from_str::<Personal<T>>(&json.to_string()).unwrap() == value, "{json}");
        assert!(serde_json::from_str::<Personal<T>>(FORGOTTEN_JSON).unwrap().is_forgotten());
    }

    #[test]
    fn a_known_value_is_written_as_itself_whatever_its_type() {
        round_trips("ada".to_owned(), json!("ada"));
        round_trips(Name("ada".into()), json!("ada"));
        round_trips(-7_i64, json!(-7));
        round_trips(u64::MAX, json!(u64::MAX));
        round_trips(1.5, json!(1.5));
        round_trips(true, json!(true));
        round_trips(Size::Small, json!("Small"));
        round_trips(vec![Name("a".into()), Name("b".into())], json!(["a", "b"]));
        round_trips(
            Address { street: Name("Lane".into()), number: Some(1) },
            json!({"street": "Lane", "number": 1}),
        );
        round_trips(BTreeMap::from([("a".to_owned(), 1)]), json!({"a": 1}));
        round_trips(BTreeMap::<String, u8>::new(), json!({}));
    }

    #[test]
    fn a_forgotten_value_is_one_fixed_marker() {
        assert_eq!(serde_json::to_string(&Personal::<String>::Forgotten).unwrap(), FORGOTTEN_JSON);
        for wrong in [r#"{"$forgotten":false}"#, r#"{"$forgotten":true,"a":1}"#, r#"{"$forgotten":1}"#] {
            assert!(serde_json::from_str::<Personal<BTreeMap<String, Value>>>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_absent_personal_field_is_none() {
        #[derive(Deserialize)]
        struct Placed {
            #[serde(default)]
            email: Option<Personal<Name>>,
        }
        let read = |json: &str| serde_json::from_str::<Placed>(json).unwrap().email;
        assert!(read("{}").is_none() && read(r#"{"email":null}"#).is_none());
        assert!(read(r#"{"email":{"$forgotten":true}}"#).is_some_and(|email| email.is_forgotten()));
        assert!(read(r#"{"email":"a@b"}"#).is_some_and(|email| email.known().is_some()));
    }

    #[test]
    fn nothing_that_is_printed_shows_the_value() {
        let value = Personal::<String>::from("canary");
        let error = serde_json::from_str::<Personal<Address>>(r#"{"canary":"canary"}"#).unwrap_err();
        let other = serde_json::from_str::<Personal<u8>>(r#""canary""#).unwrap_err();
        for text in [format!("{value:?} {value:#?} {value}"), error.to_string(), other.to_string()] {
            assert!(!text.contains("canary"), "{text}");
        }
        assert!(error.to_string().contains("personal"), "{error}");
    }
}
