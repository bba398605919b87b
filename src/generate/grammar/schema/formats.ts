/** The formats of JSON Schema that are held to, as regular expressions for their common forms. */
const DAY = '0[1-9]|1\\d|2[0-8]';
const MONTHS = `(0[13578]|1[02])-(${DAY}|29|3[01])|(0[469]|11)-(${DAY}|29|30)|02-(${DAY})`;
const DATE = `(\\d{4}-(${MONTHS})|\\d\\d(0[48]|[2468][048]|[13579][26])-02-29)`;
const TIME = '([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,9})?(Z|[+-]([01]\\d|2[0-3]):[0-5]\\d)';
const OCTET = '(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
const LABEL = '[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?';
const HOST = `${LABEL}(\\.${LABEL}){0,8}`;
const HEX = '[0-9a-fA-F]';
const URI_CHAR = "([A-Za-z0-9._~:@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})";
const PATH = `(/${URI_CHAR}*)*(\\?(${URI_CHAR}|[/?])*)?(#(${URI_CHAR}|[/?])*)?`;
const URI = `[A-Za-z][A-Za-z0-9+.-]{1,20}://${HOST}(:\\d{1,5})?${PATH}`;

// Units in order, none left out between two.
const DAYS = '(\\d{1,6}D|\\d{1,6}M(\\d{1,6}D)?|\\d{1,6}Y(\\d{1,6}M(\\d{1,6}D)?)?)';
const CLOCK = 'T(\\d{1,6}S|\\d{1,6}M(\\d{1,6}S)?|\\d{1,6}H(\\d{1,6}M(\\d{1,6}S)?)?)';

export const FORMATS: ReadonlyMap<string, string> = new Map([
  ['date', DATE],
  ['time', TIME],
  ['date-time', `${DATE}T${TIME}`],
  ['duration', `P(\\d{1,6}W|${DAYS}(${CLOCK})?|${CLOCK})`],
  ['email', `[A-Za-z0-9_+-]{1,20}(\\.[A-Za-z0-9_+-]{1,20}){0,2}@${LABEL}(\\.${LABEL}){0,2}\\.[A-Za-z]{2,12}`],
  ['hostname', HOST],
  ['ipv4', `${OCTET}(\\.${OCTET}){3}`],
  ['ipv6', `(${HEX}{1,4}:){7}${HEX}{1,4}|(${HEX}{1,4}(:${HEX}{1,4}){0,3})?::(${HEX}{1,4}(:${HEX}{1,4}){0,2})?`],
  ['uuid', `${HEX}{8}-${HEX}{4}-${HEX}{4}-${HEX}{4}-${HEX}{12}`],
  ['uri', URI],
  ['url', URI],
  ['uri-reference', `${URI}|${PATH}`],
  ['json-pointer', '(/([^~/]|~[01])*)*'],
]);
