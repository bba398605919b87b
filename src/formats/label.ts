/**
 * A name or value from a file, fit for an error message: a hostile one must neither fill the terminal nor
 * command it.
 */
export function label(text: unknown): string {
  const clean = String(text).replace(/[\u0000-\u001f\u007f-\u009f]/g, '\ufffd');
  return clean.length > 100 ? `${clean.slice(0, 100)}…` : clean;
}
