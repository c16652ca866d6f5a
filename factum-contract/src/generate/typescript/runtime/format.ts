// What each format of the contract language accepts: exactly what Factum's own gate does.

/** Text: a UUID with hyphens. */
export type Uuid = string;
/** Text: a point in time, RFC 3339, with at most nine digits of fraction. */
export type DateTime = string;
/** Text: a calendar date, `2026-01-05`. */
export type CalendarDate = string;
/** Text: an e-mail address. */
export type Email = string;
/** Text: an absolute URI. */
export type Uri = string;
/** Text: a decimal number of at most 28 digits, exact: `"21.00"`. */
export type Decimal = string;
/** One format. */
export interface Format {
  readonly expected: string;
  readonly is: (text: string) => boolean;
}

/** All formats. */
export const FORMATS = {
  uuid: {
    expected: "a UUID such as 0192f3c4-7e2a-7c3b-9d55-0d4e8f6a1b2c",
    is: (text) => /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text),
  },
  dateTime: { expected: "a time such as 2026-01-05T10:00:00Z", is: isDateTime },
  date: { expected: "a date such as 2026-01-05", is: isDate },
  email: { expected: "an e-mail address", is: isEmail },
  uri: {
    expected: "an absolute URI",
    is: (text) => /^[A-Za-z][A-Za-z0-9+.-]*:(?:[A-Za-z0-9\-._~:/?#[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+$/.test(text),
  },
  decimal: { expected: 'a decimal number of at most 28 digits, as text such as "21.00"', is: isDecimal },
} satisfies Readonly<Record<string, Format>>;

function isDate(text: string): boolean {
  const parts = /^([0-9]{4})-([0-9]{2})-([0-9]{2})$/.exec(text);
  if (parts === null) return false;
  const [year, month, day] = [Number(parts[1]), Number(parts[2]), Number(parts[3])];
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const days = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1] ?? 0;
  return year >= 1 && day >= 1 && day <= days;
}

const CLOCK = /^T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])$/;

/** Within what every language can hold and write again in UTC: an offset leads to the day before or after. */
function isDateTime(text: string): boolean {
  const day = text.slice(0, 10);
  if (!isDate(day) || !CLOCK.test(text.slice(10))) return false;
  return text.endsWith("Z") ? day < "9999-12-30" : day > "0001-01-01" && day < "9999-12-29";
}

function isEmail(text: string): boolean {
  const at = text.lastIndexOf("@");
  const local = text.slice(0, Math.max(at, 0));
  const isLocal = /^[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+(?:\.[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+)*$/.test(local);
  const isLabel = (label: string) => /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(label);
  return text.length <= 254 && local.length <= 64 && isLocal && text.slice(at + 1).split(".").every(isLabel);
}

function isDecimal(text: string): boolean {
  const digits = text.replace("-", "").replace(".", "").length;
  return digits <= 28 && /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?$/.test(text);
}

/** Half of a surrogate pair is no character: no other language can hold it. */
export const HALF_OF_A_PAIR = /\p{Surrogate}/u;
